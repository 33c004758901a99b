"""A folder of recordings -> verified shards and a manifest, or nothing."""

import concurrent.futures
import dataclasses
import pathlib
from typing import NamedTuple

import numpy as np
import tqdm

from data.conditioning import tags
from data.conditioning.extractor import FeatureExtractor
from data.recordings import corpora, decoding
from data.shards.example import Example
from data.shards.manifest import make_manifest, Manifest, write_manifest
from data.shards.pieces import cut, piece_sides, trains
from data.shards.records import ShardWriter
from data.shards.splits import split_sides, TRAIN, VALIDATION
from data.text import labels
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import remove_tree
from wavenet_tf.signal import cleaning, quantization


class _Decoded(NamedTuple):
  utterance: corpora.Utterance
  example: Example | None  # None: rejected
  reason: str


def prepare(
  config: Config, data_dir: pathlib.Path, output: pathlib.Path
) -> Manifest:
  """Decodes a corpus once, checks it, splits it and writes its shards.

  Everything is written to a temporary folder, renamed when complete.

  Args:
    config: sections `audio`, `data` and `conditioning`.
    data_dir: the recordings, see `corpora.read_corpus`.
    output: the folder to create.

  Raises:
    UserError: naming the folder or the files that cannot be used.
  """
  if output.exists():
    raise UserError(
      f'{output} is there already, without a manifest; remove it, or use '
      'another --workdir.'
    )
  corpus = corpora.read_corpus(data_dir)
  if len(corpus.utterances) < 2 and not config.data.piece_seconds:
    raise UserError(
      f'{data_dir} holds one recording, expected at least two: one '
      'is kept for validation; or cut it into pieces (data.piece_seconds).'
    )
  partial = output.with_name(output.name + '.partial')
  remove_tree(partial)
  partial.mkdir(parents=True)
  try:
    manifest = _prepare(config, corpus, data_dir, partial)
    partial.rename(output)
  finally:
    remove_tree(partial)
  return manifest


def _prepare(config, corpus, data_dir, folder):
  recordings = tags.with_tags(corpus.utterances, config, data_dir)
  sides = split_sides(recordings, config.data)
  left_out = [u.name for u in recordings if not sides[u.name]]
  if left_out:
    tqdm.tqdm.write(
      f'left out: {len(left_out)} recordings of which the speaker or the index '
      'is in the other split (data.split).'
    )
  recordings = [u for u in recordings if sides[u.name]]
  vocabularies = labels.vocabularies(recordings)
  told = FeatureExtractor.fit(
    config,
    data_dir,
    vocabularies,
    recordings,
    [u for u in recordings if trains(config, sides[u.name])],
  )
  writers = {
    split: ShardWriter(folder, split, config.data.shard_megabytes)
    for split in (TRAIN, VALIDATION)
  }
  utterances, rejected = [], []
  for utterance, example, reason in _decode_all(config, recordings, told):
    if example is None:
      rejected.append({'file': str(utterance.path), 'reason': reason})
      tqdm.tqdm.write(f'left out: {reason}')
      continue
    pieces = cut(example, config)
    for piece, own in zip(pieces, piece_sides(config, len(pieces))):
      split = own or sides[utterance.name]
      writers[split].write(piece)
      utterances.append(_entry(config, utterance, piece, split))
  _check_rejected(config, data_dir, rejected, len(recordings))
  manifest = make_manifest(
    corpus={
      'layout': corpus.layout,
      'folder': str(data_dir.resolve()),
      'seconds': sum(u['samples'] for u in utterances)
      / config.audio.sample_rate_hz,
      'audio': _front_end(config.audio),
    },
    features=told.to_dictionary(),
    vocabularies=vocabularies,
    utterances=utterances,
    rejected=rejected,
    left_out=left_out,
    shards=[s for writer in writers.values() for s in writer.close()],
  )
  for split in writers:
    if not manifest.of_split(split):
      raise UserError(
        f'{data_dir}: no usable recording is left for {split}, expected at '
        'least one; add some, or change data.split or data.piece_seconds. '
        f'Left out: {[r["reason"] for r in rejected][:3]}'
      )
  write_manifest(folder, manifest)
  return manifest


def _front_end(audio):
  """What shards depend on; they keep recordings as they are heard."""
  fields = dataclasses.asdict(audio)
  del fields['preemphasis']
  return fields


def _check_rejected(config, data_dir, rejected, total):
  if len(rejected) > config.data.max_bad_share * total:
    raise UserError(
      f'{data_dir}: {len(rejected)} of {total} recordings cannot be used, '
      f'more than data.max_bad_share = {config.data.max_bad_share}; mend or '
      f'remove them, or raise it. The first: {rejected[0]["reason"]}'
    )


def _decode_all(config, utterances, told):
  """Yields `_Decoded` in order, decoding a few files ahead."""
  ahead = 4 * config.data.workers
  with (
    concurrent.futures.ThreadPoolExecutor(config.data.workers) as pool,
    tqdm.tqdm(total=len(utterances), desc='preparing', unit='file') as progress,
  ):
    for i in range(0, len(utterances), ahead):
      for decoded in pool.map(
        lambda u: _decode(config, u, told), utterances[i : i + ahead]
      ):
        progress.update()
        yield decoded


def _decode(config, utterance, told):
  rate = config.audio.sample_rate_hz
  try:
    levels = decoding.load(utterance.path, rate)
    _check_content(config, utterance.path, levels)
    levels = cleaning.clean(levels, config)
    timed = labels.aligned(utterance, len(levels), rate)
    if told.linguistic and timed is None:
      raise decoding.BadRecording(
        f'{utterance.path}: has no label file, which conditioning.local = '
        "'linguistic' needs; align it or remove it."
      )
    example = Example(
      utterance.name,
      levels,
      told.local(levels, timed),
      told.of_utterance(utterance),
      labels.segments(utterance, timed, len(levels), rate, told.vocabularies),
    )
    return _Decoded(utterance, example, '')
  except decoding.BadRecording as error:
    return _Decoded(utterance, None, str(error))


def _check_content(config, path, levels):
  rate = config.audio.sample_rate_hz
  seconds = len(levels) / rate
  if seconds < config.data.min_seconds:
    raise decoding.BadRecording(
      f'{path}: lasts {seconds:.3f} s, expected at least data.min_seconds = '
      f'{config.data.min_seconds} s (lower that to keep it).'
    )
  peak = np.abs(levels.astype(np.int32)).max() / quantization.FULL_SCALE
  if peak < 10.0 ** (config.data.silence_dbfs / 20.0):
    raise decoding.BadRecording(
      f'{path}: is silence (its loudest sample is {peak:.6f} of full scale, '
      f'below data.silence_dbfs = {config.data.silence_dbfs} dB).'
    )


def _entry(config, utterance, piece, split):
  entry = {
    'name': piece.name,
    'split': split,
    'samples': len(piece.levels),
    'text': utterance.text,
    'speaker': utterance.speaker,
    'word': utterance.word,
    'tags': list(utterance.tags),
  }
  if split == VALIDATION:
    entry['flac_bytes'] = decoding.flac_bytes(
      piece.levels, config.audio.sample_rate_hz
    )
  return entry
