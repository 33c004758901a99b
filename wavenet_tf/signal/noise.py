"""Stateless noise that is the same with and without XLA.

Compiled and plain execution agree on Philox's bits, but not on how they make
floats of them (`alg='philox'` alone is not enough); so that is done here, with
elementary functions.
"""

from collections.abc import Sequence
import math

import tensorflow as tf


def uniform(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
  """Uniform noise in the open interval (0, 1), in steps of 2^-23.

  Args:
    shape: of the result.
    seed: int32 [2]; the same seed gives the same noise.
  """
  bits = tf.random.stateless_uniform(
    shape, seed, None, None, tf.uint32, alg='philox'
  )
  mantissa = tf.cast(tf.bitwise.right_shift(bits, 9), tf.int32)
  return (tf.cast(mantissa, tf.float32) + 0.5) * 2.0**-23


def gumbel(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
  """Standard Gumbel noise: argmax(logits + gumbel) ~ Categorical(logits)."""
  return -tf.math.log(-tf.math.log(uniform(shape, seed)))


def logistic(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
  """Logistic(0, 1) noise: ln u - ln(1 - u)."""
  u = uniform(shape, seed)
  return tf.math.log(u) - tf.math.log1p(-u)


def gaussian(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
  """Normal(0, 1) noise: sqrt(-2 ln u) cos(2 pi v) (Box and Muller, 1958)."""
  u, v = tf.unstack(uniform([2, *shape], seed))
  return tf.sqrt(-2.0 * tf.math.log(u)) * tf.cos(2.0 * math.pi * v)


def another(seed: tf.Tensor) -> tf.Tensor:
  """A second seed, for noise that is independent of the first one's."""
  return seed + 1_000_003


def fold_in(seed: tf.Tensor, number: int | tf.Tensor) -> tf.Tensor:
  """The seed of a number: int32 `[2]`, or `[B, 2]` row by row."""
  if seed.shape.rank == 1:
    return tf.random.experimental.stateless_fold_in(seed, number)
  return tf.stack([fold_in(row, number) for row in tf.unstack(seed)])
