"""Conditioning as a network hears it: at audio rate or held, and embedded."""

from collections.abc import Sequence
import math

import keras
import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.configuration.keras_saving import Configured, registered
from wavenet_tf.networks.conditioning.conditioning import Conditioning, Encoded


@registered
class ConditioningEncoder(Configured, keras.layers.Layer):
  """`Conditioning` -> `Encoded`, each part where the configuration has it.

  Local features are upsampled. A global vector, be it a speaker's one-hot
  code, a set of tags or given, is embedded by one product: e = E h, so that a
  one-hot code picks a row of a table of embeddings.

  Args:
    config: `conditioning`, and what it says about the features.

  Raises:
    ValueError: if the conditioning has not the parts that the configuration
      names.
  """

  def __init__(self, config: Config, **kwargs):
    super().__init__(config, **kwargs)
    settings = config.conditioning
    self.upsampler = config.local_channels and ConditioningUpsampler(
      settings.upsampler,
      settings.upsample_factors,
      settings.channels,
      config.feature_range,
      name='upsampler',
    )
    self.embedding = settings.global_channels and keras.layers.Dense(
      settings.embedding_channels, use_bias=False, name='embedding'
    )
    self.local_channels = settings.channels if self.upsampler else 0
    self.global_channels = settings.embedding_channels if self.embedding else 0

  def build(self, input_shape: tuple | None = None) -> None:
    if self.upsampler:
      self.upsampler.build((None, None, self.config.local_channels))
    if self.embedding:
      self.embedding.build((None, self.config.conditioning.global_channels))

  def call(self, conditioning: Conditioning) -> Encoded:
    parts = []
    for name, layer, given in (
      ('local', self.upsampler, conditioning.local),
      ('global', self.embedding, conditioning.global_),
    ):
      if bool(layer) != (given is not None):
        raise ValueError(
          f'{name} conditioning: found {given}, expected '
          f'{"some" if layer else "none"}, as the configuration says.'
        )
      parts.append(layer(given) if layer else None)
    local, global_ = parts
    return Encoded(local, global_, self.upsampler.hold if self.upsampler else 1)


@registered
class ConditioningUpsampler(keras.layers.Layer):
  """Frame rate -> audio rate (1609.03499 sec. 2.5).

  'transposed' learns y = f(h): for each factor s a transposed convolution of
  stride s and width 3 s, written as a product with s C outputs per frame that
  are then laid out in time, followed by a leaky ReLU (a saturating tanh here
  is how networks come to ignore their conditioning). 'repeat' learns a single
  projection, which holds for a whole frame; the paper found that slightly
  worse. It is faster: networks multiply what is held once a frame.

  Args:
    method: 'transposed' or 'repeat'.
    factors: their product is the hop.
    channels: width of what is returned.
    feature_range: least and greatest feature value, mapped to [-1, 1].

  Input shape: `[B, frames + 2 MARGIN_FRAMES, features]`.
  Output shape: `[B, frames * hop / hold, channels]`; depends on no frame
    further away than MARGIN_FRAMES.
  """

  def __init__(
    self,
    method: str,
    factors: Sequence[int],
    channels: int,
    feature_range: tuple[float, float],
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.factors = factors
    self.channels = channels
    self.feature_range = feature_range
    self.hold = math.prod(factors) if method == 'repeat' else 1
    self.context = keras.layers.Dense(channels, name='context')
    self.stages = (
      []
      if method == 'repeat'
      else [
        keras.layers.Dense(s * channels, name=f'stage_{i}')
        for i, s in enumerate(factors)
      ]
    )

  def build(self, input_shape: tuple) -> None:
    # Each product sees three frames at once.
    self.context.build((None, None, 3 * input_shape[-1]))
    for stage in self.stages:
      stage.build((None, None, 3 * self.channels))

  def call(self, features: tf.Tensor) -> tf.Tensor:
    low, high = self.feature_range
    y = (features - low) * (2.0 / (high - low)) - 1.0
    y = tf.nn.leaky_relu(self.context(_neighbours(y)), 0.4)
    for stage, factor in zip(self.stages, self.factors):
      batch, frames, _ = tf.unstack(tf.shape(y))
      y = tf.reshape(
        stage(_neighbours(y)), [batch, frames * factor, self.channels]
      )
      y = tf.nn.leaky_relu(y, 0.4)
    margin = MARGIN_FRAMES * math.prod(self.factors) // self.hold
    return y[:, margin:-margin]


def _neighbours(x):
  """Each frame beside the one before and the one after: `[B, T, 3 C]`."""
  padded = tf.pad(x, [[0, 0], [1, 1], [0, 0]])
  return tf.concat([padded[:, :-2], x, padded[:, 2:]], -1)


def example_conditioning(config: Config, frames: int) -> Conditioning:
  """Silence, of the right shape."""
  return Conditioning.of(
    tf.fill(
      [1, frames + 2 * MARGIN_FRAMES, config.local_channels], config.silence
    ),
    tf.zeros([1, config.conditioning.global_channels]),
  )
