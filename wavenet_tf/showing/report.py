"""The page of a run: `<workdir>/report`."""

import html
import json
import os
import pathlib
from typing import NamedTuple

from wavenet_tf.configuration.files import write_text
from wavenet_tf.configuration.remote.paths import RemotePath
from wavenet_tf.showing import comparison
from wavenet_tf.showing.page import page
from wavenet_tf.showing.tables import Row, table

# In a checkout, where the program runs.
_GUIDE = pathlib.Path(__file__).parents[2] / 'docs' / 'evaluation.md'
_FIRST_VOICES = ('recording', 'student', 'teacher')
# The players of six voices fit into 1000 pixels.
_STYLE = """
body { max-width: 80rem; }
td, th { padding: 0.2rem 0.5rem; border-bottom: 1px solid #ddd; }
table { margin-bottom: 1.5rem; }
td[colspan] { padding-top: 1rem; border: none; }
th { text-align: left; font-weight: normal; color: #666; }
audio { width: 9rem; }
small { color: #666; }
"""


class Heard(NamedTuple):
  """An utterance to be heard.

  Attributes:
    name: as in the corpus.
    text: what is said, or ''.
    sounds: WAV files, by voice.
    picture: a PNG file of their spectrograms.
  """

  name: str
  text: str
  sounds: dict[str, pathlib.Path]
  picture: pathlib.Path


def write(
  folder: pathlib.Path, results: dict, rows: list[Row], heard: list[Heard]
) -> str:
  """`results.json`, `summary.txt` and `index.html` with figures and audio.

  Args:
    folder: `<workdir>/report`.
    results: plain data; of `perception`, if there is some, tables are made.
    rows: the rest of it for people.
    heard: the utterances, each a row of players.

  Returns:
    The summary.
  """
  summary = table(rows)
  if 'perception' in results:
    summary += f'\n\n{comparison.text(results["perception"])}'
  folder.mkdir(parents=True, exist_ok=True)
  write_text(folder / 'results.json', json.dumps(results, indent=2) + '\n')
  write_text(folder / 'summary.txt', summary + '\n')
  write_text(folder / 'index.html', _page(folder, results, rows, heard))
  return summary


def _page(folder, results, rows, heard):
  compared = results.get('perception')
  images = '\n'.join(
    f'<p><img src="{_link(folder, one.picture)}" alt="spectrograms of '
    f'{html.escape(one.picture.stem)}"></p>'
    for one in heard
  )
  guide = _GUIDE.as_uri()
  if not isinstance(folder, RemotePath):  # The two may move together.
    guide = pathlib.Path(os.path.relpath(_GUIDE, folder.resolve())).as_posix()
  body = f"""{_table([], rows)}
{_comparison(compared) if compared else ''}
<h2>Audio</h2>
{_players(folder, heard)}
<h2>Spectrograms</h2>
{images}
<p>How to read this page: <a href="{html.escape(guide)}">docs/evaluation.md</a>
</p>"""
  return page('WaveNet report', body, _STYLE)


def _comparison(compared):
  notes = [f'<p>{html.escape(note)}</p>' for note in comparison.notes(compared)]
  tables = [_table(g.header, g.rows) for g in comparison.grids(compared)]
  return '\n'.join(['<h2>Voices side by side</h2>', *notes, *tables])


def _players(folder, heard):
  """What is said, and below it a player for each voice."""
  found = [voice for one in heard for voice in one.sounds]
  # What there is to compare stands first, then what explains it.
  voices = [v for v in dict.fromkeys([*_FIRST_VOICES, *found]) if v in found]
  lines = []
  for one in heard:
    lines.append(
      f'<tr><td colspan="{len(voices)}">{html.escape(one.text)} '
      f'<small>{html.escape(one.name)}</small></td></tr>'
    )
    players = ''.join(
      '<td><audio controls preload="metadata" '
      f'src="{_link(folder, one.sounds[voice])}"></audio></td>'
      for voice in voices
    )
    lines.append(f'<tr>{players}</tr>')
  header = _cells('th', map(comparison.title_of, voices))
  return '\n'.join(['<table>', header, *lines, '</table>'])


def _table(header, rows):
  lines = [_cells('th', header)] if header else []
  lines += [_cells('td', row) for row in rows]
  return '\n'.join(['<table>', *lines, '</table>'])


def _cells(tag, texts):
  cells = ''.join(f'<{tag}>{html.escape(text)}</{tag}>' for text in texts)
  return f'<tr>{cells}</tr>'


def _link(folder, path):
  return html.escape(
    pathlib.Path('..', path.relative_to(folder.parent)).as_posix()
  )
