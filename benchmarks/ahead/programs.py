"""The four functions that are compiled whole, and what they are called with."""

from collections.abc import Callable, Iterator, Sequence
import pathlib
import tempfile
from typing import NamedTuple

import tensorflow as tf

from benchmarks.ahead.names import (
  DISTILLATION_STEP,
  GENERATION_CHUNK,
  PROGRAMS,
  STUDENT_CHUNK,
  TEACHER_STEP,
)
from benchmarks.measuring import flops
from benchmarks.tables import steps
from data.shards.crops import Batch
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.configuration.learning import TrainingConfig
from wavenet_tf.learning import objectives
from wavenet_tf.learning.trainer import Trainer
from wavenet_tf.networks.student import build_student
from wavenet_tf.networks.teacher import build_teacher
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.synthesis import LONG_CHUNK_FRAMES, Synthesizer


class Program(NamedTuple):
  """A function that XLA compiles whole.

  Attributes:
    name: one of `names.PROGRAMS`.
    function: of `arguments`; reads variables, too.
    arguments: tensors or their specs, nested; None where nothing is told.
    samples: of audio that a call is about.
    flops: of the products that it cannot avoid (`flops.py`); None where that
      is not known.
  """

  name: str
  function: Callable
  arguments: tuple
  samples: int
  flops: float | None


def of(
  config: Config, names: Sequence[str] = PROGRAMS, rows: int = 1
) -> Iterator[Program]:
  """Programs by name, in their order.

  Those of a student are left out where the configuration has none.

  Args:
    config: valid.
    names: some of `names.PROGRAMS`.
    rows: of a chunk; the rows of a step are the configuration's.
  """
  teacher = build_teacher(config)
  once = _products(teacher, config)
  if TEACHER_STEP in names:
    objective = objectives.teacher_objective(teacher)
    yield _step(
      TEACHER_STEP,
      config,
      config.train_teacher,
      teacher,
      objective,
      _times(once, steps.LEARNING),
    )
  if GENERATION_CHUNK in names:
    yield _generation(config, teacher, once, rows)
  if not config.student.flow_layers:
    return
  student = build_student(config)
  spoken = _products(student, config)
  if DISTILLATION_STEP in names:
    teacher.trainable = False
    objective = objectives.student_objective(
      teacher,
      student,
      config.distillation,
      config.audio.sample_rate_hz,
      preemphasis=config.audio.preemphasis,
    )
    yield _step(
      DISTILLATION_STEP,
      config,
      config.train_student,
      student,
      objective,
      _sum(_times(spoken, steps.LEARNING), _times(once, steps.FROZEN)),
    )
  if STUDENT_CHUNK in names:
    yield _synthesis(config, student, spoken, rows)


def _step(name, config, training, model, objective, per_sample):
  with tempfile.TemporaryDirectory() as folder:
    trainer = Trainer(model, objective, training, pathlib.Path(folder))
  # There is no public way to a single step.
  samples = training.batch_size * training.crop_samples
  return Program(
    name,
    trainer._take_step,
    (_batch(config, training),),
    samples,
    _times(per_sample, samples),
  )


def _generation(config, teacher, per_sample, rows):
  generate = Generator(teacher, config)
  told = _told(config, rows, config.evaluate.chunk_frames)
  samples = rows * config.evaluate.chunk_frames * config.audio.hop_samples
  return Program(
    GENERATION_CHUNK,
    generate._generate_chunk,
    (*told, tf.TensorSpec([2], tf.int32), generate.initial_state(rows)),
    samples,
    _times(per_sample, samples),
  )


def _synthesis(config, student, per_sample, rows):
  speak = Synthesizer(student, config)
  samples = rows * LONG_CHUNK_FRAMES * config.audio.hop_samples
  return Program(
    STUDENT_CHUNK,
    speak._synthesize_chunk,
    (
      *_told(config, rows, LONG_CHUNK_FRAMES),
      tf.TensorSpec([rows, 2], tf.int32),
      tf.TensorSpec([], tf.int32),
      speak.initial_state(rows),
    ),
    samples,
    _times(per_sample, samples),
  )


def _batch(config: Config, training: TrainingConfig) -> Batch:
  rows, samples = training.batch_size, training.crop_samples
  features, _ = _told(config, rows, samples // config.audio.hop_samples)
  return Batch(
    tf.TensorSpec([rows, samples], tf.int32),
    features,
    tf.TensorSpec([rows, 0], tf.int32),
    tf.TensorSpec([rows, config.conditioning.global_channels], tf.float32),
  )


def _told(config, rows, frames):
  """Features and a global vector, None where there is none."""
  width = config.conditioning.global_channels
  return (
    tf.TensorSpec(
      [rows, frames + 2 * MARGIN_FRAMES, config.local_channels], tf.float32
    ),
    tf.TensorSpec([rows, width], tf.float32) if width else None,
  )


def _products(model, config) -> float | None:
  """Operations for a sample; `flops.py` does not know every network."""
  if config.context.cycles or config.conditioning.globals:
    return None
  try:
    found = flops.products(model, config.conditioning.upsample_factors)
  except ValueError:
    return None
  return flops.total(found)


def _times(number, factor):
  return None if number is None else factor * number


def _sum(*numbers):
  return None if None in numbers else sum(numbers)
