"""Checks of `evaluate` and `export`."""

import math

from wavenet_tf.configuration.choices import MEL, MU_LAW
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
    'draws',
    'chunk_frames',
    'temperature',
  )
  check_not_negative(
    'evaluate',
    evaluate,
    'audio_seconds',
    'scale_factor',
    'redraw_excess',
    'redraw_tries',
    'noise_factor',
  )
  check_seed('evaluate', evaluate)
  check_share('evaluate.least_weight_share', evaluate.least_weight_share)
  if not 0 <= evaluate.tail_share < 0.5:
    fail('evaluate.tail_share', evaluate.tail_share, 'a share in [0, 0.5)')
  if evaluate.redraw_excess:
    _check_redrawing(config)
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


def check_export(config: Config) -> None:
  """Checks `export`."""
  check_positive('export', config.export, 'most_seconds', 'most_rows')
  if not config.most_frames:
    fail(
      'export.most_seconds',
      config.export.most_seconds,
      'a frame or more, audio.hop_samples / audio.sample_rate_hz',
    )


def _check_redrawing(config):
  """There is a mel to compare with, and a frame whose window is complete."""
  evaluate, audio = config.evaluate, config.audio
  if config.conditioning.local != MEL:
    fail(
      'evaluate.redraw_excess',
      evaluate.redraw_excess,
      f'0, as conditioning.local is {config.conditioning.local!r}, so that no '
      'mel says how loud a chunk should be',
    )
  after = audio.window_samples - audio.hop_samples
  after -= after // 2
  if evaluate.chunk_frames * audio.hop_samples < audio.hop_samples + after:
    fail(
      'evaluate.chunk_frames',
      evaluate.chunk_frames,
      f'{1 + math.ceil(after / audio.hop_samples)} or more, as '
      'evaluate.redraw_excess judges frames whose windows of '
      f'audio.window_samples = {audio.window_samples} end within a chunk',
    )
