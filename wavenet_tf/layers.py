"""Causal convolution, gated residual blocks, the dilated stack.

One stack serves every network here. It is a function

  (input, conditioning, state) -> (output, state)

of a chunk of any length. Its state is the part of the past that it can see:
zeros at the beginning of a recording, carried from chunk to chunk when
streaming. Training is one long chunk; generation, one sample at a time, keeps
the same state in ring buffers while its loop runs (`DilatedStack.step`).
"""

from typing import NamedTuple

import keras
import tensorflow as tf


class Conditioning(NamedTuple):
  """What the audio depends on.

  Attributes:
    local: float32 `[B, frames + 2 MARGIN_FRAMES, channels]` at frame rate,
      or None. The margin on either side lets a chunk see its neighbours.
    global_: float32 `[B, channels]`, or None.
  """

  local: tf.Tensor | None = None
  global_: tf.Tensor | None = None


class StackOutput(NamedTuple):
  """What a stack returns for a chunk of T samples."""

  output: tf.Tensor  # gates of all blocks [B, T, layers * G], or [B, T, R]
  state: tuple  # one [B, (k - 1) d, R] per block


class CausalConvolution(keras.layers.Layer):
  """Dilated causal convolution (1609.03499 sec. 2.1) as matrix products.

  y_t = sum_j W_j x_{t - (k - 1 - j) d}, j = 0 .. k - 1: no tap sees the
  future. The k shifted copies of the input are laid side by side and
  multiplied once, which XLA compiles better than a dilated convolution.

  Args:
    channels: outputs per sample.
    kernel_size: k, taps.
    dilation: d, samples between taps.
    use_bias: whether to add a bias.
    kernel_initializer: as in Keras; fans are those of one product.

  Input shape: `[B, T, C]` and a state `[B, (k - 1) d, C]`.
  Output shape: `[B, T, channels]` and the next state.

  Example:
    ```python
    layer = CausalConvolution(64, kernel_size=2, dilation=4)
    y, state = layer(x, layer.initial_state(batch, x.shape[-1]))
    ```
  """

  def __init__(
    self,
    channels,
    kernel_size,
    dilation=1,
    use_bias=True,
    kernel_initializer='glorot_uniform',
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.channels = channels
    self.kernel_size = kernel_size
    self.dilation = dilation
    self.product = keras.layers.Dense(
      channels,
      use_bias=use_bias,
      kernel_initializer=kernel_initializer,
      name='product',
    )

  @property
  def history_samples(self) -> int:
    """Samples before a chunk that the chunk needs: the length of a state."""
    return (self.kernel_size - 1) * self.dilation

  def initial_state(self, batch, channels):
    return tf.zeros([batch, self.history_samples, channels])

  def build(self, input_shape):
    self.product.build((*input_shape[:-1], input_shape[-1] * self.kernel_size))

  def call(self, x, state):
    taps, state = self.taps(x, state)
    return self.product(taps), state

  def taps(self, x, state):
    """-> the k shifted inputs `[B, T, k C]`, oldest first, and the state."""
    extended = tf.concat([state, x], 1)
    samples = tf.shape(x)[1] if x.shape[1] is None else x.shape[1]
    shifted = [
      extended[:, j * self.dilation : j * self.dilation + samples]
      for j in range(self.kernel_size)
    ]
    return tf.concat(shifted, -1), extended[:, samples:]

  def step(self, x, ring, t):
    """One sample of `call`, the past being kept in a ring buffer.

    The sample is written before the oldest one is read, one slot further on,
    so that a compiled loop updates the buffer in place.

    Args:
      x: `[B, C]`, the sample at time t.
      ring: `[history_samples + 1, B, C]`; slot t mod its length holds x_t.
      t: int32 scalar, 0 or more.

    Returns:
      taps `[B, k C]` and the updated ring.
    """
    slots = self.history_samples + 1
    ring = tf.tensor_scatter_nd_update(ring, [[t % slots]], x[None])
    taps = [
      ring[(t - j * self.dilation) % slots]
      for j in range(self.kernel_size - 1, 0, -1)
    ]
    return tf.concat([*taps, x], -1), ring


def ring_from_state(state):
  """State `[B, n, C]` -> ring `[n + 1, B, C]` for steps t = 0, 1, ..."""
  past = tf.transpose(state, [1, 0, 2])
  # x_{-1} belongs into slot n, x_{-n} into slot 1; slot 0 awaits x_0.
  return tf.concat([tf.zeros_like(past[:1]), past], 0)


def state_from_ring(ring, t):
  """Inverse of `ring_from_state` after t steps."""
  past = tf.roll(ring, -t, 0)[1:]
  return tf.transpose(past, [1, 0, 2])


class GatedResidualBlock(keras.layers.Layer):
  """One layer of a WaveNet (1609.03499 sec. 2.3 to 2.5, fig. 4).

  z = tanh(W_f * x + V_f y + U_f h) . sigmoid(W_g * x + V_g y + U_g h)
  output = x + P z

  with local conditioning y at audio rate and global conditioning h; filter
  and gate are the two halves of one product. Skip connections are not here:
  the network multiplies all gates z by its skip weights in a single product.

  Args:
    residual_channels: R, width of x and of the output.
    gate_channels: G, width of z.
    kernel_size: taps of the dilated convolution.
    dilation: samples between taps.
    has_output: False for a last block of which only the gates are used.

  Call: x `[B, T, R]`, conditioning `[B, T, 2 G]` or None (already projected),
    state -> output `[B, T, R]`, z `[B, T, G]`, state.
  """

  def __init__(
    self,
    residual_channels,
    gate_channels,
    kernel_size,
    dilation,
    has_output=True,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.residual_channels = residual_channels
    self.convolution = CausalConvolution(
      2 * gate_channels, kernel_size, dilation, name='convolution'
    )
    self.gate_channels = gate_channels
    self.projection = (
      keras.layers.Dense(residual_channels, name='projection')
      if has_output
      else None
    )

  def build(self, input_shape):
    self.convolution.build(input_shape)
    if self.projection is not None:
      self.projection.build((*input_shape[:-1], self.gate_channels))

  def call(self, x, conditioning, state):
    taps, state = self.convolution.taps(x, state)
    output, z = self._gate(x, taps, conditioning)
    return output, z, state

  def step(self, x, conditioning, ring, t):
    """One sample of `call`: x `[B, R]`, see `CausalConvolution.step`."""
    taps, ring = self.convolution.step(x, ring, t)
    output, z = self._gate(x, taps, conditioning)
    return output, z, ring

  def _gate(self, x, taps, conditioning):
    activation = self.convolution.product(taps)
    if conditioning is not None:
      activation += conditioning
    filter_, gate = tf.split(activation, 2, -1)
    z = tf.tanh(filter_) * tf.sigmoid(gate)
    return (x if self.projection is None else x + self.projection(z)), z


class DilatedStack(keras.layers.Layer):
  """Gated residual blocks of given dilations, one after the other.

  Args:
    dilations: one per block.
    residual_channels, gate_channels, kernel_size: as in the block.
    returns_gates: True where the network reads the gates of all blocks (skip
      connections), False where it reads the last residual.

  Call: x `[B, T, R]`, conditioning `[B, T, layers * 2 G]` or None from
    `project`, state -> `StackOutput`.
  """

  def __init__(
    self,
    dilations,
    residual_channels,
    gate_channels,
    kernel_size,
    returns_gates,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.residual_channels = residual_channels
    self.gate_channels = gate_channels
    self.returns_gates = returns_gates
    last = len(dilations) - 1
    self.blocks = [
      GatedResidualBlock(
        residual_channels,
        gate_channels,
        kernel_size,
        d,
        has_output=i < last or not returns_gates,
        name=f'block_{i}',
      )
      for i, d in enumerate(dilations)
    ]
    # V_f, V_g of every block at once: one product per chunk.
    self.local_projection = keras.layers.Dense(
      len(dilations) * 2 * gate_channels,
      use_bias=False,
      name='local_projection',
    )
    self.global_projection = keras.layers.Dense(
      len(dilations) * 2 * gate_channels,
      use_bias=False,
      name='global_projection',
    )

  def build(self, input_shape):
    for block in self.blocks:
      block.build(input_shape)

  def initial_state(self, batch):
    return tuple(
      block.convolution.initial_state(batch, self.residual_channels)
      for block in self.blocks
    )

  def project(self, local, global_=None):
    """Conditioning of all blocks, `[B, T, layers * 2 G]`, or None.

    Args:
      local: `[B, T, C]` at audio rate, or None.
      global_: `[B, C]`, or None; broadcast over time.
    """
    projected = None
    if local is not None:
      projected = self.local_projection(local)
    if global_ is not None:
      bias = self.global_projection(global_)[:, None]
      projected = bias if projected is None else projected + bias
    return projected

  def call(self, x, conditioning, state):
    return self._run(x, conditioning, state, GatedResidualBlock.__call__)

  def step(self, x, conditioning, rings, t):
    """One sample: x `[B, R]`, conditioning `[B, layers * 2 G]` or None.

    Returns:
      The output `[B, .]` and the rings as its state.
    """
    return self._run(
      x, conditioning, rings, lambda block, *args: block.step(*args, t)
    )

  def _run(self, x, conditioning, states, run_block):
    gates, updated = [], []
    for i, block in enumerate(self.blocks):
      x, z, state = run_block(
        block, x, self._of_block(conditioning, i), states[i]
      )
      gates.append(z)
      updated.append(state)
    output = tf.concat(gates, -1) if self.returns_gates else x
    return StackOutput(output, tuple(updated))

  def _of_block(self, conditioning, i):
    if conditioning is None:
      return None
    width = 2 * self.gate_channels
    return conditioning[..., i * width : (i + 1) * width]
