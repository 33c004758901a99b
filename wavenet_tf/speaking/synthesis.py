"""Synthesis with a student, in chunks that are each said in one pass."""

from collections.abc import Iterator, Sequence
import itertools
import os
from typing import NamedTuple

import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.student import Student, StudentState
from wavenet_tf.signal import emphasis
from wavenet_tf.speaking.chunks import Chunk, ChunkwiseSpeaker, windows

# Noise of a student is drawn in blocks of this many frames, its shortest chunk.
NOISE_BLOCK_FRAMES = 8
# On several cores a chunk must be long, or they wait for each other; on one,
# short, to stay in its cache.
LONG_CHUNK_FRAMES = 8 * NOISE_BLOCK_FRAMES


class SynthesizerState(NamedTuple):
  """What a chunk leaves to the next: of the student, and of de-emphasis."""

  student: StudentState
  memory: tf.Tensor


class Synthesizer(ChunkwiseSpeaker):
  """Speaks with a student: log-mel in, waveform out.

  Calling the object goes through chunks of two lengths, so that of what grows
  with the utterance it keeps the waveform alone, and `chunks` nothing. Noise
  is drawn in blocks of `NOISE_BLOCK_FRAMES`, each from the seed and its own
  number, so that chunks of any length say the same.

  A first chunk is short, so that it is soon heard, others are long where there
  are several cores. Each length is compiled when it first occurs: who streams
  says something of two seconds before the first listener comes.

  Args:
    student: with its final weights.
    config: of the run; for the hop, the conditioning and
      `evaluate.noise_factor`.
    jit_compile: compile chunks with XLA.

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
    self.chunk = tf.function(
      self._synthesize_chunk, jit_compile=jit_compile or None, autograph=False
    )

  def chunks(
    self,
    features: tf.Tensor,
    seed: Sequence[int] | Sequence[Sequence[int]],
    global_: tf.Tensor | None = None,
    frames: Sequence[int] | None = None,
  ) -> Iterator[Chunk]:
    del frames  # Nothing is judged.
    batch, block = features.shape[0], 0
    seeds = tf.broadcast_to(tf.constant(seed, tf.int32), [batch, 2])
    state = self.initial_state(batch)
    lengths = _student_chunks(features.shape[1])
    settings = self._config.silence, self._config.margin_frames
    for window in windows(features, lengths, *settings):
      chunk = self.chunk(window, global_, seeds, tf.constant(block), state)
      yield chunk
      state = chunk.state
      block += self._blocks_of(window)

  def initial_state(self, batch: int) -> SynthesizerState:
    """Before the first chunk."""
    return SynthesizerState(
      self._student.initial_state(batch), emphasis.initial_memory(batch)
    )

  def _synthesize_chunk(self, window, global_, seeds, first_block, state):
    """`[B, frames + 2 margin_frames, channels]` -> `Chunk` of its frames."""
    z = self.noise(seeds, first_block + tf.range(self._blocks_of(window)))
    output, student_state = self._student.chunk(
      z, Conditioning.of(window, global_), state.student
    )
    waveform, memory = emphasis.de_emphasise_chunk(
      output.waveform, self._config.audio.preemphasis, state.memory
    )
    waveform = tf.clip_by_value(waveform, -1.0, 1.0)
    return Chunk(waveform, SynthesizerState(student_state, memory))

  def noise(self, seed: tf.Tensor, blocks: tf.Tensor) -> tf.Tensor:
    """Noise for the flows, `[B, blocks * block samples]`.

    A seed a row: what a request hears does not depend on its batch.

    Args:
      seed: int32 `[B, 2]`.
      blocks: int32 `[N]`, which ones of the utterance.
    """
    rows, count = tf.shape(seed)[0], tf.shape(blocks)[0]

    def draw(row_and_block):
      row, block = row_and_block
      return self._student.family.standard_noise(
        [self._block_samples],
        tf.random.experimental.stateless_fold_in(row, block),
      )

    if seed.shape[0] == 1 and blocks.shape[0] == 1:  # No loop for one block.
      noise = draw((seed[0], blocks[0]))
    else:
      noise = tf.map_fn(
        draw,
        (tf.repeat(seed, count, axis=0), tf.tile(blocks, [rows])),
        fn_output_signature=tf.TensorSpec([self._block_samples], tf.float32),
      )
    noise = tf.reshape(noise, [rows, count * self._block_samples])
    return self._config.evaluate.noise_factor * noise

  def _blocks_of(self, window) -> int:
    """Blocks of noise in a chunk, whose features are given with margins."""
    frames = window.shape[1] - 2 * self._config.margin_frames
    return frames // NOISE_BLOCK_FRAMES


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
