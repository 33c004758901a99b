"""A student in a graph of stock operations: whole, in streams, in chunks.

All speak through one function of one chunk of `CHUNK_FRAMES`, on one grid, a
row at a time. So products have one shape and stay in the cache, memory does not
grow with the length, and every way to ask gives the same bits.
"""

import math

import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.networks.student import Student
from wavenet_tf.signal import emphasis
from wavenet_tf.speaking.served.rows import FlatState, map_rows
from wavenet_tf.speaking.synthesis import (
  NOISE_BLOCK_FRAMES,
  Synthesizer,
  SynthesizerState,
)

CHUNK_FRAMES = NOISE_BLOCK_FRAMES


class ServedStudent:
  """What the signatures of a student do, of inputs that were checked.

  Args:
    student: with its final weights.
    config: of the run.
    compiled: compile the chunk with XLA.

  Attributes:
    context_frames: before the first frame of a stream's window that is spoken,
      a multiple of the chunk; the first chunk of them lends its margin alone.
    state: how the state of `chunk` is laid out; zeros before the first one.
  """

  def __init__(self, student: Student, config: Config, compiled: bool = False):
    self._student = student
    self._hop = config.audio.hop_samples
    self._speaker = Synthesizer(student, config, jit_compile=compiled)
    self._silence = config.silence
    self._margin = config.margin_frames
    history = config.student.receptive_field_samples
    history += emphasis.memory_samples(config.audio.preemphasis)
    self._history_chunks = math.ceil(history / (CHUNK_FRAMES * self._hop))
    self.context_frames = (self._history_chunks + 1) * CHUNK_FRAMES
    before = self._speaker.initial_state(1)
    self.state = FlatState((before.student.flows, before.memory))

  def speak(
    self,
    features: tf.Tensor,
    seed: tf.Tensor,
    global_: tf.Tensor | None = None,
  ) -> tf.Tensor:
    """Whole utterances.

    Args:
      features: float32 `[B, frames, channels]`.
      seed: int32 `[B, 2]`.
      global_: float32 `[B, channels]`, where the student has it.

    Returns:
      float32 `[B, frames * hop]`.
    """
    count = _chunks(features)
    samples = tf.shape(features)[1] * self._hop

    def speak_row(features, seed, global_):
      padded = self._whole_chunks(features)
      begin = self._speaker.initial_state(1)
      return self._run(padded, global_, seed, 0, count, begin)[0][:samples]

    return map_rows(speak_row, features, seed, global_)

  def stream(
    self,
    features: tf.Tensor,
    seed: tf.Tensor,
    first_frame: tf.Tensor,
    frames: tf.Tensor,
    phase: tf.Tensor,
    global_: tf.Tensor | None = None,
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Some frames of an utterance, from what their samples depend on.

    Args:
      features: float32 `[B, W, channels]`, of the frames from
        `window_start(first_frame)` on, up to margin_frames beyond the last one
        to speak; fewer where the utterance ends.
      seed: int32 `[B, 2]`.
      first_frame: int32 scalar, a multiple of `CHUNK_FRAMES`.
      frames: int32 scalar, how many to speak.
      phase: int32 `[B]`, what the call before returned, or of `phases`.
      global_: float32 `[B, channels]`, where the student has it.

    Returns:
      float32 `[B, frames * hop]`, those that `speak` says there, and the phase
      for the call that goes on with `first_frame + frames`.
    """
    start = self.window_start(first_frame)
    begin = self._first_chunk(first_frame // CHUNK_FRAMES)
    end = first_frame + frames
    count = (end - 1) // CHUNK_FRAMES + 1 - begin
    # In front there is silence before the utterance, or a margin.
    skipped = begin * CHUNK_FRAMES - start
    missing = (begin + count) * CHUNK_FRAMES - start - tf.shape(features)[1]
    going_on = self._first_chunk(end // CHUNK_FRAMES) - begin
    first = (first_frame - begin * CHUNK_FRAMES) * self._hop

    def speak_row(features, seed, phase, global_):
      padded = self._with_silence(features, tf.maximum(missing, 0))
      state = self._speaker.initial_state(1)
      state = state._replace(student=state.student._replace(phase=phase))
      waveform, phases, _ = self._run(
        padded[:, skipped:], global_, seed, begin, count, state
      )
      return waveform[first : first + frames * self._hop], phases[going_on]

    return map_rows(
      speak_row, features, seed, phase, global_, dtype=(tf.float32, tf.int32)
    )

  def chunk(
    self,
    features: tf.Tensor,
    seed: tf.Tensor,
    first_frame: tf.Tensor,
    state: tf.Tensor,
    phase: tf.Tensor,
    global_: tf.Tensor | None = None,
  ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The next chunks of utterances, from the state that the last ones left.

    Args:
      features: float32 `[B, n + 2 margin_frames, channels]`, n a multiple of
        `CHUNK_FRAMES`, with silence beyond the utterance.
      seed: int32 `[B, 2]`.
      first_frame: int32 `[B]`, multiples of `CHUNK_FRAMES`.
      state: float32 `[B, state.size]`.
      phase: int32 `[B]`.
      global_: float32 `[B, channels]`, where the student has it.

    Returns:
      float32 `[B, n * hop]`, the next state and phase.
    """
    count = (tf.shape(features)[1] - 2 * self._margin) // CHUNK_FRAMES

    def speak_row(features, seed, first_frame, state, phase, global_):
      flows, memory = self.state.unpack(state)
      before = self._speaker.initial_state(1)
      before = SynthesizerState(
        before.student._replace(flows=flows, phase=phase), memory
      )
      waveform, phases, then = self._run(
        features, global_, seed, first_frame[0] // CHUNK_FRAMES, count, before
      )
      packed = self.state.pack((then.student.flows, then.memory))
      return waveform, packed[0], phases[-1]

    return map_rows(
      speak_row, features, seed, first_frame, state, phase, global_,
      dtype=(tf.float32, tf.float32, tf.int32),
    )  # fmt: skip

  def phases(self, features: tf.Tensor) -> tf.Tensor:
    """What `stream` is to be told, whichever chunk it begins with.

    Args:
      features: float32 `[B, frames, channels]`.

    Returns:
      int32 `[B, ceil(frames / CHUNK_FRAMES)]`.
    """
    count = _chunks(features)

    def run_row(features):
      padded = self._whole_chunks(features)

      def step(i, phase, phases):
        _, after = self._student.pitch(self._window(padded, i), phase)
        return i + 1, after, phases.write(i, phase[0])

      phases = tf.TensorArray(tf.int32, count, element_shape=[])
      start = self._student.initial_state(1).phase
      return tf.while_loop(
        lambda i, *_: i < count, step, (0, start, phases)
      )[2].stack()  # fmt: skip

    found = map_rows(run_row, features, dtype=tf.int32)
    return tf.gather(found, self._first_chunk(tf.range(count)), axis=1)

  def window_start(self, first_frame: tf.Tensor) -> tf.Tensor:
    """The first frame of the window of a stream."""
    return tf.maximum(first_frame - self.context_frames, 0)

  def _first_chunk(self, chunk):
    """Where to begin, to speak a chunk: where its samples see no further."""
    begin = chunk - self._history_chunks
    # The chunk before it is its margin; there is none before the utterance.
    return tf.where(begin > 0, begin, 0)

  def _whole_chunks(self, features):
    """Features with margins, silent up to the last chunk's end."""
    missing = _chunks(features) * CHUNK_FRAMES - tf.shape(features)[1]
    return self._with_silence(features, missing)

  def _with_silence(self, features, missing):
    """Margins on either side, and the frames that are missing."""
    return tf.pad(
      features,
      [[0, 0], [self._margin, missing + self._margin], [0, 0]],
      constant_values=self._silence,
    )

  def _run(self, features, global_, seed, first_chunk, count, state):
    """Chunks of a row: waveform, phases before each and after, and the state.

    Features `[1, ., C]` begin with the margin of the first chunk.
    """

    def step(i, state, spoken, phases):
      chunk = self._speaker.chunk(
        self._window(features, i), global_, seed, first_chunk + i, state
      )
      return (
        i + 1,
        chunk.state,
        spoken.write(i, chunk.waveform[0]),
        phases.write(i + 1, chunk.state.student.phase[0]),
      )

    spoken = tf.TensorArray(
      tf.float32, count, element_shape=[CHUNK_FRAMES * self._hop]
    )
    phases = tf.TensorArray(tf.int32, count + 1, element_shape=[])
    _, state, spoken, phases = tf.while_loop(
      lambda i, *_: i < count,
      step,
      (0, state, spoken, phases.write(0, state.student.phase[0])),
    )
    return tf.reshape(spoken.stack(), [-1]), phases.stack(), state

  def _window(self, features, i):
    """Of chunk i, with margins: `[1, CHUNK_FRAMES + 2 margin, C]`."""
    size = CHUNK_FRAMES + 2 * self._margin
    window = features[:, i * CHUNK_FRAMES :][:, :size]
    return tf.ensure_shape(window, [1, size, features.shape[-1]])


def _chunks(features):
  """That `[B, frames, C]` have, the last one perhaps in part."""
  return (tf.shape(features)[1] - 1) // CHUNK_FRAMES + 1
