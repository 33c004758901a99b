"""A folder of recordings -> verified shards and a manifest, or nothing.

The recordings of each side of the split are cut into parts of about
`data.shard_megabytes` of files, in the order of the corpus. What becomes of a
part depends on it alone (`parts.py`), so that shards and manifest are the same
whoever works at the parts, and what was done before an interruption stays done.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import pathlib

import tqdm

from data.conditioning import tags
from data.conditioning.extractor import FeatureExtractor
from data.preparing.parts import made_by, Part, Recording, Steps, SurveyOfLabels
from data.preparing.runners import HERE, Runner, Unfinished
from data.recordings import corpora
from data.shards.manifest import (
  make_manifest,
  MANIFEST,
  Manifest,
  read_manifest,
  write_manifest,
)
from data.shards.pieces import trains
from data.shards.splits import split_sides, TRAIN, VALIDATION
from data.text.questions import read_questions
from data.text.survey import merged, Survey
from wavenet_tf.configuration.choices import GIVEN, LINGUISTIC
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of, remove_tree

# What is made does not depend on these.
_FREE_FIELDS = 'max_bad_share', 'workers', 'shuffle_megabytes'
_FEW_PARTS = 2  # A corpus that is refused with so many leaves nothing.
_THREADS = 16  # That ask a file system for sizes.


def prepare(
  config: Config,
  data_dir: pathlib.Path,
  output: pathlib.Path,
  runner: Runner = HERE,
) -> Manifest:
  """Decodes a corpus once, checks it, splits it and writes its shards.

  Everything is written to `<output>.unfinished-<hash>`, renamed when complete.
  The hash is of recordings and configuration: the same command goes on there
  after an interruption.

  Args:
    config: sections `audio`, `data` and `conditioning`.
    data_dir: the recordings, see `corpora.read_corpus`.
    output: the folder to create.
    runner: who works at the parts.

  Raises:
    UserError: naming the folder or the files that cannot be used.
  """
  runner.check()
  if config.conditioning.local == GIVEN:
    raise UserError(
      f'conditioning.local: found {GIVEN!r}, so that features are made '
      'elsewhere, expected a kind that is made of recordings.'
    )
  corpus = corpora.read_corpus(data_dir)
  if len(corpus.utterances) < 2 and not config.data.piece_seconds:
    raise UserError(
      f'{data_dir} holds one recording, expected at least two: one '
      'is kept for validation; or cut it into pieces (data.piece_seconds).'
    )
  recordings = tags.with_tags(corpus.utterances, config, data_dir)
  sides = split_sides(recordings, config.data)
  left_out = [u.name for u in recordings if not sides[u.name]]
  if left_out:
    tqdm.tqdm.write(
      f'left out: {len(left_out)} recordings of which the speaker or the index '
      'is in the other split (data.split).'
    )
  recordings = [
    Recording(i, sides[u.name], u)
    for i, u in enumerate(u for u in recordings if sides[u.name])
  ]
  preparation = _Preparation(config, data_dir, output, corpus, recordings)
  preparation.run(runner, left_out)
  return read_manifest(output, config.audio, verify=False)


class _Preparation:
  """Of one corpus with one configuration, wherever it was left."""

  def __init__(self, config, data_dir, output, corpus, recordings):
    self._config = config
    self._data_dir = data_dir
    self._output = output
    self._layout = corpus.layout
    self._utterances = [recording.utterance for recording in recordings]
    self._questions_path = None
    if config.conditioning.local == LINGUISTIC:
      self._questions_path = path_of(
        config.data.question_file or data_dir / 'questions.hed'
      )
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
      files = list(pool.map(_files_of, self._utterances))
    self._parts = _parts_of(config, recordings, [f[0][0] for f in files])
    digest = self._digest(recordings, files)[:16]
    self._pattern = f'{output.name}.unfinished-*'
    self._folder = output.with_name(self._pattern.replace('*', digest))

  def _digest(self, recordings, files):
    """Of all that shards depend on."""
    data = dataclasses.asdict(self._config.data)
    for field in _FREE_FIELDS:
      del data[field]
    asked = [
      _front_end(self._config.audio),
      data,
      dataclasses.asdict(self._config.conditioning),
      self._questions_path and _size_and_time(self._questions_path),
    ]
    digest = hashlib.sha256(repr(asked).encode())
    for recording, of_recording in zip(recordings, files):
      digest.update(repr((*recording, of_recording)).encode())
    return digest.hexdigest()

  def run(self, runner, left_out):
    # It is if the preparation was stopped as its folder got another name.
    is_complete = (self._folder / MANIFEST).exists()
    if self._output.exists() and not is_complete:
      raise UserError(
        f'{self._output} is there already, without a manifest; remove it, or '
        'use another --workdir.'
      )
    for other in [*self._output.parent.glob(self._pattern)]:
      if other != self._folder:
        remove_tree(other)
    try:
      if not is_complete:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make(runner, left_out)
      manifest = read_manifest(self._folder, self._config.audio, verify=False)
    except BaseException as error:
      refused = isinstance(error, UserError)
      if (refused and not isinstance(error, Unfinished)) or not any(
        made_by(self._folder, part).exists() for part in self._parts
      ):
        remove_tree(self._folder)
      raise
    kept = {MANIFEST, *(shard['file'] for shard in manifest.shards)}
    for path in [*self._folder.iterdir()]:
      if path.name not in kept:
        path.unlink(missing_ok=True)
    self._folder.rename(self._output)

  def _make(self, runner, left_out):
    """All parts, then the manifest."""
    told = self._told(runner)
    waiting = [p for p in self._parts if not made_by(self._folder, p).exists()]
    if len(waiting) < len(self._parts):
      done = len(self._parts) - len(waiting)
      print(f'Data: {done} of {len(self._parts)} parts are prepared already.')
    runner.for_each(
      Steps(
        self._config,
        told,
        self._folder,
        self._config.data.workers if runner.is_simple else 1,
        runner.is_simple,
      ),
      waiting,
    )
    self._write_manifest(told, left_out)

  def _told(self, runner):
    questions, found = None, Survey()
    if self._questions_path is not None:
      questions = read_questions(self._questions_path)
    if any(utterance.label_path for utterance in self._utterances):
      survey = SurveyOfLabels(self._folder, questions)
      runner.for_each(
        survey, [p for p in self._parts if not survey.path(p).exists()]
      )
      found = merged(map(survey.found, self._parts))
    return FeatureExtractor.fit(
      self._config, self._data_dir, self._utterances, questions, found
    )

  def _write_manifest(self, told, left_out):
    made = [
      json.loads(made_by(self._folder, part).read_text('utf-8'))
      for part in self._parts
    ]
    recordings = [r for one in made for r in one['recordings']]
    recordings.sort(key=lambda recording: recording['index'])
    utterances = [u for r in recordings for u in r['utterances']]
    rejected = [
      {'file': r['file'], 'reason': r['reason']}
      for r in recordings
      if r['reason']
    ]
    self._check(recordings, utterances, rejected)
    shards = []
    for split in TRAIN, VALIDATION:
      found = [s for one in made for s in one['shards'] if s['split'] == split]
      for number, shard in enumerate(found):
        name = f'{split}-{number:05d}.tfrecord'
        # It has its name already where this was interrupted.
        if (self._folder / shard['file']).exists():
          (self._folder / shard['file']).replace(self._folder / name)
        shards.append(
          {'file': name, 'split': split, 'records': shard['records'],
           'sha256': shard['sha256'], 'record_bytes': shard['record_bytes']}
        )  # fmt: skip
    write_manifest(
      self._folder,
      make_manifest(
        corpus={
          'layout': self._layout,
          'folder': str(self._data_dir.resolve()),
          'seconds': sum(u['samples'] for u in utterances)
          / self._config.audio.sample_rate_hz,
          'audio': _front_end(self._config.audio),
        },
        features=told.to_dictionary(),
        vocabularies=told.vocabularies,
        utterances=utterances,
        rejected=rejected,
        left_out=left_out,
        shards=shards,
      ),
    )

  def _check(self, recordings, utterances, rejected):
    most, total = self._config.data.max_bad_share, len(recordings)
    if len(rejected) > most * total:
      # Much work is kept, for whoever raises it.
      refusal = Unfinished if len(self._parts) > _FEW_PARTS else UserError
      raise refusal(
        f'{self._data_dir}: {len(rejected)} of {total} recordings cannot be '
        f'used, more than data.max_bad_share = {most}; mend or remove them, or '
        f'raise it. The first: {rejected[0]["reason"]}'
      )
    for split in TRAIN, VALIDATION:
      if not any(u['split'] == split for u in utterances):
        raise UserError(
          f'{self._data_dir}: no usable recording is left for {split}, '
          'expected at least one; add some, or change data.split or '
          f'data.piece_seconds. Left out: {[r["reason"] for r in rejected][:3]}'
        )


def _front_end(audio):
  """What shards depend on; they keep recordings as they are heard."""
  fields = dataclasses.asdict(audio)
  del fields['preemphasis']
  return fields


def _parts_of(config, recordings, sizes) -> list[Part]:
  """Of each side by itself, as shards are; but of both where they are cut."""
  limit = config.data.shard_megabytes * 2**20
  parts = []
  for training in True, False:
    bytes_of_part = limit + 1
    for recording, size in zip(recordings, sizes):
      if trains(config, recording.side) != training:
        continue
      bytes_of_part += size
      if bytes_of_part > limit:
        parts.append(Part(f'part-{len(parts):05d}', training, []))
        bytes_of_part = size
      parts[-1].recordings.append(recording)
  return parts


def _files_of(utterance):
  """Sizes and times of what is read of a recording, the audio first."""
  paths = [utterance.path, utterance.vector_path]
  if utterance.label_path:
    paths.append(utterance.label_path)
  return [_size_and_time(path) for path in paths]


def _size_and_time(path):
  """(0, 0) of a file that cannot be read, which is found out later."""
  try:
    status = path.stat()
  except (OSError, ValueError):
    return 0, 0
  return status.st_size, status.st_mtime_ns
