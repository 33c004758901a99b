"""The tables by name; importing this imports TensorFlow."""

import tensorflow as tf

from benchmarks import (
  distillation,
  generation,
  input_pipeline,
  student,
  training,
)
from benchmarks.results import Table
from benchmarks.settings import Settings


def measure(
  name: str, settings: Settings, training_rates: dict[str, float]
) -> Table:
  """Measures a table in this process, whose cores are pinned already.

  Args:
    name: as on the command line.
    settings: of the command line.
    training_rates: of steps measured before, for `input`.
  """
  tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
  if name == 'input':
    return input_pipeline.measure(settings, training_rates)
  tables = {
    'generation': generation.measure,
    'student': student.measure,
    'training': training.measure,
    'distillation': distillation.measure,
  }
  return tables[name](settings)
