"""Pre-emphasis: what networks see of a recording, and what is heard of theirs.

  y_t = x_t - a x_{t-1},   x_t = y_t + a x_{t-1},   x_{-1} = 0.

x is what was recorded and what is heard, y what networks hear and say. Speech
has little power at high frequencies, and an error of a network about the same
everywhere; of y both have, so that after x is made of it the error falls off
as speech does. `audio.preemphasis` is a; with 0, y is x.
"""

import math

import numpy as np
import tensorflow as tf

from wavenet_tf.signal import quantization

# Powers of a below this are lost in float32.
_NEGLIGIBLE = 1e-9


def pre_emphasise(
  levels: tf.Tensor | np.ndarray, coefficient: float
) -> tf.Tensor | np.ndarray:
  """16-bit levels of x -> those of y, x_t - round(a x_{t-1}), clipped.

  Where nothing clips, nothing is lost: x_t = y_t + round(a x_{t-1}) gives x
  back level by level, so that bits per sample of y are bits per sample of x.

  Args:
    levels: int `[..., T]` of a whole recording, as all before it is silence.
    coefficient: a, in [0, 1).

  Returns:
    int32 `[..., T]`; `levels` themselves where a is 0.
  """
  if not coefficient:
    return levels
  x = tf.cast(levels, tf.float32)
  previous = tf.concat([tf.zeros_like(x[..., :1]), x[..., :-1]], -1)
  y = x - tf.round(coefficient * previous)
  full_scale = quantization.FULL_SCALE
  return tf.cast(tf.clip_by_value(y, -full_scale, full_scale - 1), tf.int32)


def memory_samples(coefficient: float) -> int:
  """After so many samples nothing is left in float32 of what came before."""
  if not coefficient:
    return 0
  return math.ceil(math.log(1e-45) / math.log(coefficient))


def de_emphasise(waveform: tf.Tensor, coefficient: float) -> tf.Tensor:
  """Y `[B, T]` -> x from its beginning; see `de_emphasise_chunk`."""
  memory = initial_memory(tf.shape(waveform)[0])
  return de_emphasise_chunk(waveform, coefficient, memory)[0]


def initial_memory(batch: int | tf.Tensor) -> tf.Tensor:
  """X before the first sample, `[B, 1]`: silence."""
  return tf.zeros([batch, 1])


def de_emphasise_chunk(
  waveform: tf.Tensor, coefficient: float, memory: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
  """x_t = y_t + a x_{t-1}, in parallel, and what the next chunk needs.

  With L the shift by a sample, and while powers of a are not negligible,

    1 / (1 - a L) = (1 + a L) (1 + a^2 L^2) (1 + a^4 L^4) ...:

  a handful of shifted sums, which compile and have gradients, in place of a
  recursion.

  Args:
    waveform: y, float32 `[B, T]`.
    coefficient: a, in [0, 1).
    memory: the last sample of x before the chunk, `[B, 1]`.

  Returns:
    x `[B, T]`, not clipped, and the next memory; y and `memory` where a is 0.
  """
  if not coefficient:
    return waveform, memory
  first, others = waveform[:, :1], waveform[:, 1:]
  x = tf.concat([first + coefficient * memory, others], 1)
  shift, power = 1, coefficient
  while power > _NEGLIGIBLE:
    x += power * tf.pad(x, [[0, 0], [shift, 0]])[:, :-shift]
    shift, power = 2 * shift, power**2
  return x, x[:, -1:]
