"""What preparation changes of a recording, and who copies or scores it too."""

import numpy as np
from scipy import signal

from wavenet_tf.configuration.config import Config
from wavenet_tf.signal import quantization

# A Butterworth filter of this order, forwards and backwards.
_ORDER = 4


def clean(levels: np.ndarray, config: Config) -> np.ndarray:
  """16-bit levels without rumble, at the level that `data` asks for.

  Args:
    levels: int16 `[T]`.
    config: sections `audio` and `data`.
  """
  levels = high_pass(
    levels, config.data.highpass_hz, config.audio.sample_rate_hz
  )
  return at_loudness(levels, config.data.loudness_dbfs)


def high_pass(
  levels: np.ndarray, highpass_hz: float, rate_hz: int
) -> np.ndarray:
  """16-bit levels without what lies below a frequency.

  The filter is run forwards and backwards, so that nothing moves in time; it
  takes 6 dB at `highpass_hz` and 48 dB more an octave below.

  Args:
    levels: int16 `[T]`.
    highpass_hz: `data.highpass_hz`; 0 keeps all.
    rate_hz: of the samples.
  """
  if not highpass_hz:
    return levels
  sections = signal.butter(
    _ORDER, highpass_hz, 'highpass', fs=rate_hz, output='sos'
  )
  # What continues a recording at its ends lasts as long as the filter rings.
  padding = min(round(3 * rate_hz / highpass_hz), len(levels) - 1)
  filtered = signal.sosfiltfilt(
    sections, levels.astype(np.float64), padlen=padding
  )
  limit = quantization.FULL_SCALE
  return np.clip(np.round(filtered), -limit, limit - 1).astype(np.int16)


def at_loudness(levels: np.ndarray, loudness_dbfs: float) -> np.ndarray:
  """16-bit levels at another RMS level; peaks beyond full scale are clipped.

  Args:
    levels: int16 `[T]`.
    loudness_dbfs: `data.loudness_dbfs`; 0 keeps their own.
  """
  if not loudness_dbfs:
    return levels
  waveform = quantization.waveform_from_levels(levels).numpy()
  decibels = loudness_dbfs - quantization.rms_dbfs(waveform)
  louder = quantization.levels_from_waveform(waveform * 10 ** (decibels / 20))
  return louder.numpy().astype(np.int16)
