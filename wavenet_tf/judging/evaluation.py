"""Numbers that say how good a run is, on validation utterances."""

from collections.abc import Callable, Iterable, Sequence
import dataclasses
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.judging.health import diagnosis, measurement
from wavenet_tf.judging.health.summary import scalars
from wavenet_tf.judging.likelihood import teacher_likelihood
from wavenet_tf.learning import objectives


def average_metrics(
  objective: Callable, batches: Iterable, seed: int
) -> dict[str, float]:
  """Means of an objective's metrics over batches of one shape."""
  compiled = tf.function(objective, jit_compile=True, autograph=False)
  rows = []
  for i, batch in enumerate(batches):
    _, metrics = compiled(batch, tf.constant([seed, i], tf.int32))
    rows.append({name: float(value) for name, value in metrics.items()})
  return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


class Models(NamedTuple):
  """What is evaluated; a run without a student has a teacher only.

  The listener is the frozen classifier of the perceptual loss, if it has one.
  """

  teacher: keras.Model
  student: keras.Model | None = None
  untrained_student: keras.Model | None = None
  listener: keras.Model | None = None


def measure(
  config: Config,
  models: Models,
  examples: Sequence,
  batches: Sequence,
  flac_bytes: int,
) -> dict:
  """Sizes, likelihoods and divergences as plain data for `results.json`.

  Args:
    config: of the run.
    models: with their final weights.
    examples: validation utterances.
    batches: the same as crops of the student's training length.
    flac_bytes: what `flac -8` needs for these utterances.
  """
  likelihood = teacher_likelihood(models.teacher, config, examples)
  results = {
    'preset': config.preset,
    'local': config.conditioning.local,
    'globals': list(config.conditioning.globals),
    'output': config.teacher.output,
    'bits': config.teacher.bits,
    'sample_rate_hz': config.audio.sample_rate_hz,
    'preemphasis': config.audio.preemphasis,
    'validation_utterances': len(examples),
    'validation_samples': likelihood.samples,
    'teacher_parameters': models.teacher.count_params(),
    'teacher_bits_per_sample': likelihood.bits_per_sample,
    'flac_bits_per_sample': 8 * flac_bytes / likelihood.samples,
  }
  if models.student is None:
    return results
  results['student_parameters'] = models.student.count_params()
  named = {'start': models.untrained_student, 'end': models.student}
  for name, student in named.items():
    objective = objectives.student_objective(
      models.teacher,
      student,
      # A batch of one crop has no other conditioning; the divergence is
      # wanted whatever was trained with, and whenever.
      dataclasses.replace(
        config.distillation,
        contrastive_weight=0.0,
        divergence_weight=1.0,
        divergence_from_step=0,
        divergence_ramp_steps=0,
      ),
      config.audio.sample_rate_hz,
      models.listener,
      config.audio.preemphasis,
    )
    results[f'student_at_{name}'] = average_metrics(objective, batches, seed=0)
  measured = measurement.measurer(
    models.teacher, models.student, batches, config
  )()
  results['student_health'] = {
    **scalars(measured.health),
    'warnings': diagnosis.warnings(measured.health),
  }
  return results
