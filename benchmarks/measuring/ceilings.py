"""What this machine can do at most: rates of bare matrix products.

Two ceilings. Where all samples are computed at once, the products of a whole
pass, each at the best rate that its shape reaches here. Where a sample waits
for the one before, the same products with one or a few rows, one after the
other in a compiled loop, each needing the result of the one before it, and
nothing around them.
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from benchmarks.measuring import harness
from benchmarks.measuring.flops import Product, total
from benchmarks.measuring.results import Ceiling

TYPES = ('float32', 'bfloat16')
# How a product is executed: by XLA, or by TensorFlow's own kernels (oneDNN).
_EXECUTORS = {'XLA': True, 'TensorFlow': False}
# A run of a product's chain has about as many operations as this, but no more
# pairs of products than that.
_FLOPS_OF_A_RUN = 2e9
_PAIRS_OF_A_RUN = 200


def _random(generator, shape, dtype):
  """Neither zeros nor denormals, and of a size that products keep."""
  values = generator.normal(0, shape[0] ** -0.5, shape)
  return tf.cast(tf.constant(values, tf.float32), dtype)


class ProductRate:
  """The rate at `[rows, inputs] x [inputs, outputs]` and back again.

  The way back makes a chain of any shape: each product reads the result of
  the one before it.

  Args:
    rows, inputs, outputs: of the product.
    dtype: 'float32' or 'bfloat16'.
    compiled: by XLA, else by TensorFlow's kernels.
  """

  def __init__(self, rows, inputs, outputs, dtype, compiled):
    generator = np.random.default_rng(0)
    self._x = _random(generator, [rows, inputs], dtype)
    there = _random(generator, [inputs, outputs], dtype)
    back = _random(generator, [outputs, inputs], dtype)
    flops = 2.0 * rows * inputs * outputs
    pairs = round(_FLOPS_OF_A_RUN / (2 * flops))
    pairs = min(max(pairs, 1), _PAIRS_OF_A_RUN)

    def chain(x):
      return tf.while_loop(
        lambda i, _: i < pairs,
        lambda i, x: (i + 1, tf.matmul(tf.matmul(x, there), back)),
        (0, x),
        maximum_iterations=pairs,
      )[1]

    self._flops = 2 * pairs * flops
    self._chain = tf.function(chain, jit_compile=compiled, autograph=False)
    self._time = harness.timed(lambda: self._chain(self._x).numpy())
    self._time()  # Compiles.

  def __call__(self) -> float:
    """Operations per second, measured now."""
    return self._flops / self._time()


def best_rate(rows, inputs, outputs, dtype) -> Callable[[], float]:
  """The `ProductRate` of the executor that is faster at this shape."""
  rates = [
    ProductRate(rows, inputs, outputs, dtype, compiled)
    for compiled in _EXECUTORS.values()
  ]
  return max(rates, key=lambda rate: max(rate(), rate()))


class Products:
  """All products of a pass over many samples: a contender of `harness`.

  Calling it measures the rate of every shape anew, and returns the seconds
  that the products would take at these rates.

  Args:
    found: products of a pass, as often as they occur in it.
    samples: of audio that the pass computes.
    dtype: 'float32' or 'bfloat16'.
  """

  def __init__(self, found: list[Product], samples: int, dtype: str):
    flops = Counter()
    for product in found:
      rows = max(1, round(samples * product.per_sample))
      shape = rows, product.inputs, product.outputs
      flops[shape] += samples * product.flops_per_sample
    self._flops = flops
    self._rates = {shape: best_rate(*shape, dtype) for shape in flops}

  def __call__(self) -> float:
    return sum(
      flops / self._rates[shape]() for shape, flops in self._flops.items()
    )


def rates(rows, inputs, outputs, repeats) -> list[Ceiling]:
  """Both types, both executors, at one shape; medians of alternating runs."""
  contenders = {
    f'[{rows},{inputs}] x [{inputs},{outputs}] and back, {dtype}, {name}': (
      ProductRate(rows, inputs, outputs, dtype, compiled)
    )
    for dtype in TYPES
    for name, compiled in _EXECUTORS.items()
  }
  measured = harness.alternate(contenders, repeats)
  return [
    Ceiling(what, harness.median(found) / 1e9)
    for what, found in measured.items()
  ]


class ChainForm(NamedTuple):
  """How a chain's products are written; which is best depends on the rows."""

  dtype: str
  transposed: bool  # y' = W' x' rather than y = x W

  @property
  def name(self) -> str:
    return f'{self.dtype}, {"columns" if self.transposed else "rows"}'


CHAIN_FORMS = tuple(
  ChainForm(dtype, transposed) for dtype in TYPES for transposed in (0, 1)
)


class StepChain:
  """The products of one autoregressive step, and nothing else.

  A compiled loop of `steps` steps. Each product multiplies the result of the
  one before it, cut or repeated to its width; a step begins with noise and a
  trace of the step before.

  Args:
    found: products of a step, in any order.
    batch: rows of every product.
    steps: of a run.
    form: of the products.
  """

  def __init__(
    self, found: list[Product], batch: int, steps: int, form: ChainForm
  ):
    generator = np.random.default_rng(0)
    self.steps = steps
    self.flops = batch * total(found)
    self._transposed = form.transposed
    self._weights = [
      _random(generator, [p.inputs, p.outputs], form.dtype) for p in found
    ]
    if form.transposed:
      self._weights = [tf.transpose(weight) for weight in self._weights]
    noise = generator.normal(
      0, 1, [steps, *self._shape(found[0].inputs, batch)]
    )
    self._noise = tf.cast(tf.constant(noise, tf.float32), form.dtype)
    self._compiled = tf.function(self._run, jit_compile=True, autograph=False)
    self._time = harness.timed(
      lambda: self._compiled(self._noise, self._weights).numpy()
    )

  def __call__(self) -> float:
    """Seconds for a step."""
    return self._time() / self.steps

  def _shape(self, width, batch):
    return [width, batch] if self._transposed else [batch, width]

  def _run(self, noise, weights):
    def step(t, x):
      x = noise[t] + 1e-3 * self._fit(x, noise.shape[1 + self._axis])
      for weight in weights:
        x = self._multiply(x, weight)
      return t + 1, self._fit(x, noise.shape[1 + self._axis])

    return tf.while_loop(
      lambda t, _: t < self.steps, step, (0, noise[0]), parallel_iterations=1
    )[1]

  @property
  def _axis(self):
    return 0 if self._transposed else 1

  def _multiply(self, x, weight):
    if self._transposed:
      return tf.matmul(weight, self._fit(x, weight.shape[1]))
    return tf.matmul(self._fit(x, weight.shape[0]), weight)

  def _fit(self, x, width):
    """Cuts or repeats the features of x."""
    found = x.shape[self._axis]
    if found < width:
      x = tf.concat([x] * -(-width // found), self._axis)
    return x[:width] if self._transposed else x[:, :width]


def best_chain(found, batch, steps, dtypes=TYPES) -> tuple[str, StepChain]:
  """The fastest form of a chain, by one trial each, and its name."""
  chains = {
    form.name: StepChain(found, batch, steps, form)
    for form in CHAIN_FORMS
    if form.dtype in dtypes
  }
  seconds = {}
  for name, chain in chains.items():
    chain()  # Compiles.
    seconds[name] = min(chain(), chain())
  name = min(seconds, key=seconds.get)
  return name, chains[name]
