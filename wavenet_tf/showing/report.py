"""The page of a run: `<workdir>/report`."""

import html
import json
import pathlib
from typing import NamedTuple

from wavenet_tf.configuration.files import write_text
from wavenet_tf.showing import comparison
from wavenet_tf.showing.tables import Row, table


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
  return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>WaveNet report</title>
<style>
body {{ font: 16px/1.5 sans-serif; margin: 2rem auto; max-width: 90rem; }}
td, th {{ padding: 0.2rem 1rem; border-bottom: 1px solid #ddd; }}
th {{ text-align: left; font-weight: normal; color: #666; }}
audio {{ width: 12rem; }}
img {{ max-width: 100%; }}
</style></head><body>
<h1>WaveNet report</h1>
{_table([], rows)}
{_comparison(compared) if compared else ''}
<h2>Audio</h2>
{_players(folder, heard)}
<h2>Spectrograms</h2>
{images}
</body></html>
"""


def _comparison(compared):
  notes = [f'<p>{html.escape(note)}</p>' for note in comparison.notes(compared)]
  tables = [_table(g.header, g.rows) for g in comparison.grids(compared)]
  return '\n'.join(['<h2>Voices side by side</h2>', *notes, *tables])


def _players(folder, heard):
  """One row an utterance, one column a voice."""
  voices = list({voice: None for one in heard for voice in one.sounds})
  rows = []
  for one in heard:
    cells = [
      f'{html.escape(one.name)}<br><small>{html.escape(one.text)}</small>'
    ]
    for voice in voices:
      link = _link(folder, one.sounds[voice])
      cells.append(f'<audio controls preload="none" src="{link}"></audio>')
    rows.append(f'<tr>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
  titles = ['', *map(comparison.title_of, voices)]
  return '\n'.join(['<table>', _cells('th', titles), *rows, '</table>'])


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
