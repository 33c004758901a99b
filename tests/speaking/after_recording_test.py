"""Draws after the real past: one pass, the distribution of every sample."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import miniature, random_teacher
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.teacher import build_teacher
from wavenet_tf.probability.sampling import Sampling
from wavenet_tf.signal import quantization
from wavenet_tf.signal.framing import pad_margin
from wavenet_tf.speaking.after_recording import AfterRecording

SAMPLES = 555  # Neither whole chunks of 80 samples nor whole frames.


def recorded(config):
  generator = np.random.default_rng(0)
  levels = generator.integers(-8000, 8000, SAMPLES).astype(np.int16)
  features = generator.normal(-4, 1, [1, 28, config.audio.mel_bins])
  return levels, features.astype(np.float32)


def drawn(config, levels, features, seed=(3, 1)):
  teacher = random_teacher(config)
  return AfterRecording(teacher, config)(levels, features, seed)


@pytest.mark.parametrize(
  'overrides', [{}, {'teacher__output': 'mu_law', 'student__flow_layers': ()}]
)
def test_a_cold_draw_is_the_likeliest_value_of_one_pass(overrides):
  config = miniature(evaluate__temperature=1e-6, **overrides)
  levels, features = recorded(config)
  teacher = random_teacher(config)
  found = AfterRecording(teacher, config)(levels, features, (0, 0))
  output = teacher.output_kind
  padded = np.pad(levels, [0, 560 - SAMPLES])[None]
  parameters = teacher(
    output.waveform(padded),
    Conditioning(pad_margin(features, config.silence)),
  )
  noise = tf.zeros_like(output.noise([1, 560], tf.constant([0, 0])))
  sampling = Sampling(temperature=1e-6)
  expected = output.sample(parameters, noise, sampling)[:, :SAMPLES]
  assert found.shape == (1, SAMPLES)
  np.testing.assert_allclose(found, expected, atol=2.0**-14)


def test_a_draw_depends_on_the_recording_before_it_alone():
  config = miniature()
  levels, features = recorded(config)
  changed = levels.copy()
  changed[300:] = -changed[300:]
  a, b = (drawn(config, x, features) for x in (levels, changed))
  np.testing.assert_array_equal(a[:, :301], b[:, :301])
  assert np.any(a[:, 301:] != b[:, 301:])


def test_what_was_drawn_is_not_heard():
  """Another seed moves a sample, and not the distribution of the next."""
  config = miniature()
  levels, features = recorded(config)
  a, b = (drawn(config, levels, features, (3, i)) for i in (1, 2))
  again = drawn(config, levels, features, (3, 1))
  np.testing.assert_array_equal(a, again)
  assert np.mean(a != b) > 0.5


def test_draws_scatter_about_what_the_teacher_expects():
  config = miniature(teacher__output='gaussian_mixture')
  levels, features = recorded(config)
  # Random weights throughout would put most draws beyond 1.
  teacher = build_teacher(config)
  generator = np.random.default_rng(0)
  for variable in teacher.variables:
    variable.assign_add(generator.normal(0, 0.05, variable.shape))
  draw = AfterRecording(teacher, config)
  count = 100
  draws = np.concatenate([draw(levels, features, (0, i)) for i in range(count)])
  distribution = teacher.output_kind.distribution(
    teacher(
      quantization.waveform_from_levels(np.pad(levels, [0, 5])[None]),
      Conditioning(pad_margin(features, config.silence)),
    )
  )
  share = distribution.cdf(np.pad(draws, [[0, 0], [0, 5]])).numpy()
  share = share[:, :SAMPLES]
  # The probability of what is at most as large is uniform.
  for quantile in 0.1, 0.5, 0.9:
    assert np.mean(share < quantile) == pytest.approx(quantile, abs=0.01)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
