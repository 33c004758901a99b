"""Upsampling: its margin, and what a transposed convolution says."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import miniature, randomize
from wavenet_tf.configuration.corpus import ConditioningConfig, MARGIN_FRAMES
from wavenet_tf.networks import teacher
from wavenet_tf.networks.conditioning import upsampling


@pytest.mark.parametrize('method', ['transposed', 'repeat'])
@pytest.mark.parametrize(
  'factors', [(4,), (2, 3), (2, 2, 3), (1, 6), (2, 1, 1), (3, 2, 1)]
)
def test_upsampler_depends_on_no_frame_beyond_its_margin(method, factors):
  upsampler = upsampling.ConditioningUpsampler(method, factors, 3, (-11.5, 0.0))
  rows = int(np.prod(factors)) // upsampler.hold  # a frame
  features = tf.random.stateless_normal([1, 12 + 2 * MARGIN_FRAMES, 5], [1, 2])
  upsampler(features)
  randomize(upsampler)
  whole = upsampler(features)
  assert whole.shape == (1, 12 * rows, 3)
  # A chunk with its margins says the same as the whole.
  chunk = upsampler(features[:, 4 : 4 + 5 + 2 * MARGIN_FRAMES])
  np.testing.assert_allclose(chunk, whole[:, 4 * rows : 9 * rows], atol=1e-5)


@pytest.mark.parametrize('method', ['transposed', 'repeat'])
@pytest.mark.parametrize(
  'factors', [(4,), (2, 3), (2, 2, 3), (1, 4), (1, 2, 2), (1, 1, 3), (2, 1, 1)]
)
def test_the_reach_is_that_of_a_changed_frame(method, factors):
  upsampler = upsampling.ConditioningUpsampler(method, factors, 3, (-11.5, 0.0))
  features = np.random.default_rng(0).normal(size=(1, 21, 5)) - 5
  upsampler(tf.constant(features, tf.float32))
  randomize(upsampler)
  before = upsampler(tf.constant(features, tf.float32)).numpy()
  features[0, 10] += 1.0
  after = upsampler(tf.constant(features, tf.float32)).numpy()
  rows = np.prod(factors) // upsampler.hold  # a frame
  changed = (before != after).any((0, 2)).reshape(-1, rows).any(1)
  settings = ConditioningConfig(upsampler=method, upsample_factors=factors)
  at, reach = 10 - MARGIN_FRAMES, settings.upsampler_reach_frames
  assert np.flatnonzero(changed).tolist() == [
    *range(at - reach, at + reach + 1)
  ]


@pytest.mark.parametrize('method', ['transposed', 'repeat'])
def test_features_of_another_length_than_the_audio_are_refused(method):
  """Not stretched over it."""
  config = miniature(conditioning__upsampler=method)
  model = teacher.build_teacher(config)
  told = upsampling.example_conditioning(config, frames=1)
  with pytest.raises(tf.errors.InvalidArgumentError):
    model(tf.zeros([1, 2 * config.audio.hop_samples]), told)


def test_transposed_stage_is_a_transposed_convolution(generator):
  upsampler = upsampling.ConditioningUpsampler(
    'transposed', (4,), 3, (-2.0, 0.0)
  )
  frames = 9
  features = generator.normal(size=(1, frames + 2 * MARGIN_FRAMES, 3)) - 1
  upsampler(tf.constant(features, tf.float32))
  randomize(upsampler)
  # A context that passes its input on, so that the stage stands alone.
  context = np.zeros([9, 3], np.float32)
  context[3:6] = np.eye(3)
  upsampler.context.kernel.assign(context)
  upsampler.context.bias.assign(np.zeros(3))
  stage = upsampler.stages[0]
  h = tf.nn.leaky_relu(tf.constant(1 + features, tf.float32), 0.4)
  # [previous, own, next] frame x 4 phases -> a kernel of width 12, read from
  # the frame whose block it ends in.
  kernel = stage.kernel.numpy().reshape(3, 3, 4, 3)[::-1]
  kernel = kernel.transpose(0, 2, 3, 1).reshape(12, 1, 3, 3)
  y = tf.nn.conv2d_transpose(
    h[:, :, None], kernel, [1, 4 * (h.shape[1] + 2), 1, 3], [1, 4, 1, 1],
    padding='VALID',
  )[:, 4:-4, 0]  # fmt: skip
  y = tf.nn.leaky_relu(y + np.tile(stage.bias.numpy().reshape(4, 3),
                                   (h.shape[1], 1)), 0.4)  # fmt: skip
  margin = 4 * MARGIN_FRAMES
  np.testing.assert_allclose(
    upsampler(tf.constant(features, tf.float32)), y[:, margin:-margin],
    atol=1e-5,
  )  # fmt: skip


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
