"""Checks of `evaluate`."""

from wavenet_tf.configuration.choices import MU_LAW
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.validation.fields import (
  check_not_negative,
  check_positive,
  check_seed,
  check_share,
  fail,
)


def check_evaluation(config: Config) -> None:
  """Checks `evaluate` and what it asks of the other sections."""
  evaluate = config.evaluate
  check_positive(
    'evaluate',
    evaluate,
    'utterances',
    'audio_utterances',
    'chunk_frames',
    'temperature',
  )
  check_not_negative(
    'evaluate', evaluate, 'audio_seconds', 'scale_factor', 'noise_factor'
  )
  check_seed('evaluate', evaluate)
  check_share('evaluate.least_weight_share', evaluate.least_weight_share)
  if not 0 <= evaluate.tail_share < 0.5:
    fail('evaluate.tail_share', evaluate.tail_share, 'a share in [0, 0.5)')
  if config.teacher.output == MU_LAW:
    for field, neutral in ('scale_factor', 1.0), ('tail_share', 0.0):
      found = getattr(evaluate, field)
      if found != neutral:
        fail(
          f'evaluate.{field}',
          found,
          f'{neutral:g}, as teacher.output is {MU_LAW!r}, whose codes have '
          'neither scales nor tails; use evaluate.temperature or '
          'evaluate.least_weight_share',
        )
