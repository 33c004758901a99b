"""Shards -> crops -> batches, as a pure function of (seed, step).

Element n of the endless stream of crops depends on the seed and n alone: the
epoch n // N decides the order of utterances, and a stateless draw from
(seed, n) the crop (shuffling also reads TensorFlow's global seed, which this
project never sets). Continuing at step s is starting at n = s * batch:
no iterator needs saving, and nothing is replayed.
"""

from collections.abc import Iterable
import pathlib

import tensorflow as tf

from data.shards.crops import Batch, Crops
from data.shards.example import Example, parse
from data.shards.manifest import Manifest
from data.shards.records import shard_paths
from data.shards.splits import TRAIN
from wavenet_tf.configuration.files import path_of

_OPEN_SHARDS = 8


def training_batches(
  folder: pathlib.Path,
  manifest: Manifest,
  crops: Crops,
  *,
  batch_size: int,
  seed: int,
  start_step: int = 0,
) -> tf.data.Dataset:
  """Endless `Batch`es of random crops that begin on a frame.

  Args:
    folder: holds the shards.
    manifest: verified, of that folder.
    crops: how utterances are cut; its `config.data.shuffle_megabytes` is about
      the size of the shuffle buffer.
    batch_size: crops per batch.
    seed: of order and crops.
    start_step: batches that were already consumed.
  """
  paths = shard_paths(folder, manifest, TRAIN)
  utterances = len(manifest.of_split(TRAIN))
  # A buffer of whole utterances, however long they are.
  mean_bytes = sum(path_of(p).stat().st_size for p in paths) / utterances
  shuffled_bytes = crops.config.data.shuffle_megabytes * 2**20
  buffer = max(2, int(shuffled_bytes / mean_bytes))
  start = start_step * batch_size
  epochs = tf.data.Dataset.range(start // utterances, tf.int64.max)
  records = epochs.flat_map(lambda epoch: _epoch(paths, seed, epoch, buffer))
  channels = crops.config.local_channels
  return (
    records.skip(start % utterances)
    .enumerate(start)
    .map(
      lambda n, record: crops.at_random(parse(record, channels), seed, n),
      num_parallel_calls=tf.data.AUTOTUNE,
      deterministic=True,
    )
    .batch(batch_size, drop_remainder=True)
    .prefetch(tf.data.AUTOTUNE)
  )


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


def validation_batches(
  examples: Iterable[Example], crops: Crops
) -> list[Batch]:
  """Consecutive crops of whole utterances, one a batch, all of one shape."""
  return [
    Batch(*(tf.convert_to_tensor(x)[None] for x in crop))
    for example in examples
    for crop in crops.in_order(example)
  ]
