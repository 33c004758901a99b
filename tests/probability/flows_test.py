"""The flow: round trip, Jacobian, composition, density, both directions."""

import dataclasses

import numpy as np
import pytest
from scipy import stats
import tensorflow as tf

from tests.support.miniature import miniature, random_student, random_teacher
from tests.support.variants import PITCH
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.student import build_student
from wavenet_tf.probability import flows
from wavenet_tf.probability.families import FAMILIES
from wavenet_tf.signal.framing import pad_margin
from wavenet_tf.speaking.generation import Generator

SAMPLES = 40


def counted(bijector):
  """Counts the steps and passes of a flow's function; -> flow, counts."""
  counts = {'whole': 0, 'step': 0}
  inner = getattr(bijector, 'bijector', bijector)
  function = inner.function

  def whole(x):
    counts['whole'] += 1
    return function.whole(x)

  def step(*args):
    counts['step'] += 1
    return function.step(*args)

  inner.function = dataclasses.replace(function, whole=whole, step=step)
  return bijector, counts


def chain(kernel_size=2, base='logistic', samples=SAMPLES, **overrides):
  """A random student, its bijectors and noise."""
  config, student, features, z = pair(kernel_size, base, samples, **overrides)
  return config, student.flows(Conditioning(features)), z


def chain_of_one(kernel_size=2, samples=SAMPLES, **overrides):
  """As `chain`, all rows of which `jacobian` needs are told the same."""
  _, student, features, z = pair(kernel_size, 'logistic', samples, **overrides)
  told = Conditioning(tf.repeat(features[:1], 2 * samples, 0))
  return student.flows(told), z[:1]


def pair(kernel_size, base, samples, **overrides):
  config = miniature(
    student__kernel_size=kernel_size, student__base=base, **overrides
  )
  student = random_student(config)
  frames = samples // config.audio.hop_samples
  features = tf.random.stateless_normal(
    [2, frames + 2 * MARGIN_FRAMES, config.audio.mel_bins], [1, 2], -5.0, 2.0
  )
  z = student.family.standard_noise([2, samples], [3, 4])
  return config, student, features, z


def teacher_flow(kernel_size=2, output='gaussian_mixture'):
  """A random WaveNet with one continuous component, and its conditioning."""
  config = miniature(
    teacher__output=output,
    teacher__mixture_components=1,
    teacher__discretized=False,
    teacher__kernel_size=kernel_size,
    student__flow_layers=(),
  )
  teacher = random_teacher(config)
  # Scales near those of speech, so that generation stays within [-1, 1).
  bias = teacher.network.output_layer.bias
  bias.assign([0.1, -4.0])
  frames = SAMPLES // config.audio.hop_samples
  features = tf.random.stateless_normal(
    [2, frames, config.audio.mel_bins], [1, 2], -5.0, 2.0
  )
  return config, teacher, features


def jacobian(function, z, step=1e-2):
  """`[T, T]` at `z[0]`, by central differences.

  One pass moves each sample up in a row of its own, then each sample down: as
  many rows as the function must take.
  """
  nudges = step * np.eye(z.shape[1], dtype=np.float32)
  rows = function(z[:1] + np.concatenate([nudges, -nudges])).numpy()
  plus, minus = np.split(rows.astype(np.float64), 2)
  return (plus - minus).T / (2 * step)


@pytest.mark.parametrize(
  ('kernel_size', 'told'), [(2, {}), (3, {}), (3, PITCH)]
)
def test_round_trip(kernel_size, told):
  _, bijectors, z = chain(kernel_size, **told)
  for flow in bijectors:
    x = tf.identity(flow.forward(z))  # Breaks TFP's cache.
    np.testing.assert_allclose(flow.inverse(x), z, atol=1e-4)
    np.testing.assert_allclose(
      flow.inverse_log_det_jacobian(tf.identity(x), event_ndims=1),
      -flow.forward_log_det_jacobian(z, event_ndims=1),
      atol=1e-3,
    )


@pytest.mark.parametrize('kernel_size', [2, 3])
@pytest.mark.parametrize('samples', [20, 40])
def test_jacobian_is_triangular_with_the_scales_on_its_diagonal(
  kernel_size, samples
):
  bijectors, z = chain_of_one(kernel_size, samples)
  for flow in bijectors:
    matrix = jacobian(flow.forward, z)
    assert np.abs(np.triu(matrix, 1)).max() == 0
    rows = tf.repeat(z, 2 * samples, 0)
    log_scale = flow.function.whole(rows)[1][0]
    np.testing.assert_allclose(np.diag(matrix), np.exp(log_scale), rtol=1e-3)
    sign, log_determinant = np.linalg.slogdet(matrix)
    assert sign == 1
    assert log_determinant == pytest.approx(
      float(flow.forward_log_det_jacobian(rows, event_ndims=1)[0]), abs=5e-3
    )


@pytest.mark.parametrize('told', [{}, PITCH])
def test_composition_is_the_waveform_exactly(told):
  """X = location + scale z, with location and scale blind to z_t."""
  _, bijectors, z = chain(**told)
  output = flows.compose(bijectors, z)
  np.testing.assert_allclose(
    output.location + tf.exp(output.log_scale) * z, output.waveform, atol=1e-5
  )
  by_chain = z
  for flow in bijectors:
    by_chain = flow.forward(by_chain)
  np.testing.assert_allclose(output.waveform, by_chain, atol=1e-6)


@pytest.mark.parametrize('told', [{}, PITCH])
def test_composed_log_scale_is_the_log_determinant(told):
  bijectors, z = chain_of_one(**told)
  output = flows.compose(bijectors, tf.repeat(z, 2 * SAMPLES, 0))
  matrix = jacobian(lambda z: flows.compose(bijectors, z).waveform, z)
  assert np.abs(np.triu(matrix, 1)).max() == 0
  np.testing.assert_allclose(
    np.diag(matrix), np.exp(output.log_scale[0]), rtol=1e-3
  )
  assert np.linalg.slogdet(matrix.astype(np.float64))[1] == pytest.approx(
    float(tf.reduce_sum(output.log_scale[0])), abs=5e-3
  )


@pytest.mark.parametrize('base', ['logistic', 'gaussian'])
def test_density_of_own_samples_and_of_any_waveform(base):
  _, bijectors, z = chain(base=base)
  output = flows.compose(bijectors, z)
  family = FAMILIES[base]
  distribution = flows.flow_distribution(bijectors, family.standard(), z.shape)
  reference = {'logistic': stats.logistic, 'gaussian': stats.norm}[base]
  own = reference.logpdf(z) - output.log_scale
  np.testing.assert_allclose(
    distribution.log_prob(tf.identity(output.waveform)),
    tf.reduce_sum(own, -1),
    rtol=1e-3,
  )
  # Eagerly, the density of its own samples comes from TFP's cache.
  sample = distribution.sample(seed=[1, 2])
  assert sample.shape == z.shape
  np.testing.assert_allclose(
    distribution.log_prob(sample),
    distribution.log_prob(tf.identity(sample)),
    rtol=1e-3,
  )


@pytest.mark.parametrize('base', ['logistic', 'gaussian'])
def test_entropy_is_the_mean_surprise_of_own_samples(base):
  """E[ln s_tot] + constant = -E[ln p(x)], by Monte Carlo over the noise."""
  _, bijectors, z = chain(base=base)
  family = FAMILIES[base]
  distribution = flows.flow_distribution(bijectors, family.standard(), z.shape)

  @tf.function(jit_compile=True, autograph=False)
  def entropy_and_surprise(seed):
    z = family.standard_noise([2, SAMPLES], seed)
    x = distribution.bijector.forward(z)  # Cached: no inverse is solved.
    return (
      family.entropy(flows.compose(bijectors, z).log_scale),
      -tf.reduce_mean(distribution.log_prob(x)) / SAMPLES,
    )

  found = np.array(
    [entropy_and_surprise(tf.constant([i, 7])) for i in range(300)]
  )
  error = np.std(found[:, 0] - found[:, 1]) / np.sqrt(len(found))
  assert error < 0.01
  assert np.mean(found[:, 0]) == pytest.approx(
    np.mean(found[:, 1]), abs=4 * error
  )


@pytest.mark.parametrize('told', [{}, PITCH])
def test_the_student_is_a_distribution(told):
  config = miniature(**told)
  student = random_student(config)
  conditioning = Conditioning(
    tf.zeros([2, 2 + 2 * MARGIN_FRAMES, config.audio.mel_bins])
  )
  distribution = student.distribution(conditioning, [2, SAMPLES])
  waveform = distribution.sample(seed=[1, 2])
  assert waveform.shape == (2, SAMPLES)
  # Noise that went through and came back has the density of noise.
  z = distribution.bijector.inverse(tf.identity(waveform))
  output = student(z, conditioning)
  np.testing.assert_allclose(output.waveform, waveform, atol=1e-4)
  np.testing.assert_allclose(
    distribution.log_prob(waveform),
    tf.reduce_sum(stats.logistic.logpdf(z) - output.log_scale, -1),
    rtol=1e-3,
  )


@pytest.mark.parametrize(
  ('upsampler', 'jit_compile'),
  [
    ('transposed', False),
    ('transposed', True),
    ('repeat', False),
    pytest.param('repeat', True, marks=pytest.mark.large),
  ],
)
def test_inverse_goes_sample_by_sample_with_a_cache(upsampler, jit_compile):
  """It equals solving with the whole network for one sample after the other."""
  _, bijectors, z = chain(kernel_size=3, conditioning__upsampler=upsampler)
  flow = bijectors[1]
  x = tf.identity(flow.forward(z))
  slow = np.zeros(z.shape, np.float32)
  for t in range(SAMPLES):
    loc, log_scale = flow.function.whole(tf.constant(slow))
    slow[:, t] = ((x - loc) * tf.exp(-log_scale))[:, t]
  inverse = tf.function(flow.inverse, jit_compile=jit_compile, autograph=False)(
    x
  )
  np.testing.assert_allclose(inverse, slow, atol=1e-4)


@pytest.mark.parametrize('kernel_size', [2, 3])
@pytest.mark.parametrize('output', ['gaussian_mixture', 'logistic_mixture'])
def test_a_wavenet_is_the_inverse_of_a_flow(kernel_size, output):
  """Forward is generation, inverse is one pass, and the density is its own."""
  config, teacher, features = teacher_flow(kernel_size, output)
  padded = pad_margin(features, config.silence)
  flow = teacher.flow(Conditioning(padded))
  family = FAMILIES[config.teacher.mixture_family]
  z = family.standard_noise([2, SAMPLES], [3, 4])
  x = tf.identity(flow.forward(z))
  np.testing.assert_allclose(flow.inverse(x), z, atol=1e-3)
  parameters = teacher(x, Conditioning(padded))
  log_prob = teacher.output_kind.distribution(parameters).log_prob(x)
  np.testing.assert_allclose(
    flows.flow_distribution([flow], family.standard(), z.shape).log_prob(
      tf.identity(x)
    ),
    tf.reduce_sum(log_prob, -1),
    rtol=1e-4,
  )


def test_the_flow_of_a_wavenet_is_its_generator():
  """The same noise, through `sampling.Generator`'s cached loop."""
  config, teacher, features = teacher_flow()
  generate = Generator(teacher, config)
  seed = tf.constant([5, 0])
  generated = generate(features, seed)
  output, samples = teacher.output_kind, 4 * config.audio.hop_samples
  z = output.noise(
    [samples, 2], tf.random.experimental.stateless_fold_in(seed, 0)
  )[..., -1]
  silence = tf.pad(
    features, [[0, 0], [0, 2], [0, 0]],
    constant_values=config.audio.log_mel_floor,
  )  # fmt: skip
  padded = pad_margin(silence, config.silence)
  waveform = teacher.flow(Conditioning(padded)).forward(tf.transpose(z))
  np.testing.assert_allclose(generated, waveform[:, :SAMPLES], atol=1e-5)


def test_each_direction_is_fast_where_it_should_be():
  """Passes and steps, counted: one pass, or one step a sample."""
  _, bijectors, z = chain()
  standard = FAMILIES['logistic'].standard()
  flow, counts = counted(bijectors[0])
  distribution = flows.flow_distribution([flow], standard, z.shape)
  own = distribution.sample(seed=[1, 2])
  distribution.log_prob(own)
  assert counts == {'whole': 2, 'step': 0}
  distribution.log_prob(tf.identity(own))
  assert counts['step'] == SAMPLES
  _, teacher, features = teacher_flow()
  padded = pad_margin(features, teacher_flow()[0].silence)
  flow, counts = counted(teacher.flow(Conditioning(padded)))
  distribution = flows.flow_distribution([flow], standard, z.shape)
  distribution.log_prob(0.01 * z)
  assert counts['step'] == 0
  distribution.sample(seed=[1, 2])
  assert counts['step'] == SAMPLES


def test_the_jacobian_of_a_wavenet_is_triangular_too():
  config, teacher, features = teacher_flow()
  padded = pad_margin(features[:1], config.silence)
  flow = teacher.flow(Conditioning(tf.repeat(padded, 2 * SAMPLES, 0)))
  x = 0.05 * tf.random.stateless_normal([1, SAMPLES], [3, 4])
  matrix = jacobian(flow.inverse, x, step=1e-3)
  assert np.abs(np.triu(matrix, 1)).max() == 0
  assert np.linalg.slogdet(matrix)[1] == pytest.approx(
    float(
      flow.inverse_log_det_jacobian(
        tf.repeat(x, 2 * SAMPLES, 0), event_ndims=1
      )[0]
    ),
    abs=0.05,
  )


def test_a_flow_takes_one_waveform_for_each_conditioning():
  _, bijectors, z = chain()
  with pytest.raises(ValueError, match='one for each conditioning'):
    bijectors[0].forward(z[None])


def test_only_one_continuous_component_is_a_flow():
  teacher = random_teacher(miniature())
  with pytest.raises(ValueError, match='discretized=False'):
    teacher.flow(Conditioning())


def test_a_new_student_is_near_a_multiplication_by_its_initial_scale():
  config = miniature()
  student = build_student(config)
  features = tf.random.stateless_normal(
    [1, 10 + 2 * MARGIN_FRAMES, config.audio.mel_bins], [1, 2], -5.0, 2.0
  )
  z = tf.random.stateless_normal([1, 200], [3, 4])
  output = student(z, Conditioning(features))
  scale = np.exp(output.log_scale)
  assert scale == pytest.approx(config.student.initial_scale, rel=0.2)
  assert np.abs(output.location).max() < 0.2 * config.student.initial_scale


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
