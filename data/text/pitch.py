"""The pitch of a recording: log F0 and voicing, frame by frame.

Praat's autocorrelation method (Boersma 1993) finds the fundamental frequency;
through unvoiced stretches its logarithm is interpolated, so that the network
sees a contour without jumps and a flag beside it.
"""

import math
from typing import NamedTuple

import numpy as np
import parselmouth

from wavenet_tf.configuration.corpus import (
  AudioConfig,
  HIGHEST_F0_HZ,
  LOWEST_F0_HZ,
)

FEATURE_NAMES = ('log F0', 'voiced')
# The window spans this many periods of the lowest pitch.
_PERIODS = 3.0
_STEPS_PER_PERIOD = 4


class Pitch(NamedTuple):
  """Pitch at frame rate.

  Attributes:
    log_f0: float64 `[frames]`, ln Hz; interpolated where there is no voice.
    voiced: bool `[frames]`.
  """

  log_f0: np.ndarray
  voiced: np.ndarray


def extract(levels: np.ndarray, audio: AudioConfig) -> Pitch:
  """Pitch at the centres of the frames of `spectra.log_mel`.

  A recording without any voice has the middle of the range throughout.

  Args:
    levels: int16 `[T]`.
    audio: rate and hop.

  Returns:
    `Pitch` of `ceil(T / hop)` frames.
  """
  rate, hop = audio.sample_rate_hz, audio.hop_samples
  frames = -(-len(levels) // hop)
  centres = (np.arange(frames) + 0.5) * hop / rate
  # A window before and after, so that there are values at either end.
  around = round(2 * _PERIODS / LOWEST_F0_HZ * rate)
  sound = parselmouth.Sound(
    np.pad(levels.astype(np.float64) / 32768.0, around), rate, -around / rate
  )
  found = sound.to_pitch_ac(
    time_step=1.0 / (_STEPS_PER_PERIOD * LOWEST_F0_HZ),
    pitch_floor=LOWEST_F0_HZ,
    pitch_ceiling=HIGHEST_F0_HZ,
  )
  return interpolate(centres, found.xs(), found.selected_array['frequency'])


def interpolate(
  centres: np.ndarray, times: np.ndarray, frequencies_hz: np.ndarray
) -> Pitch:
  """Pitch at other times; between voiced ones the logarithm is linear.

  Args:
    centres: seconds `[frames]`, where to know it.
    times: seconds `[N]`, increasing, where it is known.
    frequencies_hz: `[N]`, 0 where there is no voice.
  """
  voiced = frequencies_hz > 0
  if not voiced.any():
    middle = math.log(LOWEST_F0_HZ * HIGHEST_F0_HZ) / 2
    return Pitch(np.full(len(centres), middle), np.zeros(len(centres), bool))
  log_f0 = np.interp(centres, times[voiced], np.log(frequencies_hz[voiced]))
  nearest = np.searchsorted((times[1:] + times[:-1]) / 2, centres)
  return Pitch(log_f0, voiced[nearest])


def features(pitch: Pitch) -> np.ndarray:
  """Float32 `[frames, 2]` in [0, 1]: scaled log F0, and 1 where voiced."""
  low, high = math.log(LOWEST_F0_HZ), math.log(HIGHEST_F0_HZ)
  scaled = np.clip((pitch.log_f0 - low) / (high - low), 0.0, 1.0)
  return np.stack([scaled, pitch.voiced], 1).astype(np.float32)


def from_features(values: np.ndarray) -> Pitch:
  """Inverse of `features`."""
  low, high = math.log(LOWEST_F0_HZ), math.log(HIGHEST_F0_HZ)
  log_f0 = low + values[:, 0].astype(np.float64) * (high - low)
  return Pitch(log_f0, values[:, 1] > 0.5)
