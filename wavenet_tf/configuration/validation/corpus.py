"""Checks of `audio`, `data` and `conditioning`."""

import math

from wavenet_tf.configuration.choices import (
  GLOBAL_KINDS,
  LOCAL_KINDS,
  SPEAKER,
  SPLITS,
  UPSAMPLERS,
)
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.corpus import (
  AudioConfig,
  DataConfig,
)
from wavenet_tf.configuration.validation.fields import (
  check_choice,
  check_not_negative,
  check_positive,
  check_seed,
  check_share,
  fail,
)

# Splits whose validation has other speakers than training.
NEW_SPEAKERS = ('speaker', 'speaker_and_index')
_MOST_REACH_FRAMES = 8


def check_audio(audio: AudioConfig) -> None:
  check_positive(
    'audio',
    audio,
    'sample_rate_hz',
    'hop_samples',
    'window_samples',
    'mel_bins',
    'mel_floor',
  )
  check_share('audio.preemphasis', audio.preemphasis)
  if audio.mel_floor >= 1:
    fail('audio.mel_floor', audio.mel_floor, 'a magnitude below 1')
  if audio.window_samples < audio.hop_samples:
    fail(
      'audio.window_samples',
      audio.window_samples,
      f'at least audio.hop_samples = {audio.hop_samples}',
    )
  if not 0 <= audio.mel_min_hz < audio.mel_max_hz:
    fail(
      'audio.mel_min_hz',
      audio.mel_min_hz,
      f'at least 0 and below audio.mel_max_hz = {audio.mel_max_hz}',
    )
  if audio.mel_max_hz > audio.sample_rate_hz / 2:
    fail(
      'audio.mel_max_hz',
      audio.mel_max_hz,
      f'at most half of audio.sample_rate_hz, {audio.sample_rate_hz / 2:g}',
    )


def check_data(data: DataConfig, audio: AudioConfig) -> None:
  if not 0 < data.validation_share < 1:
    fail('data.validation_share', data.validation_share, 'between 0 and 1')
  check_share('data.max_bad_share', data.max_bad_share)
  check_positive(
    'data',
    data,
    'min_seconds',
    'shard_megabytes',
    'workers',
    'shuffle_megabytes',
  )
  check_seed('data', data)
  check_choice('data.split', data.split, SPLITS)
  check_positive('data', data, 'held_out_speakers')
  check_not_negative('data', data, 'piece_seconds')
  shortest = max(data.min_seconds, audio.hop_samples / audio.sample_rate_hz)
  if 0 < data.piece_seconds < shortest:
    fail(
      'data.piece_seconds',
      data.piece_seconds,
      f'0, or at least data.min_seconds and audio.hop_samples, {shortest:g} s',
    )
  if not 0 <= data.highpass_hz < audio.sample_rate_hz / 2:
    fail(
      'data.highpass_hz',
      data.highpass_hz,
      '0, or a frequency below half of audio.sample_rate_hz, '
      f'{audio.sample_rate_hz / 2:g}',
    )
  if not -60 < data.loudness_dbfs <= 0:
    fail('data.loudness_dbfs', data.loudness_dbfs, 'a level above -60 to 0 dB')
  if not data.silence_dbfs <= 0:
    fail('data.silence_dbfs', data.silence_dbfs, 'a level of at most 0 dB')


def check_conditioning(config: Config) -> None:
  told = config.conditioning
  check_choice('conditioning.local', told.local, LOCAL_KINDS)
  for kind in told.globals:
    check_choice('conditioning.globals', kind, GLOBAL_KINDS)
  if len(set(told.globals)) < len(told.globals):
    fail('conditioning.globals', told.globals, 'each kind once')
  if SPEAKER in told.globals and config.data.split in NEW_SPEAKERS:
    fail(
      'data.split',
      repr(config.data.split),
      "'random' or 'index', as conditioning.globals has 'speaker', and the "
      'embedding of a speaker of whom nothing is in training stays untrained',
    )
  check_choice('conditioning.upsampler', told.upsampler, UPSAMPLERS)
  check_positive('conditioning', told, 'channels', 'embedding_channels')
  factors = told.upsample_factors
  if min(factors, default=0) < 1 or (
    math.prod(factors) != config.audio.hop_samples
  ):
    fail(
      'conditioning.upsample_factors',
      f'{factors}, whose product is {math.prod(factors)}',
      'factors whose product is audio.hop_samples = '
      f'{config.audio.hop_samples}',
    )
  check_not_negative('conditioning', told, 'context_frames')
  if told.upsampler_reach_frames > _MOST_REACH_FRAMES:
    fail(
      'conditioning.upsample_factors',
      f'{factors}, which see {told.upsampler_reach_frames} frames to either '
      f'side with conditioning.context_frames = {told.context_frames}',
      f'at most {_MOST_REACH_FRAMES}; leave factors of 1 out, or put them '
      'last, or lower context_frames',
    )
