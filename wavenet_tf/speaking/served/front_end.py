"""The log-mel of recordings, in a graph, of any length in little memory."""

import math

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.signal import spectra

_BLOCK_FRAMES = 64
# A mel that a network predicts may leave the range of recordings a little.
_SLACK_NEPERS = 1.0


def log_mels(audio: tf.Tensor, settings: AudioConfig) -> tf.Tensor:
  """`spectra.log_mel`, a block of frames of a row at a time.

  Args:
    audio: float32 `[B, T]` in [-1, 1].
    settings: the front end.

  Returns:
    float32 `[B, ceil(T / hop), mel_bins]`.
  """
  hop, before = settings.hop_samples, spectra.samples_before(settings)
  block = _BLOCK_FRAMES * hop
  frames = (tf.shape(audio)[1] - 1) // hop + 1
  blocks = (frames - 1) // _BLOCK_FRAMES + 1
  reach = settings.window_samples - hop
  missing = blocks * block - tf.shape(audio)[1]
  padded = tf.pad(audio, [[0, 0], [before, reach - before + missing]])

  def mel_of_row(row):
    mels = tf.map_fn(
      lambda i: spectra.log_mel_within(
        tf.ensure_shape(row[None, i * block :][:, : block + reach],
                        [1, block + reach]), settings
      )[0],
      tf.range(blocks),
      fn_output_signature=tf.TensorSpec(
        [_BLOCK_FRAMES, settings.mel_bins], tf.float32
      ),
      parallel_iterations=1,
    )  # fmt: skip
    return tf.reshape(mels, [-1, settings.mel_bins])[:frames]

  return tf.map_fn(
    mel_of_row,
    padded,
    fn_output_signature=tf.TensorSpec([None, settings.mel_bins], tf.float32),
    parallel_iterations=1,
  )


def possible_range(settings: AudioConfig) -> tuple[float, float]:
  """Least and greatest number that a log-mel of this front end can hold.

  No |STFT| of a waveform in [-1, 1] is above 2, that of the constant 1; some
  slack is left for mels that a network predicts.
  """
  loudest = 2.0 * np.max(np.sum(spectra.mel_filters(settings), 0))
  return (
    settings.log_mel_floor - _SLACK_NEPERS,
    math.log(loudest) + _SLACK_NEPERS,
  )
