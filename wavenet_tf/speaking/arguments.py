"""Arguments that a user gave, checked: what cannot be used is one sentence."""

from collections.abc import Sequence

import numpy as np

from wavenet_tf.configuration.choices import MEL
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.signal import cleaning, quantization, resampling


def recording(
  waveform: np.ndarray,
  config: Config,
  rate_hz: int | None = None,
  most_axes: int = 2,
) -> np.ndarray:
  """A recording as preparation would keep it: its 16-bit levels, cleaned.

  Args:
    waveform: float `[T]` or `[B, T]` in [-1, 1]; what overshoots that a little
      is clipped.
    config: sections `audio` and `data`.
    rate_hz: of the waveform; None: `audio.sample_rate_hz`.
    most_axes: 1, where there may be one recording only.

  Returns:
    int16 levels `[T]` or `[B, T]`, at `audio.sample_rate_hz`.

  Raises:
    UserError: if it is something else, or lacks the model's band.
  """
  waveform = _floats('waveform', waveform, range(1, most_axes + 1))
  model_hz = config.audio.sample_rate_hz
  rate_hz = model_hz if rate_hz is None else rate_hz
  least_hz = 2 * config.audio.mel_max_hz
  if rate_hz < least_hz:
    raise UserError(
      f'rate_hz: found {rate_hz}, expected {least_hz:g} or more, twice '
      'audio.mel_max_hz, as the band between is missing; give a recording of '
      'that rate.'
    )
  if waveform.ndim == 2 and len(waveform) > waveform.shape[1] > 0:
    raise UserError(
      f'waveform: found the shape {list(waveform.shape)}, expected [T], or '
      '[B, T] of B recordings; mix the channels of one, as by '
      'waveform.mean(1).'
    )
  loudest = np.max(np.abs(waveform), initial=0.0)
  if loudest > quantization.LOUDEST:
    raise UserError(
      f'waveform: found samples up to {loudest:g}, expected [-1, 1]; divide '
      'by the full scale, such as 32768 for 16 bits.'
    )
  rows = [_levels(row, rate_hz, config) for row in np.atleast_2d(waveform)]
  if not np.size(rows):
    raise UserError('waveform: found no samples, expected a recording.')
  return np.stack(rows) if waveform.ndim == 2 else rows[0]


def features(
  array: np.ndarray, config: Config, most_axes: int = 3
) -> np.ndarray:
  """Float32 `[frames, channels]` or `[B, frames, channels]`.

  Raises:
    UserError: if the models of this configuration are told others.
  """
  if np.ndim(array) == 1 and config.conditioning.local == MEL:
    raise UserError(
      f'features: found the shape {list(np.shape(array))}, as of a waveform; '
      f'{wanted_features(config)}, by `features(waveform)`.'
    )
  array = _floats('features', array, range(2, most_axes + 1))
  if array.shape[-1] != config.local_channels or 0 in array.shape[:-1]:
    raise UserError(
      f'features: found the shape {list(array.shape)}; '
      f'{wanted_features(config)}.'
    )
  return array


def wanted_features(config: Config) -> str:
  """What to do about features, the end of a sentence."""
  return (
    f'give features [frames, {config.local_channels}], as conditioning.local = '
    f'{config.conditioning.local!r} has them'
  )


def global_vectors(
  vector: np.ndarray | None, config: Config, rows: int
) -> np.ndarray:
  """Float32 `[rows, channels]`, of one vector for all or of one for each.

  Without global conditioning there is none to give, and no channel.

  Raises:
    UserError: if the models of this configuration are told another.
  """
  channels = config.conditioning.global_channels
  expected = 'none' if not channels else f'{channels} numbers'
  expected += f', as conditioning.globals = {config.conditioning.globals}'
  if vector is None:
    if channels:
      raise UserError(f'global_vector: found none, expected {expected}.')
    return np.zeros([rows, 0], np.float32)
  vector = _floats('global_vector', vector, (1, 2))
  if vector.shape not in ((channels,), (rows, channels)) or not channels:
    raise UserError(
      f'global_vector: found the shape {list(vector.shape)}, expected '
      f'{expected}, for all or for each of {rows} utterances.'
    )
  return np.broadcast_to(vector, [rows, channels])


def _levels(waveform, rate_hz, config):
  # In float64, as recordings are decoded.
  resampled = resampling.resampled(
    waveform.astype(np.float64), rate_hz, config.audio.sample_rate_hz
  )
  levels = quantization.levels_from_waveform(resampled).numpy()
  return cleaning.clean(levels.astype(np.int16), config)


def _floats(name, array, axes: Sequence[int]):
  """As float32, if there are so many axes of finite floats."""
  array = np.asarray(array)
  if not np.issubdtype(array.dtype, np.floating):
    raise UserError(
      f'{name}: found numbers of type {array.dtype}, expected floats.'
    )
  if array.ndim not in axes:
    raise UserError(
      f'{name}: found the shape {list(array.shape)}, expected '
      f'{" or ".join(map(str, axes))} axes.'
    )
  if not np.all(np.isfinite(array)):
    raise UserError(f'{name}: found a number that is not finite.')
  return array.astype(np.float32, copy=False)
