"""A classifier of raw audio: what is said in each frame of 10 ms."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.keras_saving import Configured, registered
from wavenet_tf.networks import causal_network
from wavenet_tf.networks.conditioning.conditioning import UNCONDITIONED
from wavenet_tf.probability.outputs import make_output


class ClassifierOutput(NamedTuple):
  """What the two losses of 1609.03499 sec. 3.4 read."""

  logits: tf.Tensor  # [B, F, classes], a frame's classes
  parameters: tf.Tensor  # [B, T, P], of the next sample, from those before it


@registered
class Classifier(Configured, keras.Model):
  """A WaveNet that recognises (1609.03499 sec. 3.4).

  Its dilated stack is the teacher's without conditioning. The sum of the skip
  connections, rectified, is averaged over frames and seen by a few
  convolutions that are not causal:

    y_t = ReLU(W_skip [z_t^1, ..., z_t^layers])
    f_j = mean of y_t over the samples t of frame j
    f <- ReLU(W * f), `frame_layers` times, width 3, dilated if asked for
    logits_j = W f_j

  The same stack also predicts the next sample, as the paper trains both. Its
  gates z are the features of the perceptual loss (1711.10433 sec. 4.1).

  Args:
    config: sizes from `config.classifier`, the output of the next sample from
      `config.teacher`, the rate from `config.audio`.
    classes: of the vocabulary.

  Call:
    waveform: float32 `[B, T]` in [-1, 1]; samples beyond the last whole frame
      are in no frame.
    thin: the dropout of training, (frames, layer) -> frames; None for none.
    Returns `ClassifierOutput` with F = T // frame_samples. The parameters at t
    depend on x_<t, the logits of frame j on the samples before the end of frame
    j + frame_reach.

  Example:
    ```python
    classifier = build_classifier(config, classes=len(vocabulary))
    logits = classifier(waveform).logits
    ```
  """

  def __init__(self, config: Config, classes: int, **kwargs):
    super().__init__(config, **kwargs)
    sizes = config.classifier
    self.sizes = sizes
    self.frame_samples = sizes.frame_samples(config.audio.sample_rate_hz)
    self.output_kind = make_output(config.teacher)
    self.network = causal_network.CausalNetwork(
      dilations=sizes.dilations,
      kernel_size=sizes.kernel_size,
      residual_channels=sizes.residual_channels,
      gate_channels=sizes.gate_channels,
      skip_channels=sizes.skip_channels,
      outputs=self.output_kind.parameter_size,
      output_bias=self.output_kind.initial_bias(),
      output_scale=0.1,
      input_gain=1.0,
      name='network',
    )
    self.frame_convolutions = [
      keras.layers.Conv1D(
        sizes.frame_channels,
        3,
        padding='same',
        activation='relu',
        dilation_rate=dilation,
        name=f'frame_{i}',
      )
      for i, dilation in enumerate(sizes.frame_dilations)
    ]
    self.logits = keras.layers.Dense(classes, name='logits')

  def get_config(self) -> dict:
    return {**super().get_config(), 'classes': self.logits.units}

  def build(self, input_shape: tuple | None = None) -> None:
    # By hearing a frame: parts of the network are used and named by themselves.
    self.call(tf.zeros([1, self.frame_samples]))
    if not self.sizes.next_sample_weight:
      # Nothing trains what only the next sample needs.
      self.network.hidden.trainable = False
      self.network.output_layer.trainable = False

  def initial_state(
    self, batch: int | tf.Tensor
  ) -> causal_network.NetworkState:
    return self.network.initial_state(batch, 1)

  def chunk(
    self, waveform: tf.Tensor, state: causal_network.NetworkState
  ) -> tuple[tf.Tensor, causal_network.NetworkState]:
    """Gates of all blocks `[B, T, layers * G]`, and the next state."""
    scaled = waveform[..., None] / self.sizes.signal_unit
    return self.network.before_head(scaled, UNCONDITIONED, state)

  def pool(self, gates: tf.Tensor) -> tf.Tensor:
    """Gates `[B, T, layers * G]` -> frames `[B, F, skip_channels]`."""
    y = tf.nn.relu(self.network.skip(gates))
    batch, samples, channels = tf.unstack(tf.shape(y))
    frames = samples // self.frame_samples
    y = y[:, : frames * self.frame_samples]
    y = tf.reshape(y, [batch, frames, self.frame_samples, channels])
    y = tf.reduce_mean(y, 2)
    return tf.ensure_shape(y, [None, None, self.sizes.skip_channels])

  def classify(
    self, frames: tf.Tensor, thin: Callable | None = None
  ) -> tf.Tensor:
    """Frames `[B, F, skip_channels]` -> logits `[B, F, classes]`."""
    thin = thin or (lambda frames, layer: frames)
    frames = thin(frames, 0)
    for i, convolution in enumerate(self.frame_convolutions, 1):
      frames = thin(convolution(frames), i)
    return self.logits(frames)

  def call(
    self, waveform: tf.Tensor, thin: Callable | None = None
  ) -> ClassifierOutput:
    gates = self._gates(waveform)
    return ClassifierOutput(
      self.classify(self.pool(gates), thin), self.network.head(gates)
    )

  def activations(self, waveform: tf.Tensor) -> tf.Tensor:
    """The gates z of all blocks, float32 `[B, T, layers, G]`; no head runs."""
    gates = self._gates(waveform)
    layers = len(self.sizes.dilations)
    shape = tf.concat([tf.shape(gates)[:2], [layers, -1]], 0)
    return tf.cast(tf.reshape(gates, shape), tf.float32)

  def _gates(self, waveform):
    return self.chunk(waveform, self.initial_state(tf.shape(waveform)[0]))[0]


def build_classifier(config: Config, classes: int) -> Classifier:
  """A `Classifier` whose variables exist."""
  classifier = Classifier(config, classes, name='classifier')
  classifier.build()
  return classifier
