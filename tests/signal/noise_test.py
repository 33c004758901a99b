"""Noise: its distribution, its seeds, and that XLA changes nothing."""

import numpy as np
import pytest
from scipy import stats
import tensorflow as tf

from wavenet_tf.signal import noise

KINDS = {
  'uniform': noise.uniform,
  'gumbel_r': noise.gumbel,
  'logistic': noise.logistic,
  'norm': noise.gaussian,
}
kinds = pytest.mark.parametrize('name', KINDS)


@kinds
def test_passes_kolmogorov_smirnov(name):
  draws = KINDS[name]([50000], [1, 2]).numpy()
  assert stats.kstest(draws, name).pvalue > 0.001


@kinds
def test_neighbours_are_independent(name):
  draws = KINDS[name]([50000], [3, 4]).numpy()
  for lag in 1, 2, 25000:
    correlation = np.corrcoef(draws[lag:], draws[:-lag])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(len(draws) - lag)


@kinds
def test_the_same_with_and_without_xla(name):
  plain = KINDS[name]([5000], tf.constant([1, 2]))
  compiled = tf.function(
    lambda seed: KINDS[name]([5000], seed), jit_compile=True, autograph=False
  )(tf.constant([1, 2]))
  np.testing.assert_allclose(plain, compiled, rtol=2e-5, atol=2e-6)


@kinds
def test_a_seed_is_a_draw(name):
  first = KINDS[name]([100], tf.constant([1, 2]))
  np.testing.assert_array_equal(first, KINDS[name]([100], tf.constant([1, 2])))
  other = KINDS[name]([100], noise.another(tf.constant([1, 2])))
  assert np.abs(first - other).max() > 0.1


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
