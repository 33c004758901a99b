"""Does a teacher hear its conditioning? What another's costs."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.teacher import Teacher


class Swap(NamedTuple):
  """What it costs to be told another's conditioning; scalars.

  Attributes:
    nats: per sample of the recordings that were told another's; about 0 for
      a teacher that ignores its conditioning.
    share: of the recordings, those; with none of them `nats` is 0.
  """

  nats: tf.Tensor
  share: tf.Tensor


def conditioning_nats(teacher: Teacher, batch: Any) -> Swap | None:
  """Ln p(recording | its conditioning) - ln p(recording | another's).

  Recordings get the features and the global vector of the crop half a batch
  away or, where these are equal to their own (the same speaker, nothing
  else), of the next one before it whose are not. With a batch of one there is
  none, so that its features are moved in time by half of their frames (what
  is said elsewhere in the same utterance), and its global vector is rolled:
  another speaker, other tags.

  Returns:
    None for a teacher that has no conditioning.
  """
  told = Conditioning.of(batch.features, batch.global_)
  if told.local is None and told.global_ is None:
    return None
  waveform = teacher.output_kind.waveform(batch.levels)

  def log_prob(conditioning):
    parameters = teacher(waveform, conditioning)
    return tf.reduce_mean(
      teacher.output_kind.log_prob(parameters, batch.levels), 1
    )

  others = _of_others(told, batch.levels.shape[0])
  swapped = tf.cast(_differs(told, others), tf.float32)
  nats = tf.math.multiply_no_nan(log_prob(told) - log_prob(others), swapped)
  return Swap(
    tf.math.divide_no_nan(tf.reduce_sum(nats), tf.reduce_sum(swapped)),
    tf.reduce_mean(swapped),
  )


def _of_others(told, crops):
  def rolled(x):
    return None if x is None else tf.roll(x, max(x.shape[1] // 2, 1), 1)

  if crops == 1:
    return Conditioning(*map(rolled, told))
  # [B, B - 1]: all others, beginning half a batch away.
  away = crops // 2 + np.arange(crops - 1)
  away = np.where(away < crops, away, away - crops + 1)
  candidates = (np.arange(crops)[:, None] - away) % crops
  different = tf.stack(
    [_differs(told, _rows(told, of)) for of in candidates.T], 1
  )
  first = tf.argmax(tf.cast(different, tf.int32), 1)
  return _rows(told, tf.gather(tf.constant(candidates), first, batch_dims=1))


def _rows(told, indices):
  return Conditioning(
    *(None if x is None else tf.gather(x, indices) for x in told)
  )


def _differs(told, others):
  """Bool `[B]`: rows in which any number differs."""
  found = [
    tf.reduce_any(a != b, list(range(1, len(a.shape))))
    for a, b in zip(told, others)
    if a is not None
  ]
  return tf.reduce_any(tf.stack(found), 0)
