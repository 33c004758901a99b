"""Blocks, skip connections and conditioning, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import randomize
from tests.support.references import convolution_reference
from wavenet_tf.configuration.choices import PRODUCT_DTYPES
from wavenet_tf.networks import causal_network
from wavenet_tf.networks.conditioning.conditioning import Encoded, UNCONDITIONED
from wavenet_tf.networks.stack import blocks
from wavenet_tf.networks.stack.dilated_stack import DilatedStack


def build_stack(returns_gates, product_dtype='float32'):
  stack = DilatedStack(
    (1, 2, 4, 1, 2), 6, 4, 2, returns_gates, local_channels=3,
    product_dtype=product_dtype,
  )  # fmt: skip
  x = tf.zeros([1, 1, 6])
  conditioning = Encoded(tf.zeros([1, 1, 3]), tf.zeros([1, 2]))
  stack(x, conditioning=conditioning, state=stack.initial_state(1))
  return randomize(stack)


def test_global_conditioning_is_added_at_every_sample(generator):
  stack = build_stack(True)
  local = generator.normal(size=(2, 7, 3)).astype(np.float32)
  global_ = generator.normal(size=(2, 2)).astype(np.float32)
  u = stack.global_projection.kernel
  v = np.concatenate(
    [b.convolution.product.kernel[2 * 6 :] for b in stack.blocks], -1
  )
  expected = local @ v + (global_ @ u.numpy())[:, None]
  projected = stack.project(Encoded(local, global_))
  np.testing.assert_allclose(projected, expected, atol=1e-5)
  assert stack.project(UNCONDITIONED) is None


@pytest.mark.parametrize('dtype', PRODUCT_DTYPES)
@pytest.mark.parametrize('returns_gates', [True, False])
def test_what_is_held_is_the_same_repeated(returns_gates, dtype, generator):
  """One product a frame says what one a sample says."""
  stack = build_stack(returns_gates, product_dtype=dtype)
  x = generator.normal(size=(2, 12, 6)).astype(np.float32)
  local = generator.normal(size=(2, 3, 3)).astype(np.float32)
  global_ = generator.normal(size=(2, 2)).astype(np.float32)
  held = Encoded(tf.constant(local), tf.constant(global_), hold=4)
  repeated = Encoded(np.repeat(local, 4, axis=1), held.global_)

  def output(told):
    found = stack(x, conditioning=told, state=stack.initial_state(2))
    return tf.cast(found.output, tf.float32).numpy()

  found, expected = output(held), output(repeated)
  tolerance = {'float32': 1e-5, 'bfloat16': 0.02}[dtype]
  error = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
  assert error < tolerance
  # Beside what is known at audio rate it is at audio rate, too.
  more = tf.constant(generator.normal(size=(2, 12, 1)), tf.float32)
  np.testing.assert_array_equal(
    held.beside(more).local, repeated.beside(more).local
  )


def test_channels_that_are_not_known_yet_are_added_later(generator):
  """A context's part of the projection, by itself."""
  stack = build_stack(True)
  local = generator.normal(size=(2, 1, 3)).astype(np.float32)
  unknown = local.copy()
  unknown[..., 1:] = 0
  whole = stack.project(Encoded(local))[:, 0]
  parts = stack.project(Encoded(unknown))[:, 0]
  parts += stack.project_last(local[:, 0, 1:])
  np.testing.assert_allclose(parts, whole, atol=1e-5)


@pytest.mark.parametrize('kernel_size', [2, 3])
def test_a_block_is_the_equation(kernel_size, generator):
  """Filter and gate apart, in float64, with the conditioning inside both."""
  dilation = 2
  block = blocks.GatedResidualBlock(4, 3, kernel_size, dilation, 5)
  block.build((None, None, 4))
  randomize(block)
  x = generator.normal(size=(2, 9, 4)).astype(np.float32)
  local = generator.normal(size=(2, 9, 5)).astype(np.float32)
  global_ = generator.normal(size=(2, 1, 6)).astype(np.float32)
  state = block.convolution.initial_state(2, 4)
  output, z, _ = block(
    tf.constant(x), tf.constant(local), tf.constant(global_), state
  )
  kernel = block.convolution.product.kernel.numpy()
  conditioning = local @ kernel[-5:] + global_
  kernel = kernel[:-5].reshape(kernel_size, 4, 6)
  bias = block.convolution.product.bias.numpy()
  halves = (
    np.split(kernel, 2, -1),
    np.split(bias, 2),
    np.split(conditioning, 2, -1),
  )
  filter_, gate = (
    convolution_reference(x, w, b, dilation) + v for w, b, v in zip(*halves)
  )
  expected = np.tanh(filter_) / (1 + np.exp(-gate))
  np.testing.assert_allclose(z, expected, atol=1e-5)
  projected = expected @ block.projection.kernel + block.projection.bias
  np.testing.assert_allclose(output, x + projected, atol=1e-5)


def test_a_relu_in_place_of_the_gate(generator):
  block = blocks.GatedResidualBlock(4, 3, 2, 2, 5, activation='relu')
  block.build((None, None, 4))
  randomize(block)
  x = generator.normal(size=(2, 9, 4)).astype(np.float32)
  local = generator.normal(size=(2, 9, 5)).astype(np.float32)
  state = block.convolution.initial_state(2, 4)
  _, z, _ = block(tf.constant(x), tf.constant(local), None, state)
  kernel = block.convolution.product.kernel.numpy()
  assert kernel.shape == (2 * 4 + 5, 3)
  bias = block.convolution.product.bias.numpy()
  activation = convolution_reference(x, kernel[:-5].reshape(2, 4, 3), bias, 2)
  expected = np.maximum(activation + local @ kernel[-5:], 0)
  assert 0.1 < np.mean(expected > 0) < 0.9
  np.testing.assert_allclose(z, expected, atol=1e-5)


def test_skip_connections_are_a_sum_over_blocks(generator):
  """One product over all gates equals a 1x1 a block, summed."""
  net = causal_network.CausalNetwork(
    dilations=(1, 2, 4), kernel_size=2, residual_channels=4, gate_channels=3,
    skip_channels=5, outputs=2, output_bias=[0.0, 0.0], output_scale=1.0,
    input_gain=1.0,
  )  # fmt: skip
  x = generator.normal(size=(2, 9, 1)).astype(np.float32)
  state = net.initial_state(2, 1)
  net(x, conditioning=UNCONDITIONED, state=state)
  randomize(net)
  gates, _ = net.before_head(x, UNCONDITIONED, state)
  by_block = np.split(net.skip.kernel.numpy(), 3)
  total = net.skip.bias + sum(
    z @ w for z, w in zip(np.split(gates.numpy(), 3, -1), by_block)
  )
  relu = lambda y: np.maximum(y, 0)  # noqa: E731
  hidden = relu(total) @ net.hidden.kernel + net.hidden.bias
  expected = relu(hidden) @ net.output_layer.kernel + net.output_layer.bias
  np.testing.assert_allclose(
    net(x, conditioning=UNCONDITIONED, state=state)[0],
    expected,
    atol=1e-4,
  )


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
