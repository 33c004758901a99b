"""How far a copy is from its recording."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.signal import quantization, spectra

_DECIBELS_PER_NEPER = 20.0 / np.log(10.0)
_CEPSTRAL_COEFFICIENTS = 13


class SpectralDistance(NamedTuple):
  """How far generated audio is from its recording; decibels, 0 is equal.

  Attributes:
    loudness_db: generated minus recorded RMS level.
    long_term_spectrum_db: RMS over mel bands of the difference between the
      average powers in each band.
    log_mel_db: RMS over frames and bands of the difference of log-mels.
    mel_cepstral_db: mel-cepstral distortion over 13 coefficients of the
      log-mel's cosine transform, without the level.
  """

  loudness_db: float
  long_term_spectrum_db: float
  log_mel_db: float
  mel_cepstral_db: float


def spectral_distance(
  generated: np.ndarray, recorded: np.ndarray, audio_config: AudioConfig
) -> SpectralDistance:
  """Compares two waveforms `[T]` of the same length."""
  a, b = (
    spectra.log_mel(tf.constant(x[None], tf.float32), audio_config)[0].numpy()
    for x in (generated, recorded)
  )
  long_term = [10 * np.log10(np.mean(np.exp(2 * x), 0)) for x in (a, b)]
  return SpectralDistance(
    loudness_db=quantization.rms_dbfs(generated)
    - quantization.rms_dbfs(recorded),
    long_term_spectrum_db=rms(long_term[0] - long_term[1]),
    log_mel_db=_DECIBELS_PER_NEPER * rms(a - b),
    mel_cepstral_db=_mel_cepstral_distortion(a, b),
  )


def _mel_cepstral_distortion(a: np.ndarray, b: np.ndarray) -> float:
  """(10 / ln 10) sqrt(2 sum_m (c_m - c'_m)^2), averaged over frames.

  c_m = (2 / N) sum_n log_mel_n cos(pi m (n + 1/2) / N), so that log-mels are
  c_0 / 2 + sum_m c_m cos(...).
  """
  difference = tf.signal.dct(a - b, norm='ortho').numpy()
  # An orthonormal transform differs from c_m by this factor.
  cepstra = difference * np.sqrt(2.0 / a.shape[-1])
  squared = np.sum(cepstra[:, 1 : _CEPSTRAL_COEFFICIENTS + 1] ** 2, -1)
  return float(10 / np.log(10) * np.mean(np.sqrt(2 * squared)))


def rms(x: np.ndarray) -> float:
  return float(np.sqrt(np.mean(np.square(x))))
