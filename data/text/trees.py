"""Boosted regression trees: learned by scikit-learn, kept as arrays.

Predicting needs NumPy alone, and a file of arrays holds no code.
"""

from typing import NamedTuple

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

BOOSTING = {
  'n_estimators': 200,
  'learning_rate': 0.1,
  'max_depth': 6,
  'max_features': 0.3,
  'subsample': 0.5,
  'min_samples_leaf': 3,
  'random_state': 0,
}


class Trees(NamedTuple):
  """Boosted regression trees; the answer is `base` and the sum of the leaves.

  Attributes:
    base: float64 `[1]`.
    feature: int32 `[trees, nodes]`, -1 at a leaf.
    threshold: float64 `[trees, nodes]`; at most this goes left.
    left, right: int32 `[trees, nodes]`.
    value: float64 `[trees, nodes]`, of the leaves.
  """

  base: np.ndarray
  feature: np.ndarray
  threshold: np.ndarray
  left: np.ndarray
  right: np.ndarray
  value: np.ndarray

  @classmethod
  def fit(cls, inputs: np.ndarray, targets: np.ndarray) -> 'Trees':
    model = GradientBoostingRegressor(**BOOSTING).fit(inputs, targets)
    trees = [tree.tree_ for tree in model.estimators_[:, 0]]
    nodes = max(tree.node_count for tree in trees)

    def padded(arrays, dtype):
      rows = [np.pad(a, (0, nodes - len(a))) for a in arrays]
      return np.array(rows, dtype)

    return cls(
      np.ravel(model.init_.constant_),
      padded([np.maximum(t.feature, -1) for t in trees], np.int32),
      padded([t.threshold for t in trees], np.float64),
      padded([t.children_left for t in trees], np.int32),
      padded([t.children_right for t in trees], np.int32),
      model.learning_rate * padded([t.value[:, 0, 0] for t in trees], float),
    )

  def predict(self, inputs: np.ndarray) -> np.ndarray:
    """Float64 `[N]` of `[N, features]`."""
    inputs = inputs.astype(np.float32)
    rows = np.arange(len(inputs))
    total = np.full(len(inputs), self.base[0])
    for feature, threshold, left, right, value in zip(*self[1:]):
      node = np.zeros(len(inputs), np.int32)
      while (feature[node] >= 0).any():
        inner = feature[node] >= 0
        goes_left = inputs[rows, feature[node]] <= threshold[node]
        below = np.where(goes_left, left[node], right[node])
        node = np.where(inner, below, node)
      total += value[node]
    return total
