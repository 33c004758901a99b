"""Dilated causal convolution: over chunks, and sample by sample."""

from typing import NamedTuple

import keras
import tensorflow as tf

from wavenet_tf.configuration.choices import FLOAT32
from wavenet_tf.configuration.keras_saving import registered


@registered
class CausalConvolution(keras.layers.Layer):
  """Dilated causal convolution (1609.03499 sec. 2.1) as matrix products.

  y_t = sum_j W_j x_{t - (k - 1 - j) d}, j = 0 .. k - 1: no tap sees the
  future. Products of shifted copies of the input compile better than a dilated
  convolution.

  Args:
    channels: outputs per sample.
    kernel_size: k, taps.
    dilation: d, samples between taps.
    use_bias: whether to add a bias.
    kernel_initializer: as in Keras; fans are those of one product.
    beside_channels: of what is laid beside the taps, see `call`.
    product_dtype: 'float32', or 'bfloat16' for the operands of the product.

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
    channels: int,
    kernel_size: int,
    dilation: int = 1,
    use_bias: bool = True,
    kernel_initializer: str | keras.initializers.Initializer = 'glorot_uniform',
    beside_channels: int = 0,
    product_dtype: str = FLOAT32,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.channels = channels
    self.beside_channels = beside_channels
    self.kernel_size = kernel_size
    self.dilation = dilation
    self.product = keras.layers.Dense(
      channels,
      use_bias=use_bias,
      kernel_initializer=kernel_initializer,
      dtype=product_policy(product_dtype),
      name='product',
    )

  def get_config(self) -> dict:
    return {
      **super().get_config(),
      'channels': self.channels,
      'kernel_size': self.kernel_size,
      'dilation': self.dilation,
      'use_bias': self.product.use_bias,
      'kernel_initializer': keras.initializers.serialize(
        self.product.kernel_initializer
      ),
      'beside_channels': self.beside_channels,
      'product_dtype': self.product.compute_dtype,
    }

  @property
  def history_samples(self) -> int:
    """Samples before a chunk that the chunk needs: the length of a state."""
    return (self.kernel_size - 1) * self.dilation

  def initial_state(self, batch: int | tf.Tensor, channels: int) -> tf.Tensor:
    return tf.zeros([batch, self.history_samples, channels])

  def build(self, input_shape: tuple) -> None:
    width = input_shape[-1] * self.kernel_size + self.beside_channels
    self.product.build((*input_shape[:-1], width))

  def call(
    self, x: tf.Tensor, state: tf.Tensor, beside: tf.Tensor | None = None
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Convolves a chunk.

    Args:
      x: `[B, T, C]`.
      state: `[B, (k - 1) d, C]`, what came before.
      beside: `[B, T, beside_channels]`: input of a 1x1 convolution whose
        output is added; None where the caller adds it.

    Returns:
      float32 `[B, T, channels]` and the next state.
    """
    extended = tf.concat([state, x], 1)
    samples = tf.shape(x)[1] if x.shape[1] is None else x.shape[1]
    operand = tf.cast(extended, self.product.compute_dtype)
    columns = [
      within(operand, j * self.dilation, samples)
      for j in range(self.kernel_size)
    ]
    if beside is not None:
      columns.append(tf.cast(beside, self.product.compute_dtype))
    return self._multiply(columns), within(
      extended, samples, self.history_samples
    )

  def _multiply(self, columns):
    """All columns times their rows of the kernel, and the bias, in float32."""
    widths = [c.shape[-1] for c in columns]
    kernel = self.product.kernel.value[: sum(widths)]
    if self.product.compute_dtype != FLOAT32:
      # In one product, as each rounds its sum to the type of its operands.
      kernel = tf.cast(kernel, self.product.compute_dtype)
      y = tf.tensordot(tf.concat(columns, -1), kernel, 1)
      if self.product.use_bias:
        y += tf.cast(self.product.bias.value, y.dtype)
      return tf.cast(y, tf.float32)
    # In float32, laying columns side by side takes a third of a product's time.
    first, *others = map(multiply, columns, tf.split(kernel, widths))
    if self.product.use_bias:
      # XLA hands products to oneDNN together with what is added to their sum,
      # and oneDNN is a hundred times slower where that is the bias.
      first += self.product.bias.value
    return sum(others, first)

  def kernels(self) -> tuple[tf.Tensor, tf.Tensor]:
    """Weights of the taps `[k C, channels]` and of what is beside them."""
    kernel = tf.cast(self.product.kernel.value, self.product.compute_dtype)
    taps = kernel.shape[0] - self.beside_channels
    return kernel[:taps], kernel[taps:]

  def step_weights(self) -> 'Affine':
    """Of the taps, for `step`; a loop should read them once."""
    bias = tf.zeros([self.channels])
    if self.product.use_bias:
      bias = tf.identity(self.product.bias.value)
    return Affine(self.kernels()[0], bias)

  def step(
    self, weights: 'Affine', x: tf.Tensor, state: tf.Tensor
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """One sample of `call`, which moves the whole past on: for a short one.

    Args:
      weights: from `step_weights`.
      x: `[B, C]`, the sample at time t.
      state: as in `call`.

    Returns:
      `[B, channels]` and the next state.
    """
    extended = tf.concat([state, tf.expand_dims(x, 1)], 1)
    taps = extended[:, :: self.dilation]
    width = self.kernel_size * x.shape[-1]
    return weights(tf.reshape(taps, [-1, width])), extended[:, 1:]


class Affine(NamedTuple):
  """y = x W + b with weights that a loop reads once.

  Attributes:
    kernel: `[n, m]`, of the type of the product's operands.
    bias: `[m]`, of the type that it is added in.
  """

  kernel: tf.Tensor
  bias: tf.Tensor

  @classmethod
  def of(cls, dense: keras.layers.Dense) -> 'Affine':
    """As the layer computes it, in its own type."""
    weights = tf.identity(dense.kernel.value), tf.identity(dense.bias.value)
    return cls(*(tf.cast(w, dense.compute_dtype) for w in weights))

  def __call__(self, x: tf.Tensor) -> tf.Tensor:
    """X `[B, n]` -> float32 `[B, m]`."""
    y = tf.matmul(tf.cast(x, self.kernel.dtype), self.kernel)
    # TensorFlow would fuse `bias_add` with the product, which of one row then
    # takes more than twice as long.
    return tf.cast(tf.cast(y, self.bias.dtype) + self.bias, tf.float32)


def product_policy(product_dtype: str) -> keras.DTypePolicy:
  """Weights in float32; operands of products as `product_dtype` says."""
  return keras.DTypePolicy(
    FLOAT32 if product_dtype == FLOAT32 else f'mixed_{product_dtype}'
  )


def within(x: tf.Tensor, start: int | tf.Tensor, length: int) -> tf.Tensor:
  """X `[B, T, C]` from `start` on.

  Of a single row the slice is a view: only along the first axis TensorFlow
  takes one without copying.
  """
  if x.shape[0] == 1:
    return x[0][start : start + length][None]
  return x[:, start : start + length]


def multiply(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
  """X `[..., n]` times the kernel `[n, m]`, in its type -> float32."""
  return tf.cast(tf.tensordot(tf.cast(x, kernel.dtype), kernel, 1), tf.float32)
