"""The tutorial: every chapter is built alike, and what it shows can be made."""

import re

from matplotlib.figure import Figure
import pytest

from docs.tutorial import chapters, distilling
from tests.support.project_imports import ROOT

CHAPTERS = chapters.all_chapters()
HEADINGS = ['See', 'Listen', 'Run', 'Where it is', 'Exercise']
# "About ten lines."
MOST_LINES = 14
NUMBERS = set(
  re.findall(
    r'^\| ([^\s,]+)', (ROOT / 'docs' / 'equations.md').read_text('utf-8'), re.M
  )
)


def of(chapter):
  return chapter.name


def test_every_chapter_is_in_the_contents_and_numbered_in_order():
  assert len(CHAPTERS) > 1
  names = {chapter.name for chapter in CHAPTERS} | {'README'}
  assert names == {path.stem for path in chapters.FOLDER.glob('*.md')}
  for number, chapter in enumerate(CHAPTERS, 1):
    assert chapter.title.startswith(f'{number}. ')


@pytest.mark.parametrize('chapter', CHAPTERS, ids=of)
def test_chapters_are_built_alike(chapter):
  assert re.findall(r'^## (.*)$', chapter.text, re.M) == HEADINGS
  numbers = re.findall(r'^> \*\*([^*]+)\*\* ', chapter.text, re.M)
  assert numbers and set(numbers) <= NUMBERS
  answer = chapter.text.partition('<summary>Answer</summary>')[2]
  assert '\nassert ' in answer
  for block in chapter.blocks:
    assert len(block.splitlines()) <= MOST_LINES, block


@pytest.mark.parametrize('chapter', CHAPTERS, ids=of)
def test_what_is_shown_and_played_is_what_is_made(chapter):
  made = chapter.making
  assert chapter.pictures and chapter.pictures == list(made.PICTURES)
  assert chapter.sounds and chapter.sounds == list(made.SOUNDS)
  for name in chapter.pictures:
    assert 0 < (chapters.PICTURES / name).stat().st_size < 300_000, name


def test_no_two_chapters_make_one_file():
  made = [name for c in CHAPTERS for name in (*c.pictures, *c.sounds)]
  assert len(made) == len(set(made))
  pictures = {path.name for path in chapters.PICTURES.iterdir()}
  assert pictures <= set(made)


@pytest.mark.large
@pytest.mark.parametrize('chapter', CHAPTERS, ids=of)
def test_pictures_can_still_be_drawn(chapter, monkeypatch):
  """The first of each chapter; notebooks are run whenever the site is built."""
  monkeypatch.chdir(ROOT)
  monkeypatch.setattr(distilling, 'STEPS', 0)
  draw, *_ = chapter.making.PICTURES.values()
  drawn = draw()
  figure = drawn if isinstance(drawn, Figure) else next(drawn)
  assert figure.axes


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
