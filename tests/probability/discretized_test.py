"""Discretized families against SciPy in float64, TFP, counting, and laws.

Bounds, over every level, both families, 8 and 16 bits, and log-scales from the
floor to +3: log-probability within 2e-4 of its size plus 1e-3 nats; total mass
within 2e-3, as float32 places the edges of a bin to 1e-7 of full scale.
"""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.support.references import bin_centres, LOG_CDF, log_mass_reference
from wavenet_tf.probability import discretized
from wavenet_tf.probability.discretized import (
  DiscretizedGaussian,
  DiscretizedLogistic,
)
from wavenet_tf.signal import quantization

tfd = tfp.distributions
LOG_SCALES = [-11.0, -9.0, -7.0, -4.0, -1.0, 0.0, 3.0]
families = pytest.mark.parametrize('family', LOG_CDF)


@functools.cache
def log_prob_of(family, levels, jit_compile):
  """(x, loc, log_scale) -> log-probability; compiled once for all scales."""
  return tf.function(
    lambda x, loc, log_scale: family(loc, log_scale, levels).log_prob(x),
    jit_compile=jit_compile,
    autograph=False,
  )


@families
@pytest.mark.parametrize('log_scale', LOG_SCALES)
@pytest.mark.parametrize('levels', [2**8, 2**16])
@pytest.mark.parametrize('jit_compile', [False, True])
def test_log_prob_agrees_with_float64(family, log_scale, levels, jit_compile):
  loc = 0.123
  # The whole range, the edges, and ten scales around the centre.
  near = loc + np.exp(log_scale) * np.linspace(-10, 10, 81)
  x = np.concatenate(
    [
      bin_centres(levels)[:: levels // 2**8 * 7 + 1],
      bin_centres(levels)[[0, 1, -2, -1]],
      discretized.quantize(near.astype(np.float32), levels),
    ]
  )
  log_prob = log_prob_of(family, levels, jit_compile)(
    tf.constant(x), tf.constant(loc), tf.constant(log_scale)
  )
  np.testing.assert_allclose(
    log_prob,
    log_mass_reference(family, x, loc, log_scale, levels),
    rtol=2e-4,
    atol=1e-3,
  )


@families
@pytest.mark.parametrize('log_scale', LOG_SCALES)
@pytest.mark.parametrize('levels', [2**8, 2**12, 2**16])
@pytest.mark.parametrize('loc', [-1.2, -0.3, 0.0, 0.9999])
def test_masses_of_all_levels_sum_to_one(family, loc, log_scale, levels):
  log_prob = family(loc, log_scale, levels).log_prob(bin_centres(levels))
  total = np.exp(log_prob.numpy().astype(np.float64)).sum()
  assert total == pytest.approx(1.0, abs=2e-3)


@families
@pytest.mark.parametrize('log_scale', LOG_SCALES)
@pytest.mark.parametrize('levels', [2**8, 2**16])
def test_cdf_is_monotone_and_the_sum_of_the_masses(family, log_scale, levels):
  distribution = family(-0.2, log_scale, levels)
  cdf = distribution.cdf(bin_centres(levels)).numpy().astype(np.float64)
  assert np.diff(cdf).min() >= 0
  assert cdf[-1] == 1
  masses = np.exp(distribution.log_prob(bin_centres(levels)).numpy())
  np.testing.assert_allclose(
    cdf, np.cumsum(masses, dtype=np.float64), atol=2e-3
  )


@families
@pytest.mark.parametrize('log_scale', LOG_SCALES)
@pytest.mark.parametrize('loc', [-1.2, -0.3, 0.95])
def test_mean_is_the_sum_over_all_levels(family, loc, log_scale):
  levels = 2**8
  distribution = family(loc, log_scale, levels)
  x = bin_centres(levels).astype(np.float64)
  masses = np.exp(distribution.log_prob(x.astype(np.float32)).numpy())
  # Half a bin where the scale is below a bin's width, exact elsewhere.
  narrow = np.exp(log_scale) < 2 / levels
  bound = 1.01 / levels if narrow else 2e-5
  assert float(distribution.mean()) == pytest.approx(
    (x * masses).sum(), abs=bound
  )


@pytest.mark.parametrize(
  ('family', 'standard'),
  [(DiscretizedLogistic, tfd.Logistic), (DiscretizedGaussian, tfd.Normal)],
)
def test_agrees_with_quantized_distribution_of_tfp(family, standard):
  """TFP quantizes integers; one level is 2 / 65536 of the waveform."""
  loc, log_scale = 0.05, -4.0
  levels = np.arange(-3000, 6000, 13)
  quantized = tfd.QuantizedDistribution(
    tfd.TransformedDistribution(
      standard(np.float64(loc * 2**15), np.exp(log_scale) * 2**15),
      tfp.bijectors.Shift(np.float64(-0.5)),
    ),
    low=-(2.0**15),
    high=2.0**15 - 1,
  )
  ours = family(loc, log_scale).log_prob(
    quantization.waveform_from_levels(levels)
  )
  np.testing.assert_allclose(
    ours, quantized.log_prob(levels.astype(np.float64)), atol=2e-3
  )


@functools.cache
def gradients_of(family, jit_compile):
  """(x, loc, log_scale) -> d log-probability / d each, at 16 bits."""

  def gradients(x, loc, log_scale):
    with tf.GradientTape() as tape:
      tape.watch([x, loc, log_scale])
      log_prob = family(loc, log_scale).log_prob(x)
    return tape.gradient(log_prob, [x, loc, log_scale])

  return tf.function(gradients, jit_compile=jit_compile, autograph=False)


@families
@pytest.mark.parametrize('log_scale', [-11.0, -9.0, -7.0, -4.0, -1.0, 3.0])
@pytest.mark.parametrize('jit_compile', [False, True])
def test_gradients_agree_with_numerical_ones(family, log_scale, jit_compile):
  """By location, log-scale, and the sample itself: within ten scales, short of
  the open bins.
  """
  loc = 0.03
  scale = np.exp(log_scale)
  reach = min(10 * scale, 0.95)
  x = (loc + reach * np.linspace(-1, 1, 41)).astype(np.float32)
  constants = [tf.fill(x.shape, np.float32(v)) for v in (loc, log_scale)]
  ours = gradients_of(family, jit_compile)(tf.constant(x), *constants)

  def numeric(dx, dloc, dlog_scale):
    h = 1e-4
    plus, minus = (
      _log_mass(
        family,
        x.astype(np.float64) + sign * h * dx,
        np.float64(np.float32(loc)) + sign * h * dloc,
        np.float64(np.float32(log_scale)) + sign * h * dlog_scale,
      )
      for sign in (1, -1)
    )
    return (plus - minus) / (2 * h)

  np.testing.assert_allclose(
    ours[0] * scale, numeric(scale, 0, 0), rtol=5e-3, atol=5e-3
  )
  np.testing.assert_allclose(
    ours[1] * scale, numeric(0, scale, 0), rtol=5e-3, atol=5e-3
  )
  np.testing.assert_allclose(ours[2], numeric(0, 0, 1), rtol=5e-3, atol=5e-3)


@families
@pytest.mark.parametrize('log_scale', [-5.0, -2.0, 0.0, 3.0])
@pytest.mark.parametrize('levels', [2**8, 2**16])
@pytest.mark.parametrize('edge', [0, -1])
def test_gradients_of_the_open_bins(family, log_scale, levels, edge):
  x = bin_centres(levels)[[edge]]
  loc = np.float32(0.97 * x[0])
  variables = [tf.Variable(loc), tf.Variable(np.float32(log_scale))]
  with tf.GradientTape() as tape:
    log_prob = family(*variables, levels).log_prob(x)
  gradients = tape.gradient(log_prob, variables)
  at = np.array([loc, log_scale], np.float64)
  sign = -1 if edge else 1

  def reference(at):
    boundary = np.float64(x[0]) + sign / levels
    return LOG_CDF[family](sign * (boundary - at[0]) / np.exp(at[1]))

  for gradient, unit in zip(gradients, np.eye(2)):
    h = 1e-5 * (np.exp(log_scale) if unit[0] else 1.0) * unit
    numeric = (reference(at + h) - reference(at - h)) / (2 * h.max())
    assert float(gradient) == pytest.approx(numeric, rel=1e-3)


def _log_mass(family, x, loc, log_scale):
  """Inner bins in float64; far from the centre from the smaller tail.

  Wide scales cancel even in float64, so there the density stands in: at
  2^-15 / scale its relative error is below 1e-9.
  """
  scale = np.exp(log_scale)
  m, width = np.abs(x - loc) / scale, 2**-15 / scale
  if width < 1e-3:
    log_density = {
      DiscretizedLogistic: -m - 2 * np.logaddexp(0, -m),
      DiscretizedGaussian: -(m**2) / 2 - np.log(2 * np.pi) / 2,
    }
    return log_density[family] + np.log(width)
  a, b = (LOG_CDF[family](-m + half) for half in (width / 2, -width / 2))
  return a + np.log(-np.expm1(b - a))


@families
@pytest.mark.parametrize('log_scale', LOG_SCALES)
def test_value_and_gradient_stay_finite_far_away(family, log_scale):
  """At the far end of the range, however small the scale."""
  x = tf.constant([-1.0, -1 + 2**-15, 0.0, 0.5, 1 - 2**-15, 0.3], tf.float32)
  loc = tf.constant([1.0, 1.0, -0.7, 0.5, -1.0, 0.3 + 1e-5])
  log_scale = tf.fill(x.shape, log_scale)
  with tf.GradientTape() as tape:
    tape.watch([x, loc, log_scale])
    log_prob = family(loc, log_scale).log_prob(x)
  gradients = tape.gradient(log_prob, [x, loc, log_scale])
  for tensor in (log_prob, *gradients):
    assert np.isfinite(tensor.numpy()).all()


@families
def test_without_open_ends_only_the_density_is_known(family):
  distribution = family([0.9], [-2.0], 2**8, open_ends=False)
  # Beyond the range the mass goes on falling.
  inside, outside = distribution.log_prob([1.0, 2.0]).numpy()
  assert outside < inside - 3
  for ask in (
    lambda: distribution.mean(),
    lambda: distribution.cdf([0.0]),
    lambda: distribution.sample(seed=[1, 2]),
  ):
    with pytest.raises(NotImplementedError, match='log_prob'):
      ask()


def test_quantize_is_idempotent_and_covers_every_level():
  for levels in 2**8, 2**16:
    centres = bin_centres(levels)
    np.testing.assert_array_equal(
      discretized.quantize(centres, levels), centres
    )
  np.testing.assert_array_equal(
    discretized.quantize(tf.constant([-3.0, 3.0])), [-1.0, 1 - 2**-15]
  )


@families
def test_samples_lie_on_the_grid_and_fit(family):
  distribution = family([0.1, -0.9], [-3.0, -1.0], 2**8)
  samples = distribution.sample(20000, seed=[1, 2]).numpy()
  assert set(np.unique(samples)) <= set(bin_centres(2**8))
  for column, mean in zip(samples.T, distribution.mean().numpy()):
    error = np.std(column) / np.sqrt(len(column))
    assert np.mean(column) == pytest.approx(mean, abs=4 * error)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
