"""How sure an average over a few utterances is: the bootstrap."""

from typing import NamedTuple

import numpy as np

DRAWS = 2000
SHARE = 0.95


class Interval(NamedTuple):
  """An average and the interval that holds `SHARE` of its bootstrap draws."""

  mean: float
  low: float
  high: float


def interval(values: np.ndarray, weights: np.ndarray | None = None) -> Interval:
  """Of sum(w x) / sum(w), utterances drawn with replacement (Efron 1979).

  The draws are the same in every call, so that equal numbers of utterances
  are drawn alike, and a result is found again.

  Args:
    values: one number an utterance; one that is not finite is left out.
    weights: of the utterances, such as their words; None: all alike.

  Returns:
    Percentiles; all NaN where there is no value.
  """
  values = np.asarray(values, np.float64)
  weights = np.ones(len(values)) if weights is None else np.asarray(weights)
  known = np.isfinite(values)
  values, weights = values[known], weights[known].astype(np.float64)
  if not weights.sum():
    return Interval(np.nan, np.nan, np.nan)
  count = len(values)
  chosen = np.random.default_rng(0).integers(count, size=(DRAWS, count))
  totals = (values * weights)[chosen].sum(1), weights[chosen].sum(1)
  drawn = totals[0][totals[1] > 0] / totals[1][totals[1] > 0]
  tail = 100 * (1 - SHARE) / 2
  low, high = np.percentile(drawn, [tail, 100 - tail])
  mean = np.sum(values * weights) / weights.sum()
  return Interval(float(mean), float(low), float(high))
