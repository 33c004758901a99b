"""Several devices and several workers against one process."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.support import program
from tests.support.recordings import write_corpus
from wavenet_tf.learning import checkpoints

pytestmark = [pytest.mark.large]
WORKER = 'tests.scale.worker'
STEPS = 20
TEACHER = '--mode=train_teacher'
STUDENT = '--mode=train_student'
FIELDS = {
  'train_teacher.steps': STEPS,
  'train_student.steps': STEPS,
  'train_teacher.batch_size': 4,
  'train_student.batch_size': 4,
  'train_teacher.checkpoint_every_steps': 5,
  'train_teacher.jit_compile': False,
  'train_student.jit_compile': False,
  'distillation.stft_weight': 1.0,
  'distillation.contrastive_weight': 0.1,
}
SECONDS = 300


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
  """A run that one process trained."""
  root = tmp_path_factory.mktemp('alone')
  write_corpus(root / 'corpus')
  fields = [f'--config.{name}={value}' for name, value in FIELDS.items()]
  program.run(
    root / 'run',
    '--mode=prepare',
    f'--data_dir={root / "corpus"}',
    *program.flags_of_miniature(),
    *fields,
  )
  shutil.copytree(root / 'run', root / 'prepared')
  for mode in TEACHER, STUDENT:
    program.run(root / 'run', mode)
  return root


@pytest.fixture
def workdir(alone, tmp_path):
  return shutil.copytree(alone / 'prepared', tmp_path / 'run')


def start(workdir, *flags, **environment):
  return subprocess.Popen(
    [sys.executable, '-m', WORKER, f'--workdir={workdir}', *flags],
    env={**os.environ, **environment},
    cwd=program.ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )  # fmt: skip


def start_workers(workdir, *flags, dies_after=None):
  """Two workers on this machine; the second may die."""
  addresses = []
  for _ in range(2):
    with socket.socket() as free:
      free.bind(('localhost', 0))
      addresses.append(f'localhost:{free.getsockname()[1]}')
  for i in range(2):
    task = {'type': 'worker', 'index': i}
    described = {'cluster': {'worker': addresses}, 'task': task}
    environment = {'TF_CONFIG': json.dumps(described)}
    if i and dies_after:
      environment['DIES_AFTER'] = str(dies_after)
    flags = [*flags, '--distribute=multi_worker']
    yield start(workdir, *flags, **environment)


def end(processes, status=0):
  found = []
  for process in processes:
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == status, errors
    found.append(errors)
  return found


def mirrored(workdir, mode):
  end([start(workdir, mode, '--distribute=mirrored', CPUS='2')])


def on_two_workers(workdir, mode):
  end(list(start_workers(workdir, mode)))


def assert_same_weights(workdir, alone, model):
  ours, theirs = (
    tf.train.load_checkpoint(str(folder / model / f'ckpt-{STEPS}'))
    for folder in (workdir, alone / 'run')
  )
  names = [n for n in ours.get_variable_to_shape_map() if n[:8] == 'weights/']
  assert names
  a, b = (
    np.concatenate([reader.get_tensor(n).ravel() for n in names])
    for reader in (ours, theirs)
  )
  assert np.linalg.norm(a - b) < 1e-5 * np.linalg.norm(b)


@pytest.mark.parametrize('train', [mirrored, on_two_workers])
@pytest.mark.parametrize('mode', [TEACHER, STUDENT])
def test_several_take_the_steps_of_one(mode, train, workdir, alone):
  model = mode.removeprefix('--mode=train_')
  if mode == STUDENT:
    shutil.copytree(alone / 'run' / 'teacher', workdir / 'teacher')
  train(workdir, mode)
  assert_same_weights(workdir, alone, model)
  # One of them wrote.
  assert len(list((workdir / model).glob('events.*'))) == 1


def test_another_number_of_workers_goes_on(workdir, alone):
  """One to step 5, two devices to 10, two workers to 20."""
  (workdir / 'teacher').mkdir()
  for path in (alone / 'run' / 'teacher').glob('ckpt-10.*'):
    shutil.copy(path, workdir / 'teacher')
  on_two_workers(workdir, TEACHER)
  assert_same_weights(workdir, alone, 'teacher')


def test_a_worker_that_dies_ends_all_and_the_same_command_goes_on(
  workdir, alone
):
  chief, other = start_workers(workdir, TEACHER, dies_after=12)
  [errors] = end([chief], status=1)
  assert 'another worker is gone' in errors
  assert 'Traceback' not in errors
  assert other.wait() == -signal.SIGKILL
  assert checkpoints.newest_step(workdir / 'teacher') == 10
  on_two_workers(workdir, TEACHER)
  assert_same_weights(workdir, alone, 'teacher')


def test_a_signal_to_one_worker_stops_all(workdir, alone):
  """And what it saved is where they go on."""
  processes = list(
    start_workers(workdir, TEACHER, '--config.train_teacher.steps=100000')
  )
  newest = workdir / 'teacher' / 'ckpt-5.index'
  while not newest.exists():
    assert all(process.poll() is None for process in processes)
  processes[1].terminate()
  for errors in end(processes, status=130):
    assert 'the same command continues' in errors


@pytest.mark.parametrize(
  'described', ['', '{"cluster": {"worker": ["a:1"]}}', '7']
)
def test_workers_need_to_know_of_each_other(described, workdir, monkeypatch):
  monkeypatch.setenv('TF_CONFIG', described)
  done = program.run(workdir, TEACHER, '--distribute=multi_worker', expect=1)
  assert 'TF_CONFIG lists no workers' in done.stderr


def test_workers_only_train(workdir):
  done = program.run(
    workdir, '--mode=evaluate', '--distribute=multi_worker', expect=1
  )
  assert 'found --mode=evaluate, expected one of train_teacher' in done.stderr


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
