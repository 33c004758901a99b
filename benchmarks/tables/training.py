"""A training step of the teacher: gradient, clipping, Adam, average."""

import pathlib
import tempfile

from benchmarks.measuring import ceilings, configurations
from benchmarks.measuring.results import Lines
from benchmarks.peers import sources
from benchmarks.tables import generation, steps
from benchmarks.tables.settings import Settings
from wavenet_tf.configuration.choices import FLOAT32, PRODUCT_DTYPES
from wavenet_tf.configuration.config import Config, override
from wavenet_tf.learning import objectives
from wavenet_tf.networks.teacher import build_teacher


def measure(settings: Settings, config: Config | None = None) -> Lines:
  """Its lines, the last one with conditioning that is held for a frame.

  Args:
    settings: of the command line.
    config: by default that of `configurations`.
  """
  config = config or configurations.autoregressive()
  held = override(config, {'conditioning.upsampler': 'repeat'})
  sizes = config.train_teacher
  width = 2 * config.teacher.gate_channels
  taps = config.teacher.kernel_size * config.teacher.residual_channels
  return Lines(
    configurations.sizes(config, 'teacher'),
    ceilings.rates(
      sizes.batch_size * sizes.crop_samples, taps, width, settings.repeats
    ),
    [
      *(_figure(settings, config, dtype) for dtype in PRODUCT_DTYPES),
      _figure(settings, held, FLOAT32, ', held'),
    ],
  )


def _figure(settings, config, dtype, kind=''):
  """Ours and the peers' steps; theirs are in float32."""
  config = override(config, {'teacher.product_dtype': dtype})
  sizes = config.train_teacher
  teacher = configurations.randomize(build_teacher(config))
  work = {
    'batch': sizes.batch_size,
    'samples': sizes.crop_samples,
    **generation.teacher_sizes(config),
  }
  with (
    tempfile.TemporaryDirectory() as folder,
    sources.working(
      settings, sources.WAVENET_VOCODER, 'training', **work
    ) as rivals,
  ):
    step = steps.Step(
      teacher,
      objectives.teacher_objective(teacher),
      sizes,
      steps.batch_of(config, sizes),
      pathlib.Path(folder),
    )
    return steps.figure(
      f'{sizes.batch_size} x {sizes.crop_samples:,} samples{kind}, {dtype}',
      step,
      steps.repeated(teacher, config, steps.LEARNING),
      settings.repeats,
      rivals,
    )
