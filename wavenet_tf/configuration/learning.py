"""Sections about training, distillation, evaluation and export."""

import dataclasses

from wavenet_tf.configuration.choices import POWER, SAMPLED


@dataclasses.dataclass(kw_only=True)
class TrainingConfig:
  """One training run: Adam, its schedule, and how often to look."""

  steps: int = 1000
  batch_size: int = 4
  # The gradient of a batch is summed over so many parts of it, one after the
  # other: the same gradient but for rounding, in less memory.
  microbatches: int = 1
  # Residual blocks are computed again in the backward pass in place of being
  # kept: less memory, about a third more products.
  recompute: bool = False
  crop_samples: int = 8192
  learning_rate: float = 1e-3
  warmup_steps: int = 100
  # The cosine schedule ends at this share of `learning_rate`; 1 is constant.
  final_learning_rate_share: float = 0.1
  clip_norm: float = 100.0
  average_decay: float = 0.999
  # This many steps in a row without a finite gradient end the run.
  max_bad_steps: int = 20
  checkpoint_every_steps: int = 500
  summary_every_steps: int = 100
  seed: int = 0
  jit_compile: bool = True


@dataclasses.dataclass(kw_only=True)
class DistillationConfig:
  """Terms of the student's loss (1711.10433 sec. 4), each with a weight.

  A term of weight 0 is not computed.
  """

  divergence_weight: float = 1.0
  # 'sampled' draws from the student's logistic at every step (1711.10433);
  # 'closed_form' needs a Gaussian pair (1807.07281).
  divergence: str = SAMPLED
  draws_per_step: int = 8
  # The divergence begins with this step, at a weight that grows linearly to its
  # own within so many steps; before, the teacher is not asked.
  divergence_from_step: int = 0
  divergence_ramp_steps: int = 0
  # Of relu(log_scale_floor - ln s), s the total scale, as far as the divergence
  # is not there yet: nothing else holds the scales up.
  log_scale_floor_weight: float = 0.0
  log_scale_floor: float = -8.0
  # Of (ln s_teacher - ln s_student)^2 beside the closed form (1807.07281).
  regularization_weight: float = 4.0
  power_weight: float = 1.0
  # phi(x): 'power' |STFT|^2 is the paper's; 'magnitude'; 'log' magnitude.
  power_feature: str = POWER
  # One STFT per window length, each with a hop of a quarter of it.
  power_window_samples: tuple[int, ...] = (512,)
  # Whether phi is averaged over time before the distance.
  power_average_over_time: bool = False
  # Whether the distance is divided by the recording's own energy of phi.
  power_relative: bool = False
  # Weights of the bands that these frequencies separate, one more than them.
  power_band_edges_hz: tuple[float, ...] = ()
  power_band_weights: tuple[float, ...] = (1.0,)
  # Of the multi-resolution STFT loss (1910.11480): one STFT per window length,
  # each with a hop of a quarter of it.
  stft_weight: float = 0.0
  stft_window_samples: tuple[int, ...] = (1024, 512, 256)
  # Magnitudes below this are raised to it: about what rounding to 16 bits
  # leaves in a bin.
  stft_floor: float = 2e-6
  # Of the perceptual loss: style (Gram matrices) and feature reconstruction.
  style_weight: float = 0.0
  feature_weight: float = 0.0
  # The run whose classifier they listen with; empty: this run's.
  classifier_workdir: str = ''
  # gamma, the weight of the divergence from the teacher under another
  # conditioning, which is subtracted; the paper's is 0.3. The other is that of
  # the row before in the batch: where both are told the same (one speaker and
  # no features), that row's divergence is subtracted from itself.
  contrastive_weight: float = 0.0

  @property
  def is_perceptual(self) -> bool:
    return bool(self.style_weight or self.feature_weight)

  @property
  def is_scheduled(self) -> bool:
    """Whether the divergence's weight depends on the step."""
    return bool(self.divergence_from_step or self.divergence_ramp_steps)


@dataclasses.dataclass(kw_only=True)
class EvaluationConfig:
  """What `evaluate` and `generate` compute, and in chunks of which length."""

  # Validation utterances that are scored; the first of them are copied,
  # compared with their recordings, and kept to be heard.
  utterances: int = 64
  audio_utterances: int = 3
  # Generated copies are cut to this length; 0 keeps whole utterances, which
  # word errors need.
  audio_seconds: float = 4.0
  # Copies of an utterance by each voice, with seeds of their own; the first of
  # them is kept.
  draws: int = 3
  # What the teacher draws (`probability/sampling.py`): of its mixture's logits
  # and scales; of the scales; the share of a component's distribution that is
  # cut off on either side; and components whose weight is below this share of
  # the likeliest one's are left out.
  temperature: float = 1.0
  scale_factor: float = 1.0
  tail_share: float = 0.0
  least_weight_share: float = 0.0
  # A chunk of the teacher whose log-mel exceeds the one that it was told, by so
  # many nepers in its worst frame, averaged over bins, is drawn again, at most
  # so often (`speaking/redrawing.py`); 0 never does.
  redraw_excess: float = 0.0
  redraw_tries: int = 5
  # Of the student's noise.
  noise_factor: float = 1.0
  chunk_frames: int = 16
  seed: int = 0


@dataclasses.dataclass(kw_only=True)
class ExportConfig:
  """What `export` serves, and how much of it a request may ask for."""

  # Longer rows, and more of them in a request, are refused.
  most_seconds: float = 120.0
  most_rows: int = 32
  # Whether the teacher is served too, where the run has one.
  teacher: bool = True
  # Whether a signature compiled by XLA is there; servers that were not told to
  # allow XLA refuse a model that has it (docs/serving.md).
  compiled: bool = False
