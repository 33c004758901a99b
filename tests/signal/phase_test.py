"""The running phase against sums in float64, in chunks, around and compiled."""

import numpy as np
import pytest
import tensorflow as tf

from wavenet_tf.signal import phase

RATE, HOP = 8000, 80


def contour(seconds, generator, batch=2):
  """F0 `[B, 1 + frames + 1]` in Hz that wanders over the range of voices."""
  frames = seconds * RATE // HOP + 2
  steps = np.cumsum(generator.normal(0, 0.03, [batch, frames]), 1)
  return np.float32(160 * np.exp(np.clip(steps, -0.7, 0.9)))


def cycles_of(frequency_hz):
  """Float64 `[B, T]`, a sum over all samples; between centres it is linear."""
  frames = frequency_hz.shape[1] - 2
  centres = (np.arange(-1, frames + 1) + 0.5) * HOP
  samples = np.arange(frames * HOP) + 0.5
  at_samples = [np.interp(samples, centres, row) for row in frequency_hz]
  return np.cumsum(np.array(at_samples, np.float64) / RATE, 1)


def running(frequency_hz, start=None):
  if start is None:
    start = phase.initial_phase(len(frequency_hz))
  return phase.running_phase(tf.constant(frequency_hz), RATE, HOP, start)


def test_the_phase_is_the_sum_of_frequencies(generator):
  frequency = contour(10, generator)
  found, end = running(frequency)
  expected = cycles_of(frequency)
  off = found.numpy() / 2.0**32 - expected
  assert np.abs(off - np.round(off)).max() < 1e-4
  # It went round often, and the integers with it.
  assert expected[:, -1].min() > 500
  assert found.numpy().min() < -(2**30) and found.numpy().max() > 2**30
  np.testing.assert_array_equal(found[:, -1], end)


@pytest.mark.parametrize('frames', [1, 7])
def test_chunks_say_what_the_whole_says(frames, generator):
  """Bit for bit, however often the integers overflow in between."""
  frequency = contour(3, generator)
  whole, whole_end = running(frequency)
  count = frequency.shape[1] - 2
  parts, state = [], phase.initial_phase(2)
  for start in range(0, count, frames):
    part, state = running(frequency[:, start : start + frames + 2], state)
    parts.append(part)
  np.testing.assert_array_equal(tf.concat(parts, 1), whole)
  np.testing.assert_array_equal(state, whole_end)


def test_a_phase_goes_on_where_it_is_told_to():
  frequency = np.full([2, 5], 200.0, np.float32)
  start = np.array([2**31 - 5, -(2**31)], np.int64)
  found, _ = running(frequency, tf.constant(start, tf.int32))
  from_zero, _ = running(frequency)
  assert set(np.unique((found - from_zero).numpy()[0])) == {2**31 - 5}
  assert set(np.unique((found - from_zero).numpy()[1])) == {-(2**31)}


def test_a_steady_frequency_makes_a_cycle_a_period():
  found, _ = running(np.full([1, 12], 125.0, np.float32))
  period = RATE // 125
  np.testing.assert_array_equal(found[:, period:], found[:, :-period])


def test_harmonics_are_sines_and_cosines_of_multiples(generator):
  found, _ = running(contour(1, generator))
  cycles = found.numpy() / 2.0**32
  angles = 2 * np.pi * cycles[..., None] * np.arange(1, 5)
  expected = np.concatenate([np.sin(angles), np.cos(angles)], -1)
  np.testing.assert_allclose(phase.harmonics(found, 4), expected, atol=2e-6)


def test_compiled_equals_eager(generator):
  frequency = tf.constant(contour(2, generator))
  start = tf.constant([5, -(2**30)], tf.int32)

  def both(frequency, start):
    found, end = phase.running_phase(frequency, RATE, HOP, start)
    return found, end, phase.harmonics(found, 3)

  eager = both(frequency, start)
  compiled = tf.function(both, jit_compile=True, autograph=False)(
    frequency, start
  )
  # A frequency may be rounded otherwise: a unit or two of 2^32 a sample.
  off = (compiled[0] - eager[0]).numpy() / 2.0**32
  assert np.abs(off).max() < 1e-4
  np.testing.assert_allclose(compiled[2], eager[2], atol=1e-3)
  np.testing.assert_array_equal(compiled[0][:, -1], compiled[1])


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
