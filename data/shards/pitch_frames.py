"""Frames whose pitch is known, for training a `pitch.PitchEstimator`."""

from collections.abc import Iterable

import numpy as np

from data.shards.example import Example
from data.text import pitch
from wavenet_tf.configuration.config import Config
from wavenet_tf.learning.pitch_training import PitchFrames
from wavenet_tf.networks.conditioning.pitch import REACH_FRAMES


def pitch_frames(
  examples: Iterable[Example], config: Config, most_seconds: float
) -> PitchFrames:
  """Log-mels of utterances beside the pitch that Praat finds in them.

  Args:
    examples: with a log-mel each.
    config: of the run that they were prepared for.
    most_seconds: of audio; what follows is left out.
  """
  features, contours, seconds = [], [], 0.0
  for example in examples:
    seconds += len(example.levels) / config.audio.sample_rate_hz
    found = pitch.extract(example.levels, config.audio)
    # Silence between utterances, as around each of them when it is spoken.
    margin = (REACH_FRAMES, REACH_FRAMES)
    features.append(
      np.pad(example.features, (margin, (0, 0)), constant_values=config.silence)
    )
    contours.append(
      [
        np.pad(found.log_f0, margin),
        np.pad(found.voiced, margin),
        np.pad(np.ones(len(found.voiced), bool), margin),
      ]
    )
    if seconds > most_seconds:
      break
  log_f0, voiced, spoken = np.concatenate(contours, 1)
  return PitchFrames(
    np.concatenate(features).astype(np.float32),
    log_f0.astype(np.float32),
    voiced.astype(np.float32),
    np.flatnonzero(spoken),
  )
