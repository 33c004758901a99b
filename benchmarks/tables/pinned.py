"""A table in a process of its own, pinned to its cores."""

from benchmarks.measuring import machine, processes
from benchmarks.measuring.results import Table
from benchmarks.tables.settings import Settings
from wavenet_tf.learning import allocator


def measure(
  name: str, settings: Settings, training_rates: dict[str, float]
) -> Table:
  """Measures a table by name; see `by_name.measure`."""
  return processes.call(_measure_here, name, settings, training_rates)


def _measure_here(name, settings, training_rates):
  machine.pin(settings.threads)
  allocator.keep_freed()  # As the command does.
  # Imports TensorFlow, which counts the cores that it may use.
  from benchmarks.tables import by_name

  return by_name.measure(name, settings, training_rates)
