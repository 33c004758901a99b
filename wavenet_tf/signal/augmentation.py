"""Recordings as others might have made them: what a classifier trains on.

Few speakers teach their voices along with their words. A crop that is heard
at another level and another speed, which moves pitch and formants as another
vocal tract would, makes more of them.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.networks import ClassifierConfig
from wavenet_tf.signal import noise, quantization

_NEPERS_PER_DECIBEL = np.log(10.0) / 20.0


class Heard(NamedTuple):
  """Levels int32 `[B, T]`, labels int32 `[B, F]`, -1 where there is none."""

  levels: tf.Tensor
  labels: tf.Tensor


def vary(
  levels: tf.Tensor,
  labels: tf.Tensor,
  sizes: ClassifierConfig,
  frame_samples: int,
  seed: tf.Tensor | None,
) -> Heard:
  """Crops at random levels and speeds, with their labels; each its own.

  Args:
    levels: int32 `[B, T]`.
    labels: int32 `[B, F]`.
    sizes: `gain_decibels` and `speed_share`, the largest changes.
    frame_samples: that one label stands for.
    seed: int32 `[2]`, or None, which leaves all as it is.

  Returns:
    `Heard`.
  """
  if seed is None or not (sizes.gain_decibels or sizes.speed_share):
    return Heard(levels, labels)
  batch = tf.shape(levels)[0]
  # One seed of the three that a step needs; the others follow from it.
  draws = tf.random.stateless_uniform(
    [2, batch, 1], noise.another(noise.another(seed)), -1.0, 1.0, alg='philox'
  )
  gain = tf.exp(draws[0] * sizes.gain_decibels * _NEPERS_PER_DECIBEL)
  waveform = quantization.waveform_from_levels(levels)
  if sizes.speed_share:
    speed = tf.exp(draws[1] * np.log1p(sizes.speed_share))
    waveform = at_speed(waveform, speed)
    labels = labels_at_speed(labels, speed, frame_samples)
  return Heard(quantization.levels_from_waveform(gain * waveform), labels)


def at_speed(waveform: tf.Tensor, speed: tf.Tensor) -> tf.Tensor:
  """x(speed t), interpolated linearly, silence beyond the end.

  Args:
    waveform: float32 `[B, T]`.
    speed: float32 `[B, 1]`, 2 for an octave up.
  """
  samples = waveform.shape[1]
  position = speed * tf.range(samples, dtype=tf.float32)
  before = tf.floor(position)
  share = position - before
  # Two zeros at the end are what lies beyond.
  padded = tf.pad(waveform, [[0, 0], [0, 2]])
  index = tf.minimum(tf.cast(before, tf.int32), samples)
  left = tf.gather(padded, index, batch_dims=1)
  right = tf.gather(padded, index + 1, batch_dims=1)
  return (1.0 - share) * left + share * right


def labels_at_speed(
  labels: tf.Tensor, speed: tf.Tensor, frame_samples: int
) -> tf.Tensor:
  """Labels `[B, F]` of the frames whose centres `at_speed` moves there."""
  frames = labels.shape[1]
  centres = (tf.range(frames, dtype=tf.float32) + 0.5) * frame_samples
  index = tf.cast(speed * centres / frame_samples, tf.int32)
  padded = tf.pad(labels, [[0, 0], [0, 1]], constant_values=-1)
  return tf.gather(padded, tf.minimum(index, frames), batch_dims=1)
