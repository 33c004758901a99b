"""Exact resume, the guard against NaN, damaged checkpoints, the average."""

import os
import pathlib
import signal
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.learning import TrainingConfig
from wavenet_tf.learning import checkpoints
from wavenet_tf.learning.interruption import Interrupted
from wavenet_tf.learning.trainer import _schedule, Trainer


class Batch(NamedTuple):
  levels: tf.Tensor


def settings(**overrides):
  values = {
    'steps': 12,
    'learning_rate': 0.05,
    'warmup_steps': 3,
    'average_decay': 0.9,
    'checkpoint_every_steps': 4,
    'summary_every_steps': 5,
    'max_bad_steps': 3,
    **overrides,
  }
  return TrainingConfig(**values)


def make_model():
  model = keras.Sequential([
    keras.layers.Dense(5, 'tanh', kernel_initializer='ones', name='first'),
    keras.layers.Dense(1, kernel_initializer='ones', name='last'),
  ], name='model')  # fmt: skip
  model.build((None, 3))
  return model


def objective(model):
  """A regression that draws noise from its seed."""

  def loss_fn(batch, seed, part):
    noise = tf.random.stateless_normal(tf.shape(batch.levels), seed)
    error = model(batch.levels + 0.1 * noise)[:, 0] - batch.levels[:, 0]
    loss = tf.reduce_mean(error**2)
    return loss, {'error': loss}

  return loss_fn


def batches(start_step=0):
  """A pure function of the step, as `dataset.training_batches`."""
  for step in range(start_step, 1000):
    yield Batch(tf.random.stateless_normal([4, 3], [7, step]))


def trainer_in(folder, **overrides):
  model = make_model()
  return Trainer(model, objective(model), settings(**overrides), folder)


def learned(trainer):
  state = trainer._state
  return [
    v.numpy() for v in (*state[:4], state.updates, *trainer._weights.parts)
  ]


def everything(trainer):
  return [*learned(trainer), *(v.numpy() for v in trainer._state)]


def assert_equal(a, b):
  for x, y in zip(everything(a), everything(b), strict=True):
    np.testing.assert_array_equal(x, y)


def test_resumed_training_equals_uninterrupted_bit_for_bit(tmp_path):
  whole = trainer_in(tmp_path / 'whole')
  whole.run(batches())
  assert whole.steps_done == 12
  # The schedule belongs to 12 steps; the interruption comes from outside.
  resumed = trainer_in(tmp_path / 'parts')

  def stop_at(step):
    if step == 4:
      os.kill(os.getpid(), signal.SIGTERM)

  with pytest.raises(Interrupted, match='after step 5 of 12'):
    resumed.run(batches(), stop_at)
  resumed = trainer_in(tmp_path / 'parts')
  resumed.restore()
  assert resumed.steps_done == 5
  resumed.run(batches(5))
  assert resumed.steps_done == 12
  assert_equal(whole, resumed)


def test_ctrl_c_stops_after_a_checkpoint_and_restores_the_handler(tmp_path):
  before = signal.getsignal(signal.SIGINT)
  trainer = trainer_in(tmp_path)

  def interrupted_batches():
    for step, batch in enumerate(batches()):
      if step == 6:
        os.kill(os.getpid(), signal.SIGINT)
      yield batch

  with pytest.raises(Interrupted, match='same command continues'):
    trainer.run(interrupted_batches())
  again = trainer_in(tmp_path)
  again.restore()
  assert again.steps_done == trainer.steps_done == 7
  assert_equal(trainer, again)
  assert signal.getsignal(signal.SIGINT) == before


def test_a_finished_run_does_nothing(tmp_path):
  trainer_in(tmp_path).run(batches())
  again = trainer_in(tmp_path)
  again.restore()
  again.run(iter(()))
  assert again.steps_done == 12


def test_a_weight_that_the_loss_does_not_see_stays(tmp_path):
  model = make_model()
  first, last = model.layers

  def loss_fn(batch, seed, part):
    return tf.reduce_mean(first(batch.levels) ** 2), {}

  Trainer(model, loss_fn, settings(steps=3), tmp_path).run(batches())
  np.testing.assert_array_equal(last.kernel, np.ones([5, 1]))
  assert (first.kernel.numpy() != 1.0).all()


def spoiled(start, stop):
  for step, batch in enumerate(batches()):
    if start <= step < stop:
      batch = Batch(batch.levels * np.nan)
    yield batch


def test_a_bad_step_moves_nothing(tmp_path):
  trainer = trainer_in(tmp_path, steps=1)
  before = learned(trainer)
  trainer.run(spoiled(0, 1))
  for a, b in zip(before, learned(trainer)):
    np.testing.assert_array_equal(a, b)
  assert trainer.steps_done == 1


def test_one_bad_step_is_skipped_and_training_goes_on(tmp_path):
  trainer = trainer_in(tmp_path)
  trainer.run(spoiled(5, 6))
  assert trainer.steps_done == 12
  assert all(np.isfinite(v).all() for v in everything(trainer))
  assert int(trainer._state.skipped_steps) == 1
  assert int(trainer._state.bad_steps) == 0


def test_bad_steps_in_a_row_end_the_run_with_a_sentence(tmp_path):
  trainer = trainer_in(tmp_path / 'teacher', steps=40)
  with pytest.raises(UserError, match=r'teacher: \d+ steps in a row'):
    trainer.run(spoiled(5, 100))
  again = trainer_in(tmp_path / 'teacher', steps=40)
  again.restore()
  assert all(np.isfinite(v).all() for v in everything(again))


def newest_data_file(folder: pathlib.Path) -> pathlib.Path:
  path = tf.train.latest_checkpoint(str(folder))
  return pathlib.Path(f'{path}.data-00000-of-00001')


def flip_a_byte(path):
  blob = bytearray(path.read_bytes())
  blob[len(blob) // 2] ^= 0xFF
  path.write_bytes(bytes(blob))


@pytest.mark.parametrize(
  'damage',
  [
    flip_a_byte,
    lambda path: path.write_bytes(path.read_bytes()[:-200]),
    lambda path: path.write_bytes(b''),
    lambda path: path.unlink(),
  ],
)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
  damage, tmp_path, caplog
):
  trainer_in(tmp_path).run(batches())
  damage(newest_data_file(tmp_path))
  again = trainer_in(tmp_path)
  again.restore()
  assert again.steps_done == 8
  assert 'ckpt-12 cannot be read' in caplog.text
  again.run(batches(8))
  whole = trainer_in(tmp_path / 'whole')
  whole.run(batches())
  assert_equal(whole, again)


@pytest.mark.parametrize(
  'damage', [lambda p: p.unlink(), lambda p: p.write_bytes(b'')]
)
def test_a_lost_list_of_checkpoints_loses_no_checkpoint(damage, tmp_path):
  whole = trainer_in(tmp_path)
  whole.run(batches())
  damage(tmp_path / 'checkpoint')
  again = trainer_in(tmp_path)
  again.restore()
  assert again.steps_done == 12
  assert_equal(whole, again)


def test_no_readable_checkpoint_is_an_error(tmp_path):
  trainer_in(tmp_path).run(batches())
  for path in tmp_path.glob('*.data-*'):
    path.write_bytes(b'')
  with pytest.raises(UserError, match='none of its checkpoints'):
    trainer_in(tmp_path).restore()


def test_load_average_gives_the_average_and_freezes(tmp_path):
  trainer = trainer_in(tmp_path)
  trainer.run(batches())
  model = checkpoints.load_average(make_model(), tmp_path)
  average = trainer._state.average.numpy()
  found = np.concatenate([v.numpy().ravel() for v in model.variables])
  np.testing.assert_array_equal(found, average)
  assert not model.trainable_variables
  assert (trainer._state.weights.numpy() != average).any()


def test_a_model_without_a_checkpoint(tmp_path):
  with pytest.raises(UserError, match='--mode=train_teacher'):
    checkpoints.load_average(make_model(), tmp_path / 'teacher')


def test_schedule_warms_up_and_decays():
  schedule = _schedule(settings(steps=100, warmup_steps=10))
  rates = [float(schedule(step)) for step in range(101)]
  assert rates[0] < 0.2 * 0.05
  assert max(rates) == pytest.approx(0.05, rel=1e-3)
  assert rates[-1] == pytest.approx(0.1 * 0.05, rel=1e-3)
  assert int(np.argmax(rates)) == 10
  constant = _schedule(settings(steps=100, final_learning_rate_share=1.0))
  assert float(constant(99)) == pytest.approx(0.05)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
