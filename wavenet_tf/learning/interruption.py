"""Ctrl-C and SIGTERM as a request to stop after the step."""

from collections.abc import Callable, Iterator
import contextlib
import signal


class Interrupted(Exception):
  """Training stopped on a signal, after a checkpoint."""


@contextlib.contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
  """Turns SIGINT and SIGTERM into a request to stop after the step."""
  received = []
  signals = (signal.SIGINT, signal.SIGTERM)
  previous = {
    s: signal.signal(s, lambda number, _: received.append(number))
    for s in signals
  }
  try:
    yield lambda: bool(received)
  finally:
    for number, handler in previous.items():
      signal.signal(number, handler)
