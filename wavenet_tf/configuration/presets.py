"""Configurations to start from, by name."""

import dataclasses

from wavenet_tf.configuration.choices import MU_LAW
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.corpus import AudioConfig, ConditioningConfig
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.learning import (
  DistillationConfig,
  EvaluationConfig,
  TrainingConfig,
)
from wavenet_tf.configuration.networks import (
  ClassifierConfig,
  StudentConfig,
  TeacherConfig,
)


def _tiny() -> Config:
  """Minutes on a laptop: 8 kHz, the demo on the bundled corpus."""
  crops = {'batch_size': 4, 'crop_samples': 3200, 'average_decay': 0.99}
  return Config(
    preset='tiny',
    audio=AudioConfig(
      sample_rate_hz=8000,
      hop_samples=80,
      window_samples=320,
      mel_bins=40,
      mel_max_hz=4000.0,
    ),
    conditioning=ConditioningConfig(upsample_factors=(8, 10), channels=24),
    teacher=TeacherConfig(
      cycles=2,
      layers_per_cycle=7,
      residual_channels=32,
      gate_channels=32,
      skip_channels=64,
      mixture_components=5,
    ),
    student=StudentConfig(
      flow_layers=(7, 7),
      layers_per_cycle=7,
      kernel_size=3,
      residual_channels=32,
      gate_channels=32,
      phase_harmonics=4,
    ),
    classifier=ClassifierConfig(cycles=2, layers_per_cycle=7),
    train_teacher=_short_training(1500, learning_rate=4e-3, **crops),
    train_student=_short_training(900, **crops),
    train_classifier=_short_training(1200, **crops),
    distillation=_spectral((512, 256, 128), divergence_from_step=500),
    evaluate=EvaluationConfig(audio_utterances=2, audio_seconds=3.0, draws=1),
  )


def _small() -> Config:
  """About an hour and a half on two cores: 22 kHz, a real voice."""
  crops = {'batch_size': 2, 'crop_samples': 7168}
  return Config(
    preset='small',
    student=StudentConfig(phase_harmonics=4),
    train_teacher=_short_training(4500, **crops),
    train_student=_short_training(3000, **crops),
    train_classifier=_short_training(4500, **crops),
    distillation=_spectral((2048, 1024, 512, 256), divergence_from_step=1800),
  )


def _short_training(
  steps: int, learning_rate: float = 2e-3, **others
) -> TrainingConfig:
  """A high rate that decays to almost nothing within the run."""
  return TrainingConfig(
    steps=steps,
    learning_rate=learning_rate,
    final_learning_rate_share=0.02,
    **others,
  )


def _voice() -> Config:
  """A voice on two cores: what `small` is, with all that was found to pay.

  The front end is that of most text-to-speech models: 22.05 kHz, hop 256, 80
  mels of 0 to 8 kHz. Docs: `docs/voice_recipes.md`.
  """
  crops = {'batch_size': 2, 'crop_samples': 7168}
  return Config(
    preset='voice',
    audio=AudioConfig(preemphasis=0.85),
    conditioning=ConditioningConfig(channels=80),
    # The RMS of speech after pre-emphasis is about 0.03.
    teacher=TeacherConfig(signal_unit=0.02),
    student=StudentConfig(kernel_size=3, initial_scale=0.02, phase_harmonics=4),
    train_teacher=_short_training(9000, **crops),
    train_student=_short_training(6000, learning_rate=1e-3, **crops),
    train_classifier=_short_training(4500, **crops),
    distillation=_spectral(
      (2048, 1024, 512, 256),
      divergence_from_step=3600,
      divergence_weight=0.03,
    ),
    evaluate=_steady_evaluation(noise_factor=0.5),
  )


def _voice_gpu() -> Config:
  """`voice` on one GPU for about an hour."""
  config = _voice()
  # The teacher's step takes 8 GiB, the student's 16.
  crops = {'batch_size': 16, 'crop_samples': 14336, 'average_decay': 0.9995}
  return dataclasses.replace(
    config,
    preset='voice_gpu',
    train_teacher=_short_training(
      28_000, learning_rate=1e-3, clip_norm=50.0, **crops
    ),
    train_student=_short_training(
      24_000, learning_rate=1e-3, clip_norm=10.0, **crops
    ),
    distillation=dataclasses.replace(
      config.distillation, divergence_from_step=14_000
    ),
  )


def _spectral(
  window_samples: tuple[int, ...],
  divergence_from_step: int,
  divergence_weight: float = 0.1,
) -> DistillationConfig:
  """The multi-resolution STFT loss first, a little divergence later.

  A divergence of weight 1 makes the spectrum of a student noisier than the
  STFT loss leaves it.
  """
  return DistillationConfig(
    divergence_weight=divergence_weight,
    divergence_from_step=divergence_from_step,
    divergence_ramp_steps=100,
    log_scale_floor_weight=1.0,
    power_weight=0.0,
    stft_weight=1.0,
    stft_window_samples=window_samples,
  )


def _steady_evaluation(**others) -> EvaluationConfig:
  """Draws without tails; what is louder than asked for is drawn again."""
  return EvaluationConfig(
    scale_factor=0.8,
    tail_share=0.01,
    least_weight_share=0.05,
    redraw_excess=0.8,
    **others,
  )


def _wavenet_2016() -> Config:
  """The first paper's network; no student, as its output is a softmax.

  Channel and layer counts are those its first author gave after publication.
  """
  return Config(
    preset='wavenet_2016',
    audio=AudioConfig(sample_rate_hz=16000, hop_samples=80, window_samples=640),
    conditioning=ConditioningConfig(upsample_factors=(8, 10), channels=80),
    teacher=TeacherConfig(
      cycles=3,
      residual_channels=512,
      gate_channels=256,
      skip_channels=256,
      input='one_hot',
      output=MU_LAW,
    ),
    student=StudentConfig(flow_layers=()),
    classifier=_large_classifier(),
    train_teacher=_long_training(batch_size=8, crop_samples=16000),
    train_classifier=_long_training(
      steps=200_000, batch_size=8, crop_samples=16000
    ),
  )


def _long_training(steps: int = 1_000_000, **sizes) -> TrainingConfig:
  """A million steps at a constant rate, as 1711.10433 trained."""
  return TrainingConfig(
    steps=steps,
    learning_rate=2e-4,
    final_learning_rate_share=1.0,
    average_decay=0.9999,
    checkpoint_every_steps=2000,
    summary_every_steps=500,
    **sizes,
  )


def _large_classifier() -> ClassifierConfig:
  """The papers give no sizes; a quarter of their teacher's channels."""
  return ClassifierConfig(
    cycles=3,
    residual_channels=128,
    gate_channels=128,
    skip_channels=256,
    frame_channels=256,
  )


def _parallel_wavenet_2017() -> Config:
  """The second paper's teacher and student, 24 kHz, 16 bit.

  Its loss too, but for the perceptual one, which needs a corpus with labels
  (or a run that has a classifier): add `distillation.style_weight`.
  """
  crops = {'batch_size': 32, 'crop_samples': 7680}
  return Config(
    preset='parallel_wavenet_2017',
    audio=AudioConfig(
      sample_rate_hz=24000,
      hop_samples=240,
      window_samples=960,
      mel_max_hz=12000.0,
    ),
    conditioning=ConditioningConfig(upsample_factors=(15, 16), channels=80),
    teacher=TeacherConfig(
      cycles=3,
      kernel_size=3,
      residual_channels=512,
      gate_channels=256,
      skip_channels=256,
    ),
    student=StudentConfig(
      flow_layers=(10, 10, 10, 30),
      kernel_size=3,
      residual_channels=64,
      gate_channels=32,
    ),
    classifier=_large_classifier(),
    train_teacher=_long_training(**crops),
    train_student=_long_training(**crops),
    train_classifier=_long_training(steps=200_000, **crops),
    # The paper gives no weight of its power loss; relative to the recording,
    # 10 is of the order of the divergence.
    distillation=DistillationConfig(
      power_weight=10.0, power_relative=True, contrastive_weight=0.3
    ),
  )


PRESETS = {
  'tiny': _tiny,
  'small': _small,
  'voice': _voice,
  'voice_gpu': _voice_gpu,
  'wavenet_2016': _wavenet_2016,
  'parallel_wavenet_2017': _parallel_wavenet_2017,
}


def preset(name: str) -> Config:
  """A fresh, valid `Config` by its name in `PRESETS`."""
  if name not in PRESETS:
    raise UserError(
      f'preset: found {name!r}, expected one of {", ".join(PRESETS)}.'
    )
  return PRESETS[name]()
