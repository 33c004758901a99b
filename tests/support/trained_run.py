"""The folder of a miniature run as training leaves it, without its data."""

import itertools
import pathlib
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tests.support.miniature import miniature, random_student, random_teacher
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.saved_config import save_config
from wavenet_tf.learning.trainer import Trainer


class _Batch(NamedTuple):
  levels: np.ndarray


def make(workdir: pathlib.Path, **overrides) -> Config:
  """Writes `config.json` and a checkpoint of teacher and student.

  Args:
    workdir: of the run.
    **overrides: of `miniature`.

  Returns:
    The configuration.
  """
  models = {'teacher': random_teacher, 'student': random_student}
  config = miniature(
    **{
      f'train_{name}__{field}': value
      for name in models
      for field, value in (('steps', 2), ('jit_compile', False))
    },
    **overrides,
  )
  workdir.mkdir(parents=True)
  save_config(config, workdir / 'config.json')
  if not config.student.flow_layers:
    del models['student']
  for name, build in models.items():
    model = build(config)
    settings = getattr(config, f'train_{name}')
    trainer = Trainer(model, _small_weights(model), settings, workdir / name)
    trainer.run(itertools.repeat(_Batch(np.zeros([1, 1], np.int32))))
  return config


def _small_weights(model):
  """An objective that needs no data."""

  def objective(batch, seed, part):
    del batch, seed, part
    squares = [tf.reduce_sum(tf.square(v)) for v in model.trainable_variables]
    return tf.add_n(squares), {}

  return objective
