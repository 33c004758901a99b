"""Figures as files and as pixels.

Figures here are `matplotlib.figure.Figure`s and not pyplot's: they need no
display, and leave the backend of a notebook as it is.
"""

import io
import pathlib

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np

from wavenet_tf.configuration.files import write_bytes


def png(figure: Figure) -> bytes:
  """A figure as a PNG file."""
  buffer = io.BytesIO()
  figure.savefig(buffer, format='png', dpi=100)
  return buffer.getvalue()


def save_picture(path: pathlib.Path, figure: Figure) -> None:
  """Writes a PNG, whole or not at all."""
  write_bytes(path, png(figure))


def pixels(figure: Figure) -> np.ndarray:
  """uint8 `[height, width, 3]`."""
  canvas = FigureCanvasAgg(figure)
  canvas.draw()
  return np.asarray(canvas.buffer_rgba())[..., :3]
