"""Frames of samples, and the margins around them."""

import tensorflow as tf

from wavenet_tf.configuration.corpus import MARGIN_FRAMES


def frame_count(samples: int, hop_samples: int) -> int:
  """Frames that cover `samples`; the last one may reach past the end."""
  return -(-samples // hop_samples)


def pad_margin(
  features: tf.Tensor, silence: float, margin_frames: int = MARGIN_FRAMES
) -> tf.Tensor:
  """Silence around `[B, frames, C]`, `config.margin_frames` on either side."""
  return tf.pad(
    features,
    [[0, 0], [margin_frames, margin_frames], [0, 0]],
    constant_values=silence,
  )
