"""Shards -> crops -> batches, as a pure function of (seed, step).

Element n of the endless stream of crops depends on the seed and n alone: the
epoch n // N decides the order of utterances, and a stateless draw from
(seed, n) the crop (shuffling also reads TensorFlow's global seed, which this
project never sets). Continuing at step s is starting at n = s * batch:
no iterator needs saving, and nothing is replayed.
"""

import os
import pathlib
from typing import NamedTuple

import tensorflow as tf

from data import shards
from wavenet_tf import audio
from wavenet_tf.config import Config, MARGIN_FRAMES

_OPEN_SHARDS = 8


class Batch(NamedTuple):
  """Crops of utterances.

  Attributes:
    levels: int32 `[B, T]`, 16-bit levels.
    features: float32 `[B, T / hop + 2 MARGIN_FRAMES, local_channels]`.
    labels: int32 `[B, F]`, the id at the centre of each frame of the
      classifier, -1 where there is none; `[B, 0]` where none were asked for.
    global_: float32 `[B, global_channels]`.
  """

  levels: tf.Tensor
  features: tf.Tensor
  labels: tf.Tensor | None = None
  global_: tf.Tensor | None = None


def training_batches(
  folder: pathlib.Path,
  manifest: shards.Manifest,
  config: Config,
  *,
  batch_size: int,
  crop_samples: int,
  shuffle_megabytes: int,
  seed: int,
  start_step: int = 0,
  past_samples: int = 0,
  label_kind: str | None = None,
  frame_samples: int = 0,
) -> tf.data.Dataset:
  """Endless `Batch`es of random crops that begin on a frame.

  An utterance shorter than the crop is continued with silence. The first
  `past_samples` of a crop are what came before the rest of it, silence before
  the beginning of an utterance; so every sample may come after them.

  Args:
    folder: holds the shards.
    manifest: verified, of that folder.
    config: hop, channels of the features, and what pads them.
    batch_size: crops per batch.
    crop_samples: T, a multiple of the hop.
    shuffle_megabytes: about the size of the shuffle buffer.
    seed: of order and crops.
    start_step: batches that were already consumed.
    past_samples: a multiple of the hop, less than the crop.
    label_kind: of the labels of a batch, or None for none.
    frame_samples: samples that one label stands for.
  """
  paths = shards.shard_paths(folder, manifest, shards.TRAIN)
  utterances = len(manifest.of_split(shards.TRAIN))
  # A buffer of whole utterances, however long they are.
  mean_bytes = sum(map(os.path.getsize, paths)) / utterances
  buffer = max(2, int(shuffle_megabytes * 2**20 / mean_bytes))
  start = start_step * batch_size
  epochs = tf.data.Dataset.range(start // utterances, tf.int64.max)
  records = epochs.flat_map(lambda epoch: _epoch(paths, seed, epoch, buffer))
  crops = (
    records.skip(start % utterances)
    .enumerate(start)
    .map(
      lambda n, record: _crop(
        shards.parse(record, config.local_channels),
        config,
        crop_samples,
        past_samples,
        seed,
        n,
        label_kind,
        frame_samples,
      ),
      num_parallel_calls=tf.data.AUTOTUNE,
      deterministic=True,
    )
  )
  return crops.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def _epoch(paths, seed, epoch, buffer):
  """Every record of the split once, in an order of this epoch's own."""
  epoch_seed = tf.random.experimental.stateless_fold_in(
    tf.constant([seed, 0], tf.int64), epoch
  )[0]
  files = tf.data.Dataset.from_tensor_slices(paths).shuffle(
    len(paths), epoch_seed, reshuffle_each_iteration=False
  )
  records = files.interleave(
    tf.data.TFRecordDataset,
    cycle_length=min(_OPEN_SHARDS, len(paths)),
  )
  return records.shuffle(buffer, epoch_seed, reshuffle_each_iteration=False)


def _crop(
  example,
  config,
  crop_samples,
  past_samples,
  seed,
  n,
  label_kind,
  frame_samples,
):
  hop = config.audio.hop_samples
  frames, past = crop_samples // hop, past_samples // hop
  last_start = tf.maximum(tf.shape(example.features)[0] - (frames - past), 0)
  # The frame of the utterance that follows the past.
  start = tf.random.stateless_uniform(
    [], tf.stack([tf.constant(seed, tf.int64), n]), 0, last_start + 1, tf.int32
  )
  heard = tf.pad(example.levels, [[past_samples, 0]])
  levels = heard[start * hop : start * hop + crop_samples]
  levels = tf.pad(levels, [[0, crop_samples - tf.shape(levels)[0]]])
  # With MARGIN frames on either side, silence where there are none.
  padded = tf.pad(
    audio.pad_margin(example.features[None], config.silence)[0],
    [[past, 0], [0, 0]],
    constant_values=config.silence,
  )
  wanted = frames + 2 * MARGIN_FRAMES
  features = padded[start : start + wanted]
  features = tf.pad(
    features,
    [[0, wanted - tf.shape(features)[0]], [0, 0]],
    constant_values=config.silence,
  )
  return Batch(
    tf.ensure_shape(tf.cast(levels, tf.int32), [crop_samples]),
    tf.ensure_shape(features, [wanted, config.local_channels]),
    frame_labels(
      example, (start - past) * hop, crop_samples, label_kind, frame_samples
    ),
    tf.ensure_shape(example.global_, [config.conditioning.global_channels]),
  )


def frame_labels(example, start, crop_samples, label_kind, frame_samples):
  """Ids at the centres of a crop's frames, int32 `[F]`; -1 where none is.

  Args:
    example: whose segments to read.
    start: its sample at which the crop begins.
    crop_samples: length of the crop, of which F = T // frame_samples.
    label_kind: of the segments; None for no labels, `[0]`.
    frame_samples: length of a frame.
  """
  if label_kind is None:
    return tf.zeros([0], tf.int32)
  centres = tf.range(frame_samples // 2, crop_samples, frame_samples)
  centres = centres[: crop_samples // frame_samples]
  segments = example.segments[label_kind]
  # A segment holds the samples before its end; beyond the last is no label.
  index = tf.searchsorted(segments.ends, start + centres, side='right')
  return tf.gather(tf.concat([segments.ids, [-1]], 0), index)


def validation_batches(
  examples,
  config: Config,
  crop_samples: int,
  *,
  label_kind: str | None = None,
  frame_samples: int = 0,
) -> list[Batch]:
  """Consecutive crops of whole utterances, one a batch, all of one shape.

  What is left over at the end of an utterance is dropped; an utterance
  shorter than a crop is continued with silence, as in training.
  """
  hop = config.audio.hop_samples
  frames = crop_samples // hop
  batches = []
  for example in examples:
    features = audio.pad_margin(example.features[None], config.silence)
    for start in range(0, max(len(example.features) - frames, 0) + 1, frames):
      levels = example.levels[start * hop : start * hop + crop_samples]
      window = features[:, start : start + frames + 2 * MARGIN_FRAMES]
      missing = frames + 2 * MARGIN_FRAMES - window.shape[1]
      batches.append(
        Batch(
          tf.pad(
            tf.cast(levels[None], tf.int32),
            [[0, 0], [0, crop_samples - len(levels)]],
          ),
          tf.pad(
            window,
            [[0, 0], [0, missing], [0, 0]],
            constant_values=config.silence,
          ),
          frame_labels(
            example, start * hop, crop_samples, label_kind, frame_samples
          )[None],
          tf.constant(example.global_[None]),
        )
      )
  return batches
