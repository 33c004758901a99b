"""For other programs: gradients and students out, weights in by name."""

from collections.abc import Sequence
import json

import keras
import numpy as np
import tensorflow as tf

from data.shards.crops import Crops
from modes.learning import export
from modes.pitch import starting_student
from modes.runs import Run
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of, write_bytes, write_text
from wavenet_tf.configuration.learning import TrainingConfig
from wavenet_tf.learning import checkpoints, objectives, tensor_file
from wavenet_tf.learning.elsewhere import stablehlo, weight_file
from wavenet_tf.learning.elsewhere.gradients import Gradient
from wavenet_tf.loading import STUDENT, TEACHER
from wavenet_tf.networks.student import build_student
from wavenet_tf.networks.teacher import build_teacher, Teacher
from wavenet_tf.networks.weights import WeightVector
from wavenet_tf.speaking.portable import PortableStudent

# As what a run is exported.
SAVED_MODEL, LITERT, STABLEHLO = 'saved_model', 'litert', 'stablehlo'
FORMATS = (SAVED_MODEL, LITERT, STABLEHLO)
# What the gradient of a model takes, in this order.
_ARGUMENTS = {
  'weights': 'the weights that learn, flat and end to end',
  'frozen': 'the weights that stay, flat and end to end',
  'levels': '16-bit levels of crops, pre-emphasised as the run asks',
  'features': 'what is told of each frame, and of the margin on either side',
  'global': 'what is told of a crop as a whole',
  'seed': 'the seed of the training, and the step, which counts from 0',
}


def export_gradients(run: Run) -> None:
  """Writes `<workdir>/gradients/`.

  There `<model>.mlirbc` is the gradient of a model, `gradients.json` says what
  it takes and returns, and `weights.npz` holds the weights of all models by
  name: the averages where training here has begun, else what it begins with.
  """
  run.save()  # As training would: what is exported is what was asked for now.
  teacher, gradient = _teacher(run)
  gradients = {TEACHER: gradient}
  if run.config.student.flow_layers:
    gradients[STUDENT] = _student_gradient(run, teacher)
  folder = run.workdir / 'gradients'
  folder.mkdir(exist_ok=True)
  weights, described = {}, {}
  for name, gradient in gradients.items():
    path = folder / f'{name}.mlirbc'
    specs = _specs(run, getattr(run.config, f'train_{name}'), gradient)
    lowered = stablehlo.lower(gradient, specs)
    write_bytes(path, lowered.module)
    described[name] = {
      'file': path.name,
      **_description(gradient, specs, lowered.results),
    }
    for vector in gradient.frozen, gradient.weights:
      weights.update(vector.by_path(vector.join(vector.parts)))
    print(f'Gradient: {path}')
  weight_file.write(
    folder / 'weights.npz', {k: x.numpy() for k, x in weights.items()}
  )
  write_text(folder / 'gradients.json', json.dumps(described, indent=2) + '\n')


def _teacher(run) -> tuple[Teacher, Gradient]:
  run.seed_initial_weights(run.config.train_teacher)
  teacher = build_teacher(run.config)
  gradient = Gradient(
    objectives.teacher_objective(teacher),
    teacher.trainable_variables,
    [teacher],
  )
  _load_if_trained(run, teacher, TEACHER)
  return teacher, gradient


def _student_gradient(run, teacher) -> Gradient:
  student, listener = starting_student(run, teacher), run.listener()
  gradient = Gradient(
    run.student_objective(teacher, student, listener),
    student.trainable_variables,
    [student, teacher, *([listener] if listener else [])],
  )
  _load_if_trained(run, student, STUDENT)
  return gradient


def _load_if_trained(run, model, name):
  if checkpoints.has_checkpoint(run.workdir / name):
    checkpoints.load_average(model, run.workdir / name)


def _specs(run: Run, settings: TrainingConfig, gradient: Gradient) -> list:
  """Types and shapes of the arguments, as training would give them."""
  batch = Crops(run.config, settings.crop_samples).specs(settings.batch_size)
  return [
    tf.TensorSpec(gradient.weights.variable.shape),
    tf.TensorSpec(gradient.frozen.variable.shape),
    batch.levels,
    batch.features,
    batch.global_,
    tf.TensorSpec([2], tf.int32),
  ]


def _description(
  gradient: Gradient, specs: Sequence[tf.TensorSpec], results: tuple
) -> dict:
  """What a function takes and returns, and which weights its vectors hold."""
  loss, slope, metrics = results
  named = {'loss': loss, 'gradient': slope, **dict(sorted(metrics.items()))}
  return {
    'arguments': [
      {**_described(name, spec), 'is': meaning}
      for (name, meaning), spec in zip(_ARGUMENTS.items(), specs, strict=True)
    ],
    'results': [_described(name, spec) for name, spec in named.items()],
    'weights': _layout(gradient.weights),
    'frozen': _layout(gradient.frozen),
  }


def _layout(vector):
  parts = vector.by_path(vector.variable.value)
  return {path: list(x.shape) for path, x in parts.items()}


def _described(name, spec):
  return {'name': name, 'type': spec.dtype.name, 'shape': list(spec.shape)}


def export_as(run: Run, kind: str) -> None:
  """Writes a run's models in one of FORMATS.

  A SavedModel is a new version in `<workdir>/export/`. LiteRT is
  `<workdir>/litert/student.tflite` and `student_int8.tflite`, StableHLO
  `<workdir>/stablehlo/student.mlirbc`: a chunk of the student; `student.json`
  beside them says what it takes and returns.

  Raises:
    UserError: if there is no such model.
  """
  if kind == SAVED_MODEL:
    export(run)
    return
  if not run.config.student.flow_layers:
    raise UserError(
      f'--format: found {kind}, which is of a student, but this run has none, '
      f'as student.flow_layers is (); use --format={SAVED_MODEL}.'
    )
  portable = PortableStudent(run.student(), run.config)
  folder = run.workdir / kind
  folder.mkdir(exist_ok=True)
  if kind == STABLEHLO:
    files = {'student.mlirbc': portable.stablehlo()}
  else:
    exact = portable.litert()
    files = {
      'student.tflite': exact,
      'student_int8.tflite': portable.in_8_bits(exact),
    }
  for name, content in files.items():
    write_bytes(folder / name, content)
    print(f'Student: {folder / name}, {len(content) / 1e6:.1f} MB')
  described = json.dumps(portable.described(), indent=2)
  write_text(folder / 'student.json', described + '\n')


def import_weights(run: Run, path: str | None) -> None:
  """Gives the run a teacher, a student or both, with the weights of a file.

  They become the newest checkpoint: what generates, is evaluated and exported
  has them, and training goes on from them, at the file's `step` or, where it
  has none, at that of the run.

  Args:
    run: of the same sizes as what was trained.
    path: a `.npz` file of arrays by the names of the weights. Names of other
      models are not read.

  Raises:
    UserError: if the file is not there, or is not that of a model of this run.
  """
  if not path:
    raise UserError('--input: name the .npz file of the weights.')
  path = path_of(path)
  found = weight_file.read(path)
  begun = {
    name: _imported(run, path, found, build, name)
    for name, build in ((TEACHER, build_teacher), (STUDENT, build_student))
    if any(key.startswith(f'{name}/') for key in found)
  }
  if not begun:
    raise UserError(
      f'{path}: found {", ".join(list(found)[:3]) or "no arrays"}, expected '
      f'names of weights that begin with {TEACHER}/ or {STUDENT}/; '
      '--mode=export_gradients lists them in gradients.json.'
    )
  has_student = checkpoints.has_checkpoint(run.workdir / STUDENT)
  if has_student and STUDENT not in begun:
    raise UserError(
      f'{path}: found a teacher, but {run.workdir / STUDENT} was distilled '
      'from another; remove that folder first, or use another --workdir.'
    )
  run.save()
  for name, (model, step) in begun.items():
    checkpoints.save_start(model, run.workdir / name, step)
    print(f'{name.capitalize()}: weights of {path}, at step {step}.')


def _imported(run, path, found, build, name) -> tuple[keras.Model, int]:
  """A model with its weights of the file, and the step at which they are."""
  if name == STUDENT and not run.config.student.flow_layers:
    raise UserError(
      f'{path}: found weights of a student, but this run has none, as '
      'student.flow_layers is (); leave them out.'
    )
  model = build(run.config)
  weights = WeightVector(model.trainable_variables)
  like = weights.by_path(weights.variable.value)
  tensor_file.check_same(path, found, like)
  vector = np.concatenate([found[key].ravel() for key in weights.paths])
  if not np.isfinite(vector).all():
    raise UserError(
      f'{path}: found weights of {name}/ that are not finite numbers; take '
      'those of an earlier step.'
    )
  weights.assign(tf.constant(vector))
  return model, _step(run, path, found, name)


def _step(run, path, found, name) -> int:
  done = checkpoints.newest_step(run.workdir / name)
  step = found.get('step', np.array(done))
  if step.shape or step.dtype.kind not in 'iu' or step < done:
    raise UserError(
      f'{path}: step: found {step}, expected a whole number, at least '
      f'{done}, where {run.workdir / name} is; correct it or leave it out.'
    )
  return int(step)
