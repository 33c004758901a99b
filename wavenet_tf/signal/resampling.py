"""The same sound at another sample rate."""

import numpy as np
import soxr


def resampled(waveform: np.ndarray, rate_hz: int, to_hz: int) -> np.ndarray:
  """Band-limited resampling, aliasing below -130 dB.

  Args:
    waveform: floats `[T]`, at `rate_hz`.
    rate_hz: of the waveform.
    to_hz: of the result.

  Returns:
    The waveform itself where the rates are equal, else about
    `T to_hz / rate_hz` samples of the same type.
  """
  if rate_hz == to_hz:
    return waveform
  return soxr.resample(waveform, rate_hz, to_hz, quality='VHQ')
