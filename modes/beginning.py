"""A new run that begins with another's weights: `--init_from`."""

import pathlib

from modes.runs import BEGUN_FROM, COUNTED_FIELDS, Run
from wavenet_tf import loading
from wavenet_tf.configuration.config import flatten
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import write_text
from wavenet_tf.learning import checkpoints
from wavenet_tf.networks.student import build_student
from wavenet_tf.networks.teacher import build_teacher

# What weights do not rely on, of the sections that make models; names and
# shapes are compared as they are loaded.
_FREE_OF_WEIGHTS = (
  *COUNTED_FIELDS,
  'teacher.score',
  'teacher.bits',
  'teacher.discretized',
  'teacher.min_log_scale',
  'teacher.product_dtype',
  'context.teacher_samples',
  'student.min_log_scale',
  'student.max_log_scale',
  'student.product_dtype',
)


def check_start(run: Run, source: pathlib.Path) -> None:
  """That a run's models can begin with the weights of another's.

  Args:
    run: new; its recordings may not be prepared yet.
    source: folder of the other run.

  Raises:
    UserError: if that run has another front end, or models of other sizes.
  """
  sections = {'audio', 'conditioning', 'context', *_begun(run, source)}
  ours, theirs = flatten(run.config), flatten(loading.load_config_of(source))
  for field, found in ours.items():
    if field.split('.')[0] not in sections or field in _FREE_OF_WEIGHTS:
      continue
    if found != theirs[field]:
      raise UserError(
        f'{field}: found {found!r}, but {source}, whose weights --init_from '
        f'takes, was trained with {theirs[field]!r}; use that.'
      )


def start_from(run: Run, source: pathlib.Path) -> None:
  """Gives a run's models the final weights of another's, as step 0.

  Raises:
    UserError: as `check_start`, or if they cannot be read.
  """
  check_start(run, source)
  models = {
    name: checkpoints.load_average(build(run.config), source / name)
    for name, build in _begun(run, source).items()
  }
  for name, model in models.items():
    checkpoints.save_start(model, run.workdir / name)
  write_text(run.workdir / BEGUN_FROM, str(source.resolve()))


def _begun(run, source):
  """The models that begin with another's weights, and their builders."""
  begun = {loading.TEACHER: build_teacher}
  has_student = checkpoints.has_checkpoint(source / loading.STUDENT)
  if run.config.student.flow_layers and has_student:
    begun[loading.STUDENT] = build_student
  return begun
