"""Varied crops: labels stay with their sounds, no seed changes nothing."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import miniature
from wavenet_tf.signal import augmentation

FRAME = 10


def test_without_a_seed_or_a_change_nothing_is_varied(generator):
  levels = generator.integers(-100, 100, [2, 50])
  labels = generator.integers(0, 3, [2, 5])
  varied = miniature(classifier__gain_decibels=6.0).classifier
  for sizes, seed in ((varied, None), (miniature().classifier, [0, 1])):
    heard = augmentation.vary(levels, labels, sizes, FRAME, seed)
    assert heard.levels is levels and heard.labels is labels


def test_a_gain_keeps_its_bounds_and_is_each_crops_own():
  sizes = miniature(classifier__gain_decibels=6.0).classifier
  levels = tf.fill([64, 30], 1000)
  labels = tf.zeros([64, 3], tf.int32)
  heard = augmentation.vary(levels, labels, sizes, FRAME, tf.constant([0, 1]))
  gains = 20 * np.log10(heard.levels.numpy()[:, 0] / 1000)
  assert (heard.levels.numpy() == heard.levels.numpy()[:, :1]).all()
  assert 3 < gains.max() <= 6.01 and -6.01 <= gains.min() < -3


@pytest.mark.parametrize('speed', [0.5, 1.0, 2.0])
def test_speed_reads_a_ramp_faster(speed):
  ramp = tf.range(1, 41, dtype=tf.float32)[None]
  found = augmentation.at_speed(ramp, tf.constant([[speed]]))[0].numpy()
  position = speed * np.arange(40)
  inside = position <= 39
  np.testing.assert_allclose(found[inside], 1 + position[inside], rtol=1e-6)
  assert (found[position >= 40] == 0).all()


@pytest.mark.parametrize('speed', [0.8, 1.0, 1.3])
def test_labels_stay_with_their_sounds(speed):
  """Each frame's level is its label: so it is afterwards, at frame centres."""
  labels = tf.constant([[5, 6, 7, 8, 9, 10]])
  waveform = tf.cast(tf.repeat(labels, FRAME, 1), tf.float32)
  speeds = tf.constant([[speed]])
  heard = augmentation.at_speed(waveform, speeds).numpy()[0]
  found = augmentation.labels_at_speed(labels, speeds, FRAME).numpy()[0]
  centres = heard[FRAME // 2 :: FRAME]
  known = found >= 0
  np.testing.assert_allclose(centres[known], found[known], atol=0.51)
  assert (centres[~known] == 0).all()
  assert known.all() == (speed <= 1.0)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
