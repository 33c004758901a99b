"""The teacher, served: a chunk and the state before it in, both out."""

import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.networks.teacher import Teacher
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.served.refusals import Field, refuse_unless, text
from wavenet_tf.speaking.served.rows import FlatState, map_rows
from wavenet_tf.speaking.served.signature import (
  Fields,
  refuse_off_grid,
  Signature,
  state_field,
)


class ServedTeacher:
  """One chunk of `Generator`, row by row, in stock operations.

  A row is spoken by itself, with a seed of its own, by the operations of a
  batch of one: an autoregressive loop makes of one bit another utterance, and
  products of more rows may have other bits. So a row says, chunk after chunk,
  exactly what `Generator(jit_compile=False)` says alone with that seed.

  Args:
    teacher: with its final weights.
    config: of the run.

  Attributes:
    state: how a state is laid out; zeros before the first chunk.
  """

  def __init__(self, teacher: Teacher, config: Config):
    self._generator = Generator(teacher, config, jit_compile=False)
    self._chunk_frames = config.evaluate.chunk_frames
    self.state = FlatState(self._generator.initial_state(1))

  def speak(
    self,
    features: tf.Tensor,
    seed: tf.Tensor,
    first_frame: tf.Tensor,
    frames_left: tf.Tensor,
    state: tf.Tensor,
    global_: tf.Tensor | None = None,
  ) -> dict[str, tf.Tensor]:
    """The chunk that begins with `first_frame`.

    Args:
      features: float32 `[B, evaluate.chunk_frames + 2 margin_frames, C]`, those
        of the chunk with margins, silence where there are none.
      seed: int32 `[B, 2]`, of each utterance, the same for all of its chunks.
      first_frame: int32 `[B]`, multiples of `evaluate.chunk_frames`.
      frames_left: int32 `[B]`, of each utterance from `first_frame` on.
      state: float32 `[B, state.size]`, which the chunk before returned.
      global_: float32 `[B, channels]`, where the teacher has it.

    Returns:
      `audio` float32 `[B, chunk_frames * hop]`, the next `state`, and
      `redraws` int32 `[B]`, how often the chunk was drawn again.
    """

    def speak_row(features, seed, first_frame, frames_left, state, global_):
      chunk, redraws = self._generator.next_chunk(
        features,
        global_,
        seed[0],
        self.state.unpack(state),
        first_frame[0] // self._chunk_frames,
        frames_left[0],
      )
      return {
        'audio': chunk.waveform[0],
        'state': self.state.pack(chunk.state)[0],
        'redraws': redraws[0],
      }

    return map_rows(
      speak_row, features, seed, first_frame, frames_left, state, global_,
      dtype={'audio': tf.float32, 'state': tf.float32, 'redraws': tf.int32},
    )  # fmt: skip


def teacher_signature(served: ServedTeacher, fields: Fields) -> Signature:
  name, config = fields.name, fields.config
  frames = config.evaluate.chunk_frames
  window = Field(
    name, (frames + 2 * config.margin_frames, config.local_channels),
    **fields.range,
  )  # fmt: skip

  def refusals(given):
    left = tf.reduce_min(given['frames_left'])
    return [
      refuse_off_grid(given['first_frame'], frames),
      refuse_unless(left >= 1, 'frames_left', text(left), text('1 or more')),
    ]

  def answer(given):
    return served.speak(
      given[name],
      given['seed'],
      given['first_frame'],
      given['frames_left'],
      given['state'],
      given.get('global_vector'),
    )

  return Signature(
    (
      window,
      fields.seed,
      fields.first_frame,
      Field('frames_left', (), tf.int32, example=frames),
      state_field(served.state.size),
      *fields.global_,
    ),
    answer,
    refusals,
  )
