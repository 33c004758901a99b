"""Network outputs: densities, samples, means, and one floor everywhere."""

import numpy as np
import pytest
from scipy import integrate, special, stats
import tensorflow as tf

from tests.support.references import bin_centres, log_mass_reference
from wavenet_tf.configuration.choices import (
  GAUSSIAN_MIXTURE,
  LOGISTIC_MIXTURE,
  MU_LAW,
)
from wavenet_tf.configuration.networks import TeacherConfig
from wavenet_tf.probability.discretized import (
  DiscretizedGaussian,
  DiscretizedLogistic,
)
from wavenet_tf.probability.families import FAMILIES
from wavenet_tf.probability.outputs import (
  bits,
  make_output,
  MuLawSoftmax,
  WaveformMixture,
)
from wavenet_tf.probability.sampling import Sampling
from wavenet_tf.signal import quantization

MIXTURES = {
  f'{family}, {kind}, {components}': TeacherConfig(
    output=family,
    discretized=kind != 'continuous',
    bits=8 if kind == '8 bits' else 16,
    mixture_components=components,
  )
  for family in (LOGISTIC_MIXTURE, GAUSSIAN_MIXTURE)
  for kind in ('8 bits', '16 bits', 'continuous')
  for components in (1, 4)
}
OUTPUTS = {
  **MIXTURES,
  'softmax': TeacherConfig(output=MU_LAW, mu_law_levels=16),
  'softmax, 256': TeacherConfig(output=MU_LAW),
}
outputs = pytest.mark.parametrize('name', OUTPUTS)
mixtures = pytest.mark.parametrize('name', MIXTURES)


def random_parameters(output, rows=1, seed=3):
  """Parameters of one kind, repeated: audible scales, some weights."""
  parameters = np.random.default_rng(seed).normal(size=output.parameter_size)
  if isinstance(output, WaveformMixture):
    parameters[-output.components :] *= 0.3
    parameters[-output.components :] -= 4
  return tf.tile(tf.constant(parameters[None], tf.float32), [rows, 1])


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize(
  ('name', 'family'),
  [
    (LOGISTIC_MIXTURE, DiscretizedLogistic),
    (GAUSSIAN_MIXTURE, DiscretizedGaussian),
  ],
)
def test_mixture_log_prob_agrees_with_float64(name, family, bits, generator):
  output = make_output(
    TeacherConfig(output=name, mixture_components=4, bits=bits)
  )
  parameters = generator.normal(size=(500, 12)).astype(np.float32)
  parameters[:, 8:] -= 4
  levels = generator.integers(-9000, 9000, 500)
  log_prob = output.log_prob(parameters, levels)
  logits, loc, log_scale = np.split(parameters.astype(np.float64), 3, -1)
  step = 2 ** (16 - bits)
  # `round` and the output both round halves to the even neighbour.
  x = (np.round(levels / step) * step / 32768.0)[:, None]
  reference = special.logsumexp(
    special.log_softmax(logits, -1)
    + log_mass_reference(family, x, loc * 0.05, log_scale, 2**bits),
    -1,
  )
  np.testing.assert_allclose(log_prob, reference, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize(
  ('name', 'family'),
  [
    (LOGISTIC_MIXTURE, DiscretizedLogistic),
    (GAUSSIAN_MIXTURE, DiscretizedGaussian),
  ],
)
def test_mixture_gradients_agree_with_numerical_ones(name, family, bits):
  """Of the log-probability, by every parameter; those of 16 bits compiled."""
  output = make_output(
    TeacherConfig(output=name, mixture_components=3, bits=bits)
  )
  parameters = random_parameters(output)
  levels = np.array([-4000, 0, 300, 2600]) // 256 * 256
  cdf = special.ndtr if family is DiscretizedGaussian else special.expit

  def gradient(parameters):
    with tf.GradientTape() as tape:
      tape.watch(parameters)
      total = tf.reduce_sum(output.log_prob(parameters, levels))
    return tape.gradient(total, parameters)

  if bits == 16:
    gradient = tf.function(gradient, jit_compile=True, autograph=False)

  def total(parameters):
    logits, loc, log_scale = np.split(parameters, 3)
    x = (levels / 32768.0)[:, None]
    scale = np.exp(log_scale)
    edges = (x + w - 0.05 * loc for w in (2.0**-bits, -(2.0**-bits)))
    upper, lower = (edge / scale for edge in edges)
    # On the side of the smaller tail, where less cancels.
    side = np.where(lower > 0, -1, 1)
    masses = special.softmax(logits) * np.abs(
      cdf(side * upper) - cdf(side * lower)
    )
    return np.log(masses.sum(-1)).sum()

  at = parameters.numpy()[0].astype(np.float64)
  step = 1e-4
  numeric = [
    (total(at + step * e) - total(at - step * e)) / (2 * step)
    for e in np.eye(9)
  ]
  np.testing.assert_allclose(
    gradient(parameters)[0], numeric, rtol=2e-3, atol=2e-3
  )


@pytest.mark.parametrize('components', [1, 3])
@pytest.mark.parametrize(
  ('name', 'family'),
  [(LOGISTIC_MIXTURE, stats.logistic), (GAUSSIAN_MIXTURE, stats.norm)],
)
def test_continuous_density_agrees_with_scipy(name, family, components):
  output = make_output(
    TeacherConfig(output=name, mixture_components=components, discretized=False)
  )
  parameters = random_parameters(output)
  logits, loc, log_scale = (
    x.numpy()[0].astype(np.float64) for x in output.split(parameters)
  )
  x = np.linspace(-0.9, 0.9, 301)
  log_density = family(loc, np.exp(log_scale)).logpdf(x[:, None])
  reference = special.logsumexp(
    log_density + special.log_softmax(logits), axis=-1
  )
  np.testing.assert_allclose(
    output.log_density(parameters, x.astype(np.float32)),
    reference,
    rtol=1e-3,
    atol=1e-3,
  )


@mixtures
@pytest.mark.parametrize('shift', [0.0, 20.0])
def test_density_integrates_to_one(name, shift):
  """What distillation compares is a density on the whole line.

  Also where the location lies at full scale: a student that leaves [-1, 1)
  finds no open bin there that is worth its mass over and over again.
  """
  output = make_output(MIXTURES[name])
  parameters = random_parameters(output).numpy()
  locations = slice(-2 * output.components, -output.components)
  parameters[:, locations] += shift
  x = np.linspace(-2, 3, 100_001).astype(np.float32)
  density = np.exp(output.log_density(parameters, x).numpy())
  total = integrate.trapezoid(density.astype(np.float64), x)
  assert total == pytest.approx(1.0, abs=2e-3)


@mixtures
def test_bits_of_mass_and_density_compare(name):
  """A density times the bin's width is the mass, where scales are wide."""
  sizes = MIXTURES[name]
  output = make_output(sizes)
  parameters = random_parameters(output, rows=5)
  # About one scale to either side.
  centre = quantization.levels_from_waveform(output.mean(parameters))
  levels = tf.add(centre, [-500, -100, 0, 7, 500])
  twin = output._replace(discretized=not output.discretized)
  np.testing.assert_allclose(
    output.log_prob(parameters, levels),
    twin.log_prob(parameters, levels),
    atol=0.1 if sizes.bits == 8 else 1e-3,
  )


@outputs
def test_masses_of_the_alphabet_sum_to_one(name):
  output = make_output(OUTPUTS[name])
  parameters = random_parameters(output)
  if isinstance(output, MuLawSoftmax):
    waveform = quantization.mu_law_decode(
      np.arange(output.levels), output.levels
    )
    levels = quantization.levels_from_waveform(waveform)
  else:
    levels = np.arange(output.levels) * (2**16 // output.levels) - 2**15
  log_prob = output.log_prob(parameters, levels).numpy()
  assert np.exp(log_prob.astype(np.float64)).sum() == pytest.approx(
    1.0, abs=2e-3
  )


@mixtures
def test_log_scales_have_one_floor_everywhere(name):
  sizes = MIXTURES[name]
  output = make_output(sizes)
  low, at_floor = (
    tf.concat(
      [
        random_parameters(output)[:, : -output.components],
        tf.fill([1, output.components], value),
      ],
      -1,
    )
    for value in (-99.0, sizes.min_log_scale)
  )
  noise = output.noise([1], tf.constant([1, 2]))
  x = tf.constant([0.01])
  for function in (
    lambda p: output.log_prob(p, [1]),
    lambda p: output.log_density(p, x),
    lambda p: output.sample(p, noise),
  ):
    np.testing.assert_array_equal(function(low), function(at_floor))


@outputs
@pytest.mark.parametrize('jit_compile', [False, True])
def test_sampling_frequencies_fit(name, jit_compile):
  """Chi-squared over 16 cells of about equal probability, fixed seed."""
  output = make_output(OUTPUTS[name])
  draws = 20000
  parameters = random_parameters(output, draws)
  samples = tf.function(
    lambda seed: output.sample(parameters, output.noise([draws], seed)),
    jit_compile=jit_compile,
    autograph=False,
  )(tf.constant([5, 6])).numpy()
  if isinstance(output, MuLawSoftmax):
    values = np.arange(output.levels)
    waveform = quantization.mu_law_decode(values, output.levels).numpy()
    masses = tf.nn.softmax(parameters[0]).numpy()
  else:
    waveform = bin_centres(output.levels)
    masses = np.exp(
      output.log_prob(
        parameters[:1], np.round(waveform * 2**15).astype(np.int32)
      ).numpy()
    )
  cumulative = np.cumsum(masses, dtype=np.float64)
  edges = waveform[np.searchsorted(cumulative, np.arange(1, 16) / 16)]
  edges = np.unique(edges) + (waveform[1] - waveform[0]) / 2
  if isinstance(output, MuLawSoftmax):
    middles = (waveform[1:] + waveform[:-1]) / 2
    edges = middles[np.searchsorted(middles, edges - 1e-6)]
  cells = len(edges) + 1
  expected = np.bincount(np.digitize(waveform, edges), masses, cells) * draws
  observed = np.bincount(np.digitize(samples, edges), minlength=cells)
  keep = expected > 5
  statistic = ((observed - expected)[keep] ** 2 / expected[keep]).sum()
  assert keep.sum() > 5
  assert statistic < stats.chi2.ppf(0.999, keep.sum() - 1)


@outputs
def test_mean_is_that_of_the_samples(name):
  output = make_output(OUTPUTS[name])
  draws = 20000
  parameters = random_parameters(output, draws)
  samples = output.sample(
    parameters, output.noise([draws], tf.constant([5, 6]))
  ).numpy()
  error = np.std(samples) / np.sqrt(draws)
  assert float(output.mean(parameters)[0]) == pytest.approx(
    samples.mean(), abs=4 * error
  )


@outputs
@pytest.mark.parametrize('temperature', [0.5, 1.5])
def test_temperature_divides_logits_and_multiplies_scales(name, temperature):
  """The same noise gives the samples of the output with other parameters."""
  output = make_output(OUTPUTS[name])
  parameters = random_parameters(output, 4000)
  noise = output.noise([4000], tf.constant([5, 6]))
  if isinstance(output, MuLawSoftmax):
    changed = parameters / temperature
  elif output.components == 1:
    changed = tf.add(parameters, [0.0, np.log(temperature)])
  else:
    logits, loc, log_scale = tf.split(parameters, 3, -1)
    changed = tf.concat(
      [logits / temperature, loc, log_scale + np.log(temperature)], -1
    )
  samples = output.sample(parameters, noise, Sampling(temperature))
  np.testing.assert_allclose(
    samples, output.sample(changed, noise), atol=2.01 / output.levels
  )


@mixtures
def test_samples_lie_on_the_grid_or_in_range(name):
  output = make_output(MIXTURES[name])
  wide = tf.tensor_scatter_nd_update(
    random_parameters(output, 1000),
    [[i, output.parameter_size - 1] for i in range(1000)],
    [2.0] * 1000,
  )
  samples = output.sample(wide, output.noise([1000], tf.constant([1, 2])))
  assert samples.numpy().min() >= -1
  assert samples.numpy().max() <= 1 - 2 / output.levels
  if output.discretized:
    scaled = samples.numpy() * output.levels / 2
    np.testing.assert_array_equal(scaled, np.round(scaled))


@outputs
def test_the_waveform_of_levels_is_a_fixed_point(name):
  """Quantizing what is quantized changes nothing."""
  output = make_output(OUTPUTS[name])
  levels = np.arange(-32768, 32768, 17)
  waveform = output.waveform(levels)
  again = output.waveform(quantization.levels_from_waveform(waveform))
  np.testing.assert_allclose(waveform, again, atol=2**-15)


@pytest.mark.parametrize('base', ['logistic', 'gaussian'])
def test_entropy_equals_a_monte_carlo_estimate(base):
  family = FAMILIES[base]
  for log_scale in -4.0, 0.0, 1.5:
    scale = np.exp(np.float32(log_scale))
    draws = scale * family.standard_noise([200_000], [1, 2])
    reference = {'logistic': stats.logistic, 'gaussian': stats.norm}[base]
    entropy = float(family.entropy(tf.constant([log_scale])))
    assert entropy == pytest.approx(reference(0, scale).entropy(), abs=1e-5)
    estimate = -reference(0, scale).logpdf(draws.numpy()).mean()
    assert entropy == pytest.approx(estimate, abs=0.01)


def test_bits():
  assert bits(np.log(2.0)) == pytest.approx(1.0)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
