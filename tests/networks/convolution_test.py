"""Causal convolution over chunks and step by step, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import randomize
from tests.support.references import convolution_reference
from wavenet_tf.networks import convolution


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
def test_ring_buffers_agree_with_chunks(kernel_size, dilation, generator):
  layer = build_convolution(3, kernel_size, dilation)
  x = generator.normal(size=(2, 40, 3)).astype(np.float32)
  start = generator.normal(size=(2, layer.history_samples, 3))
  start = tf.constant(start, tf.float32)
  whole, state = layer(x, start)
  ring, weights = convolution.ring_from_state(start), layer.step_weights()
  for t in range(x.shape[1]):
    (slots,) = convolution.ring_slots([layer], t)
    y, ring = layer.step(weights, tf.constant(x[:, t]), ring, slots)
    np.testing.assert_allclose(y, whole[:, t], atol=1e-5)
  np.testing.assert_array_equal(
    convolution.state_from_ring(ring, x.shape[1]), state
  )


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
