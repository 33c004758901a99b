"""All that an exported model answers, by name."""

import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.networks.student import Student
from wavenet_tf.networks.teacher import Teacher
from wavenet_tf.speaking.served import front_end
from wavenet_tf.speaking.served.refusals import Field
from wavenet_tf.speaking.served.score import score_signature, ServedScore
from wavenet_tf.speaking.served.signature import (
  EXAMPLE_FRAMES,
  Fields,
  Signature,
)
from wavenet_tf.speaking.served.student import CHUNK_FRAMES, ServedStudent
from wavenet_tf.speaking.served.student_signatures import (
  student_signatures,
  whole,
)
from wavenet_tf.speaking.served.teacher import ServedTeacher, teacher_signature


def signatures(
  student: Student | None, teacher: Teacher | None, config: Config
) -> dict[str, Signature]:
  """Those of a run's models, by name; docs/serving.md explains each.

  Args:
    student: with its final weights, or None.
    teacher: with its final weights, or None.
    config: of the run.
  """
  fields = Fields(config)
  found = {'features': _features(config)}
  constants = fields.constants()
  if student:
    served = ServedStudent(student, config)
    found |= student_signatures(served, bool(student.pitch), fields)
    constants |= {
      'chunk_frames': CHUNK_FRAMES,
      'context_frames': served.context_frames,
      'state_size': served.state.size,
    }
  if student and config.export.compiled:
    compiled = ServedStudent(student, config, compiled=True)
    found['compiled'] = whole(compiled, fields)
  if teacher:
    served_teacher = ServedTeacher(teacher, config)
    found['teacher'] = teacher_signature(served_teacher, fields)
    found['score'] = score_signature(ServedScore(teacher, config), fields)
    constants |= {
      'teacher_chunk_frames': config.evaluate.chunk_frames,
      'teacher_state_size': served_teacher.state.size,
    }
  found['limits'] = _limits(constants)
  return found


def _features(config):
  most = config.most_frames * config.audio.hop_samples
  field = Field(
    'audio', ('samples',), least=-1.0, most=1.0, most_steps=most,
    example=EXAMPLE_FRAMES * config.audio.hop_samples,
  )  # fmt: skip
  return Signature(
    (field,),
    lambda given: {'mel': front_end.log_mels(given['audio'], config.audio)},
  )


def _limits(constants):
  def answer(given):
    return {
      name: tf.fill(tf.shape(given['rows']), value)
      for name, value in constants.items()
    }

  return Signature((Field('rows', (), tf.int32),), answer)
