"""Conditioning as a network hears it: at audio rate or held, and embedded."""

from collections.abc import Sequence
import math

import keras
import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.choices import INTERPOLATE, REPEAT
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
      settings.context_frames,
      settings.margin_frames,
      config.silence,
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
  'interpolate' is linear throughout: a projection, then for each factor a
  learned interpolation between frames, the same for all channels
  (`Interpolation`). What it hears ends with the utterance: beyond its first
  and last frame, each is repeated for the projection, and interpolated is
  nothing. Frames of `silence` alone count as beyond.

  Args:
    method: one of UPSAMPLERS.
    factors: their product is the hop.
    channels: width of what is returned.
    feature_range: least and greatest feature value, mapped to [-1, 1].
    context_frames: to either side that the projection sees.
    margin_frames: given on either side, no fewer than are seen.
    silence: what pads features beyond an utterance.

  Input shape: `[B, frames + 2 margin_frames, features]`.
  Output shape: `[B, frames * hop / hold, channels]`; depends on no frame
    further away than margin_frames.
  """

  def __init__(
    self,
    method: str,
    factors: Sequence[int],
    channels: int,
    feature_range: tuple[float, float],
    context_frames: int = 1,
    margin_frames: int = MARGIN_FRAMES,
    silence: float = 0.0,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.factors = factors
    self.channels = channels
    self.feature_range = feature_range
    self.context_frames = context_frames
    self.margin_frames = margin_frames
    self.silence = silence
    self.is_linear = method == INTERPOLATE
    self.hold = math.prod(factors) if method == REPEAT else 1
    self.context = keras.layers.Dense(channels, name='context')
    self.stages = [
      self._stage(method, i, s)
      for i, s in enumerate(() if method == REPEAT else factors)
    ]

  def _stage(self, method, i, factor):
    if method == INTERPOLATE:
      return Interpolation(factor, name=f'stage_{i}')
    return keras.layers.Dense(factor * self.channels, name=f'stage_{i}')

  def build(self, input_shape: tuple) -> None:
    seen = 2 * self.context_frames + 1
    self.context.build((None, None, seen * input_shape[-1]))
    for stage in self.stages:
      # Each product sees three frames at once.
      stage.build((None, None, 3 * self.channels))

  def call(self, features: tf.Tensor) -> tf.Tensor:
    low, high = self.feature_range
    y = (features - low) * (2.0 / (high - low)) - 1.0
    y = self._interpolated(y, features) if self.is_linear else self._learned(y)
    margin = self.margin_frames * math.prod(self.factors) // self.hold
    return y[:, margin:-margin]

  def _learned(self, y):
    y = tf.nn.leaky_relu(self.context(_neighbours(y, self.context_frames)), 0.4)
    for stage, factor in zip(self.stages, self.factors):
      batch, frames, _ = tf.unstack(tf.shape(y))
      y = tf.reshape(
        stage(_neighbours(y)), [batch, frames * factor, self.channels]
      )
      y = tf.nn.leaky_relu(y, 0.4)
    return y

  def _interpolated(self, y, features):
    spoken = tf.reduce_any(features != self.silence, -1)
    y = self.context(
      _neighbours(_ends_repeated(y, spoken), self.context_frames)
    )
    spoken = tf.cast(spoken, y.dtype)[..., None]
    for stage, factor in zip(self.stages, self.factors):
      y = stage(y * spoken)
      spoken = tf.repeat(spoken, factor, axis=1)
    return y


@registered
class Interpolation(keras.layers.Layer):
  """Frame rate -> s times that rate, the same for all channels.

  y_{i s + p} = sum_n k_{n, p} x_{i + n - 1}, n = 0, 1, 2: a transposed
  convolution of stride s and width 3 s with one kernel for all channels. Frames
  that are held, then smoothed by a filter of 2 s + 1 taps, are one; k starts as
  that with equal taps, which joins frames by straight lines.

  Args:
    factor: s.

  Call: x `[B, T, C]` -> `[B, T s, C]`; zeros are assumed around it.
  """

  def __init__(self, factor: int, **kwargs):
    super().__init__(**kwargs)
    self.factor = factor

  def build(self, input_shape: tuple | None = None) -> None:
    taps = np.full(2 * self.factor + 1, 1.0 / (2 * self.factor + 1))
    self.kernel = self.add_weight(
      shape=(3, self.factor),
      initializer=lambda *_, **__: self.kernel_of(taps),
      name='kernel',
    )

  @staticmethod
  def kernel_of(taps: np.ndarray) -> np.ndarray:
    """Held frames, smoothed by `[2 s + 1]` taps, as a kernel `[3, s]`."""
    factor = len(taps) // 2
    kernel = np.zeros([3, factor])
    for phase in range(factor):
      for tap, weight in enumerate(taps):
        kernel[(phase + tap) // factor, phase] += weight
    return kernel

  def call(self, x: tf.Tensor) -> tf.Tensor:
    batch, frames, _ = tf.unstack(tf.shape(x))
    y = sum(
      near[:, :, None] * self.kernel[n][:, None]
      for n, near in enumerate(_shifted(x, 1))
    )
    return tf.reshape(y, [batch, frames * self.factor, x.shape[-1]])


def _neighbours(x, reach=1):
  """Each frame between those up to `reach` away: `[B, T, (2 reach + 1) C]`."""
  return tf.concat(_shifted(x, reach), -1)


def _shifted(x, reach):
  """`[B, T, C]` as it was up to `reach` frames before, and will be after.

  Slices end at constants: else their slopes are no StableHLO.
  """
  padded = tf.pad(x, [[0, 0], [reach, reach], [0, 0]])
  return [padded[:, i : i - 2 * reach or None] for i in range(2 * reach + 1)]


def _ends_repeated(x, spoken):
  """The first and the last frame that are `spoken` `[B, T]`, beyond them."""
  spoken, last = tf.cast(spoken, tf.int32), tf.shape(x)[1] - 1
  first = tf.argmax(spoken, 1, tf.int32)
  end = last - tf.argmax(tf.reverse(spoken, [1]), 1, tf.int32)
  nearest = tf.maximum(tf.range(last + 1)[None], first[:, None])
  nearest = tf.minimum(nearest, end[:, None])
  return tf.gather(x, nearest, axis=1, batch_dims=1)


def example_conditioning(config: Config, frames: int) -> Conditioning:
  """Silence, of the right shape."""
  return Conditioning.of(
    tf.fill(
      [1, frames + 2 * config.margin_frames, config.local_channels],
      config.silence,
    ),
    tf.zeros([1, config.conditioning.global_channels]),
  )
