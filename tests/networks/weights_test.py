"""The weight vector: what it holds, and Adam on it against Adam on each."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from wavenet_tf.networks.weights import WeightVector

SHAPES = [(3, 2), (2,), (), (4, 1, 2)]


def variables(generator):
  return [keras.Variable(generator.normal(size=s)) for s in SHAPES]


def test_the_vector_is_the_variables_end_to_end(generator):
  owned = variables(generator)
  expected = np.concatenate([v.numpy().ravel() for v in owned])
  weights = WeightVector(owned)
  np.testing.assert_array_equal(weights.variable, expected)
  weights.assign(tf.constant(2 * expected))
  found = np.concatenate([v.numpy().ravel() for v in owned])
  np.testing.assert_array_equal(found, 2 * expected)
  assert [v.shape for v in owned] == SHAPES
  # Until it is told to, it does not follow.
  np.testing.assert_array_equal(weights.variable, expected)


def test_adam_on_the_vector_is_adam_on_each_variable(generator):
  seed = int(generator.integers(1000))
  each = variables(np.random.default_rng(seed))
  joined = WeightVector(variables(np.random.default_rng(seed)))
  plain, on_vector = keras.optimizers.Adam(0.1), keras.optimizers.Adam(0.1)
  for _ in range(3):
    gradients = [generator.normal(size=s).astype(np.float32) for s in SHAPES]
    plain.apply([tf.constant(g) for g in gradients], each)
    on_vector.apply([joined.join(gradients)], [joined.variable])
  expected = joined.join([v.value for v in each])
  np.testing.assert_allclose(joined.variable, expected, rtol=1e-6)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
