"""Makes what the tutorial shows, plays and runs.

python -m docs.tutorial pictures [chapter ...]     # docs/tutorial/pictures
python -m docs.tutorial sounds [chapter ...]       # docs/tutorial/sounds
python -m docs.tutorial notebooks [chapter ...]    # docs/tutorial/notebooks

From the root of a checkout; without a chapter's name, of all. Pictures are
committed. Sounds and notebooks are not: the site has them (`make docs`).
"""

from collections.abc import Iterator
import io
import os
import pathlib
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from matplotlib.animation import PillowWriter
from matplotlib.figure import Figure
import soundfile

from docs.tutorial import chapters
from docs.tutorial.example import as_played
from wavenet_tf.configuration.files import write_bytes
from wavenet_tf.showing.pictures import save_picture
from wavenet_tf.signal.quantization import rms_dbfs

_FRAMES_PER_SECOND = 2
_ANIMATION_DPI = 70


def make_pictures(chapter: chapters.Chapter) -> None:
  """A figure becomes a PNG; one that is drawn again and again, a GIF."""
  chapters.PICTURES.mkdir(exist_ok=True)
  for name, draw in chapter.making.PICTURES.items():
    drawn, path = draw(), chapters.PICTURES / name
    if isinstance(drawn, Figure):
      save_picture(path, drawn)
    else:
      _save_animation(path, drawn)
    print(f'{path.name}: {path.stat().st_size // 1000} kB')


def _save_animation(path: pathlib.Path, frames: Iterator[Figure]):
  """Of one figure, as it is whenever the iterator gives it."""
  writer = PillowWriter(_FRAMES_PER_SECOND)
  for i, figure in enumerate(frames):
    if i == 0:
      writer.setup(figure, path, _ANIMATION_DPI)
    writer.grab_frame()
  writer.finish()


def make_sounds(chapter: chapters.Chapter) -> None:
  """FLAC files: what is to be heard is not changed by a codec."""
  chapters.SOUNDS.mkdir(exist_ok=True)
  for name, make in chapter.making.SOUNDS.items():
    sound = make()
    waveform, rate_hz = as_played(sound.waveform), sound.rate_hz
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, rate_hz, 'PCM_16', format='flac')
    write_bytes(chapters.SOUNDS / f'{name}.flac', buffer.getvalue())
    seconds = len(waveform) / rate_hz
    print(f'{name}: {seconds:.2f} s, {rms_dbfs(waveform):.1f} dBFS')


def make_notebooks(chapter: chapters.Chapter) -> None:
  # Needs requirements-docs.txt; the others do not.
  from docs.tutorial import notebooks

  print(f'{chapter.name}.ipynb: ran in {notebooks.write(chapter):.0f} s')


def main(what: str, *names: str) -> None:
  make = {
    'pictures': make_pictures,
    'sounds': make_sounds,
    'notebooks': make_notebooks,
  }[what]
  for chapter in chapters.all_chapters():
    if not names or chapter.name in names:
      make(chapter)


if __name__ == '__main__':
  main(*sys.argv[1:])
