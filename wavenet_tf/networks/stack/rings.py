"""The pasts of convolutions in ring buffers, while a loop takes steps."""

import collections
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from wavenet_tf.networks.stack.convolution import CausalConvolution

# Pasts that are not longer share a buffer: a launch less for each, and few
# enough slots for a processor's cache.
_SHORT_PAST_SAMPLES = 8


class Ring(NamedTuple):
  """The pasts of some convolutions before step t.

  Attributes:
    buffer: `[slots, convolutions, B, C]`; slot i mod slots is for what they
      heard at step i, before t - 1.
    newest: `[convolutions, B, C]`, what they heard at step t - 1.
  """

  buffer: tf.Tensor
  newest: tf.Tensor


class Rings:
  """The pasts of convolutions, for steps t = 0, 1, ...

  Convolutions with equally long pasts are side by side in one buffer, and all
  with a short past in another, so that a step writes few times: a GPU or TPU
  waits for the launch of each write. What step t hears is written with step
  t + 1, before that reads; then a compiled loop updates a buffer in place.

  Args:
    convolutions: of one kernel size and equally many channels.

  Example:
    ```python
    rings = Rings(convolutions)
    pasts = rings.of(states)
    for t in range(steps):
      pasts, earlier = rings.read(pasts, t)
      ...  # Convolution i hears x[i] after earlier[i].
      pasts = rings.hear(pasts, x)
    states = rings.states(pasts, steps)
    ```
  """

  def __init__(self, convolutions: Sequence[CausalConvolution]):
    self._convolutions = convolutions
    # Slots of a buffer -> its convolutions.
    self._members = collections.defaultdict(list)
    for i, convolution in enumerate(convolutions):
      slots = max(convolution.history_samples, _SHORT_PAST_SAMPLES)
      self._members[slots].append(i)

  def of(self, states: Sequence[tf.Tensor]) -> tuple[Ring, ...]:
    """From a state `[B, (k - 1) d, C]` of each convolution, before step 0."""
    found = []
    for slots, members in self._members.items():
      buffer = tf.stack([_filled_up(states[i], slots) for i in members], 1)
      found.append(Ring(buffer, buffer[-1]))
    return tuple(found)

  def states(self, rings: Sequence[Ring], t: tf.Tensor) -> tuple:
    """Inverse of `of`, before step t."""
    found = {}
    for ring, (slots, members) in zip(rings, self._members.items()):
      past = tf.roll(_written(ring, t), -t, 0)
      for place, i in enumerate(members):
        first = slots - self._convolutions[i].history_samples
        found[i] = tf.transpose(past[first:, place], [1, 0, 2])
    return self._in_order(found)

  def read(
    self, rings: Sequence[Ring], t: tf.Tensor
  ) -> tuple[tuple[Ring, ...], tuple]:
    """What is under all taps but the newest at step t, and rings for `hear`.

    Of each convolution k - 1 samples `[B, C]`, the earliest first.
    """
    rings = tuple(ring._replace(buffer=_written(ring, t)) for ring in rings)
    found = {}
    for (buffer, _), members in zip(rings, self._members.values()):
      slots, count, _, channels = buffer.shape
      rows = tf.reshape(buffer, [slots * count, -1, channels])
      # For all at once: plain operations on scalars cost what it takes to call
      # them.
      at = (t - self._back(members)) % slots * count
      at += np.arange(count, dtype=np.int32)[:, None]
      for i, taps in zip(members, tf.unstack(at)):
        # Indexing with brackets would pad a copy of the ring under XLA.
        found[i] = [tf.gather(rows, tap) for tap in tf.unstack(taps)]
    return rings, self._in_order(found)

  def hear(
    self, rings: Sequence[Ring], heard: Sequence[tf.Tensor]
  ) -> tuple[Ring, ...]:
    """For the next step, after one at which each convolution heard `[B, C]`."""
    return tuple(
      ring._replace(newest=tf.stack([heard[i] for i in members]))
      for ring, members in zip(rings, self._members.values())
    )

  def _back(self, members):
    """How long ago, int32 `[members, k - 1]`."""
    dilations = [self._convolutions[i].dilation for i in members]
    taps = np.arange(self._convolutions[0].kernel_size - 1, 0, -1)
    return np.outer(dilations, taps).astype(np.int32)

  def _in_order(self, found):
    return tuple(found[i] for i in range(len(self._convolutions)))


def _written(ring, t):
  """Its buffer with all that was heard before step t."""
  slot = (t - 1) % ring.buffer.shape[0]
  return tf.tensor_scatter_nd_update(ring.buffer, [[slot]], ring.newest[None])


def _filled_up(state, slots):
  """State `[B, n, C]` -> `[slots, B, C]`; x_{-1} belongs into the last slot."""
  past = tf.transpose(state, [1, 0, 2])
  return tf.pad(past, [[slots - past.shape[0], 0], [0, 0], [0, 0]])
