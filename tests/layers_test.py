"""Causality and state, against NumPy and numerical perturbation."""

from conftest import randomize
import numpy as np
import pytest
import tensorflow as tf

from wavenet_tf import layers


def convolution_reference(x, kernel, bias, dilation):
  """y_t = sum_j W_j x_{t - (k - 1 - j) d} + b in float64; zeros before x_0."""
  k = kernel.shape[0]
  y = np.tile(bias.astype(np.float64), (*x.shape[:2], 1))
  for t in range(x.shape[1]):
    for j in range(k):
      past = t - (k - 1 - j) * dilation
      if past >= 0:
        y[:, t] += x[:, past] @ kernel[j].astype(np.float64)
  return y


def build_convolution(channels_in, kernel_size, dilation):
  layer = layers.CausalConvolution(5, kernel_size, dilation)
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
  ring = layers.ring_from_state(start)
  for t in range(x.shape[1]):
    taps, ring = layer.step(tf.constant(x[:, t]), ring, t)
    np.testing.assert_allclose(layer.product(taps), whole[:, t], atol=1e-5)
  np.testing.assert_array_equal(layers.state_from_ring(ring, x.shape[1]), state)


def build_stack(returns_gates, kernel_size=2, dilations=(1, 2, 4, 1, 2)):
  stack = layers.DilatedStack(dilations, 6, 4, kernel_size, returns_gates)
  x = tf.zeros([1, 1, 6])
  stack(x, stack.project(tf.zeros([1, 1, 3]), tf.zeros([1, 2])),
        stack.initial_state(1))  # fmt: skip
  return randomize(stack)


@pytest.mark.parametrize('returns_gates', [True, False])
@pytest.mark.parametrize('kernel_size', [2, 3])
def test_stack_reaches_exactly_its_receptive_field(kernel_size, returns_gates):
  dilations = (1, 2, 4, 1)
  stack = build_stack(returns_gates, kernel_size, dilations)
  reach = (kernel_size - 1) * sum(dilations)
  x = tf.Variable(np.random.default_rng(0).normal(size=(1, 40, 6)), tf.float32)
  x = tf.cast(x, tf.float32)
  t = 30
  with tf.GradientTape() as tape:
    tape.watch(x)
    total = tf.reduce_sum(stack(x, None, stack.initial_state(1)).output[:, t])
  moved = np.abs(tape.gradient(total, x).numpy()[0]).sum(-1) > 0
  np.testing.assert_array_equal(np.flatnonzero(moved),
                                np.arange(t - reach, t + 1))  # fmt: skip


def test_global_conditioning_is_added_at_every_sample(generator):
  stack = build_stack(True)
  local = generator.normal(size=(2, 7, 3)).astype(np.float32)
  global_ = generator.normal(size=(2, 2)).astype(np.float32)
  v, u = stack.local_projection.kernel, stack.global_projection.kernel
  expected = local @ v.numpy() + (global_ @ u.numpy())[:, None]
  np.testing.assert_allclose(stack.project(local, global_), expected, atol=1e-5)
  assert stack.project(None) is None


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
