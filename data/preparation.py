"""A folder of recordings -> verified shards and a manifest, or nothing."""

import concurrent.futures
import dataclasses
import pathlib
import shutil
from typing import NamedTuple

import numpy as np
import tqdm

from data import corpora, decoding, labels, shards
from wavenet_tf import audio
from wavenet_tf.config import Config, UserError


class _Decoded(NamedTuple):
  utterance: corpora.Utterance
  levels: np.ndarray | None  # None: rejected
  segments: dict[str, labels.Segments]
  reason: str


def prepare(
  config: Config, data_dir: pathlib.Path, output: pathlib.Path
) -> shards.Manifest:
  """Decodes a corpus once, checks it, splits it and writes its shards.

  Everything is written to a temporary folder, renamed when complete.

  Args:
    config: sections `audio` and `data`.
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
  if len(corpus.utterances) < 2:
    raise UserError(
      f'--data_dir: {data_dir} holds one recording, expected at '
      'least two: one is kept for validation.'
    )
  partial = output.with_name(output.name + '.partial')
  shutil.rmtree(partial, ignore_errors=True)
  partial.mkdir(parents=True)
  try:
    manifest = _prepare(config, corpus, data_dir, partial)
    partial.rename(output)
  finally:
    shutil.rmtree(partial, ignore_errors=True)
  return manifest


def _prepare(config, corpus, data_dir, folder):
  held_out = corpora.validation_names(
    corpus.utterances, config.data.validation_share, config.data.seed
  )
  writers = {
    split: shards.ShardWriter(folder, split, config.data.shard_megabytes)
    for split in (shards.TRAIN, shards.VALIDATION)
  }
  vocabularies = labels.vocabularies(corpus.utterances)
  utterances, rejected = [], []
  for decoded in _decode_all(config, corpus.utterances, vocabularies):
    name, path = decoded.utterance.name, decoded.utterance.path
    if decoded.levels is None:
      rejected.append({'file': str(path), 'reason': decoded.reason})
      tqdm.tqdm.write(f'left out: {decoded.reason}')
      continue
    split = shards.VALIDATION if name in held_out else shards.TRAIN
    writers[split].write(_example(config, decoded))
    utterances.append(_entry(config, decoded, split))
  _check_rejected(config, rejected, len(corpus.utterances))
  manifest = shards.make_manifest(
    corpus={
      'layout': corpus.layout,
      'folder': str(data_dir.resolve()),
      'seconds': sum(u['samples'] for u in utterances)
      / config.audio.sample_rate_hz,
      'audio': dataclasses.asdict(config.audio),
      'local_channels': config.local_channels,
    },
    vocabularies=vocabularies,
    utterances=utterances,
    rejected=rejected,
    shards=[s for writer in writers.values() for s in writer.close()],
  )
  for split in writers:
    if not manifest.of_split(split):
      raise UserError(
        f'--data_dir: no usable recording is left for {split}; add some. '
        f'Left out: {[r["reason"] for r in rejected][:3]}'
      )
  shards.write_manifest(folder, manifest)
  return manifest


def _check_rejected(config, rejected, total):
  if len(rejected) > config.data.max_bad_share * total:
    raise UserError(
      f'--data_dir: {len(rejected)} of {total} recordings cannot be used, '
      f'more than data.max_bad_share = {config.data.max_bad_share}; mend or '
      f'remove them, or raise it. The first: {rejected[0]["reason"]}'
    )


def _decode_all(config, utterances, vocabularies):
  """Yields `_Decoded` in order, decoding a few files ahead."""
  ahead = 4 * config.data.workers
  with (
    concurrent.futures.ThreadPoolExecutor(config.data.workers) as pool,
    tqdm.tqdm(total=len(utterances), desc='preparing', unit='file') as progress,
  ):
    for i in range(0, len(utterances), ahead):
      for decoded in pool.map(
        lambda u: _decode(config, u, vocabularies), utterances[i : i + ahead]
      ):
        progress.update()
        yield decoded


def _decode(config, utterance, vocabularies):
  rate = config.audio.sample_rate_hz
  try:
    levels = decoding.load(utterance.path, rate)
    _check_content(config, utterance.path, levels)
    segments = labels.segments(utterance, len(levels), rate, vocabularies)
    return _Decoded(utterance, levels, segments, '')
  except decoding.BadRecording as error:
    return _Decoded(utterance, None, {}, str(error))


def _check_content(config, path, levels):
  rate = config.audio.sample_rate_hz
  seconds = len(levels) / rate
  if seconds < config.data.min_seconds:
    raise decoding.BadRecording(
      f'{path}: lasts {seconds:.3f} s, expected at least data.min_seconds = '
      f'{config.data.min_seconds} s (lower that to keep it).'
    )
  peak = np.abs(levels.astype(np.int32)).max() / audio.FULL_SCALE
  if peak < 10.0 ** (config.data.silence_dbfs / 20.0):
    raise decoding.BadRecording(
      f'{path}: is silence (its loudest sample is {peak:.6f} of full scale, '
      f'below data.silence_dbfs = {config.data.silence_dbfs} dB).'
    )


def _example(config, decoded):
  waveform = audio.waveform_from_levels(decoded.levels[None])
  features = audio.log_mel(waveform, config.audio)[0].numpy()
  return shards.Example(
    decoded.utterance.name,
    decoded.levels,
    features,
    segments=decoded.segments,
  )


def _entry(config, decoded, split):
  entry = {
    'name': decoded.utterance.name,
    'split': split,
    'samples': len(decoded.levels),
    'text': decoded.utterance.text,
    'speaker': decoded.utterance.speaker,
    'word': decoded.utterance.word,
  }
  if split == shards.VALIDATION:
    entry['flac_bytes'] = decoding.flac_bytes(
      decoded.levels, config.audio.sample_rate_hz
    )
  return entry
