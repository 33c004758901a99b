"""Timing of contenders that take turns, and the statistics of it.

A machine that does other work at the same time is slow and fast by turns. So
contenders run A B C A B C, and what is compared is their ratio within a round.
"""

from collections.abc import Callable
import statistics
import time

# Runs once and says how many seconds that took.
Contender = Callable[[], float]


def timed(work: Callable[[], object]) -> Contender:
  """A contender that does `work`, which must not return before it is done."""

  def run():
    start = time.perf_counter()
    work()
    return time.perf_counter() - start

  return run


def alternate(
  contenders: dict[str, Contender], repeats: int
) -> dict[str, list[float]]:
  """Seconds of every contender in every round, after one round of warm-up.

  Args:
    contenders: by name; they take turns in this order.
    repeats: rounds that count.
  """
  for run in contenders.values():
    run()
  seconds = {name: [] for name in contenders}
  for _ in range(repeats):
    for name, run in contenders.items():
      seconds[name].append(run())
  return seconds


def median(seconds: list[float]) -> float:
  return statistics.median(seconds)


def ratio(numerators: list[float], denominators: list[float]) -> float:
  """The median of the ratios within each round."""
  return statistics.median(
    a / b for a, b in zip(numerators, denominators, strict=True)
  )


def first_call_seconds(work: Callable[[], object]) -> float:
  """What a function costs once: its first call less its second one."""
  first, second = timed(work)(), timed(work)()
  return max(first - second, 0.0)
