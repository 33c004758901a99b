"""Training of the pitch estimator, before the student that listens to it."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from wavenet_tf.networks.conditioning.pitch import (
  bin_centres,
  FramePitch,
  PitchEstimator,
  REACH_FRAMES,
)

BATCH_FRAMES = 1024
_LEARNING_RATE, _FINAL_SHARE = 2e-3, 0.01
_CENTS_PER_NEPER = 1200.0 / np.log(2.0)


class PitchFrames(NamedTuple):
  """Frames of log-mels, end to end, and their pitch.

  Attributes:
    features: float32 `[F, mel bins]`, with `REACH_FRAMES` frames of silence
      around each utterance.
    log_f0: float32 `[F]`, ln Hz; counts where there is voice.
    voiced: float32 `[F]`, 1 where there is voice, else 0.
    spoken: int `[N]`, which of the frames are those of an utterance.
  """

  features: np.ndarray
  log_f0: np.ndarray
  voiced: np.ndarray
  spoken: np.ndarray


class PitchErrors(NamedTuple):
  """How well pitch was read off log-mels.

  Attributes:
    median_cents: median absolute error where both say that there is voice.
    gross_share: of these frames, those that are off by more than 50 cents.
    voicing_share: of all frames, those whose voicing is wrong.
  """

  median_cents: float
  gross_share: float
  voicing_share: float


def pitch_loss(
  pitch: FramePitch, log_f0: tf.Tensor, voiced: tf.Tensor
) -> tf.Tensor:
  """Cross-entropies of bins and voicing, and the error of the mean in bins.

    v (CE(bins, f) + |E[log f] - log f| / bin) / sum(v) + CE(voicing, v)

  The target f of the bins is shared by the two around it (1802.06182 blurs it
  over more).

  Args:
    pitch: predicted, of frames `[N]`.
    log_f0: float32 `[N]`, ln Hz.
    voiced: float32 `[N]`, 0 or 1.
  """
  centres = bin_centres()
  width = centres[1] - centres[0]
  target = tf.nn.relu(1.0 - tf.abs(log_f0[:, None] - centres) / width)
  nats = tf.nn.softmax_cross_entropy_with_logits(target, pitch.bins)
  bins_off = tf.abs(pitch.log_f0 - log_f0) / width
  of_voice = tf.reduce_sum(voiced * (nats + bins_off))
  voicing = tf.nn.sigmoid_cross_entropy_with_logits(voiced, pitch.voicing)
  return of_voice / (tf.reduce_sum(voiced) + 1.0) + tf.reduce_mean(voicing)


def train_pitch(
  estimator: PitchEstimator,
  frames: PitchFrames,
  steps: int,
  seed: int,
  jit_compile: bool = True,
) -> None:
  """Adam on random frames, each heard with its neighbours.

  The same seed gives the same weights. It takes a minute at most, so nothing
  is kept in between.
  """
  rate = keras.optimizers.schedules.CosineDecay(
    _LEARNING_RATE, steps, _FINAL_SHARE
  )
  optimizer = keras.optimizers.Adam(rate)
  variables = estimator.trainable_variables
  optimizer.build(variables)

  def step(features, log_f0, voiced):
    with tf.GradientTape() as tape:
      predicted = estimator.frames(features)
      loss = pitch_loss(
        FramePitch(*(x[:, 0] for x in predicted)), log_f0, voiced
      )
    optimizer.apply(tape.gradient(loss, variables), variables)

  step = tf.function(step, jit_compile=jit_compile, autograph=False)
  around = np.arange(-REACH_FRAMES, REACH_FRAMES + 1)
  generator = np.random.default_rng(seed)
  for _ in range(steps):
    chosen = generator.choice(frames.spoken, BATCH_FRAMES)
    step(
      tf.constant(frames.features[chosen[:, None] + around]),
      tf.constant(frames.log_f0[chosen]),
      tf.constant(frames.voiced[chosen]),
    )


def pitch_errors(estimator: PitchEstimator, frames: PitchFrames) -> PitchErrors:
  """Of all frames of utterances."""
  predicted = estimator.frames(tf.constant(frames.features[None]))
  inner = frames.spoken - REACH_FRAMES
  log_f0 = predicted.log_f0.numpy()[0, inner]
  heard = predicted.voicing.numpy()[0, inner] > 0
  voiced = frames.voiced[frames.spoken] > 0.5
  both = heard & voiced
  cents = _CENTS_PER_NEPER * np.abs(log_f0 - frames.log_f0[frames.spoken])[both]
  return PitchErrors(
    float(np.median(cents)) if both.any() else float('nan'),
    float(np.mean(cents > 50.0)) if both.any() else float('nan'),
    float(np.mean(heard != voiced)),
  )
