"""A whole causal network: shift, entrance, dilated stack, head.

The teacher and every flow of the student are this network with other sizes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from wavenet_tf.configuration.choices import FLOAT32, GATED
from wavenet_tf.configuration.keras_saving import registered
from wavenet_tf.networks.conditioning.conditioning import Encoded
from wavenet_tf.networks.stack import convolution
from wavenet_tf.networks.stack.dilated_stack import DilatedStack


class NetworkState(NamedTuple):
  """The past that a chunk can see; all zeros before the first sample."""

  previous: tf.Tensor  # [B, 1, C], the last input sample
  entrance: tf.Tensor  # [B, k - 1, C]
  stack: tuple  # one [B, (k - 1) d, R] per block


class NetworkRings(NamedTuple):
  """`NetworkState` while a generation loop runs."""

  entrance: tf.Tensor  # [B, k - 1, C]
  stack: tuple  # of `rings.Ring`


class NetworkWeights(NamedTuple):
  """What `step` multiplies by; a loop reads it once."""

  entrance: convolution.Affine
  stack: tuple  # one `blocks.BlockWeights` per block
  head: tuple  # of `Affine`, the last being the output layer


@registered
class CausalNetwork(keras.layers.Layer):
  """Parameters of sample t from the samples before t (1609.03499 fig. 4).

  input shifted right by one -> causal convolution -> dilated stack ->
  ReLU -> 1x1 -> ReLU -> 1x1. With `skip_channels` the head reads the sum of
  all blocks' skip connections, without it the last residual (the student of
  1711.10433 has no skip connections).

  The shift is here and nowhere else: no other layer is strictly causal.

  Args:
    dilations, kernel_size, residual_channels, gate_channels: of the stack.
    skip_channels: width of the skip sum, or None.
    outputs: P, parameters per sample.
    local_channels, activation, product_dtype, global_channels: of the stack.
    output_bias: P initial biases of the last layer, whose weights start at
      `output_scale` times Glorot's (0 makes it constant at first).
    input_gain: initial gain of the entrance; about the inverse of the
      loudness of its input, so that activations start near one.

  Call: x `[B, T, C]`, `conditioning.Encoded`, `NetworkState` -> float32
    `[B, T, P]`, next state.
  """

  def __init__(
    self,
    *,
    dilations: Sequence[int],
    kernel_size: int,
    residual_channels: int,
    gate_channels: int,
    skip_channels: int | None,
    outputs: int,
    output_bias: Sequence[float],
    output_scale: float,
    input_gain: float,
    local_channels: int = 0,
    activation: str = GATED,
    product_dtype: str = FLOAT32,
    global_channels: int = 0,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.entrance = convolution.CausalConvolution(
      residual_channels,
      kernel_size,
      name='entrance',
      kernel_initializer=keras.initializers.RandomNormal(
        stddev=input_gain / kernel_size**0.5
      ),
    )
    self.stack = DilatedStack(
      dilations,
      residual_channels,
      gate_channels,
      kernel_size,
      returns_gates=skip_channels is not None,
      local_channels=local_channels,
      activation=activation,
      product_dtype=product_dtype,
      global_channels=global_channels,
      name='stack',
    )
    self.skip = skip_channels and keras.layers.Dense(
      skip_channels,
      name='skip',
      dtype=convolution.product_policy(product_dtype),
      # Fans of one block, as if each block had its own skip product.
      kernel_initializer=keras.initializers.VarianceScaling(
        len(dilations), 'fan_in', 'untruncated_normal'
      ),
    )
    self.hidden = keras.layers.Dense(
      skip_channels or residual_channels, name='hidden'
    )
    self.output_layer = keras.layers.Dense(
      outputs,
      name='output',
      dtype='float32',
      kernel_initializer=keras.initializers.VarianceScaling(
        max(output_scale, 1e-12), 'fan_avg', 'untruncated_normal'
      ),
      bias_initializer=keras.initializers.Constant(list(output_bias)),
    )

  def build(self, input_shape: tuple) -> None:
    self.entrance.build(input_shape)
    self.stack.build((None, None, self.entrance.channels))
    if self.skip:
      gates = sum(block.gate_channels for block in self.stack.blocks)
      self.skip.build((None, None, gates))
    # What the head reads is as wide as its hidden layer.
    self.hidden.build((None, None, self.hidden.units))
    self.output_layer.build((None, None, self.hidden.units))

  def initial_state(
    self, batch: int | tf.Tensor, channels: int
  ) -> NetworkState:
    return NetworkState(
      tf.zeros([batch, 1, channels]),
      self.entrance.initial_state(batch, channels),
      self.stack.initial_state(batch),
    )

  def call(
    self, x: tf.Tensor, conditioning: Encoded, state: NetworkState
  ) -> tuple[tf.Tensor, NetworkState]:
    y, state = self.before_head(x, conditioning, state)
    return self.head(y), state

  def before_head(
    self, x: tf.Tensor, conditioning: Encoded, state: NetworkState
  ) -> tuple[tf.Tensor, NetworkState]:
    """`call` without the head: what the stack returns, and the next state.

    With skip connections these are the gates of all blocks, `[B, T, layers *
    G]`, without them the last residual, `[B, T, R]`.
    """
    shifted = tf.concat([state.previous, x], 1)
    x, entrance = self.entrance(shifted[:, :-1], state.entrance)
    output = self.stack(x, conditioning=conditioning, state=state.stack)
    state = NetworkState(shifted[:, -1:], entrance, output.state)
    return output.output, state

  def step_weights(self) -> NetworkWeights:
    layers = [self.skip, self.hidden, self.output_layer]
    return NetworkWeights(
      self.entrance.step_weights(),
      self.stack.step_weights(),
      tuple(convolution.Affine.of(layer) for layer in layers if layer),
    )

  def step(
    self,
    weights: NetworkWeights,
    previous: tf.Tensor,
    conditioning: tf.Tensor | None,
    rings: NetworkRings,
    t: tf.Tensor,
  ) -> tuple[tf.Tensor, NetworkRings]:
    """One sample of `call`.

    Args:
      weights: from `step_weights`.
      previous: `[B, C]`, the sample at t - 1.
      conditioning: `[B, layers * width]` from `stack.project`, or None.
      rings: `NetworkRings`.
      t: int32 scalar, steps since `rings_from_state`.

    Returns:
      Parameters `[B, P]` of the sample at t, and the updated rings.
    """
    x, entrance = self.entrance.step(weights.entrance, previous, rings.entrance)
    output = self.stack.step(weights.stack, x, conditioning, rings.stack, t)
    y = output.output
    for i, layer in enumerate(weights.head):
      y = layer(tf.nn.relu(y) if i or self.skip is None else y)
    return y, NetworkRings(entrance, output.state)

  def rings_from_state(self, state: NetworkState) -> NetworkRings:
    """The state of a chunk, ready for steps t = 0, 1, ..."""
    return NetworkRings(state.entrance, self.stack.rings.of(state.stack))

  def state_from_rings(
    self, previous: tf.Tensor, rings: NetworkRings, t: tf.Tensor
  ) -> NetworkState:
    """Inverse of `rings_from_state` after t steps; `previous` is x_{t-1}."""
    return NetworkState(
      previous[:, None],
      rings.entrance,
      self.stack.rings.states(rings.stack, t),
    )

  def head(self, y: tf.Tensor) -> tf.Tensor:
    """Parameters `[..., P]` from what `before_head` returns."""
    if self.skip is not None:
      y = tf.cast(self.skip(y), tf.float32)
    return self.output_layer(tf.nn.relu(self.hidden(tf.nn.relu(y))))


class ConditionedRings(NamedTuple):
  """Rings, and what holds for all steps: what a flow's inverse carries."""

  weights: NetworkWeights
  conditioning: tuple  # of one [B, T or 1, layers * width], or none
  rings: NetworkRings


def conditioned_rings(
  net: CausalNetwork, conditioning: Encoded, state: NetworkState
) -> ConditionedRings:
  """State of a chunk and `conditioning.Encoded`, ready for steps."""
  projected = net.stack.project(conditioning)
  if projected is not None:
    projected = conditioning.at_audio_rate(projected)
  return ConditionedRings(
    net.step_weights(),
    () if projected is None else (projected,),
    net.rings_from_state(state),
  )


def conditioned_step(
  net: CausalNetwork, previous: tf.Tensor, state: ConditionedRings, t: tf.Tensor
) -> tuple[tf.Tensor, ConditionedRings]:
  """`step` at t with the conditioning that `ConditionedRings` holds."""
  now = None
  for projected in state.conditioning:
    single = projected.shape[1] == 1
    now = projected[:, 0] if single else tf.gather(projected, t, axis=1)
  parameters, rings = net.step(state.weights, previous, now, state.rings, t)
  return parameters, state._replace(rings=rings)
