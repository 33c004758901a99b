"""Shards -> crops -> batches, as a pure function of (seed, step).

Element n of the endless stream of crops depends on the seed and n alone: the
epoch n // N decides the order of utterances, and a stateless draw from
(seed, n) the crop (shuffling also reads TensorFlow's global seed, which this
project never sets). Continuing at step s is starting at n = s * batch:
no iterator needs saving. What is shuffled is numbers of utterances, so that
those before n are counted, not read; a shard is open while a record is read.
"""

from collections.abc import Iterable
import pathlib

import tensorflow as tf

from data.shards.crops import Batch, Crops
from data.shards.example import Example, parse
from data.shards.manifest import Manifest
from data.shards.records import record_index
from data.shards.splits import TRAIN

_SHARDS_IN_TURN = 8


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
    crops: how utterances are cut; about `config.data.shuffle_megabytes` of them
      are shuffled at a time.
    batch_size: crops per batch.
    seed: of order and crops.
    start_step: batches that were already consumed.
  """
  index = record_index(folder, manifest, TRAIN)
  # A buffer of whole utterances, however long they are.
  shuffled_bytes = crops.config.data.shuffle_megabytes * 2**20
  buffer = max(2, int(shuffled_bytes / index.mean_bytes))
  start = start_step * batch_size
  epochs = tf.data.Dataset.range(start // index.records, tf.int64.max)
  numbers = epochs.flat_map(lambda epoch: _epoch(index, seed, epoch, buffer))
  channels = crops.config.local_channels
  return (
    numbers.skip(start % index.records)
    .enumerate(start)
    .map(
      lambda n, number: crops.at_random(
        parse(index.read(number), channels), seed, n
      ),
      num_parallel_calls=tf.data.AUTOTUNE,
      deterministic=True,
    )
    .batch(batch_size, drop_remainder=True)
    .prefetch(tf.data.AUTOTUNE)
  )


def _epoch(index, seed, epoch, buffer):
  """The number of every record once, in an order of this epoch's own.

  It is the order in which a buffer would shuffle records that are read from a
  few shards in turn, which they were up to release 0.4.0.
  """
  epoch_seed = tf.random.experimental.stateless_fold_in(
    tf.constant([seed, 0], tf.int64), epoch
  )[0]
  shards = len(index.paths)
  ranges = tf.data.Dataset.from_tensor_slices(
    (index.firsts[:-1], index.firsts[1:])
  )
  ranges = ranges.shuffle(shards, epoch_seed, reshuffle_each_iteration=False)
  numbers = ranges.interleave(
    tf.data.Dataset.range, cycle_length=min(_SHARDS_IN_TURN, shards)
  )
  return numbers.shuffle(buffer, epoch_seed, reshuffle_each_iteration=False)


def validation_batches(
  examples: Iterable[Example], crops: Crops
) -> list[Batch]:
  """Consecutive crops of whole utterances, one a batch, all of one shape."""
  return [
    Batch(*(tf.convert_to_tensor(x)[None] for x in crop))
    for example in examples
    for crop in crops.in_order(example)
  ]
