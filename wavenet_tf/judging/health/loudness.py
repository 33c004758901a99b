"""Levels of waveforms, as a whole and by band."""

import math
from typing import NamedTuple

import tensorflow as tf

from wavenet_tf.signal import spectra

# Upper edges of the bands as shares of the Nyquist frequency: octaves, the
# lowest of which reaches down to 0 Hz.
BAND_EDGES = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
# Bands below this count as this loud: nobody hears how much they differ, and
# a recording that was an MP3 once has nothing at all in its highest bands.
BAND_FLOOR_DBFS = -80.0
# For full-scale sines, and for noise, sum_k |STFT_k|^2 in the scale of
# `spectra.stft_magnitude` is three times the mean square, by Hann's window.
_SPECTRUM_OF_MEAN_SQUARE = 3.0
_SMALLEST_POWER = 1e-12


class Level(NamedTuple):
  """How loud waveforms are, all samples taken together; scalars."""

  mean_absolute: tf.Tensor
  standard_deviation: tf.Tensor
  loudness_dbfs: tf.Tensor  # RMS in decibels below full scale


def level(waveform: tf.Tensor) -> Level:
  """Waveforms `[B, T]` -> their common level."""
  return Level(
    tf.reduce_mean(tf.abs(waveform)),
    tf.math.reduce_std(waveform),
    _decibels(tf.reduce_mean(waveform**2), _SMALLEST_POWER),
  )


def band_levels_db(waveform: tf.Tensor, window_samples: int) -> tf.Tensor:
  """RMS level of each band of `BAND_EDGES` in dBFS, `BAND_FLOOR_DBFS` or more.

  Frequencies belong to the band that begins with them, the Nyquist frequency
  to the last. The levels of all bands add up to that of the waveform.

  Args:
    waveform: float32 `[B, T]`, T at least `window_samples`.
    window_samples: of the STFT; half-overlapping.

  Returns:
    float32 `[bands]`, averaged over the batch and time as powers.
  """
  magnitude = spectra.stft_magnitude(
    waveform, window_samples, max(window_samples // 2, 1)
  )
  bins = magnitude.shape[-1]
  power = tf.reduce_mean(magnitude**2, [0, 1])
  # An FFT that is longer than its window has as many times more bins.
  power *= window_samples / (2 * (bins - 1)) / _SPECTRUM_OF_MEAN_SQUARE
  upper = [math.ceil(edge * (bins - 1)) for edge in BAND_EDGES[:-1]]
  counts = [b - a for a, b in zip([0, *upper], [*upper, bins])]
  by_band = [tf.reduce_sum(part) for part in tf.split(power, counts)]
  return _decibels(tf.stack(by_band), 10 ** (BAND_FLOOR_DBFS / 10))


def _decibels(power, floor):
  return 10.0 / math.log(10.0) * tf.math.log(tf.maximum(power, floor))
