"""The gradient of an objective as a pure function of vectors."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from wavenet_tf.networks.weights import WeightVector


class Crops(NamedTuple):
  """What an objective of teacher or student reads of a batch.

  Attributes:
    levels: int32 `[B, T]`.
    features: float32 `[B, F, local_channels]`.
    global_: float32 `[B, global_channels]`.
  """

  levels: tf.Tensor
  features: tf.Tensor
  global_: tf.Tensor


class Gradient:
  """The gradient of an objective by the weights that it teaches.

  A training step reads weights from variables; this function reads nothing but
  its arguments, so that it can be carried to a machine that has neither these
  variables nor TensorFlow. It is the gradient before it is clipped.

  Args:
    objective: (batch, seed) -> (loss, metrics), see `objectives.py`.
    learned: the variables that training changes.
    models: whose variables the objective reads, those that learn among them.

  Attributes:
    weights: the variables that learn, as one vector `[N]`.
    frozen: all others, as one vector `[M]`.

  Example:
    ```python
    objective = teacher_objective(teacher)
    gradient = Gradient(objective, teacher.trainable_variables, [teacher])
    loss, slope, metrics = gradient(
      gradient.weights.variable,
      gradient.frozen.variable,
      levels, features, global_, tf.constant([seed, step]),
    )
    ```
  """

  def __init__(
    self,
    objective: Callable,
    learned: Sequence[keras.Variable],
    models: Sequence[keras.Model],
  ):
    self._objective = objective
    self.weights = WeightVector(list(learned))
    paths = set(self.weights.paths)
    self.frozen = WeightVector(
      [v for model in models for v in model.variables if v.path not in paths]
    )

  def __call__(
    self,
    weights: tf.Tensor,
    frozen: tf.Tensor,
    levels: tf.Tensor,
    features: tf.Tensor,
    global_: tf.Tensor,
    seed: tf.Tensor,
  ) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
    """The loss, its gradient `[N]` by `weights`, and its metrics by name.

    Args:
      weights: float32 `[N]`.
      frozen: float32 `[M]`.
      levels: of `Crops`, as all up to the seed.
      features: as well.
      global_: as well.
      seed: int32 [2], the seed of the training and the step.
    """
    with tf.GradientTape() as tape:
      tape.watch(weights)
      stand_ins = [
        *self.weights.with_parts_of(weights),
        *self.frozen.with_parts_of(frozen),
      ]
      with keras.StatelessScope(state_mapping=stand_ins):
        loss, metrics = self._objective(Crops(levels, features, global_), seed)
    # A weight that the loss does not see has the slope 0, as in training.
    slope = tape.gradient(loss, weights, unconnected_gradients='zero')
    return loss, slope, metrics
