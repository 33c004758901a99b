"""Recordings in, a served voice out: flags and dispatch, one function a mode.

  python train_main.py                       # the bundled corpus, preset tiny
  python train_main.py --preset=small --data_dir=recordings --workdir=runs/voice
  python train_main.py --mode=generate --workdir=runs/voice --input=a.wav
"""

import dataclasses
import functools
import os
import pathlib
import sys
from typing import Callable, NamedTuple

# TensorFlow's start-up remarks would bury the first line a user should read.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

# pylint: disable=g-import-not-at-top,wrong-import-position
from absl import app
from absl import flags
from absl import logging
from ml_collections import config_flags

from data import dataset
from data import preparation
from data import shards
from wavenet_tf import config as config_lib
from wavenet_tf import losses
from wavenet_tf import training
from wavenet_tf.config import Config, UserError
from wavenet_tf.student import build_student
from wavenet_tf.teacher import build_teacher
# pylint: enable=g-import-not-at-top,wrong-import-position

_SAMPLE_CORPUS = pathlib.Path(__file__).parent / 'data' / 'sample'

FLAGS = flags.FLAGS
flags.DEFINE_enum('mode', 'all', [
    'all', 'prepare', 'train_teacher', 'train_student', 'generate', 'evaluate',
    'export'], 'What to do; `all` does everything in order.')
flags.DEFINE_string('workdir', 'runs/demo', 'Folder of the run.')
flags.DEFINE_enum('preset', None, list(config_lib.PRESETS),
                  'Configuration to start from. [tiny]')
flags.DEFINE_string('data_dir', None,
                    'Folder of recordings. [the bundled corpus]')
config_flags.DEFINE_config_dataclass('config', Config(),
                                     'Override any field of the preset.')


class Run(NamedTuple):
  """What every mode is given."""

  config: Config
  workdir: pathlib.Path

  @property
  def data(self) -> pathlib.Path:
    return self.workdir / 'data'

  @functools.cache
  def manifest(self):
    return shards.read_manifest(self.data, self.config.audio)


def prepare(run: Run) -> None:
  data_dir = pathlib.Path(FLAGS.data_dir or _SAMPLE_CORPUS)
  if (run.data / shards.MANIFEST).exists():
    return
  preparation.prepare(run.config, data_dir, run.data)


def _batches(run, training_config, start_step):
  manifest = shards.read_manifest(run.data, run.config.audio)
  return dataset.training_batches(
      run.data, manifest, run.config.audio,
      batch_size=training_config.batch_size,
      crop_samples=training_config.crop_samples,
      shuffle_utterances=run.config.data.shuffle_utterances,
      seed=training_config.seed, start_step=start_step)


def train_teacher(run: Run) -> None:
  teacher = build_teacher(run.config)
  trainer = training.Trainer(teacher, losses.teacher_objective(teacher),
                             run.config.train_teacher, run.workdir / 'teacher')
  trainer.restore()
  trainer.run(_batches(run, run.config.train_teacher, trainer.steps_done))


def train_student(run: Run) -> None:
  teacher = training.load_average(build_teacher(run.config),
                                  run.workdir / 'teacher')
  student = build_student(run.config)
  trainer = training.Trainer(
      student,
      losses.student_objective(teacher, student, run.config.distillation),
      run.config.train_student, run.workdir / 'student')
  trainer.restore()
  trainer.run(_batches(run, run.config.train_student, trainer.steps_done))


_MODES = {'prepare': prepare, 'train_teacher': train_teacher,
          'train_student': train_student}


def main(argv):
  del argv
  overrides = config_flags.get_override_values(FLAGS['config'])
  config = config_lib.override(config_lib.preset(FLAGS.preset or 'tiny'),
                               overrides)
  config_lib.validate(config)
  workdir = pathlib.Path(FLAGS.workdir)
  workdir.mkdir(parents=True, exist_ok=True)
  run = Run(config, workdir)
  _MODES[FLAGS.mode](run)


if __name__ == '__main__':
  app.run(main)
