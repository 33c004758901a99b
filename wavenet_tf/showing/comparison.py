"""Voices side by side as tables of text cells, for a terminal and a page."""

from typing import NamedTuple

from wavenet_tf.judging import anchors
from wavenet_tf.judging.perception.gating import PARTS, PAUSES, SPEECH, WHOLE
from wavenet_tf.judging.perception.instruments import (
  MEASURES,
  SAMPLE_RATE_HZ,
)
from wavenet_tf.judging.perception.intervals import SHARE

_TITLES = {
  anchors.GRIFFIN_LIM: 'Griffin-Lim',
  anchors.RANDOM_PHASE: 'random phase',
  anchors.AFTER_RECORDING: 'teacher, real past',
}
_PART_TITLES = {
  WHOLE: '',
  SPEECH: 'in speech alone',
  PAUSES: 'in pauses alone',
}
# Beside itself a recording says nothing more by parts.
RECORDING = 'recording'


class Grid(NamedTuple):
  """A table: `header` and each of `rows` begin with what a row is."""

  title: str
  header: list[str]
  rows: list[list[str]]


def title_of(voice: str) -> str:
  """A voice as people call it."""
  return _TITLES.get(voice, voice)


def grids(compared: dict) -> list[Grid]:
  """One for each part that was measured, from `comparison.compare`."""
  found = []
  for part in PARTS:
    measured = {
      voice: parts[part]
      for voice, parts in compared['voices'].items()
      if parts[part] and not (voice == RECORDING and part != WHOLE)
    }
    columns = [
      measure
      for measure in MEASURES
      if any(measure.key in values for values in measured.values())
    ]
    if not columns:
      continue
    rows = [
      [
        title_of(voice),
        *(_cell(values.get(m.key), m.decimals) for m in columns),
      ]
      for voice, values in measured.items()
    ]
    header = [_PART_TITLES[part], *(m.title for m in columns)]
    found.append(Grid(_PART_TITLES[part], header, rows))
  return found


def meanings(compared: dict) -> list[list[str]]:
  """What each column of the tables is, a row a column."""
  shown = {title for grid in grids(compared) for title in grid.header}
  return [[m.title, m.meaning] for m in MEASURES if m.title in shown]


def _cell(average, decimals):
  if average is None or average['mean'] is None:
    return '-'
  mean = f'{average["mean"]:.{decimals}f}'
  half = (average['high'] - average['low']) / 2
  return f'{mean} ±{half:.{decimals}f}' if half > 1e-9 else mean


def notes(compared: dict) -> list[str]:
  """What the tables are of, and what is missing in them."""
  lines = [
    f'Copies of {compared["utterances"]} utterances, '
    f'{compared["seconds"]:.1f} s, compared at {SAMPLE_RATE_HZ // 1000} kHz, '
    f'{compared["draws"]} of each; ± half of the {100 * SHARE:.0f} % '
    'interval over utterances. docs/evaluation.md says how to read them.'
  ]
  if compared['not_measured']:
    missing = '; '.join(
      f'{", ".join(titles)} ({package})'
      for package, titles in compared['not_measured'].items()
    )
    lines.append(
      f'Not installed, so not measured: {missing}; '
      'pip install -r requirements-eval.txt'
    )
  elif not compared['words']:
    lines.append(
      'No word errors: of no utterance the text is known and all of it is '
      'copied (evaluate.audio_seconds=0 keeps utterances whole).'
    )
  return lines


def text(compared: dict) -> str:
  """Notes and tables as aligned plain text."""
  blocks = ['\n'.join(notes(compared))]
  for grid in grids(compared):
    widths = [max(map(len, column)) for column in zip(grid.header, *grid.rows)]
    blocks.append(
      '\n'.join(
        '  '.join(
          [row[0].ljust(widths[0])]
          + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        )
        for row in (grid.header, *grid.rows)
      )
    )
  return '\n\n'.join(blocks)
