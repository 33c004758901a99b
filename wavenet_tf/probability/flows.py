"""The inverse autoregressive flow as a TFP bijector, chains, and the inverse.

Two readings of one function (loc_t, log_scale_t) of the past:

  inverse autoregressive   x_t = z_t exp(log_scale_t(z_<t)) + loc_t(z_<t)
  masked autoregressive    x_t = z_t exp(log_scale_t(x_<t)) + loc_t(x_<t)

The first, the student, draws in one pass and scores foreign audio sample by
sample; the second, a WaveNet with one continuous output, the reverse. Each is
the other's inverse (1705.07057 sec. 3.4).
"""

from collections.abc import Callable, Sequence
import dataclasses
from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

tfb = tfp.bijectors
tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class AutoregressiveFunction:
  """(loc_t, log_scale_t) as a function of the samples before t.

  Attributes:
    whole: waveform `[B, T]` -> (loc, log_scale), each `[B, T]`, in one pass.
    begin: batch size -> the state before the first sample.
    step: (x_{t-1} `[B]`, state, t) -> (loc_t, log_scale_t, state), the same
      function one sample at a time, with its past cached.
  """

  whole: Callable
  begin: Callable
  step: Callable


class InverseAutoregressiveFlow(tfb.Bijector):
  """x_t = z_t exp(log_scale_t) + loc_t, parameters from z_<t only.

  (1711.10433 sec. 3, eq. 5.) Forward is one pass of the network, the Jacobian
  is lower triangular with the scales on its diagonal, so
  ln |det dx/dz| = sum_t log_scale_t. Inverse must go sample by sample, as
  z_t = (x_t - loc_t) exp(-log_scale_t) needs z_<t; it keeps the network's past
  in a cache, so T samples cost T steps.

  The bijector is a value built per call; the network's variables belong to
  Keras. Eagerly, TFP returns cached results for the same tensor even after an
  update of the weights: pass `tf.identity(x)` where that matters.

  Args:
    function: strictly causal.

  Example:
    ```python
    flow = student.flows(conditioning)[0]
    x = flow.forward(z)
    z = flow.inverse(tf.identity(x))
    ```
  """

  def __init__(
    self,
    function: AutoregressiveFunction,
    validate_args: bool = False,
    name: str = 'inverse_autoregressive_flow',
  ):
    parameters = dict(locals())
    self.function = function
    super().__init__(
      forward_min_event_ndims=1,
      dtype=tf.float32,
      validate_args=validate_args,
      parameters=parameters,
      name=name,
    )

  def _forward(self, x):
    _check_rank(x)
    return self._apply(x, *self.function.whole(x))

  def _forward_log_det_jacobian(self, x):
    return tf.reduce_sum(self.function.whole(x)[1], -1)

  def _inverse(self, y):
    _check_rank(y)
    batch, samples = tf.unstack(tf.shape(y))
    by_time = tf.transpose(y)

    def solve_next(t, previous, state, x):
      loc, log_scale, state = self.function.step(previous, state, t)
      solved = self._solve(tf.gather(by_time, t), loc, log_scale)
      x = tf.tensor_scatter_nd_update(x, [[t]], [solved])
      return t + 1, solved, state, x

    *_, x = tf.while_loop(
      lambda t, *_: t < samples,
      solve_next,
      (
        0,
        tf.zeros([batch]),
        self.function.begin(batch),
        tf.zeros_like(by_time),
      ),
      maximum_iterations=samples,
    )
    return tf.ensure_shape(tf.transpose(x), y.shape)

  # TFP derives the inverse's log-determinant from these, through its cache:
  # own samples are not solved for again.

  def _apply(self, x, loc, log_scale):
    return x * tf.exp(log_scale) + loc

  def _solve(self, y, loc, log_scale):
    return (y - loc) * tf.exp(-log_scale)

  @classmethod
  def _parameter_properties(cls, dtype):
    return {}


class _Whitening(InverseAutoregressiveFlow):
  """z_t = (x_t - loc_t) exp(-log_scale_t), parameters from x_<t only.

  An inverse autoregressive flow of x with mu' = -mu / sigma, sigma' = 1 / sigma
  (1705.07057 sec. 3.4), computed without the rounding of that quotient.
  """

  def _forward_log_det_jacobian(self, x):
    return -super()._forward_log_det_jacobian(x)

  def _apply(self, x, loc, log_scale):
    return super()._solve(x, loc, log_scale)

  def _solve(self, y, loc, log_scale):
    return super()._apply(y, loc, log_scale)


def masked_autoregressive_flow(function: AutoregressiveFunction) -> tfb.Invert:
  """x_t = z_t exp(log_scale_t) + loc_t, parameters from x_<t only.

  Forward generates sample by sample; inverse and density take one pass.
  """
  return tfb.Invert(_Whitening(function, name='masked_autoregressive_flow'))


def _check_rank(x):
  if x.shape.rank not in (None, 2):
    raise ValueError(
      f'A flow takes waveforms [B, T], one for each conditioning; found shape '
      f'{x.shape}. Draw several samples one after the other, or repeat the '
      'conditioning.'
    )


class FlowOutput(NamedTuple):
  """A waveform and the closed per-step distribution that it was drawn from.

  waveform = location + exp(log_scale) * z, exactly, with location_t and
  log_scale_t functions of z_<t alone. All float32 `[B, T]`.
  """

  waveform: tf.Tensor
  location: tf.Tensor
  log_scale: tf.Tensor


def compose(
  flows: Sequence[InverseAutoregressiveFlow], z: tf.Tensor
) -> FlowOutput:
  """Runs z through a chain; each network runs once."""
  output = identity(z)
  for flow in flows:
    output = extend(output, *flow.function.whole(output.waveform))
  return output


def identity(z: tf.Tensor) -> FlowOutput:
  """The chain of no flows: z itself, which has location 0 and scale 1."""
  return FlowOutput(z, tf.zeros_like(z), tf.zeros_like(z))


def extend(
  output: FlowOutput, loc: tf.Tensor, log_scale: tf.Tensor
) -> FlowOutput:
  """One flow more (1711.10433 sec. 3):

  x <- x s + mu;  location <- location s + mu;  log_scale <- log_scale + ln s.

  All flows run in the same time order, so x_t given z_<t stays one logistic
  (or Gaussian, if z is).
  """
  scale = tf.exp(log_scale)
  return FlowOutput(
    output.waveform * scale + loc,
    output.location * scale + loc,
    output.log_scale + log_scale,
  )


def flow_distribution(
  flows: Sequence[tfb.Bijector],
  standard: tfd.Distribution,
  shape: Sequence[int],
) -> tfd.TransformedDistribution:
  """The distribution over waveforms that a chain turns white noise into.

  Args:
    flows: in the order in which noise passes them.
    standard: of one noise sample, location 0 and scale 1.
    shape: `[B, T]`.

  Returns:
    A distribution with `sample`, and `log_prob` in nats per waveform: of its
    own samples from TFP's cache, of any other waveform sample by sample.
  """
  batch, samples = shape
  base = tfd.Sample(tfd.BatchBroadcast(standard, [batch]), samples)
  return tfd.TransformedDistribution(base, tfb.Chain(list(flows)[::-1]))
