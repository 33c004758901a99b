"""Sharper draws: tails cut, unlikely components left out, less noise."""

import numpy as np
import pytest
from scipy import special, stats
import tensorflow as tf

from tests.support.miniature import miniature, random_student, random_teacher
from tests.support.recordings import features_of
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.learning import EvaluationConfig
from wavenet_tf.configuration.networks import TeacherConfig
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.probability.families import FAMILIES
from wavenet_tf.probability.outputs import make_output
from wavenet_tf.probability.sampling import PREDICTED, Sampling
from wavenet_tf.signal.framing import pad_margin
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.served.student import ServedStudent
from wavenet_tf.speaking.synthesis import Synthesizer

SEED = tf.constant([5, 6])
SCIPY = {'logistic': stats.logistic, 'gaussian': stats.norm}
UNIT = 0.05
FLOOR = -11.0


def mixture(output='logistic_mixture', components=3, discretized=True):
  return make_output(
    TeacherConfig(
      output=output,
      mixture_components=components,
      discretized=discretized,
      signal_unit=UNIT,
      min_log_scale=FLOOR,
    )
  )


def parameters_of(weights, locations, log_scales, draws):
  row = np.concatenate(
    [np.log(weights), np.divide(locations, UNIT), log_scales]
  )
  return tf.constant(np.tile(row, [draws, 1]), tf.float32)


def drawn(output, parameters, **changes):
  noise = output.noise([parameters.shape[0]], SEED)
  return output.sample(parameters, noise, Sampling(**changes)).numpy()


@pytest.mark.parametrize('share', [0.005, 0.1, 0.4])
@pytest.mark.parametrize('base', SCIPY)
def test_what_is_left_without_tails_is_the_family_between_its_quantiles(
  base, share
):
  noise = FAMILIES[base].standard_noise([20_000], SEED)
  cut = FAMILIES[base].without_tails(noise, share).numpy()
  law = SCIPY[base]()
  low, high = law.ppf([share, 1 - share])
  assert cut.min() >= low - 1e-5
  assert cut.max() <= high + 1e-5

  def truncated(x):
    return np.clip((law.cdf(x) - share) / (1 - 2 * share), 0, 1)

  assert stats.kstest(cut, truncated).pvalue > 0.01
  # The same draws, squeezed: their order stays.
  assert (np.diff(cut[np.argsort(noise)]) >= 0).all()


@pytest.mark.parametrize('output', ['logistic_mixture', 'gaussian_mixture'])
def test_cut_draws_lie_within_the_quantiles_of_a_component(output):
  kind = mixture(output)
  locations, log_scale, share = [-0.3, 0.0, 0.3], -5.0, 0.05
  parameters = parameters_of([0.2, 0.5, 0.3], locations, [log_scale] * 3, 9000)
  law = SCIPY[output.removesuffix('_mixture')](0, np.exp(log_scale))
  reach = law.ppf(1 - share) + 2.0**-16
  distance = np.abs(
    drawn(kind, parameters, tail_share=share)[:, None] - locations
  )
  assert distance.min(1).max() <= reach
  assert distance.min(1).max() > 0.9 * reach
  whole = np.abs(drawn(kind, parameters)[:, None] - locations)
  assert whole.min(1).max() > 1.5 * reach


def test_components_of_little_weight_are_left_out():
  kind = mixture()
  locations, weights = np.array([-0.3, 0.0, 0.3]), [0.6, 0.3, 0.1]
  parameters = parameters_of(weights, locations, [FLOOR] * 3, 9000)

  def shares(**changes):
    nearest = np.abs(drawn(kind, parameters, **changes)[:, None] - locations)
    return np.bincount(nearest.argmin(1), minlength=3) / 9000

  assert shares() == pytest.approx(weights, abs=0.02)
  # 0.1 is less than a fifth of 0.6; the others keep their ratio.
  assert shares(least_weight_share=0.2) == pytest.approx(
    [2 / 3, 1 / 3, 0], abs=0.02
  )
  assert shares(least_weight_share=0.9) == pytest.approx([1, 0, 0])
  # The weights are the network's: temperature does not move who is left out.
  assert shares(least_weight_share=0.2, temperature=5.0)[2] == 0


def test_codes_of_little_probability_are_left_out():
  kind = make_output(TeacherConfig(output='mu_law', mu_law_levels=16))
  logits = np.random.default_rng(0).normal(0, 2, 16)
  parameters = tf.constant(np.tile(logits, [5000, 1]), tf.float32)
  kept = special.softmax(logits) >= 0.1 * special.softmax(logits).max()
  values = kind.sample(
    tf.fill([16, 16], 0.0), tf.one_hot(tf.range(16), 16) * 9.0
  ).numpy()
  found = np.unique(drawn(kind, parameters, least_weight_share=0.1))
  assert found == pytest.approx(values[kept])
  assert 1 < kept.sum() < 16


def test_a_scale_factor_of_zero_draws_the_location_of_a_component():
  kind = mixture(discretized=False)
  locations = np.array([-0.3, 0.01, 0.3])
  parameters = parameters_of([0.2, 0.5, 0.3], locations, [-3.0] * 3, 500)
  found = drawn(kind, parameters, scale_factor=0.0)
  nearest = np.abs(found[:, None] - locations)
  assert nearest.min(1).max() < 1e-6
  assert set(nearest.argmin(1)) == {0, 1, 2}


def test_a_scale_factor_is_another_log_scale():
  kind = mixture()
  locations, weights = [-0.3, 0.0, 0.3], [0.2, 0.5, 0.3]
  wide, narrow = (
    parameters_of(weights, locations, [x] * 3, 2000)
    for x in (-4.0, -4.0 + np.log(0.6))
  )
  np.testing.assert_allclose(
    drawn(kind, wide, scale_factor=0.6), drawn(kind, narrow), atol=2.0**-14
  )


def test_defaults_draw_from_the_prediction_itself():
  assert Sampling.of(EvaluationConfig()) == PREDICTED
  noise = tf.random.stateless_normal([100, 4], SEED)
  logits = tf.random.stateless_normal([100, 3], SEED)
  assert PREDICTED.noise(noise, FAMILIES['logistic']) is noise
  np.testing.assert_array_equal(PREDICTED.logits(logits), logits)
  np.testing.assert_array_equal(PREDICTED.scale(noise), tf.exp(noise))


@pytest.mark.parametrize('jit_compile', [False, True])
def test_the_generator_follows(jit_compile):
  """At its sharpest it says the location of the likeliest component."""
  config = miniature(
    evaluate__scale_factor=0.0,
    evaluate__tail_share=0.1,
    evaluate__least_weight_share=0.9999,
  )
  teacher, features = random_teacher(config), features_of(config, 8)
  waveform = Generator(teacher, config, jit_compile)(features, [1, 2])
  parameters = teacher(
    tf.constant(waveform), Conditioning(pad_margin(features, config.silence))
  )
  logits, loc, _ = teacher.output_kind.split(parameters)
  likeliest = tf.gather(loc, tf.argmax(logits, -1), batch_dims=2)
  wanted = tf.clip_by_value(likeliest, -1.0, 1.0)
  # A rounding error may tip a sample into the neighbouring level.
  assert np.mean(np.abs(wanted - waveform) < 1e-4) > 0.98


@pytest.mark.parametrize('factor', [0.0, 0.5])
def test_a_student_s_noise_has_its_factor_whole_in_chunks_and_served(factor):
  config = miniature(evaluate__noise_factor=factor)
  student, features = random_student(config), features_of(config, 9)
  told = Conditioning(pad_margin(features, config.silence))
  seeds = tf.constant([[1, 2], [1, 2]])
  plain = Synthesizer(student, miniature(), jit_compile=False)
  speak = Synthesizer(student, config, jit_compile=False)
  z = factor * plain.noise(seeds, tf.range(2))[:, : 9 * 20]
  wanted = tf.clip_by_value(student(z, told).waveform, -1.0, 1.0)
  np.testing.assert_allclose(speak(features, [1, 2]), wanted, atol=1e-5)
  served = ServedStudent(student, config)
  audio = served.speak(features, seeds)
  np.testing.assert_allclose(audio, wanted, atol=1e-5)
  assert np.abs(plain(features, [1, 2]) - wanted).max() > 1e-3


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({'evaluate__tail_share': 0.5}, ['evaluate.tail_share', '[0, 0.5)']),
    ({'evaluate__least_weight_share': 1.0}, ['evaluate.least_weight_share']),
    ({'evaluate__scale_factor': -0.1}, ['evaluate.scale_factor', '0 or more']),
    ({'evaluate__noise_factor': -0.1}, ['evaluate.noise_factor', '0 or more']),
    (
      {
        'teacher__output': 'mu_law',
        'student__flow_layers': (),
        'evaluate__tail_share': 0.1,
      },
      ['evaluate.tail_share', 'mu_law', 'evaluate.least_weight_share'],
    ),
  ],
)
def test_contradictions_name_the_field(fields, words):
  with pytest.raises(UserError) as refusal:
    miniature(**fields)
  for word in words:
    assert word in str(refusal.value)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
