"""Checkpoints of a training: the newest that can be read, and the last few."""

import pathlib
from typing import NamedTuple

from absl import logging
import keras
import tensorflow as tf

from wavenet_tf.configuration.errors import reason, UserError
from wavenet_tf.configuration.files import write_text
from wavenet_tf.learning import tensor_file
from wavenet_tf.networks.weights import WeightVector

_KEPT_CHECKPOINTS = 3


class TrainingState(NamedTuple):
  """All that a training step changes, and that a checkpoint keeps.

  Vectors are stored weight by weight, as `<field>/<path of the weight>`, for
  example `first_moment/teacher/network/output/bias`; scalars by their field.

  Attributes:
    weights: float32 `[N]`, end to end as in `WeightVector`.
    first_moment, second_moment: Adam's, of the gradient, `[N]`.
    average: of the weights over the last steps, `[N]`.
    step: steps done, int64 as all that follow.
    updates: those of them that moved the weights, as Adam counts.
    bad_steps: without a finite gradient, in a row.
    skipped_steps: without a finite gradient, in all.
  """

  weights: tf.Variable
  first_moment: tf.Variable
  second_moment: tf.Variable
  average: tf.Variable
  step: tf.Variable
  updates: tf.Variable
  bad_steps: tf.Variable
  skipped_steps: tf.Variable


def save(
  folder: pathlib.Path, state: TrainingState, weights: WeightVector
) -> None:
  """Writes `<folder>/ckpt-<step>`; of the older ones it keeps the last two.

  Raises:
    UserError: if it cannot be written; the older ones stay then.
  """
  step = int(state.step)
  path = folder / f'ckpt-{step}'
  try:
    tensor_file.write(path, _named(state, weights))
    # What is ahead of this step could not be read.
    done = [c for c in _checkpoints(folder) if _step(c) <= step]
    for old in done[_KEPT_CHECKPOINTS:]:
      tensor_file.delete(old)
    # For `tf.train.latest_checkpoint`; here the files themselves count.
    newest = f'model_checkpoint_path: "{path.name}"\n'
    write_text(folder / 'checkpoint', newest)
  except (OSError, tf.errors.OpError) as error:
    raise UserError(
      f'{folder}: a checkpoint cannot be written ({reason(error)}); free '
      'some space and run the same command again.'
    ) from error


def restore(
  folder: pathlib.Path, state: TrainingState, weights: WeightVector
) -> None:
  """Sets a state to that of the newest checkpoint that can be read, if any.

  A damaged one is named in a warning and the one before it is used.

  Raises:
    UserError: if there are checkpoints and none can be read, or if the newest
      is not of this model.
  """
  found = _read_newest(folder, _named(state, weights))
  if found is None:
    return
  for kind, variable in state._asdict().items():
    if variable.shape.rank:
      parts = [found[f'{kind}/{path}'] for path in weights.paths]
      variable.assign(weights.join(parts))
    else:
      variable.assign(found[kind])


def has_checkpoint(folder: pathlib.Path) -> bool:
  """Whether a model was trained there, for however long."""
  return bool(_checkpoints(folder))


def newest_step(folder: pathlib.Path) -> int:
  """Of the newest checkpoint; 0 where there is none."""
  return max(map(_step, _checkpoints(folder)), default=0)


def load_average(model: keras.Model, folder: pathlib.Path) -> keras.Model:
  """Sets a model's weights to the average that training kept; freezes it.

  Raises:
    UserError: if the folder has no checkpoint, or none of this model.
  """
  weights = WeightVector(model.trainable_variables)
  like = _by_path('average', weights, weights.variable.value)
  found = _read_newest(folder, like)
  if found is None:
    raise UserError(
      f'{folder} has no checkpoint; run --mode=train_{folder.name} first.'
    )
  weights.assign(weights.join(found.values()))
  model.trainable = False
  return model


def save_average(model: keras.Model, folder: pathlib.Path) -> None:
  """Writes `<folder>/ckpt-0` for `load_average` alone, in half precision.

  A quarter of a weight's bytes in a checkpoint that training goes on from, and
  half of these.
  """
  weights = WeightVector(model.variables)
  named = _by_path('average', weights, weights.variable.value)
  halves = {name: tf.cast(x, tf.float16) for name, x in named.items()}
  tensor_file.write(folder / 'ckpt-0', halves)


def save_start(model: keras.Model, folder: pathlib.Path, step: int = 0) -> None:
  """Writes `<folder>/ckpt-<step>`: a training that begins with these weights.

  Adam knows nothing yet. No other checkpoint may be ahead of the step.
  """
  weights = WeightVector(model.variables)
  vector = weights.variable.value
  nothing = tf.zeros_like(vector)
  counts = [tf.Variable(n, dtype=tf.int64) for n in (step, 0, 0, 0)]
  vectors = [tf.Variable(x) for x in (vector, nothing, nothing, vector)]
  save(folder, TrainingState(*vectors, *counts), weights)


def _named(state, weights):
  """The tensors of a checkpoint by name."""
  named = {}
  for kind, variable in state._asdict().items():
    if variable.shape.rank:
      named.update(_by_path(kind, weights, variable))
    else:
      named[kind] = variable.value()
  return named


def _by_path(kind, weights, vector):
  return {f'{kind}/{k}': x for k, x in weights.by_path(vector).items()}


def _read_newest(folder, like):
  """-> tensors by name, or None where there is no checkpoint."""
  paths = _checkpoints(folder)
  for path in paths:
    try:
      return tensor_file.read(path, like)
    except (tf.errors.OpError, IndexError) as error:
      logging.warning(
        '%s cannot be read (%s); trying the one before it.',
        path,
        reason(error),
      )
  if paths:
    raise UserError(
      f'{folder}: none of its checkpoints can be read; use another --workdir.'
    )
  return None


def _checkpoints(folder):
  """Newest first, by the step in their names."""
  found = [path.with_suffix('') for path in folder.glob('ckpt-*.index')]
  return sorted(found, key=_step, reverse=True)


def _step(path):
  return int(path.name.split('-')[1])
