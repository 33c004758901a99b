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

from wavenet_tf import audio, network
from wavenet_tf.config import AudioConfig, Config, MARGIN_FRAMES
from wavenet_tf.layers import Conditioning
from wavenet_tf.teacher import Teacher

# Noise of a student is drawn in blocks of this many frames.
NOISE_BLOCK_FRAMES = 64


class Chunk(NamedTuple):
  """`waveform` float32 `[B, N]` and the state that follows it."""

  waveform: tf.Tensor
  state: tuple


def windows(features, chunk_frames: int, audio_config: AudioConfig):
  """Features `[B, frames, C]` in chunks of one length, with their margins.

  Silence is assumed around them and after them, to the end of the last chunk.

  Yields:
    `[B, chunk_frames + 2 MARGIN_FRAMES, C]`.
  """
  frames = features.shape[1]
  padded = audio.pad_margin(
    tf.pad(
      features,
      [[0, 0], [0, -frames % chunk_frames], [0, 0]],
      constant_values=audio_config.log_mel_floor,
    ),
    audio_config,
  )
  for start in range(0, frames, chunk_frames):
    yield padded[:, start : start + chunk_frames + 2 * MARGIN_FRAMES]


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
    self._compiled = tf.function(
      self._generate_chunk, jit_compile=jit_compile, autograph=False
    )

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
    state = self._teacher.initial_state(features.shape[0])
    for index, window in enumerate(
      windows(features, self._chunk_frames, self._audio)
    ):
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
  """Speaks with a student: log-mel in, waveform out.

  `synthesize` does it in one pass, in stock TensorFlow operations, for any
  batch and length; this is what `export` serves. Calling the object goes
  through chunks of one length instead, so that memory does not grow with the
  utterance. Both draw their noise in blocks of `NOISE_BLOCK_FRAMES`, each from
  the seed and its own number, and so say the same.

  Args:
    student: with its final weights.
    audio_config: hop and feature range.

  Example:
    ```python
    speak = Synthesizer(student, config.audio)
    waveform = speak(log_mel, seed=[7, 0])   # [B, frames * hop]
    ```
  """

  def __init__(self, student, audio_config: AudioConfig):
    self._student = student
    self._audio = audio_config
    self._block_samples = NOISE_BLOCK_FRAMES * audio_config.hop_samples
    self.synthesize = tf.function(
      self._synthesize,
      autograph=False,
      input_signature=[
        tf.TensorSpec([None, None, audio_config.mel_bins], tf.float32, 'mel'),
        tf.TensorSpec([None, 2], tf.int32, 'seed'),
      ],
    )
    self._compiled = tf.function(self._synthesize_chunk, autograph=False)

  def __call__(self, features, seed) -> np.ndarray:
    """float32 `[B, frames, channels]`, one seed for all -> `[B, samples]`."""
    samples = features.shape[1] * self._audio.hop_samples
    chunks = [chunk.waveform.numpy() for chunk in self.chunks(features, seed)]
    return np.concatenate(chunks, 1)[:, :samples]

  def chunks(self, features, seed) -> Iterator[Chunk]:
    """Yields one `Chunk` after the other; the last may exceed the features."""
    batch = features.shape[0]
    seeds = tf.tile(tf.constant([seed], tf.int32), [batch, 1])
    state = self._student.initial_state(batch)
    for index, window in enumerate(
      windows(features, NOISE_BLOCK_FRAMES, self._audio)
    ):
      chunk = self._compiled(window, seeds, tf.constant(index), state)
      yield chunk
      state = chunk.state

  def _synthesize(self, mel, seed):
    samples = tf.shape(mel)[1] * self._audio.hop_samples
    blocks = tf.range((samples - 1) // self._block_samples + 1)
    z = self._noise(seed, blocks)[:, :samples]
    conditioning = Conditioning(audio.pad_margin(mel, self._audio))
    return _clipped(self._student(z, conditioning))

  def _synthesize_chunk(self, window, seeds, index, state):
    z = self._noise(seeds, index[None])
    output, state = self._student.chunk(z, Conditioning(window), state)
    return Chunk(_clipped(output), state)

  def _noise(self, seed, blocks):
    """Noise for the flows, `[B, blocks * block samples]`.

    A seed a row: what a request hears does not depend on its batch.
    """
    rows, count = tf.shape(seed)[0], tf.shape(blocks)[0]

    def draw(row_and_block):
      row, block = row_and_block
      return self._student.family.standard_noise(
        [self._block_samples],
        tf.random.experimental.stateless_fold_in(row, block),
      )

    noise = tf.map_fn(
      draw,
      (tf.repeat(seed, count, axis=0), tf.tile(blocks, [rows])),
      fn_output_signature=tf.TensorSpec([self._block_samples], tf.float32),
    )
    return tf.reshape(noise, [rows, count * self._block_samples])


def _clipped(output):
  return tf.clip_by_value(output.waveform, -1.0, 1.0)
