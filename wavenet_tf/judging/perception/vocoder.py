"""Pitch and envelope of speech, frame by frame, as the vocoder WORLD has them.

F0 by DIO and StoneMask, the spectral envelope by CheapTrick (Morise 2016),
every 5 ms; the envelope as a mel-cepstrum on a frequency axis that an all-pass
warps (Tokuda et al. 1994).
"""

import functools
from typing import NamedTuple

import numpy as np
import scipy.signal

FRAME_SECONDS = 0.005
LOWEST_F0_HZ, HIGHEST_F0_HZ = 70.0, 500.0
# The mel-cepstrum's order, and the all-pass' coefficient at 16 kHz.
ORDER, WARPING = 24, 0.42


class Frames(NamedTuple):
  """Frames centred at 0, 5, 10 ... ms.

  Attributes:
    f0_hz: float64 `[frames]`, 0 where there is no voice.
    cepstrum: float64 `[frames, ORDER + 1]`, ln |H(z)| = sum_m c_m z~^-m.
  """

  f0_hz: np.ndarray
  cepstrum: np.ndarray


def analyse(waveform: np.ndarray, sample_rate_hz: int) -> Frames:
  """Floats `[T]` -> `Frames`; wants pyworld."""
  import pyworld

  x = np.ascontiguousarray(waveform, np.float64)
  f0, times = pyworld.dio(
    x,
    sample_rate_hz,
    f0_floor=LOWEST_F0_HZ,
    f0_ceil=HIGHEST_F0_HZ,
    frame_period=1000 * FRAME_SECONDS,
  )
  f0 = pyworld.stonemask(x, f0, times, sample_rate_hz)
  power = pyworld.cheaptrick(x, f0, times, sample_rate_hz)
  return Frames(f0, mel_cepstrum(power))


def mel_cepstrum(
  power: np.ndarray, order: int = ORDER, warping: float = WARPING
) -> np.ndarray:
  """Power spectra `[frames, bins]` -> mel-cepstra `[frames, order + 1]`.

  ln |H(w)| = sum_m c_m cos(m w) becomes sum_m c~_m cos(m w~), where z~^-1 =
  (z^-1 - a) / (1 - a z^-1), cut off after `order`.
  """
  cepstrum = np.fft.irfft(np.log(power))[:, : power.shape[1]]
  cepstrum[:, 0] /= 2  # Of ln |H|^2 the first one counts once, others twice.
  return cepstrum @ _warped_powers(power.shape[1], order, warping)


@functools.cache
def _warped_powers(count, order, warping):
  """z^-m for m < count as power series in z~^-1, `[count, order + 1]`.

  z^-1 = (z~^-1 + a) / (1 + a z~^-1).
  """
  series = np.eye(1, order + 1)[0]
  found = [series]
  for _ in range(count - 1):
    series = scipy.signal.lfilter([warping, 1.0], [1.0, warping], series)
    found.append(series)
  return np.array(found)


def distortion_db(recorded: Frames, copied: Frames) -> np.ndarray:
  """Mel-cepstral distortion of each frame, without c_0, float64 `[frames]`.

  (10 / ln 10) sqrt(2 sum_m (c_m - c'_m)^2), m = 1 .. order; no frame is
  compared with one at another time.
  """
  difference = recorded.cepstrum[:, 1:] - copied.cepstrum[:, 1:]
  return 10 / np.log(10) * np.sqrt(2 * np.sum(difference**2, 1))


def pitch_errors_cents(recorded: Frames, copied: Frames) -> np.ndarray:
  """Difference of pitch `[frames]`, NaN where one of the two has no voice."""
  voiced = (recorded.f0_hz > 0) & (copied.f0_hz > 0)
  cents = np.full(len(voiced), np.nan)
  ratio = copied.f0_hz[voiced] / recorded.f0_hz[voiced]
  cents[voiced] = 1200 * np.log2(ratio)
  return cents


def voicing_errors(recorded: Frames, copied: Frames) -> np.ndarray:
  """Bool `[frames]`: one has a voice where the other has none."""
  return (recorded.f0_hz > 0) != (copied.f0_hz > 0)
