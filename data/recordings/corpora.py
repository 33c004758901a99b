"""What a corpus is: a folder, read as a list of utterances."""

import pathlib
import re
from typing import NamedTuple

from data.recordings import decoding
from wavenet_tf.configuration.errors import UserError

_PATTERN = re.compile(r'(?P<word>[^_]+)_(?P<speaker>[^_]+)_(?P<index>\d+)')


class Utterance(NamedTuple):
  """One recording of a corpus, not yet decoded.

  Attributes:
    name: unique within the corpus and independent of where the corpus lies.
    path: the audio file.
    text: what is said, or ''.
    speaker: who says it, or ''.
    group: utterances of one group go to the same side of the split.
    word: the one word that the whole recording is, or ''.
    label_path: the file of its phones and times, or None; see
      `data/text/labels.py`.
    index: its number among those of its speaker, or None.
    tags: from a table (`data/conditioning/tags.py`), sorted.
  """

  name: str
  path: pathlib.Path
  text: str = ''
  speaker: str = ''
  group: str = ''
  word: str = ''
  label_path: pathlib.Path | None = None
  index: int | None = None
  tags: tuple[str, ...] = ()

  @property
  def vector_path(self) -> pathlib.Path:
    """Where a vector lies that describes it, if it has one."""
    return self.path.with_suffix('.npy')


class Corpus(NamedTuple):
  """The recordings of a folder.

  Attributes:
    layout: as it was recognised: 'ljspeech', 'vctk', 'pattern' or 'folder'.
    utterances: by name.
  """

  layout: str
  utterances: list[Utterance]


def read_corpus(root: pathlib.Path, flag: str = '--data_dir') -> Corpus:
  """Recognises the layout of a folder and lists its utterances by name.

  - LJ Speech: `metadata.csv` (`id|text|normalised text`) beside `wavs/`;
  - VCTK: `wav48*/<speaker>/*`, transcripts in `txt/<speaker>/*.txt`;
  - files `{word}_{speaker}_{number}` and no others, all directly in the folder,
    with two words or two speakers at least (the Free Spoken Digit Dataset);
  - any other tree of audio files; a `.txt` beside a file is its text.

  Phones and their times are read from `x.lab` beside the audio file `x.*`, or
  from the same path under `<root>/lab/`.

  Args:
    root: the folder.
    flag: that gave it, for the sentence of an error.

  Raises:
    UserError: if the folder is missing, not a folder, or has no audio.
  """
  if not root.exists():
    raise UserError(
      f'{flag}: {root} does not exist; give a folder of recordings.'
    )
  if not root.is_dir():
    raise UserError(
      f'{flag}: {root} is a file; give the folder that holds the recordings.'
    )
  try:
    corpus = _read(root)
  except OSError as error:
    raise UserError(
      f'{flag}: {error.filename} cannot be read ({error.strerror}).'
    ) from error
  except UnicodeDecodeError as error:
    raise UserError(
      f'{flag}: {root / "metadata.csv"} is not UTF-8 text (byte '
      f'{error.start}); save it as UTF-8.'
    ) from error
  if not corpus.utterances:
    raise UserError(
      f'{flag}: {root} holds no '
      f'{", ".join(decoding.SUFFIXES)} file; give a folder of '
      'recordings.'
    )
  return corpus


def recording(path: pathlib.Path) -> Utterance:
  """One audio file by itself; labels as in a corpus that holds it."""
  found = (
    _label_path(root, path, path.stem)
    for root in (path.parent, path.parent.parent)
  )
  return Utterance(
    path.stem, path, label_path=next((p for p in found if p), None)
  )


def _read(root):
  if (root / 'metadata.csv').is_file() and (root / 'wavs').is_dir():
    return Corpus('ljspeech', _read_ljspeech(root))
  if any(root.glob('wav48*')):
    return Corpus('vctk', _read_vctk(root))
  return _read_folder(root)


def _read_folder(root):
  found = [
    # One recording in two formats is one utterance.
    Utterance(
      _name(root, path),
      path,
      _text(path.with_suffix('.txt')),
      group=_name(root, path.with_suffix('')),
      label_path=_label_path(root, path, _name(root, path.with_suffix(''))),
    )
    for path in _audio_files(root)
  ]
  matches = [_PATTERN.fullmatch(u.path.stem) for u in found]
  if not all(matches) or any(u.path.parent != root for u in found):
    return Corpus('folder', found)
  words = {match['word'] for match in matches}
  speakers = {match['speaker'] for match in matches}
  if len(words) < 2 and len(speakers) < 2:
    return Corpus('folder', found)
  return Corpus(
    'pattern',
    [
      u._replace(
        word=match['word'],
        speaker=match['speaker'],
        index=int(match['index']),
      )
      for u, match in zip(found, matches)
    ],
  )


def _read_ljspeech(root):
  texts = {}
  for line in (root / 'metadata.csv').read_text('utf-8').splitlines():
    fields = line.split('|')
    texts[fields[0]] = fields[-1].strip()
  present = {}
  for path in _audio_files(root / 'wavs'):
    if path.stem in present:
      raise UserError(
        f'{present[path.stem]} and {path} have one id, '
        f'{path.stem}; keep one of them.'
      )
    present[path.stem] = path
  # A listed file that is missing stays in the list, to be reported by name.
  missing = {
    name: root / 'wavs' / f'{name}.wav'
    for name in texts
    if name and name not in present
  }
  return [
    Utterance(
      name,
      path,
      texts.get(name, ''),
      label_path=_label_path(root, path, name),
    )
    for name, path in sorted((present | missing).items())
  ]


def _read_vctk(root):
  found = []
  for folder in sorted(root.glob('wav48*')):
    for path in _audio_files(folder):
      # Two microphones heard one utterance: p225_001_mic1, p225_001_mic2.
      stem, speaker = path.stem.split('_mic')[0], path.parent.name
      text = _text(root / 'txt' / speaker / f'{stem}.txt')
      group = f'{speaker}/{stem}'
      found.append(
        Utterance(
          _name(root, path),
          path,
          text,
          speaker,
          group,
          label_path=_label_path(root, path, group),
          index=_index(stem),
        )
      )
  return found


def _index(stem):
  number = stem.rpartition('_')[2]
  return int(number) if number.isdecimal() else None


def _audio_files(root):
  return sorted(
    path
    for path in root.rglob('*')
    if path.suffix.lower() in decoding.SUFFIXES
    and path.is_file()
    and not path.name.startswith('.')
  )


def _name(root, path):
  return path.relative_to(root).as_posix()


def _label_path(root, path, name):
  beside = path.with_suffix('.lab')
  apart = root / 'lab' / f'{name}.lab'
  return next((p for p in (beside, apart) if p.is_file()), None)


def _text(path):
  return path.read_text('utf-8', 'replace').strip() if path.is_file() else ''
