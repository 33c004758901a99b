"""Gated residual blocks, of which a dilated stack is made."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from wavenet_tf.configuration.choices import FLOAT32, GATED
from wavenet_tf.configuration.keras_saving import registered
from wavenet_tf.networks.stack import convolution


class BlockWeights(NamedTuple):
  """What `step` of a block multiplies by."""

  convolution: convolution.Affine
  projection: convolution.Affine | tuple  # () where there is none.


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
    z = self._activate(activation, bias)
    if self.projection is not None:
      x += tf.cast(self.projection(z), tf.float32)
    return x, z, state

  def step_weights(self) -> BlockWeights:
    """For `step`; a loop should read them once."""
    return BlockWeights(
      self.convolution.step_weights(),
      convolution.Affine.of(self.projection) if self.projection else (),
    )

  def step(
    self,
    weights: BlockWeights,
    earlier: Sequence[tf.Tensor],
    x: tf.Tensor,
    conditioning: tf.Tensor | None,
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """One sample of `call`: x `[B, R]` -> output `[B, R]`, z `[B, G]`.

    Args:
      weights: from `step_weights`.
      earlier: k - 1 samples `[B, R]` under the other taps, of `rings.Rings`.
      x: the sample at time t.
      conditioning: V y + U h, `[B, width]`.
    """
    taps = tf.concat([*earlier, x], -1)
    z = self._activate(weights.convolution(taps), conditioning)
    if weights.projection:
      x += weights.projection(z)
    return x, z

  def _activate(self, activation, bias):
    z = self.activate(activation if bias is None else activation + bias)
    # As the products that read it want it.
    return tf.cast(z, self.convolution.product.compute_dtype)
