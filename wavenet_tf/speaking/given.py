"""Arrays that a user gave, checked: what cannot be used is one sentence."""

from collections.abc import Sequence

import numpy as np

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.signal import cleaning, quantization


def recording(
  waveform: np.ndarray, config: Config, most_axes: int = 2
) -> np.ndarray:
  """A recording as preparation would keep it: its 16-bit levels, cleaned.

  Args:
    waveform: float `[T]` or `[B, T]` in [-1, 1].
    config: sections `audio` and `data`.
    most_axes: 1, where there may be one recording only.

  Returns:
    int16 levels `[T]` or `[B, T]`.

  Raises:
    UserError: if it is something else.
  """
  waveform = _floats('waveform', waveform, range(1, most_axes + 1))
  if not waveform.size:
    raise UserError('waveform: found no samples, expected a recording.')
  loudest = np.max(np.abs(waveform))
  if loudest > 1:
    raise UserError(
      f'waveform: found samples up to {loudest:g}, expected [-1, 1]; divide '
      'by the full scale, such as 32768 for 16 bits.'
    )
  levels = quantization.levels_from_waveform(waveform).numpy().astype(np.int16)
  cleaned = [cleaning.clean(row, config) for row in np.atleast_2d(levels)]
  return np.reshape(cleaned, levels.shape)


def features(
  array: np.ndarray, config: Config, most_axes: int = 3
) -> np.ndarray:
  """Float32 `[frames, channels]` or `[B, frames, channels]`.

  Raises:
    UserError: if the models of this configuration are told others.
  """
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
