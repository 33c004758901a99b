"""What is said when: label files and labels of whole recordings -> segments.

Three kinds of labels (`choices.LABEL_KINDS`): phones come from label files,
segment by segment; words and speakers hold for a whole recording, which is
then one segment. A vocabulary is the sorted list of a kind's names; the place
of a name in it is its id.
"""

from collections.abc import Iterable
import pathlib
import re
from typing import NamedTuple

import numpy as np

from data.recordings import corpora, decoding
from wavenet_tf.configuration.choices import LABEL_KINDS

# HTK counts time in units of 100 ns.
UNITS_PER_SECOND = 10_000_000
# Aligners work in frames and may drop the last ones; more than this much
# missing or too much means labels of another recording.
_TOLERANCE_SECONDS = 0.1
_FULL_CONTEXT = re.compile(r'.+?\^.+?-(.+?)\+.+?=')
# No count of phones, syllables or words is as long, and neither is a time.
_ENDLESS_NUMBER = re.compile(r'\d{19}')
_STATE = re.compile(r'(.+)\[(\d+)\]$')


class Segments(NamedTuple):
  """A recording cut into segments, from its first sample on.

  Attributes:
    ends: int32 `[N]`, increasing: the sample after each segment.
    ids: int32 `[N]`, -1 for a stretch without a label.
  """

  ends: np.ndarray
  ids: np.ndarray


NO_SEGMENTS = Segments(np.zeros(0, np.int32), np.zeros(0, np.int32))


class TimedLabel(NamedTuple):
  """A phone of a label file.

  Attributes:
    start: in 100 ns.
    end: in 100 ns, after the last of its states.
    name: the phone.
    context: the whole label, without a state.
  """

  start: int
  end: int
  name: str
  context: str

  @property
  def has_context(self) -> bool:
    """Whether the label says more than the phone."""
    return self.context != self.name


def read_label_file(path: pathlib.Path) -> list[TimedLabel]:
  """Reads an HTK or HTS label file: `start end label` a line, 100 ns units.

  The phone of a full-context label (`p1^p2-p3+p4=p5@...`) is p3. States of
  a state-aligned label (`...[2]`, `...[3]`) become one segment. What follows a
  label (HTK's scores) is ignored.

  Raises:
    BadRecording: naming the file, and the line that cannot be used.
  """
  try:
    lines = path.read_text('utf-8-sig').splitlines()
  except OSError as error:
    raise decoding.BadRecording(
      f'{path}: cannot be read ({error.strerror}).'
    ) from error
  except UnicodeDecodeError as error:
    raise decoding.BadRecording(
      f'{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8.'
    ) from error
  labels, end, previous = [], 0, ('', 0)
  for number, line in enumerate(lines, 1):
    if not line.strip():
      continue
    start, next_end, name = _fields(path, number, line, end)
    name, state = _without_state(name)
    # A later state of the same label continues it.
    if start == end and name == previous[0] and state > previous[1]:
      labels[-1] = labels[-1]._replace(end=next_end)
    else:
      labels.append(TimedLabel(start, next_end, _phone(name), name))
    end, previous = next_end, (name, state)
  if not labels:
    raise decoding.BadRecording(
      f'{path}: holds no label; expected lines of start, end and label.'
    )
  return labels


def vocabularies(
  utterances: Iterable[corpora.Utterance], phones: Iterable[str]
) -> dict[str, list[str]]:
  """All names of each kind, and tags, sorted; what nothing has is empty.

  Args:
    utterances: of a corpus.
    phones: of its label files (`survey.py`).
  """
  names = {kind: set() for kind in (*LABEL_KINDS, 'tags')}
  names['phones'].update(phones)
  for utterance in utterances:
    names['words'].add(utterance.word)
    names['speakers'].add(utterance.speaker)
    names['tags'].update(utterance.tags)
  return {kind: sorted(found - {''}) for kind, found in names.items()}


def aligned(
  utterance: corpora.Utterance, samples: float, sample_rate_hz: int
) -> list[TimedLabel] | None:
  """The labels of a recording; None where it has no label file.

  Raises:
    BadRecording: if its label file cannot be used, or ends more than 100 ms
      before or after the recording.
  """
  if utterance.label_path is None:
    return None
  found = read_label_file(utterance.label_path)
  check_length(utterance, found, samples / sample_rate_hz)
  return found


def segments(
  utterance: corpora.Utterance,
  timed: list[TimedLabel] | None,
  samples: int,
  sample_rate_hz: int,
  vocabulary: dict[str, list[str]],
) -> dict[str, Segments]:
  """Segments of every kind; without labels of a kind there are none.

  Args:
    utterance: whose word and speaker to take.
    timed: its labels, from `aligned`.
    samples: its length at `sample_rate_hz`.
    sample_rate_hz: the rate that `ends` count in.
    vocabulary: from `vocabularies`.
  """
  found = {
    'words': _whole(utterance.word, samples, vocabulary['words']),
    'speakers': _whole(utterance.speaker, samples, vocabulary['speakers']),
    'phones': NO_SEGMENTS,
  }
  if timed is not None:
    ids = {name: i for i, name in enumerate(vocabulary['phones'])}
    found['phones'] = _timed(timed, samples, sample_rate_hz, ids)
  return found


def cut(segments: Segments, start: int, end: int) -> Segments:
  """The segments of samples start to end, counted from start."""
  kept = (segments.ends > start) & (
    np.r_[0, segments.ends[:-1]][: len(segments.ends)] < end
  )
  ends = np.minimum(segments.ends[kept], end) - start
  return Segments(ends.astype(np.int32), segments.ids[kept])


def _fields(path, number, line, end):
  """-> start, end, label of a line that must not begin before `end`."""
  fields = line.split()
  if len(fields) < 3 or not (fields[0].isdecimal() and fields[1].isdecimal()):
    raise decoding.BadRecording(
      f'{path}, line {number}: found {line.strip()[:60]!r}, expected start and '
      'end in units of 100 ns and a label.'
    )
  if _ENDLESS_NUMBER.search(line):
    raise decoding.BadRecording(
      f'{path}, line {number}: holds a number of more than 18 digits, expected '
      'times and counts; mend or remove the file.'
    )
  start, next_end = int(fields[0]), int(fields[1])
  if not end <= start < next_end:
    raise decoding.BadRecording(
      f'{path}, line {number}: lasts from {start} to {next_end}, expected a '
      f'start of at least {end}, where the label before it ends, and a later '
      'end.'
    )
  return start, next_end, fields[2]


def _without_state(name):
  match = _STATE.match(name)
  return (match[1], int(match[2])) if match else (name, 0)


def _phone(name):
  match = _FULL_CONTEXT.match(name)
  return match[1] if match else name


def check_length(
  utterance: corpora.Utterance, labels: list[TimedLabel], seconds: float
) -> None:
  """Raises `BadRecording` where labels end elsewhere than their recording."""
  last = labels[-1].end / UNITS_PER_SECOND
  if abs(last - seconds) > _TOLERANCE_SECONDS:
    raise decoding.BadRecording(
      f'{utterance.label_path}: ends at {last:.3f} s, {utterance.path.name} '
      f'lasts {seconds:.3f} s; expected {_TOLERANCE_SECONDS * 1000:.0f} ms of '
      'difference at most: align it anew or remove the label file.'
    )


def _timed(labels, samples, sample_rate_hz, ids):
  """Segments that leave no gap: what lies between two labels has id -1."""
  ends, found, end = [], [], 0
  for label in labels:
    start, stop = (
      min(samples, round(t * sample_rate_hz / UNITS_PER_SECOND))
      for t in label[:2]
    )
    if start > end:
      ends.append(start)
      found.append(-1)
    if stop > start:
      ends.append(stop)
      found.append(ids[label.name])
    end = stop
  return _make(ends, found)


def _whole(name, samples, vocabulary):
  if not name:
    return NO_SEGMENTS
  return _make([samples], [vocabulary.index(name)])


def _make(ends, ids):
  return Segments(np.array(ends, np.int32), np.array(ids, np.int32))
