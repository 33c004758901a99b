"""Cached autoregressive generation, in chunks of one length, compiled once.

Within a chunk a loop takes one step per sample with every layer's past in a
ring buffer, so the cost of a sample is that of one layer after the other and
does not grow with the receptive field (1611.09482). Between chunks the state
is the same that a forward pass over a chunk takes and returns.
"""

from collections.abc import Iterable, Iterator
import dataclasses
import itertools
import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from wavenet_tf import audio, network
from wavenet_tf.config import Config, MARGIN_FRAMES, MEL
from wavenet_tf.layers import Conditioning
from wavenet_tf.teacher import Teacher, TeacherState

# Noise of a student is drawn in blocks of this many frames, its shortest chunk.
NOISE_BLOCK_FRAMES = 8
# On several cores a chunk must be long, or they wait for each other; on one,
# short, to stay in its cache.
LONG_CHUNK_FRAMES = 8 * NOISE_BLOCK_FRAMES


class Chunk(NamedTuple):
  """`waveform` float32 `[B, N]` and the state that follows it."""

  waveform: tf.Tensor
  state: tuple


def windows(features, lengths: Iterable[int], silence: float):
  """Features `[B, frames, C]` in chunks of these lengths, with their margins.

  Silence is assumed around them and after them, to the end of the last chunk.
  Only the chunk at hand is copied.

  Args:
    features: float32 `[B, frames, C]`.
    lengths: frames of one chunk after the other, at least as many in all.
    silence: what features are where there is no sound.

  Yields:
    `[B, length + 2 MARGIN_FRAMES, C]`.
  """
  frames, start = features.shape[1], 0
  for length in lengths:
    if start >= frames:
      return
    first, end = start - MARGIN_FRAMES, start + length + MARGIN_FRAMES
    yield tf.pad(
      features[:, max(first, 0) : min(end, frames)],
      [[0, 0], [max(-first, 0), max(end - frames, 0)], [0, 0]],
      constant_values=silence,
    )
    start += length


class Generator:
  """Draws waveforms from a teacher, in any conditioning it was trained with.

  Args:
    teacher: with its final weights.
    config: of the run; for the hop and `evaluate` (chunk length, temperature).
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
    self._config = config
    self._chunk_frames = config.evaluate.chunk_frames
    self._temperature = config.evaluate.temperature
    self._compiled = tf.function(
      self._generate_chunk, jit_compile=jit_compile, autograph=False
    )

  def __call__(self, features, seed, global_=None) -> np.ndarray:
    """Whole waveforms, which are kept; `chunks` keeps none of its own.

    Args:
      features: float32 `[B, frames, channels]`; without local conditioning
        there are no channels, and the frames say how long to go on.
      seed: two integers; the same seed gives the same waveform.
      global_: float32 `[B, channels]`, where the teacher has it.

    Returns:
      float32 `[B, frames * hop]`.
    """
    return _joined(self.chunks(features, seed, global_), features, self._config)

  def chunks(self, features, seed, global_=None) -> Iterator[Chunk]:
    """Yields one `Chunk` after the other; the last may exceed the features.

    Memory beside the features themselves does not grow with their length.
    """
    state = self._teacher.initial_state(features.shape[0])
    for index, window in enumerate(
      windows(
        features, itertools.repeat(self._chunk_frames), self._config.silence
      )
    ):
      chunk_seed = tf.random.experimental.stateless_fold_in(
        tf.constant(seed, tf.int32), index
      )
      chunk = self._compiled(window, global_, chunk_seed, state)
      yield chunk
      state = chunk.state

  def _generate_chunk(self, features, global_, seed, state) -> Chunk:
    """One chunk; with a context stack, frame by frame of it."""
    teacher, batch = self._teacher, features.shape[0]
    samples = self._chunk_frames * self._config.audio.hop_samples
    encoded = teacher.encoder(Conditioning.of(features, global_))
    noise = teacher.output_kind.noise([samples, batch], seed)
    steps = _Steps(teacher, encoded, noise, self._temperature)
    carry = _Carry(
      state.network.previous[:, 0],
      network.rings_from_state(state.network),
      tf.zeros([samples, batch]),
    )
    if not teacher.context:
      carry = steps.run(0, samples, None, carry)
      context_state = None
    else:
      carry, context_state = self._generate_frames(
        steps, samples, carry, state.context
      )
    state = TeacherState(
      network.state_from_rings(carry.previous, carry.rings, samples),
      context_state,
    )
    return Chunk(tf.transpose(carry.waveform), state)

  def _generate_frames(self, steps, samples, carry, state):
    """The context stack takes a step, then the network one per sample."""
    context = self._teacher.context
    pool, kernels = context.pool_samples, context.network.kernels()

    def one_frame(j, carry, frame, rings):
      heard, rings = context.step(kernels, frame, rings, j)
      carry = steps.run(j * pool, pool, heard, carry)
      frame = tf.transpose(carry.waveform[j * pool : (j + 1) * pool])
      return j + 1, carry, self._teacher.context_frames(frame)[:, 0], rings

    j, carry, frame, rings = tf.while_loop(
      lambda j, *_: j < samples // pool,
      one_frame,
      (0, carry, state.previous[:, 0], network.rings_from_state(state)),
      maximum_iterations=samples // pool,
    )
    return carry, network.state_from_rings(frame, rings, j)


class _Carry(NamedTuple):
  """What the loop over samples hands on."""

  previous: tf.Tensor  # [B, C], the last sample as the network hears it
  rings: network.NetworkRings
  waveform: tf.Tensor  # [samples, B], filled as far as the loop has come


class _Steps:
  """The loop over the samples of a chunk.

  Conditioning is projected and noise drawn for the whole chunk, time first,
  so that a step reads one row.
  """

  def __init__(self, teacher, encoded, noise, temperature):
    self._teacher = teacher
    self._kernels = teacher.network.kernels()
    self._noise = noise
    self._temperature = temperature
    # The context is not known yet: its channels, the last ones, are zero.
    if teacher.context:
      shape = [noise.shape[1], noise.shape[0], teacher.context.channels]
      encoded = encoded.beside(tf.zeros(shape))
    self._hold = encoded.hold
    if encoded.local is not None:  # Time first, while it is small.
      local = tf.transpose(encoded.local, [1, 0, 2])
      encoded = dataclasses.replace(encoded, local=local)
    self._projected = teacher.network.stack.project(encoded, time_axis=0)

  def run(self, first, count, heard, carry: _Carry) -> _Carry:
    """Samples first .. first + count - 1, told the context `heard`."""
    teacher = self._teacher
    if heard is not None:
      heard = teacher.network.stack.project_last(heard)

    def step(i, carry):
      t = first + i
      parameters, rings = teacher.network.step(
        self._kernels,
        carry.previous,
        self._conditioning(t, heard),
        carry.rings,
        t,
      )
      sample = teacher.output_kind.sample(
        parameters, tf.gather(self._noise, t), self._temperature
      )
      waveform = tf.tensor_scatter_nd_update(carry.waveform, [[t]], [sample])
      return i + 1, _Carry(teacher.encode(sample), rings, waveform)

    return tf.while_loop(
      lambda i, _: i < count, step, (0, carry), maximum_iterations=count
    )[1]

  def _conditioning(self, t, heard):
    if self._projected is None:
      return heard
    if self._projected.shape[0] == 1:
      row = self._projected[0]
    else:
      row = tf.gather(self._projected, t // self._hold)
    return row if heard is None else row + heard


def _joined(chunks, features, config) -> np.ndarray:
  """Waveforms of all chunks, cut to the length of the features."""
  samples = features.shape[1] * config.audio.hop_samples
  joined = np.empty([features.shape[0], samples], np.float32)
  start = 0
  for chunk in chunks:
    part = joined[:, start : start + chunk.waveform.shape[1]]
    part[:] = chunk.waveform[:, : part.shape[1]]
    start += part.shape[1]
  return joined


def served_inputs(config: Config) -> dict[str, tf.TensorSpec]:
  """What a student is asked with, by name: features, seed, global vector."""
  features = 'mel' if config.conditioning.local == MEL else 'features'
  inputs = {
    features: tf.TensorSpec(
      [None, None, config.local_channels], tf.float32, features
    ),
    'seed': tf.TensorSpec([None, 2], tf.int32, 'seed'),
  }
  channels = config.conditioning.global_channels
  if channels:
    inputs['global_vector'] = tf.TensorSpec(
      [None, channels], tf.float32, 'global_vector'
    )
  return inputs


class Synthesizer:
  """Speaks with a student: log-mel in, waveform out.

  `synthesize` does it in one pass, in stock TensorFlow operations, for any
  batch and length; this is what `export` serves. Calling the object goes
  through chunks of two lengths instead, so that of what grows with the
  utterance it keeps the waveform alone, and `chunks` nothing. Both draw
  their noise in blocks of `NOISE_BLOCK_FRAMES`, each from the seed and its own
  number, and so say the same.

  A first chunk is short, so that it is soon heard, others are long where there
  are several cores. Each length is compiled when it first occurs: who streams
  says something of two seconds before the first listener comes.

  Args:
    student: with its final weights.
    config: of the run; for the hop and the conditioning.
    jit_compile: compile chunks with XLA; `synthesize` never is.

  Example:
    ```python
    speak = Synthesizer(student, config)
    waveform = speak(log_mel, seed=[7, 0])   # [B, frames * hop]
    ```
  """

  def __init__(self, student, config: Config, jit_compile: bool = True):
    self._student = student
    self._config = config
    self._block_samples = NOISE_BLOCK_FRAMES * config.audio.hop_samples
    self.synthesize = tf.function(
      self._synthesize,
      autograph=False,
      input_signature=tuple(served_inputs(config).values()),
    )
    self._compiled = tf.function(
      self._synthesize_chunk, jit_compile=jit_compile, autograph=False
    )

  def __call__(self, features, seed, global_=None) -> np.ndarray:
    """float32 `[B, frames, channels]`, one seed for all -> `[B, samples]`."""
    return _joined(self.chunks(features, seed, global_), features, self._config)

  def chunks(self, features, seed, global_=None) -> Iterator[Chunk]:
    """Yields one `Chunk` after the other; the last may exceed the features.

    Memory beside the features themselves does not grow with their length.
    """
    batch, block = features.shape[0], 0
    seeds = tf.tile(tf.constant([seed], tf.int32), [batch, 1])
    state = self._student.initial_state(batch)
    lengths = _student_chunks(features.shape[1])
    for window in windows(features, lengths, self._config.silence):
      chunk = self._compiled(window, global_, seeds, tf.constant(block), state)
      yield chunk
      state = chunk.state
      block += _blocks_of(window)

  def _synthesize(self, features, seed, global_=None):
    samples = tf.shape(features)[1] * self._config.audio.hop_samples
    blocks = tf.range((samples - 1) // self._block_samples + 1)
    z = self._noise(seed, blocks)[:, :samples]
    padded = audio.pad_margin(features, self._config.silence)
    return _clipped(self._student(z, Conditioning.of(padded, global_)))

  def _synthesize_chunk(self, window, global_, seeds, first_block, state):
    z = self._noise(seeds, first_block + tf.range(_blocks_of(window)))
    output, state = self._student.chunk(
      z, Conditioning.of(window, global_), state
    )
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


def _student_chunks(frames: int) -> Iterator[int]:
  """Lengths in frames: a short one, long ones, and short ones for the rest."""
  yield NOISE_BLOCK_FRAMES
  if _cores() > 1:
    left = max(0, frames - NOISE_BLOCK_FRAMES)
    yield from itertools.repeat(LONG_CHUNK_FRAMES, left // LONG_CHUNK_FRAMES)
  yield from itertools.repeat(NOISE_BLOCK_FRAMES)


def _cores() -> int:
  """Those that this process may use, where the system tells."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _blocks_of(window) -> int:
  """Blocks of noise in a chunk, whose features are given with margins."""
  return (window.shape[1] - 2 * MARGIN_FRAMES) // NOISE_BLOCK_FRAMES


def _clipped(output):
  return tf.clip_by_value(output.waveform, -1.0, 1.0)
