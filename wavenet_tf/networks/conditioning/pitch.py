"""Pitch as a student hears it: F0 from a log-mel, and its running phase."""

import math
from typing import NamedTuple

import keras
import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.corpus import (
  HIGHEST_F0_HZ,
  LOWEST_F0_HZ,
  MARGIN_FRAMES,
)
from wavenet_tf.configuration.keras_saving import Configured, registered
from wavenet_tf.signal import phase

BINS = 96
_HIDDEN_CHANNELS = 192
# A frame hears so many to either side of it; the phase wants one frame more.
REACH_FRAMES = MARGIN_FRAMES - 1


class FramePitch(NamedTuple):
  """What is predicted of frames.

  Attributes:
    bins: float32 `[..., BINS]`, logits of the bin in which log F0 lies.
    log_f0: float32 `[...]`, ln Hz: the mean under these bins.
    voicing: float32 `[...]`, the logit of there being a voice.
  """

  bins: tf.Tensor
  log_f0: tf.Tensor
  voicing: tf.Tensor


def bin_centres() -> tf.Tensor:
  """Ln Hz `[BINS]`, from the lowest pitch to the highest."""
  return tf.linspace(math.log(LOWEST_F0_HZ), math.log(HIGHEST_F0_HZ), BINS)


@registered
class PitchEstimator(Configured, keras.layers.Layer):
  """Log-mel -> log F0 and voicing, frame by frame.

  Pitch is read off the harmonics between the lowest mel bins: a mean over bins
  of equal width in log F0, as CREPE (1802.06182) predicts it. It is a function
  of the conditioning alone and no gradient passes, so that neither entropy nor
  Jacobian of a flow that hears it change.

  Args:
    config: for the range of the features, rate, hop, and
      `student.phase_harmonics`.

  Call:
    features: float32 `[B, frames + 2 MARGIN_FRAMES, mel bins]`.
    start: int32 `[B]`, the running phase before the first sample.
    Returns float32 `[B, frames * hop, channels]`: voicing v in [0, 1], and
    v sin(k phase), v cos(k phase) for each harmonic k; and the phase after
    the last sample.
  """

  def __init__(self, config: Config, **kwargs):
    super().__init__(config, **kwargs)
    self.harmonics = config.student.phase_harmonics
    self.channels = 1 + 2 * self.harmonics
    self.stages = [
      keras.layers.Dense(_HIDDEN_CHANNELS, name=f'stage_{i}') for i in range(2)
    ]
    self.output_layer = keras.layers.Dense(BINS + 1, name='output')

  def build(self, input_shape: tuple | None = None) -> None:
    width = 2 * REACH_FRAMES + 1
    channels = width * self.config.local_channels
    for layer in (*self.stages, self.output_layer):
      layer.build((None, None, channels))
      channels = _HIDDEN_CHANNELS

  def frames(self, features: tf.Tensor) -> FramePitch:
    """Float32 `[B, F, mel bins]` -> pitch of `F - 2 (MARGIN_FRAMES - 1)`."""
    low, high = self.config.feature_range
    y = (features - low) * (2.0 / (high - low)) - 1.0
    count = tf.shape(y)[1] - 2 * REACH_FRAMES
    y = tf.concat(
      [y[:, i : i + count] for i in range(2 * REACH_FRAMES + 1)], -1
    )
    for stage in self.stages:
      y = tf.nn.leaky_relu(stage(y), 0.1)
    outputs = self.output_layer(y)
    bins, voicing = outputs[..., :-1], outputs[..., -1]
    log_f0 = tf.linalg.matvec(tf.nn.softmax(bins), bin_centres())
    return FramePitch(bins, log_f0, voicing)

  def call(
    self, features: tf.Tensor, start: tf.Tensor
  ) -> tuple[tf.Tensor, tf.Tensor]:
    pitch = self.frames(features)
    frequency = tf.stop_gradient(tf.exp(pitch.log_f0))
    voicing = tf.stop_gradient(tf.sigmoid(pitch.voicing))
    audio = self.config.audio
    running, end = phase.running_phase(
      frequency, audio.sample_rate_hz, audio.hop_samples, start
    )
    voicing = tf.repeat(voicing[:, 1:-1, None], audio.hop_samples, axis=1)
    waves = phase.harmonics(running, self.harmonics)
    return tf.concat([voicing, voicing * waves], -1), end
