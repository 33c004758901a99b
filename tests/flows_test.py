"""The flow: round trip, Jacobian, composition, causality."""

from conftest import miniature, random_student
import numpy as np
import pytest
import tensorflow as tf

from wavenet_tf import flows
from wavenet_tf.config import MARGIN_FRAMES
from wavenet_tf.layers import Conditioning

SAMPLES = 40


def chain(kernel_size=2):
  """A random student, its bijectors and noise."""
  config = miniature(student__kernel_size=kernel_size)
  student = random_student(config)
  frames = SAMPLES // config.audio.hop_samples
  features = tf.random.stateless_normal(
    [2, frames + 2 * MARGIN_FRAMES, config.audio.mel_bins], [1, 2], -5.0, 2.0
  )
  z = tf.random.stateless_normal([2, SAMPLES], [3, 4])
  return config, student.flows(Conditioning(features)), z


def jacobian(function, z):
  with tf.GradientTape() as tape:
    tape.watch(z)
    x = function(z)
  return tape.jacobian(x, z).numpy()[0, :, 0]


@pytest.mark.parametrize('kernel_size', [2, 3])
def test_round_trip(kernel_size):
  _, bijectors, z = chain(kernel_size)
  for flow in bijectors:
    x = tf.identity(flow.forward(z))  # Breaks TFP's cache.
    np.testing.assert_allclose(flow.inverse(x), z, atol=1e-4)
    np.testing.assert_allclose(
      flow.inverse_log_det_jacobian(tf.identity(x), event_ndims=1),
      -flow.forward_log_det_jacobian(z, event_ndims=1),
      atol=1e-3,
    )


def test_jacobian_is_triangular_with_the_scales_on_its_diagonal():
  _, bijectors, z = chain()
  flow = bijectors[0]
  matrix = jacobian(flow.forward, z)
  assert np.abs(np.triu(matrix, 1)).max() == 0
  log_scale = flow.shift_and_log_scale_fn(z)[1][0]
  np.testing.assert_allclose(np.diag(matrix), np.exp(log_scale), rtol=1e-5)
  sign, log_determinant = np.linalg.slogdet(matrix.astype(np.float64))
  assert sign == 1
  assert log_determinant == pytest.approx(
    float(flow.forward_log_det_jacobian(z, event_ndims=1)[0]), abs=1e-4
  )


def test_composition_is_the_waveform_exactly():
  """X = location + scale z, with location and scale blind to z_t."""
  _, bijectors, z = chain()
  output = flows.compose(bijectors, z)
  np.testing.assert_allclose(
    output.location + tf.exp(output.log_scale) * z, output.waveform, atol=1e-5
  )
  by_chain = z
  for flow in bijectors:
    by_chain = flow.forward(by_chain)
  np.testing.assert_allclose(output.waveform, by_chain, atol=1e-6)


def test_composed_log_scale_is_the_log_determinant():
  _, bijectors, z = chain()
  output = flows.compose(bijectors, z)
  matrix = jacobian(lambda z: flows.compose(bijectors, z).waveform, z)
  np.testing.assert_allclose(
    np.diag(matrix), np.exp(output.log_scale[0]), rtol=1e-4
  )
  assert np.linalg.slogdet(matrix.astype(np.float64))[1] == pytest.approx(
    float(tf.reduce_sum(output.log_scale[0])), abs=1e-3
  )


@pytest.mark.parametrize('kernel_size', [2, 3])
def test_nothing_leaks_from_the_present_or_the_future(kernel_size):
  config, bijectors, z = chain(kernel_size)
  t = 7
  perturbed = z.numpy()
  perturbed[:, t] += 1.0
  perturbed = tf.constant(perturbed)
  for flow in bijectors:
    before, after = (flow.shift_and_log_scale_fn(x) for x in (z, perturbed))
    for a, b in zip(before, after):
      moved = np.flatnonzero(np.abs(a - b).max(0))
      assert moved[0] == t + 1
  before, after = (flows.compose(bijectors, x) for x in (z, perturbed))
  field = config.student.receptive_field_samples
  for name in 'location', 'log_scale':
    difference = np.abs(getattr(before, name) - getattr(after, name))
    moved = np.flatnonzero(difference.max(0))
    assert moved[0] == t + 1
    assert moved[-1] <= t + field


def test_the_composition_reaches_its_receptive_field():
  config = miniature(student__layers_per_cycle=2, student__flow_layers=(2, 2))
  student = random_student(config)
  frames = 3
  features = tf.zeros([1, frames + 2 * MARGIN_FRAMES, config.audio.mel_bins])
  z = tf.Variable(tf.random.stateless_normal([1, 60], [3, 4]))
  t = 50
  with tf.GradientTape() as tape:
    output = student(z, Conditioning(features))
    total = output.location[0, t] + output.log_scale[0, t]
  reached = np.flatnonzero(np.abs(tape.gradient(total, z)[0]))
  field = config.student.receptive_field_samples
  assert (reached[0], reached[-1]) == (t - field, t - 1)


def test_density_of_own_samples_and_of_any_waveform():
  _, bijectors, z = chain()
  output = flows.compose(bijectors, z)
  distribution = flows.flow_distribution(bijectors, z.shape)
  own = -z - 2 * tf.nn.softplus(-z) - output.log_scale
  np.testing.assert_allclose(
    distribution.log_prob(tf.identity(output.waveform)),
    tf.reduce_sum(own, -1),
    rtol=1e-3,
  )
  assert distribution.sample(seed=[1, 2]).shape == z.shape


def test_a_new_student_is_near_a_multiplication_by_its_initial_scale():
  from wavenet_tf.student import build_student

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
