"""Conditioning from frame rate to audio rate."""

import math

import keras
import tensorflow as tf

from wavenet_tf.config import MARGIN_FRAMES


class ConditioningUpsampler(keras.layers.Layer):
  """Frame rate -> audio rate (1609.03499 sec. 2.5).

  'transposed' learns y = f(h): for each factor s a transposed convolution of
  stride s and width 3 s, written as a product with s C outputs per frame that
  are then laid out in time, followed by a leaky ReLU (a saturating tanh here
  is how networks come to ignore their conditioning). 'repeat' learns a single
  projection and repeats it; the paper found that slightly worse.

  Args:
    method: 'transposed' or 'repeat'.
    factors: their product is the hop.
    channels: width at audio rate.
    feature_floor: smallest feature value; [floor, 0] is mapped to [-1, 1].

  Input shape: `[B, frames + 2 MARGIN_FRAMES, features]`.
  Output shape: `[B, frames * hop, channels]`; depends on no frame further
    away than MARGIN_FRAMES.
  """

  def __init__(self, method, factors, channels, feature_floor, **kwargs):
    super().__init__(**kwargs)
    self.method = method
    self.factors = factors
    self.channels = channels
    self.feature_floor = feature_floor
    self.context = keras.layers.Dense(channels, name='context')
    self.stages = (
      []
      if method == 'repeat'
      else [
        keras.layers.Dense(s * channels, name=f'stage_{i}')
        for i, s in enumerate(factors)
      ]
    )

  def call(self, features):
    y = 1.0 - features * (2.0 / self.feature_floor)
    y = tf.nn.leaky_relu(self.context(_neighbours(y)), 0.4)
    for stage, factor in zip(self.stages, self.factors):
      batch, frames, _ = tf.unstack(tf.shape(y))
      y = tf.reshape(
        stage(_neighbours(y)), [batch, frames * factor, self.channels]
      )
      y = tf.nn.leaky_relu(y, 0.4)
    hop = math.prod(self.factors)
    if self.method == 'repeat':
      y = tf.repeat(y, hop, axis=1)
    margin = MARGIN_FRAMES * hop
    return y[:, margin:-margin]


def _neighbours(x):
  """Each frame beside the one before and the one after: `[B, T, 3 C]`."""
  padded = tf.pad(x, [[0, 0], [1, 1], [0, 0]])
  return tf.concat([padded[:, :-2], x, padded[:, 2:]], -1)
