"""Devices that share a batch, compiled; what is said where one lacks."""

import dataclasses
import multiprocessing
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from data.shards.crops import Batch
from tests.support.miniature import miniature, random_teacher
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.learning.dividing.replicas import ALONE, Replicas, replicas_of
from wavenet_tf.learning.objectives import teacher_objective
from wavenet_tf.learning.trainer import Trainer

ROWS = 4
HERE = pathlib.Path('run')


def make_batch(config):
  generator = np.random.default_rng(0)
  samples = config.train_teacher.crop_samples
  frames = samples // config.audio.hop_samples + 2 * MARGIN_FRAMES
  features = generator.normal(-5, 2, [ROWS, frames, config.local_channels])
  return Batch(
    tf.constant(generator.normal(0, 2000, [ROWS, samples]), tf.int32),
    tf.constant(features, tf.float32),
    tf.zeros([ROWS, 0], tf.int32),
    tf.zeros([ROWS, 0], tf.float32),
  )


def after_two_steps(replicas, **settings):
  """Weights, and the moment that is a mean of both gradients."""
  config = miniature(teacher__cycles=1)
  teacher = random_teacher(config)
  training = dataclasses.replace(
    config.train_teacher, batch_size=ROWS, warmup_steps=1, **settings
  )
  trainer = Trainer(
    teacher, teacher_objective(teacher), training, HERE, replicas
  )
  assert training.jit_compile
  for _ in range(2):
    trainer._compiled_step(make_batch(config))
  return trainer._state.weights.numpy(), trainer._state.first_moment.numpy()


def distances_of_two_devices():
  """From what one finds, both compiled, relative to its norm."""
  tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices('CPU')[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
  )
  tf.config.set_visible_devices([], 'GPU')
  replicas = replicas_of('mirrored')
  assert replicas.count == 2
  two = after_two_steps(replicas, microbatches=2, recompute=True)
  one = after_two_steps(ALONE)
  return [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(two, one)]


def test_compiled_parts_of_two_devices_take_the_step_of_one():
  """Each device has two microbatches and computes its blocks again."""
  # A process has the devices that it began with.
  with multiprocessing.get_context('spawn').Pool(1) as pool:
    weights, gradients = pool.apply(distances_of_two_devices)
  print(f'Weights differ by {weights:.1e}, gradients by {gradients:.1e}.')
  assert weights < 1e-5
  assert gradients < 1e-5


@pytest.mark.parametrize('name', [None, '', 'local'])
def test_no_tpu(name, monkeypatch):
  """Said at once: nothing but a name in `TPU_NAME` asks the network."""
  monkeypatch.delenv('TPU_NAME', raising=False)
  if name is not None:
    monkeypatch.setenv('TPU_NAME', name)
  with pytest.raises(UserError, match='--distribute=tpu: found no TPU local'):
    replicas_of('tpu')


@pytest.mark.parametrize('error', [OSError, ValueError, RuntimeError])
def test_no_tpu_of_that_name(error, monkeypatch):
  """What asking the cloud raises, without asking it."""

  def resolver(name):
    raise error(f'{name} is unknown')

  monkeypatch.setenv('TPU_NAME', 'ours')
  monkeypatch.setattr(
    tf.distribute.cluster_resolver, 'TPUClusterResolver', resolver
  )
  with pytest.raises(UserError, match=r'no TPU ours \(ours is unknown\)'):
    replicas_of('tpu')


class OfTwo(Replicas):
  """One of two workers, that is told what the mean over both is."""

  def __init__(self, other_step=0):
    super().__init__(workers=2)
    self._other = [other_step, other_step**2]

  def _mean_of_workers(self, numbers):
    return tf.constant(np.mean([numbers, self._other], 0), tf.float64)


def test_workers_begin_at_the_same_step():
  OfTwo(other_step=10**7 + 1).check_equal(10**7 + 1, 'run')
  with pytest.raises(UserError, match=r'run: found .* here of step 10'):
    OfTwo(other_step=0).check_equal(10, 'run')
  with pytest.raises(UserError, match='different steps'):
    OfTwo(other_step=10**7).check_equal(10**7 + 1, 'run')


@pytest.mark.parametrize(
  ('error', 'raised'),
  [
    (tf.errors.UnavailableError, UserError),
    (tf.errors.AbortedError, UserError),
    (tf.errors.CancelledError, UserError),
    (tf.errors.InternalError, UserError),
    (tf.errors.DeadlineExceededError, UserError),
    (tf.errors.ResourceExhaustedError, tf.errors.ResourceExhaustedError),
    (tf.errors.InvalidArgumentError, tf.errors.InvalidArgumentError),
    (tf.errors.DataLossError, tf.errors.DataLossError),
  ],
)
def test_not_every_error_is_a_worker_that_is_gone(error, raised):
  with pytest.raises(raised), OfTwo().without_a_worker('run'):
    raise error(None, None, 'words')
  with pytest.raises(error), ALONE.without_a_worker('run'):
    raise error(None, None, 'words')


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
