"""Checkpoints of a training: the newest that can be read."""

import pathlib

from absl import logging
import keras
import tensorflow as tf

from wavenet_tf.configuration.errors import UserError
from wavenet_tf.learning.weights import WeightVector

KEPT_CHECKPOINTS = 3


def restore_newest(
  checkpoint: tf.train.Checkpoint, folder: pathlib.Path
) -> bool:
  """Restores the newest checkpoint of a folder that can be read.

  A damaged one is named in a warning and the one before it is used.

  Returns:
    Whether there was any.

  Raises:
    UserError: if there are checkpoints and none can be read.
  """
  paths = _checkpoints(folder)
  for path in paths:
    try:
      checkpoint.read(path).assert_existing_objects_matched().expect_partial()
      return True
    except (
      tf.errors.OpError,
      AssertionError,
      ValueError,
      IndexError,
    ) as error:
      logging.warning(
        '%s cannot be read (%s); trying the one before it.',
        path,
        first_line(error),
      )
  if paths:
    raise UserError(
      f'{folder}: none of its checkpoints can be read; use another --workdir.'
    )
  return False


def _checkpoints(folder: pathlib.Path) -> list[str]:
  """Newest first, by the step in their names.

  The files themselves count, not TensorFlow's list of them, which may be lost.
  """
  found = [path.with_suffix('') for path in folder.glob('ckpt-*.index')]
  found.sort(key=lambda path: int(path.name.split('-')[1]), reverse=True)
  return [str(path) for path in found]


def repair_list(folder: pathlib.Path) -> None:
  """Writes the `checkpoint` file anew where it is lost or unreadable."""
  paths = _checkpoints(folder)[::-1]
  try:
    if tf.train.get_checkpoint_state(str(folder)) or not paths:
      return
  except ValueError as error:
    logging.warning('%s: %s; it is made anew.', folder, error)
  tf.compat.v1.train.update_checkpoint_state(str(folder), paths[-1], paths)


def load_average(model: keras.Model, folder: pathlib.Path) -> keras.Model:
  """Sets a model's weights to the average that training kept.

  Raises:
    UserError: if the folder has no checkpoint.
  """
  weights = WeightVector(model.trainable_variables)
  average = tf.Variable(weights.variable.value)
  checkpoint = tf.train.Checkpoint(average_vector=average)
  if not restore_newest(checkpoint, folder):
    raise UserError(
      f'{folder} has no checkpoint; run --mode=train_{folder.name} first.'
    )
  weights.assign(average)
  model.trainable = False
  return model


def first_line(error) -> str:
  return (
    str(error).strip().splitlines()[0]
    if str(error).strip()
    else (type(error).__name__)
  )
