"""Sections about training, distillation and evaluation."""

import dataclasses

from wavenet_tf.configuration.choices import POWER, SAMPLED


@dataclasses.dataclass
class TrainingConfig:
  """One training run: Adam, its schedule, and how often to look."""

  steps: int = 1000
  batch_size: int = 4
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


@dataclasses.dataclass
class DistillationConfig:
  """Terms of the student's loss (1711.10433 sec. 4), each with a weight.

  A term of weight 0 is not computed.
  """

  divergence_weight: float = 1.0
  # 'sampled' draws from the student's logistic at every step (1711.10433);
  # 'closed_form' needs a Gaussian pair (1807.07281).
  divergence: str = SAMPLED
  draws_per_step: int = 8
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


@dataclasses.dataclass
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
  temperature: float = 1.0
  chunk_frames: int = 16
  seed: int = 0
