"""The page of a run: `<workdir>/report`."""

import html
import json
import pathlib

from wavenet_tf.configuration.files import write_text
from wavenet_tf.showing.tables import Row, table


def write(
  folder: pathlib.Path,
  results: dict,
  rows: list[Row],
  pictures: list[pathlib.Path],
  sounds: list[pathlib.Path],
) -> None:
  """`results.json`, `summary.txt` and `index.html` with figures and audio.

  Args:
    folder: `<workdir>/report`.
    results: plain data.
    rows: the same for people.
    pictures: PNG files, shown as they are.
    sounds: WAV files, as players.
  """
  folder.mkdir(parents=True, exist_ok=True)
  write_text(folder / 'results.json', json.dumps(results, indent=2) + '\n')
  write_text(folder / 'summary.txt', table(rows) + '\n')
  write_text(folder / 'index.html', _page(folder, rows, pictures, sounds))


def _page(folder, rows, pictures, sounds):
  def link(path):
    return html.escape(
      pathlib.Path(*['..'], path.relative_to(folder.parent)).as_posix()
    )

  cells = '\n'.join(
    f'<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>'
    for name, value in rows
  )
  players = '\n'.join(
    f'<p>{html.escape(path.relative_to(folder.parent).as_posix())}<br>'
    f'<audio controls src="{link(path)}"></audio></p>'
    for path in sounds
  )
  images = '\n'.join(
    f'<p><img src="{link(path)}" alt="spectrograms of '
    f'{html.escape(path.stem)}"></p>'
    for path in pictures
  )
  return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>WaveNet report</title>
<style>
body {{ font: 16px/1.5 sans-serif; margin: 2rem auto; max-width: 70rem; }}
td {{ padding: 0.2rem 1rem; border-bottom: 1px solid #ddd; }}
img {{ max-width: 100%; }}
</style></head><body>
<h1>WaveNet report</h1>
<table>
{cells}
</table>
<h2>Spectrograms</h2>
{images}
<h2>Audio</h2>
{players}
</body></html>
"""
