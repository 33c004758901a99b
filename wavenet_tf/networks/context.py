"""The context stack: a long past, heard at a low rate (1609.03499 sec. 2.6)."""

import keras
import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.keras_saving import Configured, registered
from wavenet_tf.networks import causal_network
from wavenet_tf.networks.conditioning.conditioning import UNCONDITIONED


@registered
class ContextStack(Configured, keras.layers.Layer):
  """A smaller, slower WaveNet that conditions a larger one locally.

  The waveform is cut into frames of `pool_samples`, each of which one product
  turns into a vector: a strided convolution in place of pooling. A dilated
  stack over frames, with fewer channels than the network that it serves,
  makes the context

    c_j = f(frame_0, ..., frame_{j - 1}),

  which holds for all samples of frame j. As it is strictly causal over frames,
  a sample depends on no later one, and generation takes one step of it per
  `pool_samples`.

  Args:
    config: sizes from `config.context`.

  Call: frames `[B, F, pool_samples]` of the waveform in units of the signal,
    state -> `[B, F, channels]`, next state.
  """

  def __init__(self, config: Config, **kwargs):
    super().__init__(config, **kwargs)
    settings = config.context
    self.pool_samples = settings.pool_samples
    self.channels = settings.channels
    self.network = causal_network.CausalNetwork(
      dilations=settings.dilations,
      kernel_size=settings.kernel_size,
      residual_channels=settings.residual_channels,
      gate_channels=settings.gate_channels,
      skip_channels=None,
      outputs=settings.channels,
      output_bias=[0.0] * settings.channels,
      output_scale=1.0,
      input_gain=settings.pool_samples**-0.5,
      name='network',
    )

  def build(self, input_shape: tuple | None = None) -> None:
    self.network.build((None, None, self.pool_samples))

  def initial_state(
    self, batch: int | tf.Tensor
  ) -> causal_network.NetworkState:
    return self.network.initial_state(batch, self.pool_samples)

  def frames(self, waveform: tf.Tensor) -> tf.Tensor:
    """`[B, T]` -> `[B, T / pool_samples, pool_samples]`."""
    return tf.reshape(waveform, [tf.shape(waveform)[0], -1, self.pool_samples])

  def call(
    self, frames: tf.Tensor, state: causal_network.NetworkState
  ) -> tuple[tf.Tensor, causal_network.NetworkState]:
    return self.network(frames, conditioning=UNCONDITIONED, state=state)

  def step(
    self,
    weights: causal_network.NetworkWeights,
    frame: tf.Tensor,
    rings: causal_network.NetworkRings,
    j: tf.Tensor,
  ) -> tuple[tf.Tensor, causal_network.NetworkRings]:
    """Context `[B, channels]` of frame j from `frame` j - 1; next rings."""
    return self.network.step(weights, frame, None, rings, j)
