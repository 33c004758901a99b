"""The parallel student: a chain of inverse autoregressive flows."""

from collections.abc import Sequence
import math
from typing import NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.keras_saving import Configured, registered
from wavenet_tf.networks import causal_network
from wavenet_tf.networks.conditioning import upsampling
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.conditioning.pitch import running_pitch
from wavenet_tf.probability import flows
from wavenet_tf.probability.families import FAMILIES
from wavenet_tf.signal.phase import initial_phase


class StudentState(NamedTuple):
  """What a chunk leaves to the next.

  Attributes:
    flows: the state of each flow's network.
    phase: int32 `[B]`, of the running phase; zero where the flows hear none.
  """

  flows: tuple[causal_network.NetworkState, ...]
  phase: tf.Tensor


@registered
class Student(Configured, keras.Model):
  """White noise -> waveform in one pass (1711.10433 sec. 3).

  Each flow is a WaveNet without skip connections with two outputs, location
  (in units of the scale that the chain starts with there) and log-scale. The
  chain starts near a multiplication by `student.initial_scale`: total location
  0, total scale as stated.

  With `student.phase_harmonics` every flow also hears the running phase of F0
  (1810.11946's source, beside the conditioning instead of in place of noise):
  see `pitch.RunningPitch`. What reads it off a log-mel is trained before the
  student.

  Args:
    config: sizes from `config.student`, upsampling from
      `config.conditioning`.

  Call:
    z: float32 `[B, T]`, noise of the standard member of `family`:
      Logistic(0, 1), or Normal(0, 1) where `student.base` says so.
    conditioning: `Conditioning` for T / hop frames.
    Returns `flows.FlowOutput`.

  Example:
    ```python
    student = build_student(config)
    z = student.family.standard_noise([1, samples], seed)
    waveform = student(z, conditioning).waveform
    ```
  """

  def __init__(self, config: Config, **kwargs):
    super().__init__(config, **kwargs)
    sizes = config.student
    self.sizes = sizes
    self.family = FAMILIES[sizes.base]
    self.encoder = upsampling.ConditioningEncoder(config, name='encoder')
    self.pitch = sizes.phase_harmonics and running_pitch(config, name='pitch')
    local_channels = self.encoder.local_channels
    if self.pitch:
      local_channels += self.pitch.channels
    chain = len(sizes.flow_layers)
    flow_scale = sizes.initial_scale ** (1.0 / chain)
    # What counts as one at the entrance of flow i, and at the end of the chain.
    self.units = [flow_scale**i for i in range(chain + 1)]
    noise_deviation = float(self.family.standard().stddev())
    self.networks = [
      causal_network.CausalNetwork(
        dilations=sizes.dilations(i),
        kernel_size=sizes.kernel_size,
        residual_channels=sizes.residual_channels,
        gate_channels=sizes.gate_channels,
        skip_channels=None,
        outputs=2,
        output_bias=[0.0, math.log(flow_scale)],
        output_scale=1e-3,
        input_gain=1.0 / (noise_deviation * self.units[i]),
        local_channels=local_channels,
        product_dtype=sizes.product_dtype,
        global_channels=self.encoder.global_channels,
        name=f'flow_{i}',
      )
      for i in range(chain)
    ]

  def build(self, input_shape: tuple | None = None) -> None:
    self.encoder.build()
    if self.pitch:
      self.pitch.build()
    for network in self.networks:
      network.build((None, None, 1))

  def initial_state(self, batch: int | tf.Tensor) -> StudentState:
    """Nothing was heard yet."""
    return StudentState(
      tuple(net.initial_state(batch, 1) for net in self.networks),
      initial_phase(batch),
    )

  def call(self, z: tf.Tensor, conditioning: Conditioning) -> flows.FlowOutput:
    return self.chunk(z, conditioning, self.initial_state(tf.shape(z)[0]))[0]

  def chunk(
    self, z: tf.Tensor, conditioning: Conditioning, state: StudentState
  ) -> tuple[flows.FlowOutput, StudentState]:
    """`call` for a chunk: `FlowOutput` and the next state."""
    output, next_states = flows.identity(z), []
    encoded, phase = self._encode(conditioning, state.phase)
    for i, flow_state in enumerate(state.flows):
      loc, log_scale, flow_state = self._parameters(
        i, output.waveform, encoded, flow_state
      )
      output = flows.extend(output, loc, log_scale)
      next_states.append(flow_state)
    return output, StudentState(tuple(next_states), phase)

  def flows(
    self, conditioning: Conditioning
  ) -> list[flows.InverseAutoregressiveFlow]:
    """The chain as bijectors, in the order in which noise passes them."""
    batch = tf.shape(conditioning.local)[0] if self.pitch else 1
    encoded, _ = self._encode(conditioning, initial_phase(batch))
    return [
      flows.InverseAutoregressiveFlow(self._function(i, encoded))
      for i in range(len(self.networks))
    ]

  def distribution(
    self, conditioning: Conditioning, shape: Sequence[int]
  ) -> tfp.distributions.TransformedDistribution:
    """The student as a `tfd.TransformedDistribution` over `[B, T]` waveforms.

    It samples in one pass, gives the density of its own samples at no more
    cost (eagerly, through TFP's cache), and that of any waveform slowly.
    """
    return flows.flow_distribution(
      self.flows(conditioning), self.family.standard(), shape
    )

  def _encode(self, conditioning, phase):
    """-> what all flows hear, and the running phase after it."""
    encoded = self.encoder(conditioning)
    if not self.pitch:
      return encoded, phase
    waves, phase = self.pitch(conditioning.local, phase)
    return encoded.beside(waves), phase

  def _function(self, i, encoded):
    """What flow i computes, at once and step by step."""
    net = self.networks[i]

    def whole(x):
      state = net.initial_state(tf.shape(x)[0], 1)
      return self._parameters(i, x, encoded, state)[:2]

    def step(previous, state, t):
      outputs, state = causal_network.conditioned_step(
        net, previous[:, None], state, t
      )
      return (*self._read(i, outputs), state)

    def begin(batch):
      return causal_network.conditioned_rings(
        net, encoded, net.initial_state(batch, 1)
      )

    return flows.AutoregressiveFunction(whole, begin, step)

  def _parameters(self, i, x, encoded, state):
    """-> location and log-scale of flow i, `[B, T]`, and its next state."""
    outputs, state = self.networks[i](
      x[..., None], conditioning=encoded, state=state
    )
    return (*self._read(i, outputs), state)

  def _read(self, i, outputs):
    """Outputs `[..., 2]` of network i -> location and log-scale `[...]`."""
    loc, log_scale = tf.unstack(outputs, axis=-1)
    log_scale = tf.clip_by_value(
      log_scale, self.sizes.min_log_scale, self.sizes.max_log_scale
    )
    return loc * self.units[i + 1], log_scale


def build_student(config: Config) -> Student:
  """A `Student` whose variables exist."""
  student = Student(config, name='student')
  student.build()
  return student
