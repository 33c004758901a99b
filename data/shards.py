"""TFRecord shards and their manifest: write, verify, read.

A TFRecord file that was cut at a record boundary reads as a shorter file
without any error, so the manifest holds a hash of every shard, and a shard is
never read before it was compared with it.
"""

from collections.abc import Iterator
import hashlib
import json
import pathlib
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data.labels import NO_SEGMENTS, Segments
from wavenet_tf import config as config_lib
from wavenet_tf.config import LABEL_KINDS, UserError

MANIFEST = 'manifest.json'
TRAIN = 'train'
VALIDATION = 'validation'
_VERSION = 3


class Example(NamedTuple):
  """A decoded utterance.

  Attributes:
    name: as in the corpus.
    levels: int16 `[T]`.
    features: float32 `[ceil(T / hop), channels]` at frame rate.
    global_: float32 `[global channels]`, of the whole utterance.
    segments: by kind of label; none of a kind that the utterance lacks.
  """

  name: str
  levels: np.ndarray
  features: np.ndarray
  global_: np.ndarray = np.zeros(0, np.float32)
  segments: dict[str, Segments] = {kind: NO_SEGMENTS for kind in LABEL_KINDS}


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
        'sha256': _sha256(self._folder / self._name(i)),
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


class Manifest(NamedTuple):
  """What a prepared corpus holds; `<workdir>/data/manifest.json`.

  Attributes:
    corpus: layout, folder, seconds, and the audio section it was made with.
    features: what the network is told, and how it is scaled; see
      `conditioning.Conditioning`.
    vocabularies: by kind of label, its sorted names, in which ids count; and
      those of tags.
    utterances: dictionaries `name, split, samples, text, speaker, word, tags`,
      and `flac_bytes` for the validation split.
    rejected: dictionaries `file, reason`.
    left_out: names of recordings on neither side of the split.
    shards: dictionaries `file, split, records, sha256`.
  """

  version: int
  corpus: dict
  features: dict
  vocabularies: dict[str, list[str]]
  utterances: list[dict]
  rejected: list[dict]
  left_out: list[str]
  shards: list[dict]

  @property
  def local_channels(self) -> int:
    return len(self.features['local_names'])

  @property
  def global_channels(self) -> int:
    return len(self.features['global_names'])

  def of_split(self, split: str) -> list[dict]:
    return [u for u in self.utterances if u['split'] == split]


def make_manifest(**fields) -> Manifest:
  return Manifest(version=_VERSION, **fields)


def write_manifest(folder: pathlib.Path, manifest: Manifest) -> None:
  config_lib.write_text(
    folder / MANIFEST, json.dumps(manifest._asdict(), indent=1) + '\n'
  )


def read_manifest(
  folder: pathlib.Path, audio: config_lib.AudioConfig, *, verify: bool = True
) -> Manifest:
  """Reads a manifest, then verifies the front end and every shard.

  Args:
    folder: that was prepared.
    audio: what it should have been prepared with.
    verify: whether to read all shards; to look names up needs none of them.

  Raises:
    UserError: if there is none, if it was made with another `audio` section,
      or if a shard is missing or differs from its hash.
  """
  path = folder / MANIFEST
  if not path.is_file():
    raise UserError(f'{path} does not exist; run --mode=prepare first.')
  try:
    manifest = Manifest(**json.loads(path.read_text('utf-8')))
  except (ValueError, TypeError, KeyError) as error:
    raise UserError(
      f'{path}: is not a manifest ({error}); run --mode=prepare '
      'in a new --workdir.'
    ) from error
  if manifest.version != _VERSION:
    raise UserError(
      f'{path}: has version {manifest.version}, expected '
      f'{_VERSION}; run --mode=prepare in a new --workdir.'
    )
  for field, made_with in manifest.corpus['audio'].items():
    asked = getattr(audio, field, None)
    if asked != made_with:
      raise UserError(
        f'audio.{field}: found {asked}, but {folder} was prepared '
        f'with {made_with}; use that value, or prepare the '
        'recordings in a new --workdir.'
      )
  for shard in manifest.shards if verify else ():
    _verify(folder / shard['file'], shard['sha256'])
  return manifest


def _verify(path, digest):
  if not path.is_file():
    raise UserError(
      f'{path} is missing; run --mode=prepare in a new --workdir.'
    )
  if _sha256(path) != digest:
    raise UserError(
      f'{path} differs from the file that was prepared (its '
      'SHA-256 is not the one in the manifest); run '
      '--mode=prepare in a new --workdir.'
    )


def _sha256(path):
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def serialize(example: Example) -> bytes:
  def feature(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

  fields = {
    'name': feature(example.name.encode()),
    'levels': feature(example.levels.astype('<i2').tobytes()),
    'frames': tf.train.Feature(
      int64_list=tf.train.Int64List(value=[len(example.features)])
    ),
    'features': feature(example.features.astype('<f4').tobytes()),
    'global': feature(example.global_.astype('<f4').tobytes()),
  }
  for kind, segments in example.segments.items():
    fields[f'{kind}_ends'] = feature(segments.ends.astype('<i4').tobytes())
    fields[f'{kind}_ids'] = feature(segments.ids.astype('<i4').tobytes())
  return tf.train.Example(
    features=tf.train.Features(feature=fields)
  ).SerializeToString()


def parse(record, channels: int) -> Example:
  """Inverse of `serialize` as TensorFlow operations."""
  spec = tf.io.FixedLenFeature([], tf.string)
  names = ['name', 'levels', 'features', 'global']
  for kind in LABEL_KINDS:
    names += [f'{kind}_ends', f'{kind}_ids']
  specs = dict.fromkeys(names, spec)
  specs['frames'] = tf.io.FixedLenFeature([], tf.int64)
  fields = tf.io.parse_single_example(record, specs)
  features = tf.io.decode_raw(fields['features'], tf.float32)
  return Example(
    fields['name'],
    tf.io.decode_raw(fields['levels'], tf.int16),
    tf.reshape(features, [fields['frames'], channels]),
    tf.io.decode_raw(fields['global'], tf.float32),
    {
      kind: Segments(
        tf.io.decode_raw(fields[f'{kind}_ends'], tf.int32),
        tf.io.decode_raw(fields[f'{kind}_ids'], tf.int32),
      )
      for kind in LABEL_KINDS
    },
  )


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
