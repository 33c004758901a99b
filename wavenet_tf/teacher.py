"""The autoregressive WaveNet: p(x | h) = prod_t p(x_t | x_<t, h)."""

import keras
import tensorflow as tf

from wavenet_tf import audio, distributions, flows, network, upsampling
from wavenet_tf.config import Config, MARGIN_FRAMES
from wavenet_tf.layers import Conditioning


class Teacher(keras.Model):
  """WaveNet (1609.03499) with the outputs of Parallel WaveNet (1711.10433).

  Args:
    config: sizes from `config.teacher`, upsampling from
      `config.conditioning`, the feature range from `config.audio`.

  Call:
    waveform: float32 `[B, T]` in [-1, 1], real samples x_0 .. x_{T-1}.
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
    super().__init__(**kwargs)
    sizes = config.teacher
    self.sizes = sizes
    self.output_kind = distributions.make_output(sizes)
    self.upsampler = upsampling.ConditioningUpsampler(
      config.conditioning.upsampler,
      config.conditioning.upsample_factors,
      config.conditioning.channels,
      config.audio.log_mel_floor,
      name='upsampler',
    )
    self.network = network.CausalNetwork(
      dilations=sizes.dilations,
      kernel_size=sizes.kernel_size,
      residual_channels=sizes.residual_channels,
      gate_channels=sizes.gate_channels,
      skip_channels=sizes.skip_channels,
      outputs=self.output_kind.parameter_size,
      output_bias=self.output_kind.initial_bias(),
      output_scale=0.1,
      input_gain=1.0,
      name='network',
    )

  @property
  def input_channels(self) -> int:
    return self.sizes.mu_law_levels if self.sizes.input == 'one_hot' else 1

  def initial_state(self, batch) -> network.NetworkState:
    return self.network.initial_state(batch, self.input_channels)

  def encode(self, waveform):
    """Waveform `[...]` -> network input `[..., C]`, as `teacher.input` says.

    A mu-law network hears its own alphabet: samples are quantized first.
    """
    if isinstance(self.output_kind, distributions.WaveformMixture):
      return waveform[..., None] / self.sizes.signal_unit
    levels = self.sizes.mu_law_levels
    codes = audio.mu_law_encode(waveform, levels)
    if self.sizes.input == 'one_hot':
      return tf.one_hot(codes, levels)
    return audio.mu_law_decode(codes, levels)[..., None] / (
      self.sizes.signal_unit
    )

  def project(self, conditioning: Conditioning):
    """Conditioning of all blocks at audio rate, `[B, T, layers * 2 G]`."""
    local = conditioning.local
    if local is not None:
      local = self.upsampler(local)
    return self.network.stack.project(local, conditioning.global_)

  def chunk(self, waveform, conditioning: Conditioning, state):
    """`call` for a chunk: parameters `[B, T, P]` and the next state."""
    return self.network(
      self.encode(waveform), self.project(conditioning), state
    )

  def call(self, waveform, conditioning):
    state = self.initial_state(tf.shape(waveform)[0])
    return self.chunk(waveform, conditioning, state)[0]

  def flow(self, conditioning: Conditioning):
    """A WaveNet with one continuous component, read as a flow of its noise.

    Forward is ancestral generation, inverse recovers the noise of a recording
    in one pass (1705.07057 sec. 3.4).

    Returns:
      A `tfb.Bijector`, noise `[B, T]` -> waveform `[B, T]`.

    Raises:
      ValueError: if the output is a softmax, a mixture, or discretized.
    """
    output = self.output_kind
    if not (
      isinstance(output, distributions.WaveformMixture)
      and output.components == 1
      and not output.discretized
    ):
      raise ValueError(
        'Only an output of one continuous component is a flow: expected '
        'teacher.mixture_components=1 and teacher.discretized=False, found '
        f'{output}.'
      )
    projected = self.project(conditioning)

    def read(parameters):
      _, loc, log_scale = output.split(parameters)
      return loc[..., 0], log_scale[..., 0]

    def whole(waveform):
      state = self.initial_state(tf.shape(waveform)[0])
      return read(self.network(self.encode(waveform), projected, state)[0])

    def step(previous, rings, t):
      conditioning = None if projected is None else projected[:, t]
      parameters, rings = self.network.step(
        self.encode(previous), conditioning, rings, t
      )
      return (*read(parameters), rings)

    def begin(batch):
      return network.rings_from_state(self.initial_state(batch))

    return flows.masked_autoregressive_flow(
      flows.AutoregressiveFunction(whole, begin, step)
    )


def build_teacher(config: Config) -> Teacher:
  """A `Teacher` whose variables exist."""
  teacher = Teacher(config, name='teacher')
  hop = config.audio.hop_samples
  teacher(tf.zeros([1, hop]), example_conditioning(config, frames=1))
  return teacher


def example_conditioning(config: Config, frames: int) -> Conditioning:
  """Silence, of the right shape."""
  return Conditioning(
    tf.fill(
      [1, frames + 2 * MARGIN_FRAMES, config.audio.mel_bins],
      config.audio.log_mel_floor,
    )
  )
