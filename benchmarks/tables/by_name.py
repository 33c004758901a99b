"""The tables by name; importing this imports TensorFlow."""

import tensorflow as tf

from benchmarks.measuring import machine
from benchmarks.measuring.results import Lines, Table
from benchmarks.tables import (
  distillation,
  generation,
  input_pipeline,
  serving,
  student,
  training,
)
from benchmarks.tables.settings import Settings


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
  load = machine.Load()
  lines = _lines(name, settings, training_rates)
  return Table(
    name,
    settings.threads,
    *lines,
    peak_memory_bytes=machine.peak_memory_bytes(),
    others_share=load.others_share(),
  )


def _lines(name, settings, training_rates) -> Lines:
  if name == 'input':
    return input_pipeline.measure(settings, training_rates)
  tables = {
    'generation': generation.measure,
    'student': student.measure,
    'serving': serving.measure,
    'training': training.measure,
    'distillation': distillation.measure,
  }
  return tables[name](settings)
