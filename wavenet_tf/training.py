"""One loop for every model: steps, checkpoints, summaries, exact resume.

Everything that a step depends on is either in the checkpoint (weights,
optimizer, average, step) or a function of the step (data position, noise), so
that interrupted and resumed training equals uninterrupted training bit for
bit.
"""

from collections.abc import Callable, Iterable
import contextlib
import pathlib
import shutil
import signal
import time
from typing import NamedTuple

from absl import logging
import keras
import tensorflow as tf
import tqdm

from wavenet_tf.config import TrainingConfig, UserError
from wavenet_tf.weights import WeightVector

_KEPT_CHECKPOINTS = 3
_READ_METRICS_EVERY_STEPS = 10


class Interrupted(Exception):
  """Training stopped on a signal, after a checkpoint."""


class StepResult(NamedTuple):
  """What a compiled step returns, scalars."""

  loss: tf.Tensor
  gradient_norm: tf.Tensor
  bad_steps: tf.Tensor  # in a row
  skipped_steps: tf.Tensor  # in all
  metrics: dict[str, tf.Tensor]


class Trainer:
  """Adam, gradient clipping, a weight average, and a guard against NaN.

  Args:
    model: owns the variables that are trained; set before the trainer is made.
    loss_fn: (batch, seed int32 [2]) -> (loss, metrics); pure.
    training: schedule and rhythm.
    folder: for checkpoints and TensorBoard summaries.

  Example:
    ```python
    trainer = Trainer(teacher, loss_fn, config.train_teacher, folder)
    trainer.restore()
    trainer.run(batches(start_step=trainer.steps_done))
    ```
  """

  def __init__(
    self,
    model: keras.Model,
    loss_fn: Callable,
    training: TrainingConfig,
    folder: pathlib.Path,
  ):
    self._loss_fn = loss_fn
    self._training = training
    self._folder = folder
    self._weights = WeightVector(model.trainable_variables)
    self._optimizer = keras.optimizers.Adam(_schedule(training))
    self._optimizer.build([self._weights.variable])
    self._average = tf.Variable(self._weights.variable.value)
    self._step = tf.Variable(0, dtype=tf.int64)
    self._bad_steps = tf.Variable(0, dtype=tf.int64)
    self._skipped_steps = tf.Variable(0, dtype=tf.int64)
    self._checkpoint = tf.train.Checkpoint(
      weight_vector=self._weights.variable.value,
      optimizer=[v.value for v in self._optimizer.variables],
      average_vector=self._average,
      step=self._step,
      bad_steps=self._bad_steps,
      skipped_steps=self._skipped_steps,
    )
    _repair_list_of_checkpoints(folder)
    self._manager = tf.train.CheckpointManager(
      self._checkpoint, str(folder), _KEPT_CHECKPOINTS
    )
    self._compiled_step = tf.function(
      self._take_step, jit_compile=training.jit_compile, autograph=False
    )

  @property
  def steps_done(self) -> int:
    return int(self._step)

  def restore(self) -> None:
    """Continues from the newest checkpoint that can be read, if any."""
    restore_newest(self._checkpoint, self._folder)
    self._weights.assign(self._weights.variable.value)

  def run(
    self,
    batches: Iterable,
    on_checkpoint: Callable[[int], None] = lambda step: None,
  ) -> None:
    """Trains until `training.steps`, saving as it goes.

    Args:
      batches: continues at `steps_done`.
      on_checkpoint: called with the step after each save, within the summary
        writer.

    Raises:
      Interrupted: on SIGINT or SIGTERM, after a checkpoint.
      UserError: after `max_bad_steps` steps without a finite gradient.
    """
    training = self._training
    if self.steps_done >= training.steps:
      return
    writer = tf.summary.create_file_writer(str(self._folder))
    progress = tqdm.tqdm(
      total=training.steps,
      initial=self.steps_done,
      desc=self._folder.name,
      unit='step',
    )
    with writer.as_default(), _stop_on_signal() as stopping, progress:
      speed = _Speed()
      for batch in batches:
        result = self._compiled_step(batch)
        progress.update()
        step = self.steps_done
        last = step >= training.steps or stopping()
        summarize = last or step % training.summary_every_steps == 0
        if summarize or step % _READ_METRICS_EVERY_STEPS == 0:
          self._check(result)
          rate = speed.samples_per_second(step, batch)
          progress.set_postfix_str(_postfix(result, rate))
        if summarize:
          _write_scalars(result, rate, step)
        if last or step % training.checkpoint_every_steps == 0:
          self._save()
          if not stopping():
            on_checkpoint(step)
          speed = _Speed()  # Saving and listening are not training.
        if last:
          break
      if stopping():
        raise Interrupted(
          f'Stopped after step {step} of {training.steps}, saved; the same '
          'command continues there.'
        )

  def _take_step(self, batch):
    seed = tf.stack(
      [tf.cast(self._training.seed, tf.int32), tf.cast(self._step, tf.int32)]
    )
    with tf.GradientTape() as tape:
      loss, metrics = self._loss_fn(batch, seed)
    # A weight that the loss does not see stays as it is.
    gradients = tape.gradient(
      loss, self._weights.parts, unconnected_gradients='zero'
    )
    gradient = self._weights.join(gradients)
    [gradient], norm = tf.clip_by_global_norm(
      [gradient], self._training.clip_norm
    )
    finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
    # A bad step moves nothing, neither weights nor moments nor average.
    tf.cond(finite, lambda: self._apply(gradient), lambda: None)
    one = tf.constant(1, tf.int64)
    bad = tf.where(finite, 0 * one, one)
    self._bad_steps.assign(bad * (self._bad_steps + 1))
    self._skipped_steps.assign_add(bad)
    self._step.assign_add(1)
    return StepResult(
      loss,
      norm,
      self._bad_steps.read_value(),
      self._skipped_steps.read_value(),
      metrics,
    )

  def _apply(self, gradient):
    weights = self._weights.variable
    self._optimizer.apply([gradient], [weights])
    self._weights.assign(weights.value)
    # Early on the average follows quickly, so that it forgets the start.
    steps = tf.cast(self._step, tf.float32)
    decay = tf.minimum(
      self._training.average_decay, (1.0 + steps) / (10.0 + steps)
    )
    self._average.assign(decay * self._average + (1.0 - decay) * weights.value)

  def _check(self, result):
    bad = int(result.bad_steps)
    if bad:
      logging.warning(
        'Step %d: %d steps in a row without a finite gradient, each skipped.',
        self.steps_done,
        bad,
      )
    if bad >= self._training.max_bad_steps:
      raise UserError(
        f'{self._folder.name}: {bad} steps in a row had no finite gradient; '
        'the last checkpoint is intact. Look for damaged recordings, or start '
        'in another --workdir with a lower learning_rate or clip_norm.'
      )

  def _save(self):
    try:
      self._manager.save(self.steps_done)
    except (OSError, tf.errors.OpError) as error:
      for unfinished in self._folder.glob('*_temp'):
        shutil.rmtree(unfinished, ignore_errors=True)
      raise UserError(
        f'{self._folder}: a checkpoint cannot be written '
        f'({_first_line(error)}); free some space and run the '
        'same command again.'
      ) from error


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
        _first_line(error),
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


def _repair_list_of_checkpoints(folder: pathlib.Path) -> None:
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


def _schedule(training: TrainingConfig):
  """Linear warm-up, then a cosine to the final share (1 keeps it constant)."""
  warmup = min(training.warmup_steps, training.steps - 1)
  return keras.optimizers.schedules.CosineDecay(
    initial_learning_rate=training.learning_rate / max(warmup, 1),
    decay_steps=max(training.steps - warmup, 1),
    alpha=training.final_learning_rate_share,
    warmup_target=training.learning_rate,
    warmup_steps=warmup,
  )


class _Speed:
  """Samples per second since it was made, ignoring the first reading."""

  def __init__(self):
    self._first = None

  def samples_per_second(self, step, batch) -> float:
    now = time.monotonic()
    if self._first is None:
      self._first = step, now
    steps = step - self._first[0]
    elapsed = now - self._first[1]
    samples = tf.size(batch.levels).numpy()
    return steps * samples / elapsed if steps else 0.0


def _postfix(result: StepResult, rate: float) -> str:
  text = f'loss {float(result.loss):.3f}'
  if rate:
    text += f', {rate:,.0f} samples/s'
  skipped = int(result.skipped_steps)
  return text + (f', {skipped} steps skipped' if skipped else '')


def _write_scalars(result: StepResult, rate: float, step: int) -> None:
  tf.summary.scalar('loss', result.loss, step)
  tf.summary.scalar('gradient_norm', result.gradient_norm, step)
  tf.summary.scalar('samples_per_second', rate, step)
  tf.summary.scalar('skipped_steps', result.skipped_steps, step)
  for name, value in result.metrics.items():
    tf.summary.scalar(name, value, step)


@contextlib.contextmanager
def _stop_on_signal():
  """Turns SIGINT and SIGTERM into a request to stop after the step."""
  received = []
  signals = (signal.SIGINT, signal.SIGTERM)
  previous = {
    s: signal.signal(s, lambda number, _: received.append(number))
    for s in signals
  }
  try:
    yield lambda: bool(received)
  finally:
    for number, handler in previous.items():
      signal.signal(number, handler)


def _first_line(error) -> str:
  return (
    str(error).strip().splitlines()[0]
    if str(error).strip()
    else (type(error).__name__)
  )
