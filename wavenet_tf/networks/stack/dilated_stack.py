"""The dilated stack of gated residual blocks.

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
from wavenet_tf.networks.conditioning.conditioning import Encoded
from wavenet_tf.networks.stack import convolution, recomputation
from wavenet_tf.networks.stack.blocks import BlockWeights, GatedResidualBlock
from wavenet_tf.networks.stack.rings import Rings


class StackOutput(NamedTuple):
  """What a stack returns for a chunk of T samples, or for a step."""

  output: tf.Tensor  # gates of all blocks [B, T, layers * G], or [B, T, R]
  state: tuple  # one [B, (k - 1) d, R] per block, or `rings.Ring`s


@registered
class DilatedStack(keras.layers.Layer):
  """Gated residual blocks of given dilations, one after the other.

  Args:
    dilations: one per block.
    residual_channels, gate_channels, kernel_size: as in the block.
    local_channels, activation, product_dtype: as in the block.
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
      block = self.blocks[i]

      def compute(x, local, told, state):
        return block(x, local, conditioning.at_audio_rate(told), state)

      told = self._of(i, bias)
      return recomputation.run(block, compute, x, local, told, state)

    gates, updated = [], []
    for i, past in enumerate(state):
      x, z, past = run(i, x, past)
      gates.append(z)
      updated.append(past)
    return StackOutput(self._output(gates, x), tuple(updated))

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

  def step_weights(self) -> tuple[BlockWeights, ...]:
    """Of all blocks, for `step`; a loop should read them once."""
    return tuple(block.step_weights() for block in self.blocks)

  def step(
    self,
    weights: tuple[BlockWeights, ...],
    x: tf.Tensor,
    conditioning: tf.Tensor | None,
    rings: tuple,
    t: tf.Tensor,
  ) -> StackOutput:
    """One sample: x `[B, R]`, conditioning `[B, layers * width]` or None.

    Returns:
      The output `[B, .]` and the rings as its state.
    """
    rings, earlier = self.rings.read(rings, t)
    told = [None] * len(self.blocks)
    if conditioning is not None:
      told = tf.split(conditioning, len(self.blocks), -1)
    heard, gates = [], []
    for block, own, taps, beside in zip(self.blocks, weights, earlier, told):
      heard.append(x)
      x, z = block.step(own, taps, x, beside)
      gates.append(z)
    return StackOutput(self._output(gates, x), self.rings.hear(rings, heard))

  @property
  def rings(self) -> Rings:
    """Of the blocks, while a loop takes steps."""
    return Rings([block.convolution for block in self.blocks])

  def _output(self, gates, x):
    return tf.concat(gates, -1) if self.returns_gates else x

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
