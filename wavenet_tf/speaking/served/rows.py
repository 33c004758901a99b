"""The rows of a request: each is worked at by itself, as a batch of one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

# Rows that are at work at a time: each has its chunk in memory.
_PARALLEL_ROWS = 4


def map_rows(
  function: Callable,
  *columns: tf.Tensor | None,
  dtype: Any = tf.float32,
  parallel: int = _PARALLEL_ROWS,
) -> Any:
  """What a function of one row says of each, so that a batch changes no bit.

  Args:
    function: the columns of a row, `[1, ...]`, None where there is none -> its
      nested outputs, without an axis for rows.
    *columns: `[B, ...]`, or None.
    dtype: of the outputs, nested alike.
    parallel: rows at a time.

  Returns:
    The outputs, `[B, ...]`.
  """
  given = [c for c in columns if c is not None]

  def of_row(row):
    rest = iter(row)
    return function(*(None if c is None else next(rest)[None] for c in columns))

  return tf.map_fn(
    of_row, given, fn_output_signature=dtype, parallel_iterations=parallel
  )


class FlatState:
  """Packs states `[B, ...]` into `[B, size]`, and back: for a client to carry.

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
