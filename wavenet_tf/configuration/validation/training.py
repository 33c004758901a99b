"""Checks of a training section."""

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.learning import TrainingConfig
from wavenet_tf.configuration.validation.fields import (
  check_not_negative,
  check_positive,
  check_seed,
  check_share,
  fail,
)


def check_training(
  section: str,
  training: TrainingConfig,
  config: Config,
  receptive_field: int,
  network: str = 'teacher',
) -> None:
  check_positive(
    section,
    training,
    'steps',
    'batch_size',
    'microbatches',
    'crop_samples',
    'learning_rate',
    'clip_norm',
    'max_bad_steps',
    'checkpoint_every_steps',
    'summary_every_steps',
  )
  check_not_negative(section, training, 'warmup_steps')
  check_seed(section, training)
  check_share(f'{section}.average_decay', training.average_decay)
  if not 0 <= training.final_learning_rate_share <= 1:
    fail(
      f'{section}.final_learning_rate_share',
      training.final_learning_rate_share,
      'a share in [0, 1]',
    )
  if training.batch_size % training.microbatches:
    fail(
      f'{section}.microbatches',
      training.microbatches,
      f'a divisor of {section}.batch_size = {training.batch_size}',
    )
  hop = config.audio.hop_samples
  if training.crop_samples % hop:
    nearest = hop * max(1, round(training.crop_samples / hop))
    fail(
      f'{section}.crop_samples',
      training.crop_samples,
      f'a multiple of audio.hop_samples = {hop}, such as {nearest}',
    )
  if training.crop_samples < receptive_field:
    fail(
      f'{section}.crop_samples',
      training.crop_samples,
      f"at least the {network}'s receptive field, {receptive_field} samples; "
      f'lengthen the crop, or lower {network}.cycles or '
      f'{network}.layers_per_cycle',
    )
