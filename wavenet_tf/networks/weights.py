"""The weights of a model as one vector."""

from collections.abc import Sequence

import keras
import tensorflow as tf


class WeightVector:
  """Trainable variables, end to end in one vector `[N]`.

  What treats every weight alike (norm, Adam, average) does so to the vector in
  a few operations, instead of a few for each of hundreds of variables: a
  training step compiles in a fraction of the time.

  Args:
    variables: of a model; all float32, each with a path of its own.

  Attributes:
    variable: `keras.Variable` `[N]`, at first what the variables hold.
    paths: the names of the variables, such as `teacher/network/output/bias`,
      in the order of the vector.

  Raises:
    ValueError: if two variables have one path.
  """

  def __init__(self, variables: list[keras.Variable]):
    self._variables = variables
    self.variable = keras.Variable(self.join(self.parts), name='weights')
    self.paths = [v.path for v in variables]
    if len(set(self.paths)) < len(self.paths):
      raise ValueError(f'Two variables have one path: {sorted(self.paths)}')

  @property
  def parts(self) -> list[tf.Variable]:
    """The variables themselves, as tapes know them."""
    return [v.value for v in self._variables]

  def join(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Tensors of the variables' shapes -> `[N]`."""
    parts = [tf.reshape(x, [-1]) for x in tensors]
    return tf.concat(parts, 0) if parts else tf.zeros([0])

  def split(self, vector: tf.Tensor) -> list[tf.Tensor]:
    """`[N]` -> tensors of the variables' shapes."""
    shapes = [v.shape for v in self._variables]
    if not shapes:
      return []
    parts = tf.split(vector, [shape.num_elements() for shape in shapes])
    return [tf.reshape(x, shape) for x, shape in zip(parts, shapes)]

  def with_parts_of(
    self, vector: tf.Tensor
  ) -> list[tuple[keras.Variable, tf.Tensor]]:
    """Each variable with its part of `[N]`, as `keras.StatelessScope` takes."""
    return self.with_values(self.split(vector))

  def with_values(
    self, values: Sequence[tf.Tensor]
  ) -> list[tuple[keras.Variable, tf.Tensor]]:
    """Each variable with its value, as `keras.StatelessScope` takes."""
    return list(zip(self._variables, values, strict=True))

  def by_path(self, vector: tf.Tensor) -> dict[str, tf.Tensor]:
    """The parts of `[N]` by the names of the variables, in their order."""
    return dict(zip(self.paths, self.split(vector)))

  def assign(self, vector: tf.Tensor) -> None:
    """Gives each variable its part of `[N]`."""
    for part, x in zip(self.parts, self.split(vector)):
      part.assign(x)
