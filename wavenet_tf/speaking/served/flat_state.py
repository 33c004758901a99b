"""A nested state as one row of numbers: what a server hands to a client."""

from typing import Any

import numpy as np
import tensorflow as tf


class FlatState:
  """Packs states `[B, ...]` into `[B, size]`, and back.

  Nothing is lost on the way: float32 in, float32 out.

  Args:
    example: a nested state of one row, such as the one before the first chunk;
      its shapes are those of all.

  Attributes:
    size: numbers a row.
  """

  def __init__(self, example: Any):
    self._example = example
    self._shapes = [x.shape[1:] for x in tf.nest.flatten(example)]
    self._sizes = [int(np.prod(shape)) for shape in self._shapes]
    self.size = sum(self._sizes)

  def pack(self, state: Any) -> tf.Tensor:
    """The state of rows, float32 `[B, size]`."""
    parts = zip(tf.nest.flatten(state), self._sizes, strict=True)
    return tf.concat([tf.reshape(x, [-1, size]) for x, size in parts], 1)

  def unpack(self, flat: tf.Tensor) -> Any:
    """Inverse of `pack`."""
    parts = zip(tf.split(flat, self._sizes, 1), self._shapes, strict=True)
    return tf.nest.pack_sequence_as(
      self._example, [tf.reshape(x, [-1, *shape]) for x, shape in parts]
    )
