"""What a run's folder holds: its configuration, and models as trained."""

import os
import pathlib

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of
from wavenet_tf.configuration.saved_config import load_config
from wavenet_tf.learning.checkpoints import load_average
from wavenet_tf.networks.student import build_student, Student
from wavenet_tf.networks.teacher import build_teacher, Teacher

TEACHER, STUDENT = 'teacher', 'student'


def load_config_of(workdir: str | os.PathLike) -> Config:
  """The configuration of a run's folder.

  Raises:
    UserError: if the folder holds no run.
  """
  path = path_of(workdir, 'config.json')
  if not path.exists():
    raise UserError(
      f'{path} does not exist; name the folder of a run that was trained.'
    )
  return load_config(path)


def load_teacher(config: Config, workdir: pathlib.Path) -> Teacher:
  """With its final weights, which nothing trains any more.

  Raises:
    UserError: if it was not trained.
  """
  return load_average(build_teacher(config), workdir / TEACHER)


def load_student(config: Config, workdir: pathlib.Path) -> Student:
  """As `load_teacher`."""
  return load_average(build_student(config), workdir / STUDENT)
