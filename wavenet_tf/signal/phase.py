"""The running phase of a fundamental frequency, as sines and cosines.

Phases are kept as a phase accumulator does it: 2^32 units are a cycle, and an
int32 that overflows has gone round once. So sums are exact however long the
waveform, and chunks say bit for bit what the whole says.
"""

import math

import tensorflow as tf

_UNITS_PER_CYCLE = 2.0**32


def initial_phase(batch: int | tf.Tensor) -> tf.Tensor:
  """Int32 `[B]`: before the first sample all cycles begin."""
  return tf.zeros([batch], tf.int32)


def running_phase(
  frequency_hz: tf.Tensor,
  sample_rate_hz: int,
  hop_samples: int,
  start: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
  """phase_t = phase_{t-1} + f_t / rate, in cycles (1810.11946 sec. 3.1).

  Args:
    frequency_hz: float32 `[B, 1 + frames + 1]` at the centres of frames, with
      a margin of one frame; linear in between; below a half of the rate.
    sample_rate_hz: of the phase.
    hop_samples: samples a frame.
    start: int32 `[B]`, the phase before the first sample.

  Returns:
    int32 `[B, frames * hop]`, in units of 2^-32 cycles, and the last of them:
    `[B]`, the start of what follows.
  """
  centre = tf.cast(tf.range(hop_samples), tf.float32) + 0.5
  offset = centre / hop_samples - 0.5  # Of a sample from its frame's centre.
  here = frequency_hz[:, 1:-1, None]
  slopes_before = here - frequency_hz[:, :-2, None]
  slopes_after = frequency_hz[:, 2:, None] - here
  frequency = (
    here
    + tf.minimum(offset, 0.0) * slopes_before
    + tf.maximum(offset, 0.0) * slopes_after
  )
  steps = tf.cast(
    tf.round(frequency * (_UNITS_PER_CYCLE / sample_rate_hz)), tf.int32
  )
  within = tf.cumsum(steps, axis=2)
  of_frames = within[:, :, -1]
  frames_before = tf.cumsum(of_frames, axis=1, exclusive=True)
  phase = start[:, None, None] + frames_before[:, :, None] + within
  phase = tf.reshape(phase, [tf.shape(phase)[0], -1])
  return phase, start + tf.reduce_sum(of_frames, axis=1)


def harmonics(phase: tf.Tensor, count: int) -> tf.Tensor:
  """Sin and cos of k times the phase, k = 1 to `count`.

  Args:
    phase: int32 `[B, T]` of `running_phase`.
    count: of harmonics.

  Returns:
    float32 `[B, T, 2 count]` in [-1, 1].
  """
  multiples = phase[..., None] * tf.range(1, count + 1)
  angles = tf.cast(multiples, tf.float32) * (2 * math.pi / _UNITS_PER_CYCLE)
  return tf.concat([tf.sin(angles), tf.cos(angles)], -1)
