"""All that an exported model answers: names, inputs, what they must be."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from wavenet_tf.configuration.choices import MEL
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.networks.student import Student
from wavenet_tf.networks.teacher import Teacher
from wavenet_tf.speaking.served import front_end
from wavenet_tf.speaking.served.refusals import (
  after,
  checked,
  Field,
  refuse_unless,
  text,
)
from wavenet_tf.speaking.served.score import ServedScore
from wavenet_tf.speaking.served.student import CHUNK_FRAMES, ServedStudent
from wavenet_tf.speaking.served.teacher import ServedTeacher

# Of a request that warms up.
_FRAMES = 2 * CHUNK_FRAMES


class Signature(NamedTuple):
  """A question that a model answers.

  Attributes:
    fields: of its inputs; the first one says how many rows there are.
    answer: checked inputs by name -> outputs by name.
    refusals: what `fields` cannot say, of the inputs that they let pass.
  """

  fields: tuple[Field, ...]
  answer: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]
  refusals: Callable[[dict[str, tf.Tensor]], Sequence[tf.Operation]] = (
    lambda given: ()
  )

  def function(self, most_rows: int) -> tf.types.experimental.ConcreteFunction:
    """As `tf.saved_model.save` wants it."""

    @tf.function(autograph=False)
    def call(**given):
      passed = checked(given, self.fields, most_rows)
      return self.answer(after(self.refusals(passed), passed))

    return call.get_concrete_function(**{f.name: f.spec for f in self.fields})


def signatures(
  student: Student | None, teacher: Teacher | None, config: Config
) -> dict[str, Signature]:
  """Those of a run's models, by name; docs/serving.md explains each.

  Args:
    student: with its final weights, or None.
    teacher: with its final weights, or None.
    config: of the run.
  """
  fields = _Fields(config)
  found = {'features': _features(config)}
  constants = fields.constants()
  if student:
    served = ServedStudent(student, config)
    found |= _of_student(served, student, fields)
    constants |= {
      'chunk_frames': CHUNK_FRAMES,
      'context_frames': served.context_frames,
      'state_size': served.state.size,
    }
  if student and config.export.compiled:
    compiled = ServedStudent(student, config, compiled=True)
    found['compiled'] = _whole(compiled, fields)
  if teacher:
    served_teacher = ServedTeacher(teacher, config)
    found['teacher'] = _teacher(served_teacher, fields)
    found['score'] = _score(ServedScore(teacher, config), fields)
    constants |= {
      'teacher_chunk_frames': config.evaluate.chunk_frames,
      'teacher_state_size': served_teacher.state.size,
    }
  found['limits'] = _limits(constants)
  return found


class _Fields:
  """The inputs that several signatures have."""

  def __init__(self, config):
    self.config = config
    is_mel = config.conditioning.local == MEL
    self.name = 'mel' if is_mel else 'features'
    self.range = {}
    if is_mel:
      least, most = front_end.possible_range(config.audio)
      self.range = {'least': least, 'most': most}
    channels = config.conditioning.global_channels
    self.global_ = (Field('global_vector', (channels,)),) if channels else ()
    self.seed = Field('seed', (2,), tf.int32)
    self.first_frame = Field('first_frame', (), tf.int32)

  def features(self, axis='frames', most_frames=None, example=_FRAMES):
    return Field(
      self.name, (axis, self.config.local_channels), **self.range,
      most_steps=most_frames, example=example,
    )  # fmt: skip

  def constants(self):
    audio = self.config.audio
    return {
      'sample_rate_hz': audio.sample_rate_hz,
      'hop_samples': audio.hop_samples,
      'margin_frames': MARGIN_FRAMES,
      'most_frames': self.config.most_frames,
      'most_rows': self.config.export.most_rows,
      'silence': float(self.config.silence),
    }


def _features(config):
  most = config.most_frames * config.audio.hop_samples
  field = Field(
    'audio', ('samples',), least=-1.0, most=1.0, most_steps=most,
    example=_FRAMES * config.audio.hop_samples,
  )  # fmt: skip
  return Signature(
    (field,),
    lambda given: {'mel': front_end.log_mels(given['audio'], config.audio)},
  )


def _of_student(served, student, fields):
  found = {
    'serving_default': _whole(served, fields),
    'stream': _stream(served, bool(student.pitch), fields),
    'chunk': _chunk(served, bool(student.pitch), fields),
  }
  if student.pitch:
    name = fields.name
    found['phase'] = Signature(
      (fields.features(most_frames=fields.config.most_frames),),
      lambda given: {'phase': served.phases(given[name])},
    )
  return found


def _whole(served, fields):
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

  def refusals(given):
    first, frames = given['first_frame'][0], given['frames'][0]
    # What is refused below must not overflow here.
    bounded = tf.clip_by_value(frames, 1, most)
    least = first + bounded - served.window_start(first)
    window = tf.shape(given[name])[1]
    return [
      *_alike(given, 'first_frame', 'frames'),
      _refuse_off_grid(given['first_frame'], CHUNK_FRAMES),
      refuse_unless(
        (frames >= 1) & (frames <= most), 'frames', text(frames),
        text(f'1 to {most}'),
      ),
      refuse_unless(
        (window >= least) & (window <= least + MARGIN_FRAMES), name,
        text(window, ' frames'),
        text(least, ' to ', least + MARGIN_FRAMES, ', from frame ',
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
        'window', most + served.context_frames + MARGIN_FRAMES
      ),
      fields.seed,
      fields.first_frame,
      Field('frames', (), tf.int32, example=_FRAMES),
      *_phase_field(has_phase),
      *fields.global_,
    ),
    answer,
    refusals,
  )  # fmt: skip


def _chunk(served, has_phase, fields):
  name = fields.name

  def refusals(given):
    frames = tf.shape(given[name])[1] - 2 * MARGIN_FRAMES
    return [
      _refuse_off_grid(given['first_frame'], CHUNK_FRAMES),
      refuse_unless(
        (frames > 0) & tf.equal(frames % CHUNK_FRAMES, 0), name,
        text(frames + 2 * MARGIN_FRAMES, ' frames'),
        text(f'a multiple of {CHUNK_FRAMES}, and {MARGIN_FRAMES} more on '
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
        fields.config.most_frames + 2 * MARGIN_FRAMES,
        example=_FRAMES + 2 * MARGIN_FRAMES,
      ),
      fields.seed,
      fields.first_frame,
      Field('state', (served.state.size,)),
      *_phase_field(has_phase),
      *fields.global_,
    ),
    answer,
    refusals,
  )


def _teacher(served, fields):
  name, frames = fields.name, fields.config.evaluate.chunk_frames
  window = Field(
    name, (frames + 2 * MARGIN_FRAMES, fields.config.local_channels),
    **fields.range,
  )  # fmt: skip

  def refusals(given):
    left = tf.reduce_min(given['frames_left'])
    return [
      _refuse_off_grid(given['first_frame'], frames),
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
      Field('state', (served.state.size,)),
      *fields.global_,
    ),
    answer,
    refusals,
  )


def _score(served, fields):
  config, name = fields.config, fields.name
  hop = config.audio.hop_samples

  def refusals(given):
    found = tf.shape(given[name])[1]
    wanted = (tf.shape(given['audio'])[1] - 1) // hop + 1
    return [
      refuse_unless(
        tf.equal(found, wanted), name, text(found, ' frames'),
        text(wanted, f', one for each {hop} samples of audio'),
      )
    ]  # fmt: skip

  return Signature(
    (
      Field(
        'audio', ('samples',), least=-1.0, most=1.0,
        most_steps=config.most_frames * hop, example=_FRAMES * hop,
      ),
      fields.features(),
      *fields.global_,
    ),
    lambda given: served.score(
      given['audio'], given[name], given.get('global_vector')
    ),
    refusals,
  )  # fmt: skip


def _limits(constants):
  def answer(given):
    return {
      name: tf.fill(tf.shape(given['rows']), value)
      for name, value in constants.items()
    }

  return Signature((Field('rows', (), tf.int32),), answer)


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


def _refuse_off_grid(first_frame, step):
  fits = (first_frame >= 0) & tf.equal(first_frame % step, 0)
  unfit = tf.boolean_mask(first_frame, ~fits)
  return refuse_unless(
    tf.reduce_all(fits), 'first_frame',
    tf.strings.reduce_join(tf.strings.as_string(unfit), separator=', '),
    text(f'multiples of {step}, 0 or more'),
  )  # fmt: skip
