"""Pitch as a student hears it: F0, told or read, and its running phase."""

import math
from typing import NamedTuple

import keras
import tensorflow as tf

from wavenet_tf.configuration.choices import MEL
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
class RunningPitch(Configured, keras.layers.Layer):
  """Conditioning -> voicing and the running phase, at audio rate.

  Where F0 comes from is for subclasses to say, in `read`. It is a function of
  the conditioning alone and no gradient passes, so that neither entropy nor
  Jacobian of a flow that hears it change.

  Args:
    config: for the features, rate, hop, and `student.phase_harmonics`.

  Call:
    features: float32 `[B, frames + 2 margin_frames, channels]`.
    start: int32 `[B]`, the running phase before the first sample.
    Returns float32 `[B, frames * hop, channels]`: voicing v in [0, 1], and
    v sin(k phase), v cos(k phase) for each harmonic k; and the phase after
    the last sample.
  """

  def __init__(self, config: Config, **kwargs):
    super().__init__(config, **kwargs)
    self.harmonics = config.student.phase_harmonics
    self.channels = 1 + 2 * self.harmonics

  def build(self, input_shape: tuple | None = None) -> None:
    """What is told needs no weights."""

  def read(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """-> F0 in Hz and voicing in [0, 1], `[B, 1 + frames + 1]` each."""
    raise NotImplementedError

  def call(
    self, features: tf.Tensor, start: tf.Tensor
  ) -> tuple[tf.Tensor, tf.Tensor]:
    wider = self.config.margin_frames - MARGIN_FRAMES
    if wider:
      features = features[:, wider:-wider]
    frequency, voicing = map(tf.stop_gradient, self.read(features))
    audio = self.config.audio
    running, end = phase.running_phase(
      frequency, audio.sample_rate_hz, audio.hop_samples, start
    )
    voicing = tf.repeat(voicing[:, 1:-1, None], audio.hop_samples, axis=1)
    waves = phase.harmonics(running, self.harmonics)
    return tf.concat([voicing, voicing * waves], -1), end


@registered
class PitchEstimator(RunningPitch):
  """F0 and voicing from a log-mel, frame by frame.

  Pitch is read off the harmonics between the lowest mel bins: a mean over bins
  of equal width in log F0, as CREPE (1802.06182) predicts it.
  """

  def __init__(self, config: Config, **kwargs):
    super().__init__(config, **kwargs)
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

  def read(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    pitch = self.frames(features)
    return tf.exp(pitch.log_f0), tf.sigmoid(pitch.voicing)


@registered
class GivenPitch(RunningPitch):
  """F0 and voicing as linguistic features bring them.

  Their last two channels are log F0, scaled from the range of voices to
  [0, 1], and 1 where there is a voice.
  """

  def read(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    within = features[:, REACH_FRAMES:-REACH_FRAMES]
    low, high = math.log(LOWEST_F0_HZ), math.log(HIGHEST_F0_HZ)
    return tf.exp(low + within[..., -2] * (high - low)), within[..., -1]


def running_pitch(config: Config, **kwargs) -> RunningPitch:
  """What reads F0 where `config` has it: given, or in the log-mel."""
  kind = PitchEstimator if config.conditioning.local == MEL else GivenPitch
  return kind(config, **kwargs)
