"""The gradient of a batch, in whatever parts it is computed."""

from collections.abc import Callable, Iterator, Sequence
import contextlib
from typing import Any

import keras
import tensorflow as tf

from wavenet_tf.configuration.learning import TrainingConfig
from wavenet_tf.learning.dividing import parts
from wavenet_tf.learning.dividing.replicas import Replicas
from wavenet_tf.networks.stack.recomputation import recomputation
from wavenet_tf.networks.weights import WeightVector


class BatchGradient:
  """Loss, metrics and gradient of a batch, as a function of the weights.

  Replicas compute parts of the batch at the same time, each its own
  `training.microbatches` one after the other. Where the loss is no mean over
  rows, all parts say first what it depends on (`parts.Part.mean`).

  Args:
    loss_fn: (batch, seed int32 [2], part) -> (loss, metrics); pure.
    weights: of the variables that learn.
    training: `microbatches`, `recompute`, `jit_compile`.
    replicas: that share the batch.
    frozen: other variables that the loss reads; read where they are if there is
      one replica alone.

  Call: the weights `[N]`, the whole batch, seed -> loss, metrics, gradient
    `[N]`.
  """

  def __init__(
    self,
    loss_fn: Callable,
    weights: WeightVector,
    training: TrainingConfig,
    replicas: Replicas,
    frozen: Sequence[keras.Variable] = (),
  ):
    self._loss_fn = loss_fn
    self._weights = weights
    self._training = training
    self._replicas = replicas
    self._parts = replicas.count * training.microbatches
    self._frozen = WeightVector(list(frozen)) if replicas.count > 1 else None
    if replicas.is_distributed:
      # XLA compiles what is between the sums over replicas.
      self._means, self._slopes = (
        tf.function(f, jit_compile=training.jit_compile, autograph=False)
        for f in (self._means, self._slopes)
      )

  def __call__(
    self, weights: tf.Tensor, batch: Any, seed: tf.Tensor
  ) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor]:
    frozen = self._frozen and tf.convert_to_tensor(self._frozen.variable.value)

    def compute(replica, mean):
      first = replica * self._training.microbatches
      given = first, weights, frozen, batch, seed
      return mean(self._slopes(mean(self._means(*given)), *given))

    return self._replicas.run(compute)

  def _means(self, first, weights, frozen, batch, seed):
    """What the loss asks of all parts, the mean over parts from `first` on."""
    if self._parts == 1:
      return []

    def means(index):
      with self._reading(self._weights.split(weights), frozen):
        return parts.means_within(
          lambda part: self._loss_fn(batch, seed, part), index, self._parts
        )

    return parts.mean_over(means, first, self._training.microbatches)

  def _slopes(self, means, first, weights, frozen, batch, seed):
    """-> loss, metrics, gradient, the mean over parts from `first` on."""

    def slopes(index):
      part = parts.with_means(means, index, self._parts)
      watched = self._weights.split(weights)
      with tf.GradientTape() as tape:
        tape.watch(watched)
        with self._reading(watched, frozen):
          loss, metrics = self._loss_fn(batch, seed, part)
      # A weight that the loss does not see stays as it is.
      gradients = tape.gradient(loss, watched, unconnected_gradients='zero')
      return loss, metrics, self._weights.join(gradients)

    return parts.mean_over(slopes, first, self._training.microbatches)

  @contextlib.contextmanager
  def _reading(self, weights, frozen) -> Iterator[None]:
    """Models have these weights in here, on whichever device that is."""
    stand_ins = self._weights.with_values(weights)
    if frozen is not None:
      stand_ins += self._frozen.with_parts_of(frozen)
    with (
      keras.StatelessScope(state_mapping=stand_ins),
      recomputation(self._training.recompute),
    ):
      yield
