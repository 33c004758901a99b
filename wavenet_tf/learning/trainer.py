"""One loop for every model: steps, checkpoints, summaries, exact resume.

Everything that a step depends on is either in the checkpoint (weights,
optimizer, average, step) or a function of the step (data position, noise), so
that interrupted and resumed training equals uninterrupted training bit for
bit.
"""

from collections.abc import Callable, Iterable, Sequence
import functools
import pathlib

from absl import logging
import keras
import tensorflow as tf
import tqdm

from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.learning import TrainingConfig
from wavenet_tf.learning import checkpoints
from wavenet_tf.learning.dividing.gradient import BatchGradient
from wavenet_tf.learning.dividing.replicas import ALONE, Replicas
from wavenet_tf.learning.interruption import Interrupted, stop_on_signal
from wavenet_tf.learning.progress import (
  postfix,
  Speed,
  StepResult,
  write_scalars,
)
from wavenet_tf.networks.weights import WeightVector

_READ_METRICS_EVERY_STEPS = 10


class Trainer:
  """Adam, gradient clipping, a weight average, and a guard against NaN.

  Args:
    model: owns the variables that are trained; set before the trainer is made.
    loss_fn: (batch, seed int32 [2], part) -> (loss, metrics), of the rows of a
      `parts.Part` of the batch; pure.
    training: schedule and rhythm.
    folder: for checkpoints and TensorBoard summaries.
    replicas: devices that share each batch; the number of parts, theirs times
      `training.microbatches`, divides its rows.
    frozen: other models that the loss reads; named where replicas are several.

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
    replicas: Replicas = ALONE,
    frozen: Sequence[keras.Model] = (),
  ):
    _check_parts(training, replicas, folder)
    self._replicas = replicas
    self._training = training
    self._folder = folder
    self._weights = WeightVector(model.trainable_variables)
    self._optimizer = keras.optimizers.Adam(_schedule(training))
    self._optimizer.build([self._weights.variable])
    updates, first_moment, second_moment = self._optimizer.variables
    self._state = checkpoints.TrainingState(
      weights=self._weights.variable.value,
      first_moment=first_moment.value,
      second_moment=second_moment.value,
      average=tf.Variable(self._weights.variable.value),
      step=tf.Variable(0, dtype=tf.int64),
      updates=updates.value,
      bad_steps=tf.Variable(0, dtype=tf.int64),
      skipped_steps=tf.Variable(0, dtype=tf.int64),
    )
    self._gradient = BatchGradient(
      loss_fn,
      self._weights,
      training,
      replicas,
      sum((m.variables for m in frozen), model.non_trainable_variables),
    )
    compiled = functools.partial(
      tf.function, jit_compile=training.jit_compile, autograph=False
    )
    if replicas.is_distributed:
      self._update = compiled(self._update)
      self._compiled_step = tf.function(self._take_step, autograph=False)
    else:
      self._compiled_step = compiled(self._take_step)

  @property
  def steps_done(self) -> int:
    return int(self._state.step)

  def restore(self) -> None:
    """Continues from the newest checkpoint that can be read, if any."""
    checkpoints.restore(self._folder, self._state, self._weights)
    self._replicas.check_equal(self.steps_done, str(self._folder))
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
      Interrupted: on SIGINT or SIGTERM of any worker, after a checkpoint.
      UserError: after `max_bad_steps` steps without a finite gradient, or where
        another worker is gone.
    """
    training = self._training
    if self.steps_done >= training.steps:
      return
    chief = self._replicas.is_chief
    writer = tf.summary.create_noop_writer()
    if chief:
      writer = tf.summary.create_file_writer(str(self._folder))
    progress = tqdm.tqdm(
      total=training.steps,
      initial=self.steps_done,
      desc=self._folder.name,
      unit='step',
      disable=not chief,
    )
    with (
      writer.as_default(),
      stop_on_signal() as stopping,
      progress,
      self._replicas.without_a_worker(str(self._folder)),
    ):
      speed = Speed()
      for batch in batches:
        result = self._compiled_step(batch)
        progress.update()
        step = self.steps_done
        stop = self._replicas.any(stopping())
        last = step >= training.steps or stop
        summarize = last or step % training.summary_every_steps == 0
        if summarize or step % _READ_METRICS_EVERY_STEPS == 0:
          self._check(result)
          rate = speed.samples_per_second(step, batch)
          progress.set_postfix_str(postfix(result, rate))
        if summarize:
          write_scalars(result, rate, step)
        if last or step % training.checkpoint_every_steps == 0:
          if chief:
            checkpoints.save(self._folder, self._state, self._weights)
            if not stop:
              on_checkpoint(step)
          speed = Speed()  # Saving and listening are not training.
        if last:
          break
      if stop:
        raise Interrupted(
          f'Stopped after step {step} of {training.steps}, saved; the same '
          'command continues there.'
        )

  def _take_step(self, batch):
    state = self._state
    seed = tf.stack(
      [tf.cast(self._training.seed, tf.int32), tf.cast(state.step, tf.int32)]
    )
    weights = tf.convert_to_tensor(self._weights.variable.value)
    return self._update(*self._gradient(weights, batch, seed))

  def _update(self, loss, metrics, gradient):
    state = self._state
    [gradient], norm = tf.clip_by_global_norm(
      [gradient], self._training.clip_norm
    )
    finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
    # A bad step moves nothing, neither weights nor moments nor average.
    tf.cond(finite, lambda: self._apply(gradient), lambda: None)
    one = tf.constant(1, tf.int64)
    bad = tf.where(finite, 0 * one, one)
    state.bad_steps.assign(bad * (state.bad_steps + 1))
    state.skipped_steps.assign_add(bad)
    state.step.assign_add(1)
    return StepResult(
      loss,
      norm,
      state.bad_steps.read_value(),
      state.skipped_steps.read_value(),
      metrics,
    )

  def _apply(self, gradient):
    weights, average = self._weights.variable, self._state.average
    self._optimizer.apply([gradient], [weights])
    self._weights.assign(weights.value)
    # Early on the average follows quickly, so that it forgets the start.
    steps = tf.cast(self._state.step, tf.float32)
    decay = tf.minimum(
      self._training.average_decay, (1.0 + steps) / (10.0 + steps)
    )
    average.assign(decay * average + (1.0 - decay) * weights.value)

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


def _check_parts(training, replicas, folder):
  parts = replicas.count * training.microbatches
  if training.batch_size % parts:
    raise UserError(
      f'train_{folder.name}.batch_size: found {training.batch_size}, expected '
      f'a multiple of {parts}, {replicas.count} replicas of '
      f'{training.microbatches} microbatches each.'
    )


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
