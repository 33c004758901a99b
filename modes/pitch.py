"""Pitch as recordings have it, for the estimator that a student listens to."""

from collections.abc import Iterable

import numpy as np

from data.shards.example import Example
from data.shards.records import read_examples
from data.shards.splits import TRAIN, VALIDATION
from data.text import pitch
from modes.runs import Run
from wavenet_tf.configuration.config import Config
from wavenet_tf.learning.checkpoints import has_checkpoint
from wavenet_tf.learning.pitch_training import (
  pitch_errors,
  PitchFrames,
  train_pitch,
)
from wavenet_tf.networks.conditioning.pitch import (
  PitchEstimator,
  REACH_FRAMES,
)
from wavenet_tf.networks.student import Student
from wavenet_tf.networks.teacher import Teacher

_MOST_SECONDS, _STEPS = 1800.0, 2000


def starting_student(run: Run, teacher: Teacher) -> Student:
  """The student that training starts from, which knows pitch already."""
  student = run.untrained_student(teacher)
  reads_mels = isinstance(student.pitch, PitchEstimator)
  if reads_mels and not has_checkpoint(run.workdir / 'student'):
    train_estimator(run, student.pitch)
  return student


def train_estimator(run: Run, estimator: PitchEstimator) -> None:
  """What the student hears of F0, from recordings and Praat's reading."""
  examples = {
    split: read_examples(run.data, run.manifest, split)
    for split in (TRAIN, VALIDATION)
  }
  frames = {
    split: pitch_frames(found, run.config) for split, found in examples.items()
  }
  settings = run.config.train_student
  train_pitch(
    estimator,
    frames[TRAIN],
    _STEPS,
    settings.seed,
    settings.jit_compile,
  )
  errors = pitch_errors(estimator, frames[VALIDATION])
  print(
    'Pitch from the log-mel: half of the frames within '
    f'{errors.median_cents:.0f} cents, {100 * errors.gross_share:.1f} % off by '
    f'more than 50, voicing {100 * (1 - errors.voicing_share):.1f} % right.'
  )


def pitch_frames(examples: Iterable[Example], config: Config) -> PitchFrames:
  """Log-mels of half an hour beside the pitch that Praat finds in it.

  Args:
    examples: with a log-mel each.
    config: of the run that they were prepared for.
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
    if seconds > _MOST_SECONDS:
      break
  log_f0, voiced, spoken = np.concatenate(contours, 1)
  return PitchFrames(
    np.concatenate(features).astype(np.float32),
    log_f0.astype(np.float32),
    voiced.astype(np.float32),
    np.flatnonzero(spoken),
  )
