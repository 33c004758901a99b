"""What the label files of a corpus hold, read once each.

The files of any part of a corpus make a `Survey`, and surveys of all parts, in
whatever order, make that of the corpus.
"""

from collections.abc import Iterable, Sequence
import pathlib
from typing import NamedTuple

import numpy as np

from data.recordings import decoding
from data.recordings.corpora import Utterance
from data.text import labels
from data.text.linguistic import ranges
from data.text.questions import QuestionSet
from wavenet_tf.configuration.errors import UserError


class Survey(NamedTuple):
  """Of some recordings.

  Attributes:
    phones: sorted names of all label files that can be read.
    low, high: `[questions + 1]`, the least and the greatest answer to each
      question and ln of a duration in seconds; empty where none was asked.
    first: the label of all first labels that is first in the alphabet, or ''.
    has_context: whether any label says more than its phone.
  """

  phones: Sequence[str] = ()
  low: Sequence[float] = ()
  high: Sequence[float] = ()
  first: str = ''
  has_context: bool = False


def survey(
  recordings: Iterable[Utterance], questions: QuestionSet | None = None
) -> Survey:
  """Reads the label files of recordings.

  Those that cannot be read are passed over: their recordings are left out, with
  the reason, when they are decoded.

  Args:
    recordings: any.
    questions: asked of the labels that fit their recordings, since what is left
      out later may be off by any factor; None: only phones are gathered.
  """
  return merged(_of_one(u, questions) for u in recordings if u.label_path)


def _of_one(utterance, questions):
  try:
    found = labels.read_label_file(utterance.label_path)
  except decoding.BadRecording:
    return Survey()
  phones = sorted({label.name for label in found})
  if questions is None:
    return Survey(phones)
  try:
    seconds = decoding.seconds(utterance.path)
    labels.check_length(utterance, found, seconds)
  except decoding.BadRecording:
    return Survey(phones)
  low, high = ranges(questions, found)
  return Survey(
    phones,
    low.tolist(),
    high.tolist(),
    found[0].context,
    any(label.has_context for label in found),
  )


def merged(surveys: Iterable[Survey]) -> Survey:
  """That of all their recordings."""
  surveys = list(surveys)
  asked = [s for s in surveys if s.low]
  if not asked:
    return Survey(_phones(surveys))
  return Survey(
    _phones(surveys),
    np.min([s.low for s in asked], 0).tolist(),
    np.max([s.high for s in asked], 0).tolist(),
    min(s.first for s in asked),
    any(s.has_context for s in asked),
  )


def _phones(surveys):
  return sorted({name for s in surveys for name in s.phones})


def check_usable(found: Survey, data_dir: pathlib.Path) -> None:
  """Raises `UserError` where no label of a corpus is full-context."""
  if not len(found.low):
    raise UserError(
      "conditioning.local: found 'linguistic', but no recording of "
      f'{data_dir} has a label file that can be read (x.lab beside x.wav, or '
      'under lab/); align them, or use another.'
    )
  if not found.has_context:
    raise UserError(
      f"conditioning.local: found 'linguistic', but no label of {data_dir} has "
      f'a full context (one is {found.first!r}), expected labels '
      "such as 'x^x-a+b=c@1_2/A:...'; align full-context labels, or use "
      'another.'
    )
