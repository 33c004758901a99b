"""What a served graph refuses, in one sentence, before it does any work.

A server compares a request with neither the shapes of a signature nor with
what its numbers mean. So the graph does: an input that is not as its `Field`
says ends in an `InvalidArgumentError` of the form

  <input>: found <what>, expected <what>.

which TensorFlow begins with "assertion failed: [".
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf


class Field(NamedTuple):
  """An input, and what is expected of it.

  Attributes:
    name: of the input.
    axes: after the rows, a length each, or a name of what may be of any, above
      zero: ('frames', 80).
    dtype: of its numbers; only floats are asked to be finite.
    least, most: numbers that it holds lie between them.
    most_steps: greatest length of the first axis after the rows.
    example: length of a named axis in a request that warms up, or, of an
      integer, its value there.
  """

  name: str
  axes: tuple[int | str, ...] = ()
  dtype: tf.DType = tf.float32
  least: float | None = None
  most: float | None = None
  most_steps: int | None = None
  example: int = 0

  @property
  def shape(self) -> list[int | None]:
    named = [None if isinstance(a, str) else a for a in self.axes]
    return [None, *named]

  @property
  def spec(self) -> tf.TensorSpec:
    return tf.TensorSpec(self.shape, self.dtype, self.name)


def checked(
  given: dict[str, tf.Tensor], fields: Sequence[Field], most_rows: int
) -> dict[str, tf.Tensor]:
  """The inputs of a request as they came in; an error if they cannot be.

  Args:
    given: one tensor a field.
    fields: of a signature; the first one says how many rows there are.
    most_rows: that a request may have.

  Returns:
    What was given, with the shapes that are known now.
  """
  passed, refusals, rows = {}, [], None
  for field in fields:
    # A runtime that trusts the signature would fold these checks away.
    x = tf.raw_ops.PlaceholderWithDefault(
      input=given[field.name], shape=tf.TensorShape(None)
    )
    with tf.control_dependencies([_refuse_shape(x, field)]):
      x = tf.ensure_shape(tf.identity(x), field.shape)
    found = tf.shape(x)[0]
    if rows is None:
      rows, first = found, field.name
      refusals.append(
        refuse_unless(
          rows <= most_rows, field.name, text(rows, ' rows'),
          text('at most ', most_rows),
        )
      )  # fmt: skip
    else:
      refusals.append(
        refuse_unless(
          tf.equal(found, rows), field.name, text(found, ' rows'),
          text(rows, f', as many as {first} has'),
        )
      )  # fmt: skip
    refusals += _refuse_content(x, field)
    passed[field.name] = x
  return after(refusals, passed)


def after(
  refusals: Sequence[tf.Operation], passed: dict[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
  """The same tensors, which are there when nothing was refused."""
  with tf.control_dependencies(refusals):
    return {name: tf.identity(x) for name, x in passed.items()}


def refuse_unless(
  condition: tf.Tensor, name: str, found: tf.Tensor, expected: tf.Tensor
) -> tf.Operation:
  """Ends the request unless a scalar condition holds."""
  sentence = text(f'{name}: found ', found, ', expected ', expected, '.')
  return tf.debugging.Assert(condition, [sentence])


def text(*parts: object) -> tf.Tensor:
  """Words and numbers, joined."""

  def word(part):
    if isinstance(part, str):
      return part
    part = tf.convert_to_tensor(part)
    if part.dtype == tf.string:
      return part
    return tf.strings.as_string(part, shortest=part.dtype.is_floating)

  return tf.strings.join([word(part) for part in parts])


def _refuse_shape(x, field):
  """The rank, the lengths that are fixed, and no axis of length zero."""
  expected = [-1 if length is None else length for length in field.shape]
  rank = len(expected)
  # As long as what is expected, whatever came.
  found = tf.concat([tf.shape(x), tf.fill([rank], -2)], 0)[:rank]
  fits = tf.where(tf.constant(expected) < 0, found > 0, found == expected)
  axes = ['rows', *map(str, field.axes)]
  named = ' and '.join(axis for axis in axes if not axis.isdigit())
  return refuse_unless(
    tf.equal(tf.rank(x), rank) & tf.reduce_all(fits),
    field.name,
    text('shape [', tf.strings.reduce_join(
      tf.strings.as_string(tf.shape(x)), separator=', '
    ), ']'),
    text(f'[{", ".join(axes)}] with 1 or more {named}'),
  )  # fmt: skip


def _refuse_content(x, field):
  if field.most_steps is not None:
    steps, axis = tf.shape(x)[1], field.axes[0]
    yield refuse_unless(
      steps <= field.most_steps, field.name, text(steps, f' {axis}'),
      text('at most ', field.most_steps),
    )  # fmt: skip
  if not x.dtype.is_floating:
    return
  unfit = tf.math.count_nonzero(~tf.math.is_finite(x))
  yield refuse_unless(
    tf.equal(unfit, 0), field.name,
    text(unfit, ' numbers that are not finite'), text('none'),
  )  # fmt: skip
  if field.least is not None:
    least, most = tf.reduce_min(x), tf.reduce_max(x)
    yield refuse_unless(
      # Not-a-number is refused by the sentence above.
      ~((least < field.least) | (most > field.most)), field.name,
      text('numbers from ', least, ' to ', most),
      text(f'{field.least:.4g} to {field.most:.4g}'),
    )  # fmt: skip
