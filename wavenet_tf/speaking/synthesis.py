"""One-pass synthesis with a student, whole or in chunks."""

from collections.abc import Iterator, Sequence
import itertools
import os
from typing import NamedTuple

import tensorflow as tf

from wavenet_tf.configuration.choices import MEL
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.student import Student, StudentState
from wavenet_tf.signal import emphasis
from wavenet_tf.signal.framing import pad_margin
from wavenet_tf.speaking.chunks import Chunk, ChunkwiseSpeaker, windows

# Noise of a student is drawn in blocks of this many frames, its shortest chunk.
NOISE_BLOCK_FRAMES = 8
# On several cores a chunk must be long, or they wait for each other; on one,
# short, to stay in its cache.
LONG_CHUNK_FRAMES = 8 * NOISE_BLOCK_FRAMES


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


class SynthesizerState(NamedTuple):
  """What a chunk leaves to the next: of the student, and of de-emphasis."""

  student: StudentState
  memory: tf.Tensor


class Synthesizer(ChunkwiseSpeaker):
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
    config: of the run; for the hop, the conditioning and
      `evaluate.noise_factor`.
    jit_compile: compile chunks with XLA; `synthesize` never is.

  Example:
    ```python
    speak = Synthesizer(student, config)
    waveform = speak(log_mel, seed=[7, 0])   # [B, frames * hop]
    ```
  """

  def __init__(
    self, student: Student, config: Config, jit_compile: bool = True
  ):
    super().__init__(config)
    self._student = student
    self._block_samples = NOISE_BLOCK_FRAMES * config.audio.hop_samples
    self.synthesize = tf.function(
      self._synthesize,
      autograph=False,
      input_signature=tuple(served_inputs(config).values()),
    )
    self._compiled = tf.function(
      self._synthesize_chunk, jit_compile=jit_compile, autograph=False
    )

  def chunks(
    self,
    features: tf.Tensor,
    seed: Sequence[int],
    global_: tf.Tensor | None = None,
  ) -> Iterator[Chunk]:
    batch, block = features.shape[0], 0
    seeds = tf.tile(tf.constant([seed], tf.int32), [batch, 1])
    state = SynthesizerState(
      self._student.initial_state(batch), emphasis.initial_memory(batch)
    )
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
    padded = pad_margin(features, self._config.silence)
    output = self._student(z, Conditioning.of(padded, global_))
    waveform = emphasis.de_emphasise(
      output.waveform, self._config.audio.preemphasis
    )
    return _clipped(waveform)

  def _synthesize_chunk(self, window, global_, seeds, first_block, state):
    z = self._noise(seeds, first_block + tf.range(_blocks_of(window)))
    output, student_state = self._student.chunk(
      z, Conditioning.of(window, global_), state.student
    )
    waveform, memory = emphasis.de_emphasise_chunk(
      output.waveform, self._config.audio.preemphasis, state.memory
    )
    return Chunk(_clipped(waveform), SynthesizerState(student_state, memory))

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
    noise = tf.reshape(noise, [rows, count * self._block_samples])
    return self._config.evaluate.noise_factor * noise


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


def _clipped(waveform):
  return tf.clip_by_value(waveform, -1.0, 1.0)
