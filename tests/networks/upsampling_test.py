"""Upsampling: its margin, and what a transposed convolution says."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import miniature, randomize
from wavenet_tf.configuration.choices import UPSAMPLERS
from wavenet_tf.configuration.corpus import ConditioningConfig, MARGIN_FRAMES
from wavenet_tf.networks import teacher
from wavenet_tf.networks.conditioning import upsampling


@pytest.mark.parametrize('method', UPSAMPLERS)
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


@pytest.mark.parametrize('method', UPSAMPLERS)
@pytest.mark.parametrize('context', [0, 1, 2])
@pytest.mark.parametrize(
  'factors', [(4,), (2, 3), (2, 2, 3), (1, 4), (1, 2, 2), (1, 1, 3), (2, 1, 1)]
)
def test_the_reach_is_that_of_a_changed_frame(method, context, factors):
  settings = ConditioningConfig(
    upsampler=method, upsample_factors=factors, context_frames=context
  )
  upsampler = upsampling.ConditioningUpsampler(
    method, factors, 3, (-11.5, 0.0), context, settings.margin_frames
  )
  features = np.random.default_rng(0).normal(size=(1, 21, 5)) - 5
  upsampler(tf.constant(features, tf.float32))
  randomize(upsampler)
  before = upsampler(tf.constant(features, tf.float32)).numpy()
  features[0, 10] += 1.0
  after = upsampler(tf.constant(features, tf.float32)).numpy()
  rows = np.prod(factors) // upsampler.hold  # a frame
  changed = (before != after).any((0, 2)).reshape(-1, rows).any(1)
  at, reach = 10 - settings.margin_frames, settings.upsampler_reach_frames
  assert np.flatnonzero(changed).tolist() == [
    *range(at - reach, at + reach + 1)
  ]


def test_interpolation_holds_frames_and_smooths_them(generator):
  """As nearest-neighbour upsampling and a convolution do, one after another."""
  taps, x = generator.normal(size=9), generator.normal(size=(1, 7, 2))
  layer = upsampling.Interpolation(4)
  layer.build()
  layer.kernel.assign(layer.kernel_of(taps))
  held = np.pad(np.repeat(x, 4, axis=1), [[0, 0], [4, 4], [0, 0]])
  expected = sum(w * held[:, i : i + 28] for i, w in enumerate(taps))
  found = layer(tf.constant(x, tf.float32))
  np.testing.assert_allclose(found, expected, atol=1e-5)


def test_interpolation_ends_with_the_utterance(generator):
  """However much silence is around it; the first product hears its ends on."""
  upsampler = upsampling.ConditioningUpsampler(
    'interpolate', (2, 3), 4, (-1.0, 1.0), 2, 5
  )
  spoken = generator.normal(size=(1, 6, 4))
  found = []
  for around in 5, 7:
    padded = np.pad(spoken, [[0, 0], [around, around], [0, 0]])
    y = upsampler(tf.constant(padded, tf.float32)).numpy()
    if not found:
      randomize(upsampler)
      y = upsampler(tf.constant(padded, tf.float32)).numpy()
    found.append(y[:, 6 * (around - 5) : 6 * (around - 5) + 36])
  np.testing.assert_allclose(*found, atol=1e-6)
  kernel = upsampler.context.kernel.numpy()
  first = spoken[0, [0, 0, 0, 1, 2]].ravel() @ kernel
  first += upsampler.context.bias.numpy()
  second = spoken[0, [0, 0, 1, 2, 3]].ravel() @ kernel
  second += upsampler.context.bias.numpy()
  early, late = (stage.kernel.numpy() for stage in upsampler.stages)
  middle = early[1, 0] * first + early[2, 0] * second
  after = early[1, 1] * first + early[2, 1] * second
  np.testing.assert_allclose(
    found[0][0, 0], late[1, 0] * middle + late[2, 0] * after, atol=1e-4
  )


@pytest.mark.parametrize('method', UPSAMPLERS)
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
