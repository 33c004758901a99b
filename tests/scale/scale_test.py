"""Several devices and several workers against one process."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

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
  'teacher__cycles': 1,
  'teacher__layers_per_cycle': 2,
  'student__flow_layers': (2,),
  'train_teacher__steps': STEPS,
  'train_student__steps': STEPS,
  'train_teacher__batch_size': 4,
  'train_student__batch_size': 4,
  'train_teacher__checkpoint_every_steps': 10,
  'train_teacher__jit_compile': False,
  'train_student__jit_compile': False,
  'distillation__stft_weight': 1.0,
  'distillation__contrastive_weight': 0.1,
}
SECONDS = 300
GPUS = os.environ.get('CUDA_VISIBLE_DEVICES', '').split(',')


def trained_alone(root, **fields):
  """The folder of `run`, and of `prepared`, the same before it was trained."""
  write_corpus(root / 'corpus')
  program.run(
    root / 'run',
    '--mode=prepare',
    f'--data_dir={root / "corpus"}',
    *program.flags_of_miniature(**fields),
  )
  shutil.copytree(root / 'run', root / 'prepared')
  for mode in TEACHER, STUDENT:
    program.run(root / 'run', mode)
  return root


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
  """A run that one process trained."""
  return trained_alone(tmp_path_factory.mktemp('alone'), **FIELDS)


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


def start_workers(workdir, *flags, dies=1, dies_after=None, other_workdir=None):
  """Two workers on this machine; one may die, the second see other files."""
  addresses = []
  for _ in range(2):
    with socket.socket() as free:
      free.bind(('localhost', 0))
      addresses.append(f'localhost:{free.getsockname()[1]}')
  for i in range(2):
    task = {'type': 'worker', 'index': i}
    described = {'cluster': {'worker': addresses}, 'task': task}
    environment = {'TF_CONFIG': json.dumps(described)}
    if len(GPUS) > 1:
      environment['CUDA_VISIBLE_DEVICES'] = GPUS[i]
    if i == dies and dies_after:
      environment['DIES_AFTER'] = str(dies_after)
    folder = other_workdir if i and other_workdir else workdir
    yield start(folder, *flags, '--distribute=multi_worker', **environment)


def end(processes, status=0):
  found = []
  for process in processes:
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == status, errors
    found.append(errors)
  return found


def mirrored(workdir, mode):
  end([start(workdir, mode, '--distribute=mirrored', CPUS='2')])


def files(folder):
  return {
    path.relative_to(folder): path.stat().st_mtime_ns
    for path in folder.rglob('*')
    # What each worker has compared, it remembers.
    if path.is_file() and path.name != 'data.verified.json'
  }


def on_two_workers_of_which_one_writes(workdir, mode):
  """The other one begins with the same files, and leaves them."""
  other = workdir.with_name('other')
  shutil.copytree(workdir, other)
  before = files(other)
  end(list(start_workers(workdir, mode, other_workdir=other)))
  assert files(other) == before


def distance(workdir, alone, model):
  """Of weights after all steps, relative to the norm of those of `alone`."""
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
  return np.linalg.norm(a - b) / np.linalg.norm(b)


def assert_same_weights(workdir, alone, model):
  found = distance(workdir, alone, model)
  print(f'{model}: weights differ by {found:.1e} of their norm.')
  assert found < 1e-5


@pytest.mark.parametrize(
  ('train', 'mode'),
  [
    (mirrored, TEACHER),
    (mirrored, STUDENT),
    (on_two_workers_of_which_one_writes, STUDENT),
  ],
)
def test_several_take_the_steps_of_one(train, mode, workdir, alone):
  """All terms of a student; a teacher on workers is below."""
  model = mode.removeprefix('--mode=train_')
  if mode == STUDENT:
    shutil.copytree(alone / 'run' / 'teacher', workdir / 'teacher')
  train(workdir, mode)
  assert_same_weights(workdir, alone, model)
  assert len(list((workdir / model).glob('events.*'))) == 1


def test_of_three_flows_devices_round_as_parts_do(tmp_path):
  """It is rounding that grows: no more than in one process, in parts."""
  alone = trained_alone(tmp_path, **FIELDS | {'student__flow_layers': (2,) * 3})
  folders = [tmp_path / name for name in ('devices', 'parts')]
  for folder in folders:
    shutil.copytree(alone / 'prepared', folder)
    shutil.copytree(alone / 'run' / 'teacher', folder / 'teacher')
  mirrored(folders[0], STUDENT)
  program.run(folders[1], STUDENT, '--config.train_student.microbatches=2')
  devices, parts = (distance(f, alone, 'student') for f in folders)
  print(f'Two devices differ by {devices:.1e}, two parts by {parts:.1e}.')
  assert devices < 10 * parts


@pytest.mark.parametrize('dies', [0, 1])
def test_a_worker_that_dies_ends_all_and_another_number_goes_on(
  dies, workdir, alone
):
  """Two workers to step 12, from their checkpoint at 10 one process."""
  processes = list(start_workers(workdir, TEACHER, dies=dies, dies_after=12))
  dead = processes.pop(dies)
  [errors] = end(processes, status=1)
  assert 'another worker is gone' in errors
  assert 'Traceback' not in errors
  end([dead], status=-signal.SIGKILL)
  assert checkpoints.newest_step(workdir / 'teacher') == 10
  program.run(workdir, TEACHER)
  assert_same_weights(workdir, alone, 'teacher')


def test_what_one_began_two_finish(workdir, alone):
  """One process to step 10, from its checkpoint two workers."""
  end([start(workdir, TEACHER, DIES_AFTER='12')], status=-signal.SIGKILL)
  assert checkpoints.newest_step(workdir / 'teacher') == 10
  end(list(start_workers(workdir, TEACHER)))
  assert_same_weights(workdir, alone, 'teacher')


def test_a_signal_to_one_worker_stops_all(workdir, alone):
  processes = list(
    start_workers(workdir, TEACHER, '--config.train_teacher.steps=100000')
  )
  newest = workdir / 'teacher' / 'ckpt-10.index'
  while not newest.exists():
    assert all(process.poll() is None for process in processes)
    time.sleep(0.1)
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
