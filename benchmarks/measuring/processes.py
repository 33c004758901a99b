"""Fresh processes: memory, threads and compiled functions of their own."""

import concurrent.futures
import multiprocessing


def call(function, *arguments):
  """Calls a function of a module in a new interpreter, and waits for it.

  What it raises is raised here, too.
  """
  context = multiprocessing.get_context('spawn')
  with concurrent.futures.ProcessPoolExecutor(1, context) as executor:
    return executor.submit(function, *arguments).result()
