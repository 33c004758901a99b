"""Frames of samples, and the margins around them."""

import tensorflow as tf

from wavenet_tf.configuration.corpus import MARGIN_FRAMES


def frame_count(samples: int, hop_samples: int) -> int:
  """Frames that cover `samples`; the last one may reach past the end."""
  return -(-samples // hop_samples)


def pad_margin(features: tf.Tensor, silence: float) -> tf.Tensor:
  """Silence around `[B, frames, C]`: MARGIN_FRAMES frames on either side."""
  return tf.pad(
    features,
    [[0, 0], [MARGIN_FRAMES, MARGIN_FRAMES], [0, 0]],
    constant_values=silence,
  )
