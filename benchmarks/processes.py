"""Fresh processes: memory, threads and compiled functions of their own."""

import concurrent.futures
import multiprocessing

from benchmarks import machine
from benchmarks.results import Table
from benchmarks.settings import Settings
from wavenet_tf import memory


def call(function, *arguments):
  """Calls a function of a module in a new interpreter, and waits for it.

  What it raises is raised here, too.
  """
  context = multiprocessing.get_context('spawn')
  with concurrent.futures.ProcessPoolExecutor(1, context) as executor:
    return executor.submit(function, *arguments).result()


def measure(
  name: str, settings: Settings, training_rates: dict[str, float]
) -> Table:
  """A table in a process of its own, pinned to its cores."""
  return call(_pinned, name, settings, training_rates)


def _pinned(name, settings, training_rates):
  machine.pin(settings.threads)
  memory.keep_freed()  # As the command does.
  # Imports TensorFlow, which counts the cores that it may use.
  from benchmarks import tables

  return tables.measure(name, settings, training_rates)
