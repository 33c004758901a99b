"""Waveforms: 16-bit levels, mu-law codes, STFT and log-mel. Pure functions.

Three number systems meet here, and only here:

  level     int,   -32768 .. 32767       what a recording stores
  waveform  float, level / 32768, [-1, 1)  what networks read and losses compare
  code      int,   0 .. levels - 1       what the mu-law softmax predicts
"""

import numpy as np
import tensorflow as tf

from wavenet_tf.config import AudioConfig, MARGIN_FRAMES

LEVELS = 2**16
FULL_SCALE = 2.0**15


def waveform_from_levels(levels):
  """16-bit levels, -32768 .. 32767 -> float32 waveform in [-1, 1)."""
  return tf.cast(levels, tf.float32) / FULL_SCALE


def levels_from_waveform(waveform):
  """Waveform -> nearest 16-bit level as int32, clipped to the 16-bit range."""
  scaled = tf.round(waveform * FULL_SCALE)
  return tf.cast(
    tf.clip_by_value(scaled, -FULL_SCALE, FULL_SCALE - 1), tf.int32
  )


def mu_law_encode(waveform, levels: int = 256):
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


def mu_law_decode(codes, levels: int = 256):
  """Inverse of `mu_law_encode` at the centre of each step: float32, [-1, 1].

  f^-1(y) = sign(y) ((1 + mu)^|y| - 1) / mu.
  """
  mu = levels - 1.0
  companded = tf.cast(codes, tf.float32) * (2.0 / mu) - 1.0
  magnitude = tf.math.expm1(tf.abs(companded) * np.float32(np.log1p(mu))) / mu
  return tf.sign(companded) * magnitude


def frame_count(samples: int, hop_samples: int) -> int:
  """Frames that cover `samples`; the last one may reach past the end."""
  return -(-samples // hop_samples)


def stft_magnitude(waveform, window_samples: int, hop_samples: int):
  """|STFT| with a Hann window, scaled so that a full-scale sine peaks at 1.

  Args:
    waveform: float32 `[B, T]`.
    window_samples: window length; the FFT is the next power of two.
    hop_samples: frame step.

  Returns:
    float32 `[B, 1 + (T - window_samples) // hop_samples, bins]`.
  """
  spectrum = tf.signal.stft(waveform, window_samples, hop_samples)
  # A bare absolute value has no gradient at zero.
  power = tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2
  return tf.sqrt(power + 1e-14) * (4.0 / window_samples)


def log_mel(waveform, audio: AudioConfig):
  """Ln max(mel filters . |STFT|, floor): the front end of copy synthesis.

  Frame f is centred on samples [f hop, (f + 1) hop); silence is assumed
  before and after the recording.

  Args:
    waveform: float32 `[B, T]` in [-1, 1).
    audio: rate, window, hop, mel range and floor.

  Returns:
    float32 `[B, ceil(T / hop), mel_bins]` in [ln floor, about 0].
  """
  hop, window = audio.hop_samples, audio.window_samples
  missing = -tf.shape(waveform)[1] % hop
  before = (window - hop) // 2
  padded = tf.pad(waveform, [[0, 0], [before, window - hop - before + missing]])
  magnitude = stft_magnitude(padded, window, hop)
  filters = tf.signal.linear_to_mel_weight_matrix(
    audio.mel_bins,
    magnitude.shape[-1],
    audio.sample_rate_hz,
    audio.mel_min_hz,
    audio.mel_max_hz,
  )
  mel = tf.tensordot(magnitude, filters, 1)
  return tf.math.log(tf.maximum(mel, audio.mel_floor))


def pad_margin(features, silence: float):
  """Silence around `[B, frames, C]`: MARGIN_FRAMES frames on either side."""
  return tf.pad(
    features,
    [[0, 0], [MARGIN_FRAMES, MARGIN_FRAMES], [0, 0]],
    constant_values=silence,
  )


def rms_dbfs(waveform: np.ndarray) -> float:
  """Loudness: RMS in decibels below full scale; -120 for digital silence."""
  mean_square = np.mean(np.square(waveform, dtype=np.float64))
  return float(10.0 * np.log10(max(mean_square, 1e-12)))
