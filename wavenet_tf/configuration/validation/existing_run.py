"""Which fields an existing run may change."""

import os

from wavenet_tf.configuration.config import Config, flatten
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of

# Fields that an existing run may change without becoming another run: how long
# and how often, in which memory, what to listen to; never what is learned or
# from which data.
RESUMABLE_FIELDS = frozenset(
  {
    'train_teacher.steps',
    'train_teacher.microbatches',
    'train_teacher.recompute',
    'train_teacher.checkpoint_every_steps',
    'train_teacher.summary_every_steps',
    'train_student.steps',
    'train_student.microbatches',
    'train_student.recompute',
    'train_student.checkpoint_every_steps',
    'train_student.summary_every_steps',
    'train_classifier.steps',
    'train_classifier.microbatches',
    'train_classifier.recompute',
    'train_classifier.checkpoint_every_steps',
    'train_classifier.summary_every_steps',
    'evaluate.utterances',
    'evaluate.audio_utterances',
    'evaluate.audio_seconds',
    'evaluate.draws',
    'evaluate.temperature',
    'evaluate.scale_factor',
    'evaluate.tail_share',
    'evaluate.least_weight_share',
    'evaluate.redraw_excess',
    'evaluate.redraw_tries',
    'evaluate.noise_factor',
    'evaluate.chunk_frames',
    'export.most_seconds',
    'export.most_rows',
    'export.teacher',
    'export.compiled',
    'data.workers',
  }
)


# Which models depend on a section; while none of their folders exists, it may
# change. (The classifier predicts samples as the teacher does.)
_MODELS_OF_A_SECTION = {
  'teacher': ('teacher', 'classifier'),
  'train_teacher': ('teacher',),
  'conditioning': ('teacher',),
  'context': ('teacher',),
  'student': ('student',),
  'train_student': ('student',),
  'distillation': ('student',),
  'classifier': ('classifier',),
  'train_classifier': ('classifier',),
}


def check_same_run(
  saved: Config, asked: Config, workdir: str | os.PathLike
) -> None:
  """Raises `UserError` where `asked` would make another run of `workdir`."""
  before, after = flatten(saved), flatten(asked)
  free = {
    section
    for section, models in _MODELS_OF_A_SECTION.items()
    if not any(path_of(workdir, model).exists() for model in models)
  }
  for field, value in after.items():
    if field.split('.')[0] in free:
      continue
    if before[field] != value and field not in RESUMABLE_FIELDS:
      models = _MODELS_OF_A_SECTION.get(field.split('.')[0], ())
      folders = ' and '.join(f'{model}/' for model in models)
      copied = f', or a copy of this one without {folders}' if models else ''
      raise UserError(
        f'{field}: found {value}, but {workdir} was made with '
        f'{before[field]}; leave the field and --preset out, as a run keeps '
        f'its own, or give another --workdir{copied}.'
      )
