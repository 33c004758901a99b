"""Sections about sizes: teacher, context stack, student, classifier."""

import dataclasses

from wavenet_tf.configuration.choices import (
  EVERYWHERE,
  FLOAT32,
  GATED,
  GAUSSIAN,
  GAUSSIAN_MIXTURE,
  LOGISTIC,
  LOGISTIC_MIXTURE,
)


@dataclasses.dataclass(kw_only=True)
class TeacherConfig:
  """The autoregressive WaveNet (1609.03499; sizes of 1711.10433)."""

  cycles: int = 2
  layers_per_cycle: int = 10
  kernel_size: int = 2
  residual_channels: int = 64
  # Outputs of a gated unit: half of the papers' "gate units".
  gate_channels: int = 64
  skip_channels: int = 128
  # 'gated' units, or 'relu', for the comparison of 1609.03499 sec. 2.3.
  activation: str = GATED
  input: str = 'scalar'
  # Which samples of a crop count: 'everywhere', or those whose receptive
  # field lies within the crop ('full_context').
  score: str = EVERYWHERE
  output: str = LOGISTIC_MIXTURE
  mu_law_levels: int = 256
  # A mixture of one component is a single logistic or Gaussian.
  mixture_components: int = 10
  # A mixture's samples lie on a grid of 2^bits levels, 8 to 16.
  bits: int = 16
  # Whether a mixture gives the mass of a level, or a density.
  discretized: bool = True
  # The amplitude that is one inside the network: its scalar input is divided
  # by it, its mixture locations are multiplied by it. About the loudness of
  # the recordings; larger and small errors of a location cost large gradients.
  signal_unit: float = 0.05
  # Floor of the mixture's log-scales; waveforms lie in [-1, 1).
  min_log_scale: float = -11.0
  # One of PRODUCT_DTYPES; bfloat16 is faster where the processor has it.
  product_dtype: str = FLOAT32

  @property
  def mixture_family(self) -> str:
    return GAUSSIAN if self.output == GAUSSIAN_MIXTURE else LOGISTIC

  @property
  def dilations(self) -> tuple[int, ...]:
    return _dilations(
      self.cycles * self.layers_per_cycle, self.layers_per_cycle
    )

  @property
  def receptive_field_samples(self) -> int:
    """Samples before t that parameters at t can see (1609.03499 sec. 2.1)."""
    # The entrance convolution adds kernel_size - 1 to the dilated stack.
    return 1 + (self.kernel_size - 1) * (sum(self.dilations) + 1)


@dataclasses.dataclass(kw_only=True)
class ContextConfig:
  """The teacher's context stack (1609.03499 sec. 2.6).

  See `networks/context.py`.
  """

  # 0: no context stack.
  cycles: int = 0
  layers_per_cycle: int = 6
  kernel_size: int = 2
  residual_channels: int = 32
  gate_channels: int = 32
  # It takes one step for so many samples.
  pool_samples: int = 80
  # What it tells the teacher.
  channels: int = 32
  # In training, the teacher itself hears only so many samples at the end of a
  # crop, the context stack all of it; 0: both hear all.
  teacher_samples: int = 0

  @property
  def dilations(self) -> tuple[int, ...]:
    return _dilations(
      self.cycles * self.layers_per_cycle, self.layers_per_cycle
    )

  @property
  def receptive_field_samples(self) -> int:
    """Samples before a context frame that it can see; 0 without a stack."""
    if not self.cycles:
      return 0
    frames = 1 + (self.kernel_size - 1) * (sum(self.dilations) + 1)
    return self.pool_samples * frames


@dataclasses.dataclass(kw_only=True)
class StudentConfig:
  """The chain of inverse autoregressive flows (1711.10433 sec. 3)."""

  # The white noise that the flows turn into speech.
  base: str = LOGISTIC
  # Layers of each flow. Empty: this run has no student.
  flow_layers: tuple[int, ...] = (10, 10, 10, 10)
  layers_per_cycle: int = 10
  kernel_size: int = 2
  residual_channels: int = 64
  gate_channels: int = 32
  # Harmonics of the running phase of F0 that every flow hears beside its
  # conditioning, predicted from the log-mel; 0: none.
  phase_harmonics: int = 0
  # The chain starts with total location 0 and this total scale.
  initial_scale: float = 0.05
  # Floor and ceiling of every flow's log-scale.
  min_log_scale: float = -7.0
  max_log_scale: float = 3.0
  # One of PRODUCT_DTYPES.
  product_dtype: str = FLOAT32

  def dilations(self, flow: int) -> tuple[int, ...]:
    return _dilations(self.flow_layers[flow], self.layers_per_cycle)

  @property
  def receptive_field_samples(self) -> int:
    """Noise samples before t that sample t of the waveform depends on."""
    return sum(
      1 + (self.kernel_size - 1) * (sum(self.dilations(i)) + 1)
      for i in range(len(self.flow_layers))
    )


@dataclasses.dataclass(kw_only=True)
class ClassifierConfig:
  """The classifier of raw audio (1609.03499 sec. 3.4).

  See `networks/classifier.py`.
  """

  # One of LABEL_KINDS.
  labels: str = 'phones'
  cycles: int = 2
  layers_per_cycle: int = 10
  kernel_size: int = 2
  residual_channels: int = 32
  gate_channels: int = 32
  skip_channels: int = 64
  # The waveform's amplitude that is one inside the network.
  signal_unit: float = 0.05
  # Activations are averaged over frames of this length (the paper's 10 ms).
  frame_milliseconds: float = 10.0
  frame_channels: int = 64
  # Convolutions over frames; the first reaches one frame to either side, each
  # further one `frame_dilation_growth` times as many as the one before.
  frame_layers: int = 3
  frame_dilation_growth: int = 1
  # Share of a frame's features that training leaves out, layer by layer.
  dropout: float = 0.0
  # Training hears a crop at another level, and at another speed (and so pitch
  # and vocal tract), by up to so much.
  gain_decibels: float = 0.0
  speed_share: float = 0.0
  # Of the nats per sample beside the frames' cross-entropy; 0: one loss only.
  next_sample_weight: float = 0.1

  @property
  def dilations(self) -> tuple[int, ...]:
    return _dilations(
      self.cycles * self.layers_per_cycle, self.layers_per_cycle
    )

  @property
  def receptive_field_samples(self) -> int:
    """Samples before t that the gates at t can see."""
    return 1 + (self.kernel_size - 1) * (sum(self.dilations) + 1)

  @property
  def frame_dilations(self) -> tuple[int, ...]:
    return tuple(
      self.frame_dilation_growth**i for i in range(self.frame_layers)
    )

  @property
  def frame_reach(self) -> int:
    """Frames to either side that the class of a frame can see."""
    return sum(self.frame_dilations)

  def frame_samples(self, sample_rate_hz: int) -> int:
    return round(self.frame_milliseconds * sample_rate_hz / 1000)


def _dilations(layers: int, layers_per_cycle: int) -> tuple[int, ...]:
  """1, 2, 4, ... doubling within a cycle, whatever the kernel size."""
  return tuple(2 ** (layer % layers_per_cycle) for layer in range(layers))
