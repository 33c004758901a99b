"""Waveforms: 16-bit levels, mu-law codes, loudness. Pure functions.

Three number systems meet here, and only here:

  level     int,   -32768 .. 32767       what a recording stores
  waveform  float, level / 32768, [-1, 1)  what networks read and losses compare
  code      int,   0 .. levels - 1       what the mu-law softmax predicts
"""

import numpy as np
import tensorflow as tf

LEVELS = 2**16
FULL_SCALE = 2.0**15
# Floats may overshoot full scale a little; these are scaled as integers.
LOUDEST = 2.0


def waveform_from_levels(levels: tf.Tensor) -> tf.Tensor:
  """16-bit levels, -32768 .. 32767 -> float32 waveform in [-1, 1)."""
  return tf.cast(levels, tf.float32) / FULL_SCALE


def levels_from_waveform(waveform: tf.Tensor) -> tf.Tensor:
  """Waveform -> nearest 16-bit level as int32, clipped to the 16-bit range."""
  scaled = tf.round(waveform * FULL_SCALE)
  return tf.cast(
    tf.clip_by_value(scaled, -FULL_SCALE, FULL_SCALE - 1), tf.int32
  )


def mu_law_encode(waveform: tf.Tensor, levels: int = 256) -> tf.Tensor:
  """Companding, then rounding to one of `levels` codes (1609.03499 sec. 2.2).

  f(x) = sign(x) ln(1 + mu |x|) / ln(1 + mu),  mu = levels - 1.

  Args:
    waveform: float tensor, any shape; values beyond [-1, 1] are clipped.
    levels: number of codes.

  Returns:
    int32 codes of the same shape, 0 (for -1) .. levels - 1 (for +1).
  """
  mu = levels - 1.0
  waveform = tf.clip_by_value(waveform, -1.0, 1.0)
  companded = (
    tf.sign(waveform)
    * tf.math.log1p(mu * tf.abs(waveform))
    / np.log1p(mu).astype(np.float32)
  )
  return tf.cast(tf.floor((companded + 1.0) * (mu / 2.0) + 0.5), tf.int32)


def mu_law_decode(codes: tf.Tensor, levels: int = 256) -> tf.Tensor:
  """Inverse of `mu_law_encode` at the centre of each step: float32, [-1, 1].

  f^-1(y) = sign(y) ((1 + mu)^|y| - 1) / mu.
  """
  mu = levels - 1.0
  companded = tf.cast(codes, tf.float32) * (2.0 / mu) - 1.0
  magnitude = tf.math.expm1(tf.abs(companded) * np.float32(np.log1p(mu))) / mu
  return tf.sign(companded) * magnitude


def rms_dbfs(waveform: np.ndarray) -> float:
  """Loudness: RMS in decibels below full scale; -120 for digital silence."""
  mean_square = np.mean(np.square(waveform, dtype=np.float64))
  return float(10.0 * np.log10(max(mean_square, 1e-12)))
