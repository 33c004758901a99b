"""What a person sees of a training: its rate, its progress, its curves."""

import time
from typing import Any, NamedTuple

import tensorflow as tf


class StepResult(NamedTuple):
  """What a compiled step returns, scalars."""

  loss: tf.Tensor
  gradient_norm: tf.Tensor
  bad_steps: tf.Tensor  # in a row
  skipped_steps: tf.Tensor  # in all
  metrics: dict[str, tf.Tensor]


class Speed:
  """Samples per second since it was made, ignoring the first reading."""

  def __init__(self):
    self._first = None

  def samples_per_second(self, step: int, batch: Any) -> float:
    now = time.monotonic()
    if self._first is None:
      self._first = step, now
    steps = step - self._first[0]
    elapsed = now - self._first[1]
    samples = tf.size(batch.levels).numpy()
    return steps * samples / elapsed if steps else 0.0


def postfix(result: StepResult, rate: float) -> str:
  text = f'loss {float(result.loss):.3f}'
  if rate:
    text += f', {rate:,.0f} samples/s'
  skipped = int(result.skipped_steps)
  return text + (f', {skipped} steps skipped' if skipped else '')


def write_scalars(result: StepResult, rate: float, step: int) -> None:
  tf.summary.scalar('loss', result.loss, step)
  tf.summary.scalar('gradient_norm', result.gradient_norm, step)
  tf.summary.scalar('samples_per_second', rate, step)
  tf.summary.scalar('skipped_steps', result.skipped_steps, step)
  for name, value in result.metrics.items():
    tf.summary.scalar(name, value, step)
