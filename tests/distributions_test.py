"""Outputs against SciPy in float64, TFP's own quantization, and counting."""

import numpy as np
import pytest
from scipy import special, stats
import tensorflow as tf
import tensorflow_probability as tfp

from wavenet_tf import audio, distributions
from wavenet_tf.config import TeacherConfig
from wavenet_tf.distributions import DiscretizedLogistic

tfd = tfp.distributions
LOG_SCALES = [-11.0, -9.0, -7.0, -4.0, -1.0, 0.0, 3.0]


def log_mass_reference(x, loc, log_scale, levels=2**16):
  """Ln of the mass of the bin centred on x, float64, from whichever tail."""
  loc = np.float64(np.float32(loc))
  scale = np.exp(np.float64(np.float32(log_scale)))
  x = x.astype(np.float64)
  upper = np.where(x > 1 - 3 / levels, np.inf, (x + 1 / levels - loc) / scale)
  lower = np.where(x < -1 + 1 / levels, -np.inf, (x - 1 / levels - loc) / scale)
  # sigmoid(a) - sigmoid(b) = sigmoid(-b) - sigmoid(-a): use the small side.
  flip = lower > 0
  upper, lower = np.where(flip, -lower, upper), np.where(flip, -upper, lower)
  a, b = special.log_expit(upper), special.log_expit(lower)
  with np.errstate(divide='ignore'):
    return a + np.log(-np.expm1(b - a))


def bin_centres(levels=2**16):
  return (np.arange(levels) * (2.0 / levels) - 1.0).astype(np.float32)


@pytest.mark.parametrize('log_scale', LOG_SCALES)
@pytest.mark.parametrize('jit_compile', [False, True])
def test_log_prob_agrees_with_float64(log_scale, jit_compile):
  x, loc = bin_centres()[::7], 0.123
  log_prob = tf.function(
    lambda x: DiscretizedLogistic(loc, log_scale).log_prob(x),
    jit_compile=jit_compile,
  )(x)
  np.testing.assert_allclose(
    log_prob, log_mass_reference(x, loc, log_scale), rtol=2e-4, atol=1e-3
  )


@pytest.mark.parametrize('log_scale', LOG_SCALES)
@pytest.mark.parametrize('levels', [256, 2**16])
@pytest.mark.parametrize('loc', [-1.2, -0.3, 0.0, 0.9999])
def test_masses_of_all_levels_sum_to_one(loc, log_scale, levels):
  log_prob = DiscretizedLogistic(loc, log_scale, levels).log_prob(
    bin_centres(levels)
  )
  total = np.exp(log_prob.numpy().astype(np.float64)).sum()
  # float32 places a bin's edges to 1e-7 of full scale.
  assert total == pytest.approx(1.0, abs=2e-3)


def test_agrees_with_quantized_distribution_of_tfp():
  """TFP quantizes integers; one level is 2 / 65536 of the waveform."""
  loc, log_scale = 0.05, -4.0
  levels = np.arange(-3000, 6000, 13)
  quantized = tfd.QuantizedDistribution(
    tfd.TransformedDistribution(
      tfd.Logistic(np.float64(loc * 2**15), np.exp(log_scale) * 2**15),
      tfp.bijectors.Shift(np.float64(-0.5)),
    ),
    low=-(2.0**15),
    high=2.0**15 - 1,
  )
  ours = DiscretizedLogistic(loc, log_scale).log_prob(
    audio.waveform_from_levels(levels)
  )
  np.testing.assert_allclose(
    ours, quantized.log_prob(levels.astype(np.float64)), atol=2e-3
  )


@pytest.mark.parametrize('log_scale', [-7.0, -4.0, -1.0])
def test_gradients_agree_with_numerical_ones(log_scale):
  x = np.linspace(-0.4, 0.5, 41).astype(np.float32)
  loc = tf.Variable(0.03)
  log_scale = tf.Variable(log_scale)
  with tf.GradientTape() as tape:
    total = tf.reduce_sum(DiscretizedLogistic(loc, log_scale).log_prob(x))
  by_loc, by_log_scale = tape.gradient(total, [loc, log_scale])

  def reference(loc, log_scale):
    scale = np.exp(log_scale)
    a = (x.astype(np.float64) + 2**-16 - loc) / scale
    b = (x.astype(np.float64) - 2**-16 - loc) / scale
    log_mass = (
      np.log(np.expm1(a - b)) + b - np.logaddexp(0, a) - np.logaddexp(0, b)
    )
    return log_mass.sum()

  at = np.float64(loc.numpy()), np.float64(log_scale.numpy())
  h = 1e-6 * np.exp(at[1])
  numeric_loc = (reference(at[0] + h, at[1]) - reference(at[0] - h, at[1])) / (
    2 * h
  )
  numeric_scale = (
    reference(at[0], at[1] + 1e-6) - reference(at[0], at[1] - 1e-6)
  ) / 2e-6
  assert by_loc.numpy() == pytest.approx(numeric_loc, rel=1e-3)
  assert by_log_scale.numpy() == pytest.approx(numeric_scale, rel=1e-3)


@pytest.mark.parametrize('log_scale', LOG_SCALES)
def test_value_and_gradient_stay_finite_far_away(log_scale):
  scale = np.exp(log_scale)
  x = tf.constant([-1.0, -1 + 2**-15, 0.0, 1 - 2**-15], tf.float32)
  loc = tf.Variable(tf.constant([10, 10, 10, -10.0]) * scale)
  log_scale = tf.Variable(log_scale)
  with tf.GradientTape() as tape:
    log_prob = DiscretizedLogistic(loc, log_scale).log_prob(x)
  gradients = tape.gradient(log_prob, [loc, log_scale])
  for tensor in (log_prob, *gradients):
    assert np.isfinite(tensor.numpy()).all()


def test_mixture_log_prob_agrees_with_float64(generator):
  output = distributions.make_output(TeacherConfig(mixture_components=4))
  parameters = generator.normal(size=(500, 12)).astype(np.float32)
  parameters[:, 8:] -= 4
  levels = generator.integers(-9000, 9000, 500)
  log_prob = output.log_prob(parameters, levels)
  logits, loc, log_scale = np.split(parameters.astype(np.float64), 3, -1)
  x = (levels / 32768.0)[:, None]
  reference = special.logsumexp(
    special.log_softmax(logits, -1)
    + log_mass_reference(x, loc * 0.05, log_scale),
    -1,
  )
  np.testing.assert_allclose(log_prob, reference, rtol=1e-3, atol=2e-3)


def test_log_scales_have_one_floor_everywhere():
  output = distributions.make_output(TeacherConfig(mixture_components=1))
  low = tf.constant([[0.0, 0.0, -99.0]])
  at_floor = tf.constant([[0.0, 0.0, -11.0]])
  noise = tf.constant([[0.5, 0.9]])
  np.testing.assert_array_equal(
    output.log_prob(low, [1]), output.log_prob(at_floor, [1])
  )
  np.testing.assert_array_equal(
    output.sample(low, noise), output.sample(at_floor, noise)
  )


OUTPUTS = {
  'mixture': (TeacherConfig(mixture_components=2), 2**16),
  'softmax': (TeacherConfig(output='mu_law', mu_law_levels=16), 16),
}


@pytest.mark.parametrize('name', OUTPUTS)
def test_sampling_frequencies_fit(name):
  sizes, _ = OUTPUTS[name]
  output = distributions.make_output(sizes)
  draws = 20000
  parameters = tf.constant(
    np.random.default_rng(3).normal(size=output.parameter_size), tf.float32
  )
  if name == 'mixture':
    parameters -= tf.constant([0.0] * 4 + [3.0] * 2)
  tiled = tf.tile(parameters[None], [draws, 1])
  samples = output.sample(tiled, output.noise([draws], [5, 6])).numpy()
  if name == 'mixture':
    # Probability of coarse bins, from the masses of their levels.
    edges = np.quantile(samples, np.linspace(0, 1, 17)[1:-1])
    log_prob = output.distribution(parameters).log_prob(bin_centres())
    cell = np.digitize(bin_centres(), edges)
    expected = np.bincount(cell, np.exp(log_prob)) * draws
    observed = np.bincount(np.digitize(samples, edges), minlength=16)
    degrees = 15
  else:
    codes = audio.mu_law_encode(tf.constant(samples), 16).numpy()
    expected = tf.nn.softmax(parameters).numpy() * draws
    observed = np.bincount(codes, minlength=16)
    degrees = 15
  statistic = ((observed - expected) ** 2 / expected).sum()
  assert statistic < stats.chi2.ppf(0.999, degrees)


@pytest.mark.parametrize('name', OUTPUTS)
def test_temperature_narrows(name):
  output = distributions.make_output(OUTPUTS[name][0])
  parameters = tf.random.stateless_normal([1, output.parameter_size], [1, 2])
  parameters = tf.tile(parameters, [4000, 1])
  noise = output.noise([4000], [5, 6])
  spread = [np.std(output.sample(parameters, noise, t)) for t in (0.05, 1.0)]
  assert spread[0] < spread[1]


def test_standard_logistic_passes_kolmogorov_smirnov():
  z = distributions.standard_logistic([50000], [1, 2]).numpy()
  assert stats.kstest(z, 'logistic').pvalue > 0.001


def test_quantize_is_idempotent_and_covers_every_level():
  centres = bin_centres()
  np.testing.assert_array_equal(distributions.quantize(centres), centres)
  np.testing.assert_array_equal(
    distributions.quantize(tf.constant([-3.0, 3.0])), [-1.0, 1 - 2**-15]
  )


def test_bits():
  assert distributions.bits(np.log(2.0)) == pytest.approx(1.0)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
