"""A step of probability density distillation, student and teacher."""

import pathlib
import tempfile

from benchmarks.measuring import ceilings, configurations
from benchmarks.measuring.results import Lines
from benchmarks.tables import steps
from benchmarks.tables.settings import Settings
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.choices import PRODUCT_DTYPES
from wavenet_tf.configuration.config import Config, override
from wavenet_tf.learning import objectives
from wavenet_tf.networks.student import build_student
from wavenet_tf.networks.teacher import build_teacher


def measure(settings: Settings, config: Config | None = None) -> Lines:
  """Its lines; `config` is by default the preset `small`."""
  config = config or presets.preset('small')
  sizes = config.train_student
  taps = config.student.kernel_size * config.student.residual_channels
  return Lines(
    '; '.join(
      configurations.sizes(config, name) for name in ('student', 'teacher')
    ),
    ceilings.rates(
      sizes.batch_size * sizes.crop_samples,
      taps,
      2 * config.student.gate_channels,
      settings.repeats,
    ),
    [_figure(settings, config, dtype) for dtype in PRODUCT_DTYPES],
  )


def _figure(settings, config, dtype):
  config = override(
    config,
    {'teacher.product_dtype': dtype, 'student.product_dtype': dtype},
  )
  sizes = config.train_student
  teacher = configurations.randomize(build_teacher(config))
  teacher.trainable = False
  student = configurations.randomize(build_student(config), seed=1)
  found = steps.repeated(student, config, steps.LEARNING)
  found += steps.repeated(teacher, config, steps.FROZEN)
  loss_fn = objectives.student_objective(
    teacher,
    student,
    config.distillation,
    config.audio.sample_rate_hz,
    preemphasis=config.audio.preemphasis,
  )
  with tempfile.TemporaryDirectory() as folder:
    step = steps.Step(
      student,
      loss_fn,
      sizes,
      steps.batch_of(config, sizes),
      pathlib.Path(folder),
    )
    return steps.figure(
      f'{sizes.batch_size} x {sizes.crop_samples:,} samples, {dtype}',
      step,
      found,
      settings.repeats,
      rivals=[],
    )
