"""The page of a run: `<workdir>/report`."""

import html
import json
import pathlib
from typing import NamedTuple

from matplotlib.figure import Figure

from wavenet_tf.configuration.files import write_text
from wavenet_tf.judging.perception.advice import advice
from wavenet_tf.showing import comparison
from wavenet_tf.showing.page import page, picture, player
from wavenet_tf.showing.pictures import png
from wavenet_tf.showing.tables import Row, table

_FIRST_VOICES = ('recording', 'student', 'teacher')
# A page of minutes of audio is too large to be mailed.
_MOST_HEARD = 8
_STYLE = """
body { max-width: 70rem; }
nav a { margin-right: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin-bottom: 1.5rem; }
td, th { padding: 0.2rem 0.6rem 0.2rem 0; border-bottom: 1px solid #8884;
  text-align: left; vertical-align: top; }
th { font-weight: normal; opacity: 0.7; }
td { overflow-wrap: anywhere; }
.numbers td, .numbers th { white-space: nowrap; }
.wide > img { max-width: none; width: 100%; min-width: 40rem; }
.numbers td + td, .numbers th + th { text-align: right; }
.voices { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; margin: 0.5rem 0; }
figure { margin: 0; }
audio { display: block; width: 15rem; max-width: 100%; }
small, figcaption { opacity: 0.7; }
"""


class Heard(NamedTuple):
  """An utterance to be heard.

  Attributes:
    name: as in the corpus.
    text: what is said, or ''.
    sounds: FLAC, by voice.
    spectrograms: PNG.
  """

  name: str
  text: str
  sounds: dict[str, bytes]
  spectrograms: bytes


class Trained(NamedTuple):
  """What a run has learned, and from what.

  Attributes:
    rows: for people.
    curves: of the training; None where nothing was kept of it.
  """

  rows: list[Row]
  curves: Figure | None = None


def write(
  folder: pathlib.Path,
  results: dict,
  rows: list[Row],
  heard: list[Heard],
  trained: Trained,
) -> str:
  """`results.json`, `summary.txt` and `index.html`, which is one file.

  Args:
    folder: `<workdir>/report`.
    results: plain data; of `perception`, if there is some, tables are made.
    rows: the rest of it for people.
    heard: the utterances; the first of them are to be heard on the page.
    trained: what the page begins with.

  Returns:
    The summary.
  """
  summary = table(rows)
  if 'perception' in results:
    summary += f'\n\n{comparison.text(results["perception"])}'
  folder.mkdir(parents=True, exist_ok=True)
  write_text(folder / 'results.json', json.dumps(results, indent=2) + '\n')
  write_text(folder / 'summary.txt', summary + '\n')
  write_text(folder / 'index.html', _page(results, rows, heard, trained))
  return summary


def _page(results, rows, heard, trained):
  compared = results.get('perception')
  sections = {
    'What was trained': _table([], trained.rows) + _curves(trained.curves),
    'Numbers': _table([], rows),
    'Voices side by side': _comparison(compared) if compared else '',
    'What to try next': _advice(results, compared),
    'Sounds': '\n'.join(map(_utterance, heard[:_MOST_HEARD])),
  }
  sections = {title: body for title, body in sections.items() if body}
  links = ''.join(
    f'<a href="#{_anchor(title)}">{title}</a>' for title in sections
  )
  parts = [
    f'<h2 id="{_anchor(title)}">{title}</h2>\n{body}'
    for title, body in sections.items()
  ]
  return page(
    'WaveNet report', f'<nav>{links}</nav>\n' + '\n'.join(parts), _STYLE
  )


def _anchor(title):
  return title.lower().replace(' ', '-')


def _curves(figure):
  if figure is None:
    return ''
  titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
  drawn = picture(png(figure), f'Curves over training: {"; ".join(titles)}')
  return f'<div class="wide">{drawn}</div>'


def _comparison(compared):
  notes = [f'<p>{html.escape(note)}</p>' for note in comparison.notes(compared)]
  tables = [
    _table(g.header, g.rows, 'numbers') for g in comparison.grids(compared)
  ]
  meanings = _table([], comparison.meanings(compared))
  return '\n'.join(
    [
      *notes,
      *tables,
      f'<details><summary>The columns</summary>{meanings}</details>',
    ]
  )


def _advice(results, compared):
  found = [
    *results.get('student_health', {}).get('warnings', []),
    *(advice(compared) if compared else []),
  ]
  items = ''.join(f'<li>{html.escape(text)}</li>' for text in found)
  return f'<ul>{items}</ul>' if items else '<p>No measure stands out.</p>'


def _utterance(one):
  """What is said, a player for each voice, and their spectrograms."""
  # What there is to compare stands first, then what explains it.
  voices = [v for v in dict.fromkeys([*_FIRST_VOICES, *one.sounds])
            if v in one.sounds]  # fmt: skip
  players = ''.join(
    f'<figure><figcaption>{html.escape(comparison.title_of(voice))}'
    '</figcaption>'
    f'{player(one.sounds[voice], f"{one.name}, {comparison.title_of(voice)}")}'
    '</figure>'
    for voice in voices
  )
  description = (
    f'Log-mel spectrograms of {one.name}, one above the other: '
    f'{", ".join(map(comparison.title_of, voices))}'
  )
  return (
    f'<p>{html.escape(one.text)} <small>{html.escape(one.name)}</small></p>\n'
    f'<div class="voices">{players}</div>\n'
    f'{picture(one.spectrograms, description)}'
  )


def _table(header, rows, kind=''):
  lines = [_cells('th', header)] if header else []
  lines += [_cells('td', row) for row in rows]
  return '\n'.join(
    [f'<div class="wide"><table class="{kind}">', *lines, '</table></div>']
  )


def _cells(tag, texts):
  cells = ''.join(f'<{tag}>{html.escape(text)}</{tag}>' for text in texts)
  return f'<tr>{cells}</tr>'
