"""Training elsewhere: what is exported is the step that training takes."""

import dataclasses
import itertools
import json
import shutil
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

from data.shards.batches import training_batches
from data.shards.crops import Batch, Crops
from modes import elsewhere, runs
from modes.runs import Run
from tests.support import program, trained_run
from tests.support.compilation import without_xla
from tests.support.recordings import speech_like, write
from tests.support.variants import CONTEXT, GAUSSIAN, MU_LAW, SPEAKER
from wavenet_tf.learning import objectives
from wavenet_tf.learning.elsewhere import stablehlo, weight_file
from wavenet_tf.learning.trainer import Trainer
from wavenet_tf.networks.student import build_student
from wavenet_tf.networks.teacher import build_teacher
from wavenet_tf.voice import load_run

SCHEDULED_STFT = {
  'distillation__stft_weight': 1.0,
  'distillation__stft_window_samples': (64, 128),
  'distillation__log_scale_floor_weight': 1.0,
  'distillation__divergence_ramp_steps': 4,
}
CONFIGURATIONS = {
  'speaker, context, Gaussian pair': SPEAKER
  | CONTEXT
  | GAUSSIAN
  | {
    'distillation__divergence': 'closed_form',
    'distillation__contrastive_weight': 0.3,
  },
  'scheduled STFT, phase of F0, pre-emphasis': SCHEDULED_STFT
  | {'student__phase_harmonics': 2, 'audio__preemphasis': 0.85},
  'softmax': MU_LAW,
}
pytestmark = pytest.mark.medium
# Adam's first moment is this share of the gradient after one step.
MOMENT = 0.1


def run_of(workdir, **overrides) -> Run:
  """A trained run of random weights, without data."""
  config = trained_run.make(workdir, **overrides)
  return Run(config, workdir, config)


def random_batch(run, name):
  settings = getattr(run.config, f'train_{name}')
  crops = Crops(run.config, settings.crop_samples)
  specs = crops.specs(settings.batch_size)
  generator = np.random.default_rng(1)
  levels = generator.integers(-3000, 3000, specs.levels.shape)

  def draw(spec):
    return tf.constant(generator.normal(size=spec.shape), spec.dtype)

  return Batch(
    tf.constant(levels, tf.int32),
    draw(specs.features),
    None,
    draw(specs.global_),
  )


class Step(NamedTuple):
  loss: float
  gradient: np.ndarray
  metrics: dict


def exported_step(run, name, batch, step):
  """What the files of `--mode=export_gradients` compute, and they alone."""
  folder = run.workdir / 'gradients'
  described = json.loads((folder / 'gradients.json').read_text())[name]
  weights = np.load(folder / 'weights.npz')
  vectors = []
  for kind in 'weights', 'frozen':
    arrays = [weights[path].ravel() for path in described[kind]]
    assert all(
      weights[path].shape == tuple(shape)
      for path, shape in described[kind].items()
    )
    vectors.append(np.concatenate([np.zeros(0, np.float32), *arrays]))
  seed = [getattr(run.config, f'train_{name}').seed, step]
  arguments = [
    *vectors, batch.levels, batch.features, batch.global_, tf.constant(seed)
  ]  # fmt: skip
  for argument, expected in zip(arguments, described['arguments'], strict=True):
    assert list(argument.shape) == expected['shape']
    assert tf.as_dtype(argument.dtype).name == expected['type']
  loss, gradient, *metrics = xla.call_module(
    arguments,
    version=5,
    module=(folder / described['file']).read_bytes(),
    Tout=[tf.as_dtype(x['type']) for x in described['results']],
    Sout=[x['shape'] for x in described['results']],
    platforms=['CPU'],
  )
  names = [x['name'] for x in described['results'][2:]]
  return Step(loss, gradient, dict(zip(names, metrics, strict=True)))


def first_step(folder):
  """The gradient that the first step in a model's folder took."""
  reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
  kind = 'first_moment/'
  return {
    name.removeprefix(kind): reader.get_tensor(name) / MOMENT
    for name in reader.get_variable_to_shape_map()
    if name.startswith(kind)
  }


def assert_same_gradient(run, name, step, expected):
  """Of the exported step, and by weight as training has it."""
  described = json.loads(
    (run.workdir / 'gradients' / 'gradients.json').read_text()
  )[name]
  assert set(described['weights']) == set(expected)
  ordered = [expected[path].ravel() for path in described['weights']]
  expected = np.concatenate(ordered)
  error = np.linalg.norm(step.gradient - expected)
  assert error < 1e-5 * np.linalg.norm(expected)
  # Of every weight too, beside the largest.
  np.testing.assert_allclose(
    step.gradient, expected, rtol=1e-4, atol=1e-5 * abs(expected).max()
  )


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  """A new run with data, whose first step is its last."""
  folder = tmp_path_factory.mktemp('elsewhere')
  for n in range(4):
    write(folder / 'recordings' / f'{n}.wav', speech_like(1.0, seed=n))
  fields = {
    **SCHEDULED_STFT,
    **{
      f'train_{model}__{field}': value
      for model in ('teacher', 'student')
      for field, value in (
        ('steps', 1),
        ('seed', 5),
        ('clip_norm', 1e9),
        ('jit_compile', False),
      )
    },
  }
  flags = [
    f'--config.{name.replace("__", ".")}={value}'
    for name, value in fields.items()
  ]
  program.run(
    folder / 'run',
    '--mode=prepare',
    f'--data_dir={folder / "recordings"}',
    *program.flags_of_miniature(),
    *flags,
  )
  return folder / 'run'


@pytest.mark.large
def test_what_is_exported_is_the_step_of_the_program(prepared):
  run = runs.open_run(prepared, None, {}, 'train_teacher')
  for name in 'teacher', 'student':
    settings = getattr(run.config, f'train_{name}')
    crops = Crops(run.config, settings.crop_samples)
    batches = training_batches(
      run.data, run.manifest, crops,
      batch_size=settings.batch_size, seed=settings.seed,
    )  # fmt: skip
    assert batches.element_spec == crops.specs(settings.batch_size)
    program.run(prepared, '--mode=export_gradients')
    batch = next(iter(batches))
    found = exported_step(run, name, batch, step=0)
    with without_xla():
      program.run(prepared, f'--mode=train_{name}')
    assert_same_gradient(run, name, found, first_step(prepared / name))
  # Noise and schedule depend on the seed alone, and do depend on it.
  again, later = (exported_step(run, name, batch, step) for step in (0, 1))
  assert found.loss == again.loss != later.loss
  np.testing.assert_array_equal(found.gradient, again.gradient)
  assert found.metrics['entropy'] != later.metrics['entropy']


@pytest.mark.parametrize(
  'named',
  [
    pytest.param(name, marks=pytest.mark.large if name != 'softmax' else ())
    for name in CONFIGURATIONS
  ],
)
def test_what_is_exported_is_a_step_of_the_trainer(named, tmp_path):
  run = run_of(
    tmp_path / 'run',
    train_teacher__seed=3,
    train_student__seed=4,
    **CONFIGURATIONS[named],
  )
  elsewhere.export_gradients(run)
  weights = weight_file.read(run.workdir / 'gradients' / 'weights.npz')
  teacher = build_teacher(run.config)
  made = {'teacher': (teacher, objectives.teacher_objective(teacher))}
  if run.config.student.flow_layers:
    student = build_student(run.config)
    made['student'] = student, run.student_objective(teacher, student, None)
  for name, (model, objective) in made.items():
    # Of the teacher, too, which the trainer moved before its student hears it.
    for variable in teacher.trainable_variables + model.trainable_variables:
      variable.assign(weights[variable.path])
    batch = random_batch(run, name)
    settings = dataclasses.replace(
      getattr(run.config, f'train_{name}'), steps=1, clip_norm=1e9
    )
    found = exported_step(run, name, batch, step=0)
    loss, metrics = objective(batch, tf.constant([settings.seed, 0]))
    np.testing.assert_allclose(found.loss, loss, rtol=1e-5)
    assert found.metrics.keys() == metrics.keys()
    for key, value in metrics.items():
      np.testing.assert_allclose(found.metrics[key], value, 1e-4, 1e-5)
    trainer = Trainer(model, objective, settings, tmp_path / name)
    trainer.run(itertools.repeat(batch))
    assert_same_gradient(run, name, found, first_step(tmp_path / name))


def test_a_function_of_something_else_is_not_lowered():
  variable = tf.Variable(1.0)
  with pytest.raises(ValueError, match='reads what is no argument'):
    stablehlo.lower(lambda x: x * variable, [tf.TensorSpec([])])


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
  run = run_of(tmp_path_factory.mktemp('elsewhere') / 'run')
  elsewhere.export_gradients(run)
  return run


@pytest.fixture
def trained(exported, tmp_path):
  """A run, and weights that somebody trained on from those it exported."""
  run = dataclasses.replace(exported, workdir=tmp_path / 'run')
  shutil.copytree(exported.workdir, run.workdir)
  weights = weight_file.read(run.workdir / 'gradients' / 'weights.npz')
  return run, {name: x + np.float32(0.25) for name, x in weights.items()}


def test_what_was_exported_comes_back(trained, tmp_path):
  run, weights = trained
  old = load_run(run.workdir)
  exported = weight_file.read(run.workdir / 'gradients' / 'weights.npz')
  for variable in old.teacher.variables + old.student.variables:
    np.testing.assert_array_equal(variable, exported[variable.path])
  np.savez(tmp_path / 'x.npz', step=7, **weights)
  done = program.run(
    run.workdir, '--mode=import_weights', f'--input={tmp_path / "x.npz"}'
  )
  assert 'Student: weights of' in done.stdout
  new = load_run(run.workdir)
  for variable in new.teacher.variables + new.student.variables:
    np.testing.assert_array_equal(variable, weights[variable.path])
  # Training goes on from them.
  model = build_teacher(run.config)
  settings = dataclasses.replace(run.config.train_teacher, steps=8)
  trainer = Trainer(
    model,
    lambda *_: (tf.reduce_sum(model.trainable_variables[0]), {}),
    settings,
    run.workdir / 'teacher',
  )
  trainer.restore()
  assert trainer.steps_done == 7
  for variable in model.trainable_variables:
    np.testing.assert_array_equal(variable, weights[variable.path])
  trainer.run(itertools.repeat(random_batch(run, 'teacher')))
  assert trainer.steps_done == 8


def test_a_new_run_takes_weights_of_a_teacher_first(trained, tmp_path):
  run, weights = trained
  new = tmp_path / 'new'
  new.mkdir()
  (new / 'config.json').write_bytes((run.workdir / 'config.json').read_bytes())
  teacher = {k: x for k, x in weights.items() if k.startswith('teacher/')}
  np.savez(tmp_path / 'teacher.npz', **teacher)
  flags = '--mode=import_weights', f'--input={tmp_path / "teacher.npz"}'
  program.run(new, *flags)
  voice = load_run(new)
  assert voice.student is None
  for variable in voice.teacher.variables:
    np.testing.assert_array_equal(variable, weights[variable.path])
  # Once there is a student, its teacher stays.
  program.refused(run.workdir, *flags, words=['was distilled from another'])


KERNEL = 'teacher/network/output/kernel'
# What a file holds instead -> what the sentence says.
REFUSALS = {
  'a weight is missing': (
    lambda w: w.pop(KERNEL), ['1 missing', KERNEL]),
  'a weight is new': (
    lambda w: w.update({'student/more': np.ones(3)}),
    ['1 unknown', 'student/more, float64 [3]']),
  'a weight has another shape': (
    lambda w: w.update({KERNEL: w[KERNEL].T}),
    ['1 of another shape', f'{KERNEL}, float32 [']),
  'a weight has another type': (
    lambda w: w.update({KERNEL: np.float64(w[KERNEL])}),
    [f'{KERNEL}, float64 [', 'instead of float32']),
  'a weight is no number': (
    lambda w: w[KERNEL].fill(np.nan), ['teacher/ that are not finite']),
  'a step is before that of the run': (
    lambda w: w.update(step=np.array(1)), ['step: found 1', 'at least 2']),
  'a step is no number': (
    lambda w: w.update(step=np.array('a')), ['step: found a']),
  'nothing is of a model': (
    lambda w: [w.pop(k) for k in list(w)], ['no arrays', 'with teacher/']),
}  # fmt: skip


@pytest.mark.parametrize('refused', REFUSALS.values(), ids=REFUSALS)
def test_other_weights_are_refused_and_nothing_changes(
  refused, trained, tmp_path
):
  run, weights = trained
  change, words = refused
  change(weights)
  path = tmp_path / 'changed.npz'
  np.savez(path, **weights)
  before = program.variables(run.workdir / 'teacher')
  program.refused(
    run.workdir, '--mode=import_weights', f'--input={path}',
    words=[str(path), *words],
  )  # fmt: skip
  after = program.variables(run.workdir / 'teacher')
  for name, value in before.items():
    np.testing.assert_array_equal(after[name], value)


def test_files_that_are_no_weights_are_refused(tmp_path):
  run = run_of(tmp_path / 'run', **MU_LAW)
  np.savez(tmp_path / 'whole.npz', a=np.ones(3))
  contents = {
    'text': b'a',
    'empty': b'',
    'zip': b'PK\x03\x04',
    'without its beginning': (tmp_path / 'whole.npz').read_bytes()[9:],
  }
  for name, content in contents.items():
    path = tmp_path / f'{name}.npz'
    path.write_bytes(content)
    program.refused(
      run.workdir, '--mode=import_weights', f'--input={path}',
      words=[str(path), 'not a .npz file'],
    )  # fmt: skip
  np.save(tmp_path / 'one.npy', np.ones(3))
  flags = ['--mode=import_weights', f'--input={tmp_path / "one.npy"}']
  program.refused(run.workdir, *flags, words=['not a .npz file'])
  flags[1] = f'--input={tmp_path / "nowhere.npz"}'
  program.refused(run.workdir, *flags, words=['does not exist'])
  program.refused(run.workdir, flags[0], words=['--input'])
  np.savez(tmp_path / 'x.npz', **{'student/a': np.ones(3, np.float32)})
  flags[1] = f'--input={tmp_path / "x.npz"}'
  program.refused(run.workdir, *flags, words=['student.flow_layers is ()'])


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
