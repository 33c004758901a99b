"""Shards -> crops -> batches, as a pure function of (seed, step).

Element n of the endless stream of crops depends on the seed and n alone: the
epoch n // N decides the order of utterances, and a stateless draw from
(seed, n) the crop (shuffling also reads TensorFlow's global seed, which this
project never sets). Continuing at step s is starting at n = s * batch:
no iterator needs saving. What is shuffled is numbers of utterances, so that
those before n are counted, not read; a shard is open while a record is read.
"""

from collections.abc import Iterable, Sequence
import pathlib
import socket
import urllib.parse

import tensorflow as tf

from data.shards.crops import Batch, Crops
from data.shards.example import Example, parse
from data.shards.manifest import Manifest
from data.shards.records import record_index, untuned
from data.shards.splits import TRAIN
from wavenet_tf.configuration.errors import UserError

_SHARDS_IN_TURN = 8
# How long a service may take to answer.
_SECONDS = 10


def training_batches(
  folder: pathlib.Path,
  manifest: Manifest,
  crops: Crops,
  *,
  batch_size: int,
  seed: int,
  start_step: int = 0,
  services: Sequence[str] = (),
) -> Iterable[Batch]:
  """Endless `Batch`es of random crops that begin on a frame.

  Args:
    folder: holds the shards; services must see it by the same name.
    manifest: verified, of that folder.
    crops: how utterances are cut; about `config.data.shuffle_megabytes` of them
      are shuffled at a time.
    batch_size: crops per batch.
    seed: of order and crops.
    start_step: batches that were already consumed.
    services: addresses of tf.data services, each a dispatcher with one worker,
      that make the batches in turn; none: this process does.

  Returns:
    The same batches in the same order, whoever makes them; a `tf.data.Dataset`
    where this process does.

  Raises:
    UserError: if a service is not there, or gives other batches than its own.
  """
  index = record_index(folder, manifest, TRAIN)
  # A buffer of whole utterances, however long they are.
  shuffled_bytes = crops.config.data.shuffle_megabytes * 2**20
  buffer = max(2, int(shuffled_bytes / index.mean_bytes))
  start = start_step * batch_size
  epochs = tf.data.Dataset.range(start // index.records, tf.int64.max)
  numbers = epochs.flat_map(lambda epoch: _epoch(index, seed, epoch, buffer))
  numbers = numbers.skip(start % index.records).enumerate(start)
  channels = crops.config.local_channels

  def crop(n, number):
    example = parse(index.read(number), channels)
    return n, crops.at_random(example, seed, n)

  def batches(numbers):
    return numbers.map(
      crop, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    ).batch(batch_size, drop_remainder=True)

  if not services:
    made = batches(numbers).map(lambda ns, batch: batch)
    return untuned(made.prefetch(tf.data.AUTOTUNE))
  by_step = numbers.batch(batch_size)
  made = [
    batches(by_step.shard(len(services), i).unbatch()).apply(_by(service))
    for i, service in enumerate(services)
  ]
  turns = tf.data.Dataset.range(len(services)).repeat()
  return _in_order(tf.data.Dataset.choose_from_datasets(made, turns), start)


def _by(service):
  """Moves a dataset to a service, if that is there."""
  url = urllib.parse.urlsplit(service)
  try:
    if url.scheme != 'grpc' or not url.port:
      raise ValueError
    socket.create_connection((url.hostname, url.port), _SECONDS).close()
  except ValueError:
    raise UserError(
      f'--data_service: found {service!r}, expected grpc://host:port.'
    ) from None
  except OSError as error:
    raise UserError(
      f'--data_service: {service} does not answer ({error.strerror or error}); '
      'start its dispatcher and its worker first (docs/scale.md).'
    ) from error
  sharding = tf.data.experimental.service.ShardingPolicy.OFF
  return tf.data.experimental.service.distribute(sharding, service)


def _in_order(numbered, start):
  """Batches whose crops count from `start`, without a gap."""
  for ns, batch in untuned(numbered.prefetch(tf.data.AUTOTUNE)):
    if int(ns[0]) != start:
      raise UserError(
        f'--data_service: gave the batch of crop {int(ns[0])}, expected that '
        f'of crop {start}; a service has one worker, and begins again if that '
        'does. The same command goes on from the last checkpoint.'
      )
    start += len(ns)
    yield batch


def _epoch(index, seed, epoch, buffer):
  """The number of every record once, in an order of this epoch's own.

  It is the order in which a buffer shuffles records that are read from a few
  shards in turn, as older releases read them.
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
