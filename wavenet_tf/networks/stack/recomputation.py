"""Layers that are computed again in the backward pass instead of kept.

Training keeps what every layer computes until its gradient is due. With this,
a layer keeps its arguments alone (Chen et al., 1604.06174).
"""

from collections.abc import Callable, Iterator
import contextlib
import contextvars

import keras
import tensorflow as tf

_RECOMPUTES = contextvars.ContextVar('recomputes', default=False)


@contextlib.contextmanager
def recomputation(wanted: bool = True) -> Iterator[None]:
  """What is traced in here recomputes its residual blocks, where wanted."""
  token = _RECOMPUTES.set(wanted)
  try:
    yield
  finally:
    _RECOMPUTES.reset(token)


def run(
  layer: keras.layers.Layer,
  function: Callable,
  *arguments: tf.Tensor | None,
) -> tuple[tf.Tensor, ...]:
  """`function(*arguments)`, computed twice within `recomputation`.

  Gradients are those of the function; its first pass leaves nothing behind.

  Args:
    layer: the one whose variables the function reads.
    function: of the arguments -> tensors; it reads no other variables, and no
      tensors that a gradient goes to.
    *arguments: float32 tensors, or None; first what the layer before computed.
  """
  if not _RECOMPUTES.get():
    return function(*arguments)
  learned, frozen = layer.trainable_variables, layer.non_trainable_variables
  variables = learned + frozen
  given = [i for i, x in enumerate(arguments) if x is not None]

  def compute(flat):
    values, told = flat[: len(variables)], flat[len(variables) :]
    full = list(arguments)
    for i, x in zip(given, told):
      full[i] = x
    stand_ins = list(zip(variables, values))
    with keras.StatelessScope(state_mapping=stand_ins):
      return function(*full)

  @tf.custom_gradient
  def recomputed(*flat):
    def gradient(*upstream):
      values, told = flat[: len(variables)], flat[len(variables) :]
      # Else a compiler sees that the function was computed before, and keeps
      # its result; or computes all layers again at once.
      again = [*_after(upstream, values), *told]
      with tf.GradientTape() as tape:
        tape.watch(again)
        outputs = compute(again)
      slopes = tape.gradient(
        outputs, again, upstream, unconnected_gradients='zero'
      )
      if not learned:
        return slopes
      # Else XLA's schedule goes down to the first layer and leaves all other
      # slopes to the end, and keeps till then what they are made of.
      down = len(variables)
      others = slopes[: len(learned)] + slopes[down + 1 :]
      slopes[down] = _after(others, slopes[down : down + 1])[0]
      return slopes

    return compute(flat), gradient

  return recomputed(
    *(tf.convert_to_tensor(v) for v in variables),
    *(arguments[i] for i in given),
  )


def _after(others, values):
  """The values, once the others are there.

  Zero times a number is zero only where the number is finite, so that no
  compiler leaves it out.
  """
  nothing = 0.0 * tf.add_n([tf.reduce_max(x) for x in others])
  return [x + tf.cast(nothing, x.dtype) for x in values]
