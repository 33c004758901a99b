"""The inverse autoregressive flow as a TFP bijector, and chains of it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

tfb = tfp.bijectors
tfd = tfp.distributions


class FlowOutput(NamedTuple):
  """A waveform and the closed per-step distribution that it was drawn from.

  waveform = location + exp(log_scale) * z, exactly, with location_t and
  log_scale_t functions of z_<t alone. All float32 `[B, T]`.
  """

  waveform: tf.Tensor
  location: tf.Tensor
  log_scale: tf.Tensor


class InverseAutoregressiveFlow(tfb.Bijector):
  """x_t = z_t exp(log_scale_t) + loc_t, parameters from z_<t only.

  (1711.10433 sec. 3, eq. 5.) Forward is one pass of the network, the Jacobian
  is lower triangular with the scales on its diagonal, so
  ln |det dx/dz| = sum_t log_scale_t. Inverse must go sample by sample.

  The bijector is a value built per call; the network's variables belong to
  Keras. Eagerly, TFP returns cached results for the same tensor even after an
  update of the weights: pass `tf.identity(x)` where that matters.

  Args:
    shift_and_log_scale_fn: strictly causal function `[B, T]` -> (loc,
      log_scale), each `[B, T]`.

  Example:
    ```python
    flow = InverseAutoregressiveFlow(student.flow_fn(0, conditioning))
    x = flow.forward(z)
    ```
  """

  def __init__(
    self,
    shift_and_log_scale_fn: Callable,
    validate_args=False,
    name='inverse_autoregressive_flow',
  ):
    parameters = dict(locals())
    self.shift_and_log_scale_fn = shift_and_log_scale_fn
    super().__init__(
      forward_min_event_ndims=1,
      dtype=tf.float32,
      validate_args=validate_args,
      parameters=parameters,
      name=name,
    )

  def _forward(self, x):
    loc, log_scale = self.shift_and_log_scale_fn(x)
    return x * tf.exp(log_scale) + loc

  def _forward_log_det_jacobian(self, x):
    return tf.reduce_sum(self.shift_and_log_scale_fn(x)[1], -1)

  def _inverse(self, y):
    steps = tf.shape(y)[-1]

    def solve_next(t, x):
      loc, log_scale = self.shift_and_log_scale_fn(x)
      solved = (y - loc) * tf.exp(-log_scale)
      # Right up to t by induction; what follows t is not read before then.
      return t + 1, tf.where(tf.range(steps) <= t, solved, x)

    return tf.while_loop(
      lambda t, _: t < steps,
      solve_next,
      (0, tf.zeros_like(y)),
      maximum_iterations=steps,
    )[1]

  def _inverse_log_det_jacobian(self, y):
    return -self._forward_log_det_jacobian(self._inverse(y))

  @classmethod
  def _parameter_properties(cls, dtype):
    return {}


def compose(flows: Sequence[InverseAutoregressiveFlow], z) -> FlowOutput:
  """Runs z through a chain; each network runs once."""
  output = identity(z)
  for flow in flows:
    output = extend(output, *flow.shift_and_log_scale_fn(output.waveform))
  return output


def identity(z) -> FlowOutput:
  """The chain of no flows: z itself, which has location 0 and scale 1."""
  return FlowOutput(z, tf.zeros_like(z), tf.zeros_like(z))


def extend(output: FlowOutput, loc, log_scale) -> FlowOutput:
  """One flow more (1711.10433 sec. 3):

  x <- x s + mu;  location <- location s + mu;  log_scale <- log_scale + ln s.

  All flows run in the same time order, so x_t given z_<t stays one logistic.
  """
  scale = tf.exp(log_scale)
  return FlowOutput(
    output.waveform * scale + loc,
    output.location * scale + loc,
    output.log_scale + log_scale,
  )


def flow_distribution(
  flows: Sequence[InverseAutoregressiveFlow], shape
) -> tfd.TransformedDistribution:
  """The distribution over waveforms that a chain turns logistic noise into.

  Args:
    flows: in the order in which noise passes them.
    shape: `[B, T]`.
  """
  batch, samples = shape
  base = tfd.Sample(tfd.Logistic(tf.zeros([batch]), tf.ones([batch])), samples)
  return tfd.TransformedDistribution(base, tfb.Chain(list(flows)[::-1]))
