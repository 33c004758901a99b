"""The autoregressive WaveNet: p(x | h) = prod_t p(x_t | x_<t, h)."""

from typing import NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from wavenet_tf.configuration.choices import FULL_CONTEXT
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.keras_saving import Configured, registered
from wavenet_tf.networks import causal_network, context
from wavenet_tf.networks.conditioning import upsampling
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.probability import flows
from wavenet_tf.probability.outputs import make_output, WaveformMixture
from wavenet_tf.signal import quantization


class TeacherState(NamedTuple):
  """The past that a chunk can see."""

  network: causal_network.NetworkState
  context: causal_network.NetworkState | tuple  # () without a context stack.


@registered
class Teacher(Configured, keras.Model):
  """WaveNet (1609.03499) with the outputs of Parallel WaveNet (1711.10433).

  Args:
    config: sizes from `config.teacher` and `config.context`, conditioning
      from `config.conditioning`, the feature range.

  Call:
    waveform: float32 `[B, T]` in [-1, 1], real samples x_0 .. x_{T-1}; with a
      context stack, T is a multiple of `context.pool_samples`.
    conditioning: `Conditioning` for T / hop frames.
    Returns output parameters `[B, T, P]`; those at t depend on x_<t only.

  Example:
    ```python
    teacher = build_teacher(config)
    parameters = teacher(waveform, Conditioning(pad_margin(log_mel)))
    nats = -teacher.output_kind.log_prob(parameters, levels)
    ```
  """

  def __init__(self, config: Config, **kwargs):
    super().__init__(config, **kwargs)
    sizes = config.teacher
    self.sizes = sizes
    self.output_kind = make_output(sizes)
    self.hop_samples = config.audio.hop_samples
    # Of a crop's end, which the network itself hears in training; 0: all.
    self.trained_samples = config.context.teacher_samples
    self.encoder = upsampling.ConditioningEncoder(config, name='encoder')
    self.context = (
      context.ContextStack(config, name='context')
      if config.context.cycles
      else None
    )
    self.network = causal_network.CausalNetwork(
      dilations=sizes.dilations,
      kernel_size=sizes.kernel_size,
      residual_channels=sizes.residual_channels,
      gate_channels=sizes.gate_channels,
      skip_channels=sizes.skip_channels,
      outputs=self.output_kind.parameter_size,
      output_bias=self.output_kind.initial_bias(),
      output_scale=0.1,
      input_gain=1.0,
      local_channels=self.encoder.local_channels
      + (config.context.channels if self.context else 0),
      activation=sizes.activation,
      product_dtype=sizes.product_dtype,
      global_channels=self.encoder.global_channels,
      name='network',
    )

  def build(self, input_shape: tuple | None = None) -> None:
    self.encoder.build()
    if self.context:
      self.context.build()
    self.network.build((None, None, self.input_channels))

  @property
  def input_channels(self) -> int:
    return self.sizes.mu_law_levels if self.sizes.input == 'one_hot' else 1

  @property
  def unscored_samples(self) -> int:
    """Samples at the start of a crop that its loss leaves out."""
    if self.sizes.score == FULL_CONTEXT:
      return self.sizes.receptive_field_samples
    return 0

  def initial_state(self, batch: int | tf.Tensor) -> TeacherState:
    return TeacherState(
      self.network.initial_state(batch, self.input_channels),
      self.context.initial_state(batch) if self.context else (),
    )

  def encode(self, waveform: tf.Tensor) -> tf.Tensor:
    """Waveform `[...]` -> network input `[..., C]`, as `teacher.input` says.

    A mu-law network hears its own alphabet: samples are quantized first.
    """
    if isinstance(self.output_kind, WaveformMixture):
      return waveform[..., None] / self.sizes.signal_unit
    levels = self.sizes.mu_law_levels
    codes = quantization.mu_law_encode(waveform, levels)
    if self.sizes.input == 'one_hot':
      return tf.one_hot(codes, levels)
    return quantization.mu_law_decode(codes, levels)[..., None] / (
      self.sizes.signal_unit
    )

  def context_frames(self, waveform: tf.Tensor) -> tf.Tensor:
    """What the context stack hears of `[B, T]`."""
    return self.context.frames(waveform / self.sizes.signal_unit)

  def chunk(
    self, waveform: tf.Tensor, conditioning: Conditioning, state: TeacherState
  ) -> tuple[tf.Tensor, TeacherState]:
    """`call` for a chunk: parameters `[B, T, P]` and the next state."""
    return self.chunk_of_inputs(
      self.encode(waveform),
      self.context_frames(waveform) if self.context else None,
      conditioning,
      state,
    )

  def chunk_of_inputs(
    self,
    encoded: tf.Tensor,
    frames: tf.Tensor | None,
    conditioning: Conditioning,
    state: TeacherState,
  ) -> tuple[tf.Tensor, TeacherState]:
    """`chunk` of what `encode` and `context_frames` (or None) returned."""
    context_state, heard = (), None
    if self.context:
      heard, context_state = self._hear(frames, state.context)
    parameters, network_state = self._continue(
      encoded, conditioning, heard, state.network
    )
    return parameters, TeacherState(network_state, context_state)

  def log_prob(
    self, levels: tf.Tensor, conditioning: Conditioning, state: TeacherState
  ) -> tuple[tf.Tensor, TeacherState]:
    """Ln P of the 16-bit levels `[B, T]` of a chunk, and the next state.

    Returns:
      Nats `[B, T]`, of each sample after all before it.
    """
    parameters, state = self.chunk(
      self.output_kind.waveform(levels), conditioning, state
    )
    return self.output_kind.log_prob(parameters, levels), state

  def call(self, waveform: tf.Tensor, conditioning: Conditioning) -> tf.Tensor:
    state = self.initial_state(tf.shape(waveform)[0])
    return self.chunk(waveform, conditioning, state)[0]

  def end_of(
    self, waveform: tf.Tensor, conditioning: Conditioning, samples: int
  ) -> tf.Tensor:
    """`call`, but the network itself hears the last `samples` only.

    So a context stack learns from long crops at a short crop's cost
    (1609.03499 sec. 2.6).

    Args:
      waveform: as in `call`.
      conditioning: as in `call`.
      samples: a multiple of the hop, T or fewer.

    Returns:
      Parameters `[B, samples, P]`.
    """
    if samples == waveform.shape[1]:
      return self(waveform, conditioning)
    state = self.initial_state(tf.shape(waveform)[0])
    heard = None
    if self.context:
      frames = self.context_frames(waveform)
      heard = self._hear(frames, state.context)[0][:, -samples:]
    if conditioning.local is not None:
      frames = samples // self.hop_samples + 2 * self.config.margin_frames
      conditioning = conditioning._replace(
        local=conditioning.local[:, -frames:]
      )
    return self._continue(
      self.encode(waveform[:, -samples:]), conditioning, heard, state.network
    )[0]

  def _hear(self, frames, state):
    """The context at audio rate `[B, T, channels]`, and its next state."""
    context_, state = self.context(frames, state)
    return tf.repeat(context_, self.context.pool_samples, axis=1), state

  def _continue(self, x, conditioning, heard, state):
    """The network itself on `encode`'s x, told the context `heard`."""
    told = self.encoder(conditioning)
    if heard is not None:
      told = told.beside(heard)
    return self.network(x, conditioning=told, state=state)

  def flow(self, conditioning: Conditioning) -> tfp.bijectors.Bijector:
    """A WaveNet with one continuous component, read as a flow of its noise.

    Forward is ancestral generation, inverse recovers the noise of a recording
    in one pass (1705.07057 sec. 3.4).

    Returns:
      A `tfb.Bijector`, noise `[B, T]` -> waveform `[B, T]`.

    Raises:
      ValueError: if the output is a softmax, a mixture, or discretized, or
        if there is a context stack.
    """
    output = self.output_kind
    if not (
      isinstance(output, WaveformMixture)
      and output.components == 1
      and not output.discretized
    ):
      raise ValueError(
        'Only an output of one continuous component is a flow: expected '
        'teacher.mixture_components=1 and teacher.discretized=False, found '
        f'{output}.'
      )
    if self.context:
      raise ValueError(
        'A teacher with a context stack is not read as a flow here: expected '
        'context.cycles=0.'
      )
    encoded = self.encoder(conditioning)

    def read(parameters):
      _, loc, log_scale = output.split(parameters)
      return loc[..., 0], log_scale[..., 0]

    def whole(waveform):
      state = self.initial_state(tf.shape(waveform)[0])
      return read(
        self.network(
          self.encode(waveform), conditioning=encoded, state=state.network
        )[0]
      )

    def step(previous, state, t):
      parameters, state = causal_network.conditioned_step(
        self.network, self.encode(previous), state, t
      )
      return (*read(parameters), state)

    def begin(batch):
      return causal_network.conditioned_rings(
        self.network, encoded, self.initial_state(batch).network
      )

    return flows.masked_autoregressive_flow(
      flows.AutoregressiveFunction(whole, begin, step)
    )


def build_teacher(config: Config) -> Teacher:
  """A `Teacher` whose variables exist."""
  teacher = Teacher(config, name='teacher')
  teacher.build()
  return teacher
