"""Chapters as notebooks, each made from its Markdown and run by a kernel."""

import base64
import os
import pathlib
import re
import time

import jupytext
from nbclient import NotebookClient
import nbformat

from docs.tutorial.chapters import Chapter, FOLDER, NOTEBOOKS
from wavenet_tf.configuration.files import write_text

ROOT = FOLDER.parents[1]
# Any chapter takes less than a minute on two cores.
_LONGEST_SECONDS = 300
_FIRST_CELL = """\
# Go to the checkout that this notebook is opened in, and be quiet.
import os
import pathlib

while not pathlib.Path('train_main.py').exists():
  os.chdir('..')
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'"""


def notebook(chapter: Chapter) -> nbformat.NotebookNode:
  """A chapter that has not run yet, with its pictures inside."""
  text = re.sub(r' *<audio [^>]*></audio>', '', chapter.text)
  text = re.sub(r'</?details>\n*', '', text)
  text = re.sub(r'<summary>(.*?)</summary>', r'**\1**', text)
  # The folder of the notebooks is one deeper.
  text = re.sub(r'(?<!!)(\[[^\]]+\])\((?!http|#)', r'\1(../', text)
  made = jupytext.reads(text, fmt='md')
  for cell in made.cells:
    if cell.cell_type == 'markdown':
      _attach_pictures(cell)
  first = nbformat.v4.new_code_cell(_FIRST_CELL, id='first')
  made.cells.insert(1 if made.cells[0].cell_type == 'markdown' else 0, first)
  made.metadata['kernelspec'] = {
    'name': 'python3',
    'display_name': 'Python 3',
    'language': 'python',
  }
  return made


def write(chapter: Chapter) -> float:
  """Runs a chapter and writes it with what it printed; seconds it took.

  Raises:
    nbclient.exceptions.CellExecutionError: if a cell does not run.
  """
  made = notebook(chapter)
  client = NotebookClient(
    made,
    timeout=_LONGEST_SECONDS,
    kernel_name='python3',
    resources={'metadata': {'path': os.fspath(ROOT)}},
  )
  start = time.monotonic()
  client.execute()
  seconds = time.monotonic() - start
  for cell in made.cells:
    if cell.cell_type == 'code':  # What TensorFlow says to stderr is no result.
      cell.outputs = [o for o in cell.outputs if o.get('name') != 'stderr']
  NOTEBOOKS.mkdir(exist_ok=True)
  write_text(NOTEBOOKS / f'{chapter.name}.ipynb', nbformat.writes(made))
  return seconds


def _attach_pictures(cell):
  """Puts the files of pictures into the cell that shows them."""
  for path in re.findall(r'!\[[^\]]*\]\(([^)]+)\)', cell.source):
    name = pathlib.Path(path).name
    kind = {'.png': 'image/png', '.gif': 'image/gif'}[pathlib.Path(path).suffix]
    content = base64.b64encode((FOLDER / path).read_bytes()).decode()
    cell.setdefault('attachments', {})[name] = {kind: content}
    cell.source = cell.source.replace(f']({path})', f'](attachment:{name})')
