"""Cached autoregressive generation, in chunks of one length, compiled once.

Within a chunk a loop takes one step per sample with every layer's past in a
ring buffer, so the cost of a sample is that of one layer after the other and
does not grow with the receptive field (1611.09482). Between chunks the state
is the same that a forward pass over a chunk takes and returns.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from wavenet_tf import audio, distributions, network
from wavenet_tf.config import AudioConfig, Config, MARGIN_FRAMES
from wavenet_tf.layers import Conditioning
from wavenet_tf.teacher import Teacher


class Chunk(NamedTuple):
  """`waveform` float32 `[B, N]` and the state that follows it."""

  waveform: tf.Tensor
  state: network.NetworkState


class Generator:
  """Draws waveforms from a teacher, conditioned on log-mel features.

  Args:
    teacher: with its final weights.
    config: `audio` and `evaluate` (chunk length, temperature).
    jit_compile: compile the chunk with XLA.

  Example:
    ```python
    generate = Generator(teacher, config)
    waveform = generate(log_mel, seed=[7, 0])   # [B, frames * hop]
    ```
  """

  def __init__(
    self, teacher: Teacher, config: Config, jit_compile: bool = True
  ):
    self._teacher = teacher
    self._audio = config.audio
    self._chunk_frames = config.evaluate.chunk_frames
    self._temperature = config.evaluate.temperature
    self._compiled = tf.function(self._generate_chunk, jit_compile=jit_compile)

  def __call__(self, features, seed) -> np.ndarray:
    """Whole waveforms.

    Args:
      features: float32 `[B, frames, channels]`.
      seed: two integers; the same seed gives the same waveform.

    Returns:
      float32 `[B, frames * hop]`.
    """
    samples = features.shape[1] * self._audio.hop_samples
    chunks = [chunk.waveform.numpy() for chunk in self.chunks(features, seed)]
    return np.concatenate(chunks, 1)[:, :samples]

  def chunks(self, features, seed) -> Iterator[Chunk]:
    """Yields one `Chunk` after the other; the last may exceed the features."""
    batch, frames, _ = features.shape
    missing = -frames % self._chunk_frames
    features = audio.pad_margin(
      tf.pad(
        features,
        [[0, 0], [0, missing], [0, 0]],
        constant_values=self._audio.log_mel_floor,
      ),
      self._audio,
    )
    state = self._teacher.initial_state(batch)
    for index, start in enumerate(range(0, frames, self._chunk_frames)):
      window = features[
        :, start : start + self._chunk_frames + 2 * MARGIN_FRAMES
      ]
      chunk_seed = tf.random.experimental.stateless_fold_in(
        tf.constant(seed, tf.int32), index
      )
      chunk = self._compiled(window, chunk_seed, state)
      yield chunk
      state = chunk.state

  def _generate_chunk(self, features, seed, state) -> Chunk:
    teacher, net = self._teacher, self._teacher.network
    batch = features.shape[0]
    samples = self._chunk_frames * self._audio.hop_samples
    projected = teacher.project(Conditioning(features))
    # Time first: the loop reads one row per step.
    projected = tf.transpose(projected, [1, 0, 2])
    noise = teacher.output_kind.noise([samples, batch], seed)

    def step(t, previous, rings, waveform):
      parameters, rings = net.step(previous, projected[t], rings, t)
      sample = teacher.output_kind.sample(
        parameters, noise[t], self._temperature
      )
      return (
        t + 1,
        teacher.encode(sample),
        rings,
        tf.tensor_scatter_nd_update(waveform, [[t]], [sample]),
      )

    t, previous, rings, waveform = tf.while_loop(
      lambda t, *_: t < samples,
      step,
      (
        0,
        state.previous[:, 0],
        network.rings_from_state(state),
        tf.zeros([samples, batch]),
      ),
      maximum_iterations=samples,
    )
    return Chunk(
      tf.transpose(waveform), network.state_from_rings(previous, rings, t)
    )


class Synthesizer:
  """Speaks with a student: log-mel in, waveform out, in one pass.

  Stock TensorFlow operations of any batch and length; this is what `export`
  serves.

  Args:
    student: with its final weights.
    audio_config: hop and feature range.
  """

  def __init__(self, student, audio_config: AudioConfig):
    self._student = student
    self._audio = audio_config
    self.synthesize = tf.function(
      self._synthesize,
      input_signature=[
        tf.TensorSpec([None, None, audio_config.mel_bins], tf.float32, 'mel'),
        tf.TensorSpec([None, 2], tf.int32, 'seed'),
      ],
    )

  def __call__(self, features, seed) -> np.ndarray:
    """float32 `[B, frames, channels]`, one seed for all -> `[B, samples]`."""
    seeds = tf.tile(tf.constant([seed], tf.int32), [features.shape[0], 1])
    return self.synthesize(features, seeds).numpy()

  def _synthesize(self, mel, seed):
    samples = tf.shape(mel)[1] * self._audio.hop_samples
    # A seed a row: what a request hears does not depend on its batch.
    z = tf.map_fn(
      lambda row: distributions.standard_logistic([samples], row),
      seed,
      fn_output_signature=tf.TensorSpec([None], tf.float32),
    )
    conditioning = Conditioning(audio.pad_margin(mel, self._audio))
    waveform = self._student(z, conditioning).waveform
    return tf.clip_by_value(waveform, -1.0, 1.0)
