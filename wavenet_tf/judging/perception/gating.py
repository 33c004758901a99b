"""Speech and pauses, told apart by the level of the recording alone.

A copy may do well in one and badly in the other, and the average hides it: a
hiss in pauses costs PESQ and is hardly heard, a hoarse vowel is.
"""

import numpy as np
import scipy.ndimage
import scipy.signal

from wavenet_tf.judging.perception.vocoder import FRAME_SECONDS

WHOLE, SPEECH, PAUSES = PARTS = ('whole', 'speech', 'pauses')
# A frame is speech where the recording's level lies at most this far below
# that of its loud vowels, the 95th percentile.
_RANGE_DB, _LOUD_PERCENTILE = 30.0, 95
_LEVEL_SECONDS = 0.04
# A cut between copy and recording is a fade of this length.
_FADE_SECONDS = 0.01
_SMALLEST_POWER = 1e-12


def speech_frames(recorded: np.ndarray, sample_rate_hz: int) -> np.ndarray:
  """Whether somebody speaks, bool `[frames]`, centred as `vocoder.Frames`.

  Args:
    recorded: floats `[T]`.
    sample_rate_hz: of it.
  """
  power = _smoothed(recorded**2, _LEVEL_SECONDS, sample_rate_hz)
  hop = round(FRAME_SECONDS * sample_rate_hz)
  decibels = 10 * np.log10(np.maximum(power[::hop], _SMALLEST_POWER))
  return decibels >= np.percentile(decibels, _LOUD_PERCENTILE) - _RANGE_DB


def samples_of(
  frames: np.ndarray, samples: int, sample_rate_hz: int
) -> np.ndarray:
  """Bool `[frames]` -> bool `[samples]`: each as the frame nearest to it."""
  hop = round(FRAME_SECONDS * sample_rate_hz)
  nearest = (np.arange(samples) + hop // 2) // hop
  return frames[np.minimum(nearest, len(frames) - 1)]


def spliced(
  copied: np.ndarray,
  recorded: np.ndarray,
  inside: np.ndarray,
  sample_rate_hz: int,
) -> np.ndarray:
  """The copy inside a part, the recording outside of it.

  So measures that want whole sentences hear the flaws of the part alone.

  Args:
    copied: floats `[T]`.
    recorded: floats `[T]`.
    inside: bool `[T]`.
    sample_rate_hz: of both.
  """
  share = _smoothed(inside.astype(float), _FADE_SECONDS, sample_rate_hz)
  return share * copied + (1.0 - share) * recorded


def _smoothed(values, seconds, sample_rate_hz):
  """Under a Hann window; before and after, what is at the ends goes on."""
  window = scipy.signal.windows.hann(round(seconds * sample_rate_hz) | 1)
  return scipy.ndimage.convolve1d(values, window / window.sum(), mode='nearest')
