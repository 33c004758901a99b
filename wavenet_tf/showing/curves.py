"""Training as curves: what was written for TensorBoard, read back."""

from collections.abc import Mapping
import pathlib
from typing import NamedTuple

from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf
from tensorflow.core.util import event_pb2

# Of the machine rather than of the model, or with a table of their own.
_LEFT_OUT = ('samples_per_second', 'gradient_norm', 'skipped_steps', 'health/')
_COLUMNS = 3


class Curve(NamedTuple):
  """A number over training.

  Attributes:
    steps: int `[N]`, ascending.
    values: float `[N]`.
  """

  steps: np.ndarray
  values: np.ndarray


def read_curves(folder: pathlib.Path) -> dict[str, Curve]:
  """All scalars in the event files of a model's folder, by name.

  Where a training was resumed, what came later counts. A file that ends in the
  middle of a record, as a kill leaves it, is read as far as it goes.

  Args:
    folder: `<workdir>/teacher` or the like; without event files there are none.
  """
  found: dict[str, dict[int, float]] = {}
  for path in sorted(folder.glob('events.out.tfevents.*')):
    for event in _events(path):
      for value in event.summary.value:
        number = _scalar(value)
        if number is not None:
          found.setdefault(value.tag, {})[event.step] = number
  return {
    name: Curve(*(np.array(column) for column in zip(*sorted(points.items()))))
    for name, points in found.items()
  }


def _events(path):
  records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
  while True:
    try:
      yield event_pb2.Event.FromString(next(records))
    except (StopIteration, tf.errors.DataLossError):
      return


def _scalar(value):
  if value.metadata.plugin_data.plugin_name not in ('', 'scalars'):
    return None
  if value.HasField('tensor') and not value.tensor.tensor_shape.dim:
    return float(tf.make_ndarray(value.tensor))
  return None


def curves_figure(models: Mapping[str, Mapping[str, Curve]]) -> Figure | None:
  """A panel for each number that was watched; None where there is none.

  Args:
    models: by title of a model, its curves from `read_curves`.
  """
  panels = [
    (model, name, curve)
    for model, curves in models.items()
    for name, curve in curves.items()
    if not name.startswith(_LEFT_OUT) and len(curve.steps) > 1
  ]
  if not panels:
    return None
  rows = -(-len(panels) // _COLUMNS)
  figure = Figure(figsize=(10, 2.1 * rows), layout='constrained')
  grid = figure.subplots(rows, _COLUMNS, squeeze=False).flat
  for (model, name, curve), axes in zip(panels, grid):
    axes.plot(curve.steps, curve.values, linewidth=1.0)
    axes.set_title(f'{model}: {_words(name)}', fontsize='small')
    axes.tick_params(labelsize='x-small')
    axes.grid(alpha=0.3)
    axes.set_xlabel('step', fontsize='x-small')
  for axes in list(grid):  # Those that no panel took.
    axes.axis('off')
  return figure


def _words(name):
  return name.rpartition('/')[2].replace('_', ' ')
