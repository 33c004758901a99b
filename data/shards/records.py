"""TFRecord shards: written to a given size, read in order."""

from collections.abc import Iterator
import pathlib

import tensorflow as tf

from data.shards.example import Example, parse, serialize
from data.shards.manifest import Manifest, sha256
from data.text.labels import Segments


class ShardWriter:
  """Writes examples of one split into shards of about a given size."""

  def __init__(self, folder: pathlib.Path, split: str, shard_megabytes: int):
    self._folder = folder
    self._split = split
    self._limit = shard_megabytes * 2**20
    self._writer = None
    self._written = 0
    self._counts = []

  def write(self, example: Example) -> None:
    record = serialize(example)
    if self._writer is None or self._written + len(record) > self._limit:
      self._next_shard()
    self._writer.write(record)
    self._written += len(record)
    self._counts[-1] += 1

  def close(self) -> list[dict]:
    """Manifest entries of the shards written."""
    if self._writer:
      self._writer.close()
    return [
      {
        'file': self._name(i),
        'split': self._split,
        'records': count,
        'sha256': sha256(self._folder / self._name(i)),
      }
      for i, count in enumerate(self._counts)
    ]

  def _name(self, index):
    return f'{self._split}-{index:05d}.tfrecord'

  def _next_shard(self):
    if self._writer:
      self._writer.close()
    self._writer = tf.io.TFRecordWriter(
      str(self._folder / self._name(len(self._counts)))
    )
    self._counts.append(0)
    self._written = 0


def shard_paths(
  folder: pathlib.Path, manifest: Manifest, split: str
) -> list[str]:
  return [
    str(folder / shard['file'])
    for shard in manifest.shards
    if shard['split'] == split
  ]


def read_examples(
  folder: pathlib.Path, manifest: Manifest, split: str
) -> Iterator[Example]:
  """The examples of a split as NumPy, in the order of the manifest."""
  records = tf.data.TFRecordDataset(shard_paths(folder, manifest, split))
  for record in records:
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
