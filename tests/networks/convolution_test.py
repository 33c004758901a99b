"""Causal convolution over chunks and step by step, and what it remembers."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import randomize
from tests.support.references import convolution_reference
from wavenet_tf.networks.stack import convolution
from wavenet_tf.networks.stack.rings import Rings

# Short ones, equal ones, and one longer than the steps taken.
DILATIONS = [1, 2, 4, 16, 1, 2, 4, 16, 64]


def causal(kernel_size, dilations):
  return [convolution.CausalConvolution(3, kernel_size, d) for d in dilations]


def build_convolution(channels_in, kernel_size, dilation):
  layer = convolution.CausalConvolution(5, kernel_size, dilation)
  layer.build((None, None, channels_in))
  return randomize(layer)


@pytest.mark.parametrize('kernel_size', [2, 3])
@pytest.mark.parametrize('dilation', [1, 2, 8])
def test_causal_convolution_agrees_with_numpy(kernel_size, dilation, generator):
  layer = build_convolution(3, kernel_size, dilation)
  x = generator.normal(size=(2, 30, 3)).astype(np.float32)
  y, state = layer(x, layer.initial_state(2, 3))
  kernel, bias = (v.numpy() for v in layer.variables)
  reference = convolution_reference(
    x, kernel.reshape(kernel_size, 3, 5), bias, dilation
  )
  np.testing.assert_allclose(y, reference, atol=1e-5)
  np.testing.assert_array_equal(state, x[:, -(kernel_size - 1) * dilation :])


@pytest.mark.parametrize('kernel_size', [2, 3])
@pytest.mark.parametrize('dilation', [1, 4])
def test_a_short_past_moves_on(kernel_size, dilation, generator):
  layer = build_convolution(3, kernel_size, dilation)
  x = generator.normal(size=(2, 40, 3)).astype(np.float32)
  start = generator.normal(size=(2, layer.history_samples, 3))
  past = start = tf.constant(start, tf.float32)
  whole, state = layer(x, start)
  weights = layer.step_weights()
  for t in range(x.shape[1]):
    y, past = layer.step(weights, tf.constant(x[:, t]), past)
    np.testing.assert_allclose(y, whole[:, t], atol=1e-5)
  np.testing.assert_array_equal(past, state)


@pytest.mark.parametrize('kernel_size', [1, 2, 3])
@pytest.mark.parametrize('steps', [0, 1, 40])
def test_taps_and_states_are_those_of_chunks(kernel_size, steps, generator):
  convolutions = causal(kernel_size, DILATIONS)
  pasts = [
    generator.normal(size=(2, c.history_samples, 3)).astype(np.float32)
    for c in convolutions
  ]
  heard = generator.normal(size=(len(pasts), steps, 2, 3)).astype(np.float32)
  rings = Rings(convolutions)
  found = rings.of(list(map(tf.constant, pasts)))
  whole = [
    np.concatenate([past, x.swapaxes(0, 1)], 1) for past, x in zip(pasts, heard)
  ]
  for t in range(steps):
    found, earlier = rings.read(found, t)
    for c, samples, taps in zip(convolutions, whole, earlier):
      # Tap j of step t is sample t + j d of past and chunk.
      assert len(taps) == kernel_size - 1
      for j, tap in enumerate(taps):
        np.testing.assert_array_equal(tap, samples[:, t + j * c.dilation])
    found = rings.hear(found, list(map(tf.constant, heard[:, t])))
  states = rings.states(found, steps)
  for c, state, samples in zip(convolutions, states, whole):
    length = c.history_samples
    np.testing.assert_array_equal(state, samples[:, steps : steps + length])


def test_few_writes_a_step():
  convolutions = causal(2, [2**i for i in range(10)] * 3)
  states = [c.initial_state(1, 3) for c in convolutions]
  # Six of longer pasts, and one for 1, 2, 4 and 8.
  assert len(Rings(convolutions).of(states)) == 7


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
