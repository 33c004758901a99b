"""Parts of a batch, whose gradients add up to that of the whole batch.

A part is what one device computes at a time. What it draws, and which rows it
hears, follow from its place in the whole batch; so the number of parts changes
nothing but how sums are rounded.
"""

from collections.abc import Callable, Sequence
import dataclasses
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Part:
  """Some consecutive rows of a batch.

  Attributes:
    index: which of the parts, int or int32 scalar.
    count: parts of the batch, all of one size.
    mean: a tensor of this part -> its mean over all parts, of which the
      gradient is that of this part. A loss that is no mean over rows asks it
      for each mean, or sum, that it depends on; the mean of such losses over
      the parts is then the loss of the whole batch, and so are their gradients.
  """

  index: int | tf.Tensor = 0
  count: int = 1
  mean: Callable[[tf.Tensor], tf.Tensor] = lambda x: x

  def of(self, batch: Any, axis: int = 0) -> Any:
    """The rows of this part.

    Args:
      batch: a tensor of the whole batch, or tensors nested; None stays.
      axis: along which the rows are.
    """
    return tf.nest.map_structure(lambda x: self._rows(x, axis), batch)

  def _rows(self, x, axis):
    if x is None or self.count == 1:
      return x
    # One axis for the parts, another for the rows of each.
    shape = [*x.shape[:axis], self.count, -1, *x.shape[axis + 1 :]]
    return tf.gather(tf.reshape(x, shape), self.index, axis=axis)


WHOLE = Part()

# (part) -> nested tensors.
OfPart = Callable[[Part], Any]


def means_within(function: OfPart, index: tf.Tensor, count: int) -> list:
  """What a function of a part asks `Part.mean` for, of one part, in order."""
  asked = []

  def remember(x):
    asked.append(x)
    return x

  function(Part(index, count, remember))
  return asked


def with_means(
  means: Sequence[tf.Tensor], index: tf.Tensor, count: int
) -> Part:
  """A part that is told the means over all parts, in the order of asking."""
  if count == 1:
    return WHOLE
  told = iter(means)
  # The value is that of all; the slope, that of x.
  return Part(index, count, lambda x: next(told) + (x - tf.stop_gradient(x)))


def mean_over(
  function: Callable[[tf.Tensor], Any], first: int | tf.Tensor, count: int
) -> Any:
  """The mean of a function over the indices first, ..., first + count - 1.

  One after the other, in a loop that holds what one of them needs.

  Args:
    function: int32 scalar -> nested float tensors of known shapes; traced once.
    first: int or int32 scalar.
    count: at least 1.
  """
  if count == 1:
    return function(first)
  traced = tf.function(function, autograph=False).get_concrete_function(
    tf.TensorSpec([], tf.int32)
  )
  nothing = tf.nest.map_structure(
    lambda x: tf.zeros(x.shape, x.dtype), traced.structured_outputs
  )

  def add(i, sums):
    found = traced(first + i)
    return i + 1, tf.nest.map_structure(tf.add, sums, found)

  _, sums = tf.while_loop(lambda i, _: i < count, add, (0, nothing))
  return tf.nest.map_structure(lambda x: x / count, sums)


def dropout(
  share: float, seed: tf.Tensor | None, part: Part = WHOLE
) -> Callable | None:
  """Dropout of frames whose noise is that of the whole batch.

  Args:
    share: of what is dropped.
    seed: int32 [2], or None for no dropout.
    part: of whose rows the frames are.

  Returns:
    (frames `[B, F, C]`, layer) -> frames, thinned anew for every layer; None
    where nothing is dropped.
  """
  if seed is None or not share:
    return None

  def thin(frames, layer):
    rows, *others = tf.unstack(tf.shape(frames))
    drawn = tf.random.stateless_uniform(
      [part.count * rows, *others],
      tf.random.experimental.stateless_fold_in(seed, layer),
      alg='philox',
    )
    drawn = tf.reshape(drawn, [part.count, rows, *others])[part.index]
    return tf.where(drawn >= share, frames * (1.0 / (1.0 - share)), 0.0)

  return thin
