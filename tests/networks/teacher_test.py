"""The teacher: chunks, conditioning, initial weights."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import miniature, random_teacher
from tests.support.variants import OUTPUTS
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.networks.conditioning.conditioning import Conditioning


def inputs(config, frames=8, batch=2):
  generator = np.random.default_rng(0)
  samples = frames * config.audio.hop_samples
  waveform = generator.uniform(-0.3, 0.3, [batch, samples])
  features = generator.normal(
    -5, 2, [batch, frames + 2 * MARGIN_FRAMES, config.audio.mel_bins]
  )
  return tf.constant(waveform, tf.float32), tf.constant(features, tf.float32)


@pytest.mark.parametrize('name', OUTPUTS)
def test_chunks_say_what_one_pass_says(name):
  config = miniature(**OUTPUTS[name])
  teacher = random_teacher(config)
  waveform, features = inputs(config)
  whole = teacher(waveform, Conditioning(features))
  state = teacher.initial_state(2)
  parts = []
  for first, frames in (0, 3), (3, 1), (4, 4):
    hop = config.audio.hop_samples
    part, state = teacher.chunk(
      waveform[:, first * hop : (first + frames) * hop],
      Conditioning(features[:, first : first + frames + 2 * MARGIN_FRAMES]),
      state,
    )
    parts.append(part)
  np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=1e-4)


def test_every_frame_of_conditioning_is_heard():
  config = miniature()
  teacher = random_teacher(config)
  waveform, features = inputs(config)
  before = teacher(waveform, Conditioning(features)).numpy()
  frame, hop = 4, config.audio.hop_samples
  perturbed = features.numpy()
  perturbed[:, frame + MARGIN_FRAMES] += 1.0
  after = teacher(waveform, Conditioning(tf.constant(perturbed))).numpy()
  moved = np.abs(after - before).max((0, 2))
  assert (moved[frame * hop : (frame + 1) * hop] > 0).all()
  assert (moved[: (frame - MARGIN_FRAMES) * hop] == 0).all()


def test_same_seed_builds_the_same_weights():
  import random

  from wavenet_tf.networks.teacher import build_teacher

  config = miniature()
  built = []
  for seed in 1, 1, 2:
    random.seed(seed)
    built.append(build_teacher(config).get_weights())
  for a, b in zip(built[0], built[1]):
    np.testing.assert_array_equal(a, b)
  assert any((a != b).any() for a, b in zip(built[0], built[2]))


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
