"""Bursts: where a free run falls into noise that its features never asked for.

An average hides them and a listener does not: speech that collapses for a
second is worse than a second of hiss in every pause.
"""

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.signal import spectra

THRESHOLD_DB = 12.0
# Bins below this count as this loud: beside digital silence everything else
# would be a burst. The noise of a room lies above it.
FLOOR_DB = -80.0
_DECIBELS_PER_NEPER = 20.0 / np.log(10.0)


def excess_db(
  recorded: np.ndarray, copied: np.ndarray, audio: AudioConfig
) -> np.ndarray:
  """How much louder than asked: log-mel minus log-mel, averaged over bins.

  Args:
    recorded: floats `[T]`.
    copied: floats `[T]`.
    audio: the front end of the run, at whose rate both are.

  Returns:
    float32 `[frames]`, dB.
  """
  both = tf.constant(np.stack([recorded, copied]), tf.float32)
  decibels = _DECIBELS_PER_NEPER * spectra.log_mel(both, audio).numpy()
  asked, given = np.maximum(decibels, FLOOR_DB)
  return np.mean(given - asked, -1)


def burst_seconds(
  recorded: np.ndarray, copied: np.ndarray, audio: AudioConfig
) -> float:
  """Seconds of frames that are `THRESHOLD_DB` too loud."""
  frames = np.sum(excess_db(recorded, copied, audio) >= THRESHOLD_DB)
  return float(frames * audio.hop_samples / audio.sample_rate_hz)
