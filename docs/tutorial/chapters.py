"""The chapters of the tutorial, as Markdown that also runs.

A chapter is `docs/tutorial/<name>.md`. Its pictures and sounds are made by
`docs/tutorial/making/<name>.py`, in `PICTURES` and `SOUNDS`: functions by the
name of what they make. The order of the chapters is that of the links in
`docs/tutorial/README.md`.
"""

import importlib
import pathlib
import re
from types import ModuleType
from typing import NamedTuple

FOLDER = pathlib.Path(__file__).parent
PICTURES = FOLDER / 'pictures'
SOUNDS = FOLDER / 'sounds'
NOTEBOOKS = FOLDER / 'notebooks'


class Chapter(NamedTuple):
  """One of them.

  Attributes:
    name: of its file, without suffix.
    text: Markdown.
  """

  name: str
  text: str

  @property
  def title(self) -> str:
    return self.text.partition('\n')[0].removeprefix('# ')

  @property
  def blocks(self) -> list[str]:
    """Its Python, in order; the blocks run one after the other."""
    return re.findall(r'^```python\n(.*?)^```$', self.text, re.M | re.S)

  @property
  def pictures(self) -> list[str]:
    """Names of those that it shows."""
    return re.findall(r'!\[[^\]]+\]\(pictures/([^)]+)\)', self.text)

  @property
  def sounds(self) -> list[str]:
    """Names of those that it plays."""
    return re.findall(r'<audio [^>]*src="sounds/([^"]+)\.flac"', self.text)

  @property
  def making(self) -> ModuleType:
    """The module that makes pictures and sounds."""
    return importlib.import_module(f'docs.tutorial.making.{self.name}')


def all_chapters() -> list[Chapter]:
  contents = (FOLDER / 'README.md').read_text('utf-8')
  return [
    Chapter(name, (FOLDER / f'{name}.md').read_text('utf-8'))
    for name in re.findall(r'^\d+\. \[[^\]]+\]\((\w+)\.md\)', contents, re.M)
  ]
