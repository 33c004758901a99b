"""TFRecord shards: written to a given size, read in order or at any place.

A record is 8 bytes that hold its length, 4 of their checksum, its content and 4
of that one's checksum. The lengths, which the manifest keeps, say where each
record begins, so that none before it is read.
"""

from collections.abc import Iterator
import contextlib
import itertools
import pathlib
from typing import NamedTuple
import uuid

import numpy as np
import tensorflow as tf

from data.shards.example import Example, parse, serialize
from data.shards.manifest import Manifest
from data.shards.verification import sha256
from data.text.labels import Segments

_FRAME_BYTES = 16
_READ_AHEAD = 4


class ShardWriter:
  """Writes examples into shards of about a given size.

  A shard has a temporary name of its own until it is whole, so that two who
  write the same do not disturb each other.

  Args:
    folder: of the shards.
    prefix: of their names, `<prefix>-00000.tfrecord` and so on.
    shard_megabytes: a shard is full where the next example would exceed it.
  """

  def __init__(self, folder: pathlib.Path, prefix: str, shard_megabytes: int):
    self._folder = folder
    self._prefix = prefix
    self._limit = shard_megabytes * 2**20
    self._writer = None
    self._partial = None
    self._written = 0
    self._record_bytes = []
    self._shards = []

  def write(self, example: Example) -> None:
    record = serialize(example)
    if self._written + len(record) > self._limit:
      self._finish_shard()
    if self._writer is None:
      self._partial = self._folder / f'{self._name}.{uuid.uuid4().hex}.partial'
      self._writer = tf.io.TFRecordWriter(str(self._partial))
    self._writer.write(record)
    self._written += len(record)
    self._record_bytes.append(len(record))

  def close(self) -> list[dict]:
    """Manifest entries of the shards written, without their split."""
    self._finish_shard()
    return self._shards

  def discard(self) -> None:
    """Removes what is not whole; nothing, after `close`."""
    if self._writer is not None:
      with contextlib.suppress(OSError, tf.errors.OpError):
        self._writer.close()
      self._writer = None
      with contextlib.suppress(OSError):
        self._partial.unlink(missing_ok=True)

  @property
  def _name(self):
    return f'{self._prefix}-{len(self._shards):05d}.tfrecord'

  def _finish_shard(self):
    if self._writer is None:
      return
    self._writer.close()
    digest = sha256(self._partial)
    self._partial.replace(self._folder / self._name)
    self._shards.append(
      {
        'file': self._name,
        'records': len(self._record_bytes),
        'sha256': digest,
        'record_bytes': self._record_bytes,
      }
    )
    self._writer, self._written, self._record_bytes = None, 0, []


class RecordIndex(NamedTuple):
  """Where each record of a split lies.

  Attributes:
    paths: string `[shards]`.
    firsts: int64 `[shards + 1]`, the number of the first record of each shard,
      and of all records.
    ends: int64 `[records + 1]`, the bytes of all shards before each record,
      and all bytes.

  Example:
    ```python
    index = record_index(folder, manifest, TRAIN)
    index.read(tf.constant(123_456, tf.int64))   # opens one shard
    ```
  """

  paths: tf.Tensor
  firsts: tf.Tensor
  ends: tf.Tensor

  @property
  def records(self) -> int:
    return int(self.firsts[-1])

  @property
  def mean_bytes(self) -> float:
    return int(self.ends[-1]) / self.records

  def read(self, number: tf.Tensor) -> tf.Tensor:
    """The content of a record, a string; only its bytes are read.

    Args:
      number: int64, from 0.
    """
    shard = tf.searchsorted(self.firsts, number[None], side='right')[0] - 1
    start, end = self.ends[number], self.ends[number + 1]
    found = tf.raw_ops.TFRecordDatasetV2(
      filenames=self.paths[shard][None],
      compression_type='',
      buffer_size=end - start,
      byte_offsets=(start - self.ends[self.firsts[shard]])[None],
    )
    spec = tf.TensorSpec([], tf.string)
    records = tf.data.experimental.from_variant(found, spec)
    return records.take(1).get_single_element()


def record_index(
  folder: pathlib.Path, manifest: Manifest, split: str
) -> RecordIndex:
  """Of the manifest; the shards of older releases are looked through once.

  Args:
    folder: holds the shards.
    manifest: verified, of that folder.
    split: whose records to find.
  """
  shards = [shard for shard in manifest.shards if shard['split'] == split]
  paths = [folder / shard['file'] for shard in shards]
  sizes = [
    shard['record_bytes'] if 'record_bytes' in shard else _record_bytes(path)
    for path, shard in zip(paths, shards)
  ]
  lengths = np.array([0, *itertools.chain(*sizes)], np.int64)
  lengths[1:] += _FRAME_BYTES
  return RecordIndex(
    tf.constant([str(path) for path in paths], tf.string),
    tf.constant(np.cumsum([0, *map(len, sizes)]), tf.int64),
    tf.constant(np.cumsum(lengths)),
  )


def _record_bytes(path):
  found, size = [], path.stat().st_size
  with path.open('rb') as file:
    position = 0
    while position < size:
      file.seek(position)
      found.append(int.from_bytes(file.read(8), 'little'))
      position += found[-1] + _FRAME_BYTES
  return found


def read_examples(
  folder: pathlib.Path, manifest: Manifest, split: str, every: int = 1
) -> Iterator[Example]:
  """Examples of a split as NumPy, in the order of the manifest.

  Args:
    folder: holds the shards.
    manifest: verified, of that folder.
    split: whose examples to read.
    every: so many, one is read.
  """
  index = record_index(folder, manifest, split)
  numbers = tf.data.Dataset.range(0, index.records, every)
  records = numbers.map(index.read, num_parallel_calls=_READ_AHEAD)
  for record in untuned(records):
    example = parse(record, manifest.local_channels)
    yield Example(
      example.name.numpy().decode(),
      example.levels.numpy(),
      example.features.numpy(),
      example.global_.numpy(),
      {
        kind: Segments(segments.ends.numpy(), segments.ids.numpy())
        for kind, segments in example.segments.items()
      },
    )


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
  """The same, without TensorFlow's thread that tunes it as it is read.

  That thread looks up after 10 ms, 20 ms and so on to a minute, and who leaves
  an iterator often waits for it: up to a minute after the last step. Parallel
  calls and buffers that are left to TensorFlow get a size that stays.
  """
  options = tf.data.Options()
  options.autotune.enabled = False
  return dataset.with_options(options)
