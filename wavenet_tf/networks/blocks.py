"""Gated residual blocks and the dilated stack.

One stack serves every network here. It is a function

  (input, conditioning, state) -> (output, state)

of a chunk of any length. Its state is the part of the past that it can see:
zeros at the beginning of a recording, carried from chunk to chunk when
streaming. Training is one long chunk; generation, one sample at a time, keeps
the same state in ring buffers while its loop runs (`DilatedStack.step`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from wavenet_tf.configuration.choices import FLOAT32, GATED
from wavenet_tf.configuration.keras_saving import registered
from wavenet_tf.networks import convolution
from wavenet_tf.networks.conditioning.conditioning import Encoded


class StackOutput(NamedTuple):
  """What a stack returns for a chunk of T samples."""

  output: tf.Tensor  # gates of all blocks [B, T, layers * G], or [B, T, R]
  state: tuple  # one [B, (k - 1) d, R] per block


def gated_unit(activation: tf.Tensor) -> tf.Tensor:
  """Tanh(filter) . sigmoid(gate) of `[..., 2 G]` halves (1609.03499 eq. 2).

  One hyperbolic tangent serves both: sigmoid(g) = (1 + tanh(g / 2)) / 2.
  """
  half = activation.shape[-1] // 2
  scale = tf.constant([1.0] * half + [0.5] * half)
  filter_, gate = tf.split(tf.tanh(activation * scale), 2, -1)
  return filter_ * (0.5 + 0.5 * gate)


@registered
class GatedResidualBlock(keras.layers.Layer):
  """One layer of a WaveNet (1609.03499 sec. 2.3 to 2.5, fig. 4).

  z = tanh(W_f * x + V_f y + U_f h) . sigmoid(W_g * x + V_g y + U_g h)
  output = x + P z

  with local conditioning y at audio rate and global conditioning h. W and V
  of filter and gate are one matrix, whose rows are for x at its taps and for y
  (`CausalConvolution`). Skip connections are not here: the network
  multiplies all gates z by its skip weights in a single product.

  Args:
    residual_channels: R, width of x and of the output.
    gate_channels: G, width of z.
    kernel_size: taps of the dilated convolution.
    dilation: samples between taps.
    local_channels: C, width of y; 0 for none.
    activation: 'gated', or 'relu' for z = ReLU(W * x + V y + U h), with which
      the paper compares.
    product_dtype: see `CausalConvolution`.
    has_output: False for a last block of which only the gates are used.

  Call: x `[B, T, R]`, y `[B, T, C]` or None, a bias `[B, 1 or T, width]` (U h,
    or V y + U h where y is None) or None, state -> output `[B, T, R]`, z
    `[B, T, G]`, state.
  """

  def __init__(
    self,
    residual_channels: int,
    gate_channels: int,
    kernel_size: int,
    dilation: int,
    local_channels: int = 0,
    activation: str = GATED,
    product_dtype: str = FLOAT32,
    has_output: bool = True,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.residual_channels = residual_channels
    self.gate_channels = gate_channels
    self.activate = gated_unit if activation == GATED else tf.nn.relu
    self.width = gate_channels * (2 if activation == GATED else 1)
    self.convolution = convolution.CausalConvolution(
      self.width,
      kernel_size,
      dilation,
      beside_channels=local_channels,
      product_dtype=product_dtype,
      name='convolution',
    )
    self.projection = None
    if has_output:
      self.projection = keras.layers.Dense(
        residual_channels,
        dtype=convolution.product_policy(product_dtype),
        name='projection',
      )

  def build(self, input_shape: tuple) -> None:
    self.convolution.build(input_shape)
    if self.projection is not None:
      self.projection.build((*input_shape[:-1], self.gate_channels))

  def call(
    self,
    x: tf.Tensor,
    local: tf.Tensor | None,
    bias: tf.Tensor | None,
    state: tf.Tensor,
  ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    activation, state = self.convolution(x, state, local)
    output, z = self._gate(x, activation, bias)
    return output, z, state

  def step(
    self,
    kernel: tf.Tensor,
    x: tf.Tensor,
    conditioning: tf.Tensor | None,
    ring: tf.Tensor,
    t: tf.Tensor,
  ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """One sample of `call`: x `[B, R]`, conditioning V y + U h `[B, width]`.

    Kernel, ring and t are as in `CausalConvolution.step`.
    """
    activation, ring = self.convolution.step(kernel, x, ring, t)
    output, z = self._gate(x, activation, conditioning)
    return output, z, ring

  def _gate(self, x, activation, bias):
    z = self.activate(activation if bias is None else activation + bias)
    # As the products that read it want it.
    z = tf.cast(z, self.convolution.product.compute_dtype)
    if self.projection is None:
      return x, z
    return x + tf.cast(self.projection(z), tf.float32), z


@registered
class DilatedStack(keras.layers.Layer):
  """Gated residual blocks of given dilations, one after the other.

  Args:
    dilations: one per block.
    residual_channels, gate_channels, kernel_size, local_channels, activation,
      product_dtype: as in the block.
    global_channels: width of the global vector; 0 for none.
    returns_gates: True where the network reads the gates of all blocks (skip
      connections), False where it reads the last residual.

  Call: x `[B, T, R]`, `Encoded`, state -> `StackOutput`.
  """

  def __init__(
    self,
    dilations: Sequence[int],
    residual_channels: int,
    gate_channels: int,
    kernel_size: int,
    returns_gates: bool,
    local_channels: int = 0,
    activation: str = GATED,
    product_dtype: str = FLOAT32,
    global_channels: int = 0,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.residual_channels = residual_channels
    self.global_channels = global_channels
    self.returns_gates = returns_gates
    last = len(dilations) - 1
    self.blocks = [
      GatedResidualBlock(
        residual_channels,
        gate_channels,
        kernel_size,
        d,
        local_channels,
        activation,
        product_dtype,
        has_output=i < last or not returns_gates,
        name=f'block_{i}',
      )
      for i, d in enumerate(dilations)
    ]
    self.width = self.blocks[0].width
    # U_f, U_g of every block at once.
    self.global_projection = keras.layers.Dense(
      len(dilations) * self.width, use_bias=False, name='global_projection'
    )

  def build(self, input_shape: tuple) -> None:
    for block in self.blocks:
      block.build(input_shape)
    if self.global_channels:
      self.global_projection.build((None, self.global_channels))

  def initial_state(self, batch: int | tf.Tensor) -> tuple[tf.Tensor, ...]:
    return tuple(
      block.convolution.initial_state(batch, self.residual_channels)
      for block in self.blocks
    )

  def call(
    self, x: tf.Tensor, conditioning: Encoded, state: tuple
  ) -> StackOutput:
    if conditioning.hold > 1:
      # What holds for many samples is multiplied once for all of them.
      local, bias = None, self.project(conditioning)
    else:
      local, bias = conditioning.local, self._bias(conditioning)

    def run(i, x, state):
      told = conditioning.at_audio_rate(self._of(i, bias))
      return self.blocks[i](x, local, told, state)

    return self._run(run, x, state)

  def project(
    self, conditioning: Encoded, time_axis: int = 1
  ) -> tf.Tensor | None:
    """What conditioning adds to the products of all blocks, for `step`.

    Args:
      conditioning: with time first in `local` if `time_axis` is 0.
      time_axis: 0 or 1.

    Returns:
      `[B, rows, layers * width]`, or `[rows, B, ...]`, with as many rows as
      `local` has; one with a global vector alone. None without any
      conditioning.
    """
    projected = self._bias(conditioning, time_axis)
    local = conditioning.local
    if local is not None:
      # V_f, V_g of every block at once.
      kernels = [b.convolution.kernels()[1] for b in self.blocks]
      local = convolution.multiply(local, tf.concat(kernels, -1))
      projected = local if projected is None else local + projected
    return projected

  def project_last(self, local: tf.Tensor) -> tf.Tensor:
    """What the last local channels `[B, c]` add, `[B, layers * width]`."""
    kernels = [b.convolution.kernels()[1] for b in self.blocks]
    return convolution.multiply(
      local, tf.concat(kernels, -1)[-local.shape[-1] :]
    )

  def kernels(self) -> tuple[tf.Tensor, ...]:
    """Of the taps of all blocks, for `step`."""
    return tuple(block.convolution.kernels()[0] for block in self.blocks)

  def step(
    self,
    kernels: tuple,
    x: tf.Tensor,
    conditioning: tf.Tensor | None,
    rings: tuple,
    t: tf.Tensor,
  ) -> StackOutput:
    """One sample: x `[B, R]`, conditioning `[B, layers * width]` or None.

    Returns:
      The output `[B, .]` and the rings as its state.
    """

    def run(i, x, ring):
      return self.blocks[i].step(
        kernels[i], x, self._of(i, conditioning), ring, t
      )

    return self._run(run, x, rings)

  def _run(self, run_block, x, states):
    gates, updated = [], []
    for i, state in enumerate(states):
      x, z, state = run_block(i, x, state)
      gates.append(z)
      updated.append(state)
    output = tf.concat(gates, -1) if self.returns_gates else x
    return StackOutput(output, tuple(updated))

  def _bias(self, conditioning, time_axis=1):
    """U h of all blocks, `[B, 1, layers * width]`, or None."""
    if conditioning.global_ is None:
      return None
    return tf.expand_dims(
      self.global_projection(conditioning.global_), time_axis
    )

  def _of(self, i, conditioning):
    if conditioning is None:
      return None
    return conditioning[..., i * self.width : (i + 1) * self.width]
