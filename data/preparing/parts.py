"""The steps of preparation: what becomes of the recordings of one part.

A part is worked at by itself, from decoding to its shards, and says last what
it made, in `<part>.json`. While that file is there, the part is done.
"""

from collections.abc import Iterator
import concurrent.futures
import json
import pathlib
from typing import NamedTuple

import numpy as np
import tqdm

from data.conditioning.extractor import FeatureExtractor
from data.recordings import decoding
from data.recordings.corpora import Utterance
from data.shards.example import Example
from data.shards.pieces import cut, piece_sides
from data.shards.records import ShardWriter
from data.shards.splits import TRAIN, VALIDATION
from data.text import labels
from data.text.questions import QuestionSet
from data.text.survey import Survey, survey
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.files import write_text
from wavenet_tf.signal import cleaning, quantization


class Recording(NamedTuple):
  """One of a part.

  Attributes:
    index: its place in the corpus.
    side: of the split, where it is not cut.
    utterance: what is known before it is decoded.
  """

  index: int
  side: str
  utterance: Utterance


class Part(NamedTuple):
  """Recordings that are prepared together.

  Attributes:
    name: of its files.
    trains: whether they train, or their beginnings do.
    recordings: in the order of the corpus.
  """

  name: str
  trains: bool
  recordings: list[Recording]


class Steps(NamedTuple):
  """What is done to every part.

  Attributes:
    config: sections `audio`, `data` and `conditioning`.
    told: the conditioning of the corpus.
    folder: where the files of parts are written.
    threads: that decode.
    shows_progress: on standard error.
  """

  config: Config
  told: FeatureExtractor
  folder: pathlib.Path
  threads: int
  shows_progress: bool

  def __call__(self, part: Part) -> None:
    """Writes a part's shards, then what they hold."""
    if made_by(self.folder, part).exists():
      return  # A worker was asked twice.
    writers = {
      split: ShardWriter(
        self.folder, f'{part.name}-{split}', self.config.data.shard_megabytes
      )
      for split in (TRAIN, VALIDATION)
    }
    found = []
    try:
      for recording, example, why in self._decoded(part):
        entries = []
        if example is None:
          tqdm.tqdm.write(f'left out: {why}')
        else:
          pieces = cut(example, self.config)
          for piece, own in zip(pieces, piece_sides(self.config, len(pieces))):
            split = own or recording.side
            writers[split].write(piece)
            entries.append(_entry(self.config, recording, piece, split))
        path = str(recording.utterance.path)
        found.append(
          {'index': recording.index, 'file': path, 'reason': why,
           'utterances': entries}
        )  # fmt: skip
      shards = [
        {**shard, 'split': split}
        for split, writer in writers.items()
        for shard in writer.close()
      ]
    finally:
      for writer in writers.values():
        writer.discard()
    write_text(
      made_by(self.folder, part),
      json.dumps({'recordings': found, 'shards': shards}),
    )

  def _decoded(
    self, part: Part
  ) -> Iterator[tuple[Recording, Example | None, str]]:
    """In order, decoding a few files ahead; why, where one is left out."""
    ahead, recordings = 4 * self.threads, part.recordings
    with (
      concurrent.futures.ThreadPoolExecutor(self.threads) as pool,
      tqdm.tqdm(
        total=len(recordings),
        desc=f'preparing {part.name}',
        unit='file',
        disable=not self.shows_progress,
      ) as progress,
    ):
      for i in range(0, len(recordings), ahead):
        some = recordings[i : i + ahead]
        for recording, (example, why) in zip(
          some, pool.map(self._decode, some)
        ):
          progress.update()
          yield recording, example, why

  def _decode(self, recording):
    utterance, rate = recording.utterance, self.config.audio.sample_rate_hz
    try:
      levels = decoding.load(utterance.path, rate)
      _check_content(self.config, utterance.path, levels)
      levels = cleaning.clean(levels, self.config)
      timed = labels.aligned(utterance, len(levels), rate)
      if self.told.linguistic and timed is None:
        raise decoding.BadRecording(
          f'{utterance.path}: has no label file, which conditioning.local = '
          "'linguistic' needs; align it or remove it."
        )
      segments = labels.segments(
        utterance, timed, len(levels), rate, self.told.vocabularies
      )
      example = Example(
        utterance.name,
        levels,
        self.told.local(levels, timed),
        self.told.of_utterance(utterance),
        segments,
      )
      return example, ''
    except decoding.BadRecording as error:
      return None, str(error)


def made_by(folder: pathlib.Path, part: Part) -> pathlib.Path:
  """The file that says what a part made; it is there when that is whole."""
  return folder / f'{part.name}.json'


class SurveyOfLabels(NamedTuple):
  """What is done to every part before: its label files are read.

  Attributes:
    folder: where the files of parts are written.
    questions: what labels that train are asked, or None.
  """

  folder: pathlib.Path
  questions: QuestionSet | None

  def __call__(self, part: Part) -> None:
    """Writes what they hold."""
    found = survey(
      [recording.utterance for recording in part.recordings],
      self.questions if part.trains else None,
    )
    write_text(self.path(part), json.dumps(found))

  def path(self, part: Part) -> pathlib.Path:
    return self.folder / f'{part.name}.labels.json'

  def found(self, part: Part) -> Survey:
    return Survey(*json.loads(self.path(part).read_text('utf-8')))


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


def _entry(config, recording, piece, split):
  utterance = recording.utterance
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
