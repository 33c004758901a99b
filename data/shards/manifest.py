"""The manifest of a prepared corpus: written, read, held to its shards.

A TFRecord file that was cut at a record boundary reads as a shorter file
without any error, so the manifest holds a hash of every shard, and a shard is
never read before it was compared with it (`verification.py`: once, as long as
it stays unchanged).
"""

import hashlib
import json
import pathlib
from typing import Any, NamedTuple

from data.shards.verification import verify_shards
from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import write_text

MANIFEST = 'manifest.json'
_VERSION = 3


class Manifest(NamedTuple):
  """What a prepared corpus holds; `<workdir>/data/manifest.json`.

  Attributes:
    corpus: layout, folder, seconds, and the audio section it was made with.
    features: what the network is told, and how it is scaled; see
      `extractor.FeatureExtractor`.
    vocabularies: by kind of label, its sorted names, in which ids count; and
      those of tags.
    utterances: dictionaries `name, split, samples, text, speaker, word, tags`,
      and `flac_bytes` for the validation split.
    rejected: dictionaries `file, reason`.
    left_out: names of recordings on neither side of the split.
    shards: dictionaries `file, split, records, sha256`.

  The file holds a `sha256` of all that, too; those of releases up to 0.4.0 have
  none.
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

  def of_name(self, name: str) -> dict:
    return next(u for u in self.utterances if u['name'] == name)


def make_manifest(**fields: Any) -> Manifest:
  """Of this version; all other attributes are given."""
  return Manifest(version=_VERSION, **fields)


def write_manifest(folder: pathlib.Path, manifest: Manifest) -> None:
  content = manifest._asdict()
  content['sha256'] = _digest(content)
  write_text(folder / MANIFEST, json.dumps(content, indent=1) + '\n')


def read_manifest(
  folder: pathlib.Path,
  audio: AudioConfig,
  *,
  verify: bool = True,
  again: bool = False,
) -> Manifest:
  """Reads a manifest, then verifies the front end and every shard.

  Args:
    folder: that was prepared.
    audio: what it should have been prepared with.
    verify: whether to compare the shards; to look names up needs none of them.
    again: compares those, too, that are unchanged since.

  Raises:
    UserError: if there is none, if it was made with another `audio` section,
      or if a shard is missing or differs from its hash.
  """
  path = folder / MANIFEST
  if not path.is_file():
    raise UserError(f'{path} does not exist; run --mode=prepare first.')
  try:
    content = json.loads(path.read_text('utf-8'))
    digest = content.pop('sha256', None)
    manifest = Manifest(**content)
  except (ValueError, TypeError, AttributeError) as error:
    raise UserError(
      f'{path}: is not a manifest ({error}); run --mode=prepare '
      'in a new --workdir.'
    ) from error
  if manifest.version != _VERSION:
    raise UserError(
      f'{path}: has version {manifest.version}, expected '
      f'{_VERSION}; run --mode=prepare in a new --workdir.'
    )
  if digest is not None and digest != _digest(content):
    raise UserError(
      f'{path} differs from what was prepared (its content does not match its '
      'sha256); run --mode=prepare in a new --workdir.'
    )
  for field, made_with in manifest.corpus['audio'].items():
    asked = getattr(audio, field, None)
    if asked != made_with:
      raise UserError(
        f'audio.{field}: found {asked}, but {folder} was prepared '
        f'with {made_with}; use that value, or prepare the '
        'recordings in a new --workdir.'
      )
  if verify:
    verify_shards(folder, manifest.shards, again=again)
  return manifest


def _digest(content):
  return hashlib.sha256(
    json.dumps(content, sort_keys=True).encode()
  ).hexdigest()
