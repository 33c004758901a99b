"""What a student answers: whole utterances, streams, chunks, phases."""

import tensorflow as tf

from wavenet_tf.speaking.served.refusals import Field, refuse_unless, text
from wavenet_tf.speaking.served.signature import (
  EXAMPLE_FRAMES,
  Fields,
  refuse_off_grid,
  Signature,
  state_field,
)
from wavenet_tf.speaking.served.student import CHUNK_FRAMES, ServedStudent


def student_signatures(
  served: ServedStudent, has_phase: bool, fields: Fields
) -> dict[str, Signature]:
  """By name; `phase` is among the inputs where the student hears it."""
  found = {
    'serving_default': whole(served, fields),
    'stream': _stream(served, has_phase, fields),
    'chunk': _chunk(served, has_phase, fields),
  }
  if has_phase:
    name = fields.name
    found['phase'] = Signature(
      (fields.features(most_frames=fields.config.most_frames),),
      lambda given: {'phase': served.phases(given[name])},
    )
  return found


def whole(served: ServedStudent, fields: Fields) -> Signature:
  """Of whole utterances."""
  name = fields.name

  def answer(given):
    return {
      'audio': served.speak(
        given[name], given['seed'], given.get('global_vector')
      )
    }

  return Signature(
    (
      fields.features(most_frames=fields.config.most_frames),
      fields.seed,
      *fields.global_,
    ),
    answer,
  )


def _stream(served, has_phase, fields):
  name, most = fields.name, fields.config.most_frames
  margin = fields.config.margin_frames

  def refusals(given):
    first, frames = given['first_frame'][0], given['frames'][0]
    # What is refused below must not overflow here.
    bounded = tf.clip_by_value(frames, 1, most)
    least = first + bounded - served.window_start(first)
    window = tf.shape(given[name])[1]
    return [
      *_alike(given, 'first_frame', 'frames'),
      refuse_off_grid(given['first_frame'], CHUNK_FRAMES),
      refuse_unless(
        (frames >= 1) & (frames <= most), 'frames', text(frames),
        text(f'1 to {most}'),
      ),
      refuse_unless(
        (window >= least) & (window <= least + margin), name,
        text(window, ' frames'),
        text(least, ' to ', least + margin, ', from frame ',
             served.window_start(first), ' on, to speak ', frames,
             ' frames from ', first, ' on'),
      ),
    ]  # fmt: skip

  def answer(given):
    audio, phase = served.stream(
      given[name],
      given['seed'],
      given['first_frame'][0],
      given['frames'][0],
      given.get('phase', tf.zeros_like(given['first_frame'])),
      given.get('global_vector'),
    )
    return {'audio': audio} | ({'phase': phase} if has_phase else {})

  return Signature(
    (
      fields.features(
        'window', most + served.context_frames + margin
      ),
      fields.seed,
      fields.first_frame,
      Field('frames', (), tf.int32, example=EXAMPLE_FRAMES),
      *_phase_field(has_phase),
      *fields.global_,
    ),
    answer,
    refusals,
  )  # fmt: skip


def _chunk(served, has_phase, fields):
  name, margin = fields.name, fields.config.margin_frames

  def refusals(given):
    frames = tf.shape(given[name])[1] - 2 * margin
    return [
      refuse_off_grid(given['first_frame'], CHUNK_FRAMES),
      refuse_unless(
        (frames > 0) & tf.equal(frames % CHUNK_FRAMES, 0), name,
        text(frames + 2 * margin, ' frames'),
        text(f'a multiple of {CHUNK_FRAMES}, and {margin} more on '
             'either side'),
      ),
    ]  # fmt: skip

  def answer(given):
    audio, state, phase = served.chunk(
      given[name],
      given['seed'],
      given['first_frame'],
      given['state'],
      given.get('phase', tf.zeros_like(given['first_frame'])),
      given.get('global_vector'),
    )
    found = {'audio': audio, 'state': state}
    return found | ({'phase': phase} if has_phase else {})

  return Signature(
    (
      fields.features(
        'window',
        fields.config.most_frames + 2 * margin,
        example=EXAMPLE_FRAMES + 2 * margin,
      ),
      fields.seed,
      fields.first_frame,
      state_field(served.state.size),
      *_phase_field(has_phase),
      *fields.global_,
    ),
    answer,
    refusals,
  )


def _phase_field(has_phase):
  return (Field('phase', (), tf.int32),) if has_phase else ()


def _alike(given, *names):
  """The same number for all rows, as all rows get as many samples."""
  for name in names:
    least, most = (
      reduce(given[name]) for reduce in (tf.reduce_min, tf.reduce_max)
    )
    yield refuse_unless(
      tf.equal(least, most), name, text(least, ' and ', most),
      text('the same for all rows'),
    )  # fmt: skip
