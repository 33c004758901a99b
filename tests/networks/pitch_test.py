"""What a student hears of pitch: of which frames, how long, and who learns."""

import numpy as np
import pytest
import tensorflow as tf

from data.text.pitch import features as pitch_features
from data.text.pitch import Pitch
from tests.support.miniature import miniature, random_student, randomize
from tests.support.recordings import features_of
from tests.support.variants import LINGUISTIC, PITCH
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.conditioning.pitch import (
  bin_centres,
  PitchEstimator,
  REACH_FRAMES,
  running_pitch,
)
from wavenet_tf.signal.phase import initial_phase

FRAMES = 9


@pytest.fixture(scope='module')
def estimator():
  made = PitchEstimator(miniature(**PITCH), name='pitch')
  made.build()
  return randomize(made, scale=0.2)


@pytest.fixture
def features(config):
  return features_of(config, FRAMES + 2 * MARGIN_FRAMES)


def test_a_frame_hears_its_neighbours_and_no_others(estimator, features):
  """For each output; the first is that of frame REACH_FRAMES."""
  at = FRAMES
  before = estimator.frames(features)
  moved = tf.tensor_scatter_nd_add(
    features, [[0, at]], tf.ones([1, features.shape[-1]])
  )
  after = estimator.frames(moved)
  width = features.shape[1] - 2 * REACH_FRAMES
  for x, y in zip(before, after):
    changed = np.any(np.reshape(x != y, [2, width, -1]), -1)
    assert not changed[1].any()
    heard = np.flatnonzero(changed[0]) + REACH_FRAMES
    assert heard.tolist() == list(
      range(at - REACH_FRAMES, at + REACH_FRAMES + 1)
    )


def test_log_f0_is_the_mean_under_the_bins(estimator, features):
  found = estimator.frames(features)
  shares = np.exp(found.bins - np.max(found.bins, -1, keepdims=True))
  shares /= shares.sum(-1, keepdims=True)
  expected = shares @ bin_centres().numpy()
  np.testing.assert_allclose(found.log_f0, expected, rtol=1e-5)
  assert bin_centres()[0] < np.min(expected)
  assert np.max(expected) < bin_centres()[-1]


def test_what_is_heard_is_voicing_and_voiced_waves(estimator, features):
  heard, end = estimator(features, initial_phase(2))
  hop = estimator.config.audio.hop_samples
  assert heard.shape == (2, FRAMES * hop, 1 + 2 * 2)
  assert end.shape == (2,) and end.dtype == tf.int32
  voicing, waves = heard[..., 0], heard[..., 1:]
  predicted = estimator.frames(features).voicing[:, 1:-1]
  np.testing.assert_allclose(
    voicing, np.repeat(tf.sigmoid(predicted), hop, 1), rtol=1e-6
  )
  # A sine and a cosine of each harmonic make a circle whose radius it is.
  sines, cosines = np.split(waves, 2, -1)
  np.testing.assert_allclose(
    np.hypot(sines, cosines), np.repeat(voicing[..., None], 2, -1), atol=1e-5
  )
  assert np.std(waves) > 0.1


def test_a_silent_voice_has_no_waves(estimator, features):
  weights = estimator.get_weights()
  bias = estimator.output_layer.bias
  bias.assign(tf.concat([bias[:-1], [-200.0]], 0))
  heard, _ = estimator(features, initial_phase(2))
  estimator.set_weights(weights)
  assert np.abs(heard).max() == 0


def test_no_gradient_passes_from_the_flows(config):
  student = random_student(miniature(**PITCH))
  features = features_of(config, 2 + 2 * MARGIN_FRAMES)
  z = tf.random.stateless_normal([2, 40], [1, 2])
  with tf.GradientTape() as tape:
    output = student(z, Conditioning(features))
    loss = tf.reduce_mean(output.waveform**2 + output.log_scale)
  gradients = tape.gradient(loss, student.trainable_variables)
  is_of_pitch = ['/pitch/' in v.path for v in student.trainable_variables]
  assert any(is_of_pitch) and not all(is_of_pitch)
  for gradient, own in zip(gradients, is_of_pitch):
    assert (gradient is None) == own


def test_a_pitch_that_is_given_is_the_one_that_was_prepared():
  """Log F0 and voicing, as `data/text/pitch.py` writes them into features."""
  config = miniature(**LINGUISTIC, **PITCH)
  log_f0 = np.log(np.linspace(90.0, 400.0, 6))
  voiced = np.array([0, 1, 1, 1, 0, 1], bool)
  told = pitch_features(Pitch(log_f0, voiced))
  margin = MARGIN_FRAMES - 1  # One frame more is read on either side.
  features = np.pad(told, [(margin, margin), (3, 0)])[None]
  frequency, voicing = running_pitch(config).read(tf.constant(features))
  np.testing.assert_allclose(frequency, np.exp(log_f0)[None], rtol=1e-4)
  np.testing.assert_array_equal(voicing[0], voiced)


def test_the_flows_hear_the_pitch_that_is_given():
  student = random_student(miniature(**LINGUISTIC, **PITCH))
  generator = np.random.default_rng(5)
  features = generator.random([2, 2 + 2 * MARGIN_FRAMES, 5], np.float32)
  z = tf.random.stateless_normal([2, 40], [1, 2])
  features[..., -1] = 1.0
  voiced = student(z, Conditioning(features)).waveform
  assert not any('/pitch/' in v.path for v in student.variables)
  features[..., -2] *= 0.5  # An F0 further down.
  assert (
    np.abs(student(z, Conditioning(features)).waveform - voiced).max() > 1e-3
  )


def test_the_flows_hear_it():
  """As the pitch moves by a constant, so does what the student says."""
  student = random_student(miniature(**PITCH))
  features = features_of(student.config, 2 + 2 * MARGIN_FRAMES)
  z = tf.random.stateless_normal([2, 40], [1, 2])
  before = student(z, Conditioning(features)).waveform
  for layer in student.pitch.stages:
    layer.kernel.assign(0.5 * layer.kernel)
  after = student(z, Conditioning(features)).waveform
  assert np.abs(after - before).max() > 1e-3


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
