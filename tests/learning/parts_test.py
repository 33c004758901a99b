"""A batch in parts, and blocks computed again: the gradient stays the same."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from data.shards.crops import Batch
from tests.support.miniature import (
  miniature,
  random_classifier,
  random_student,
  random_teacher,
)
from tests.support.variants import CONTEXT, GAUSSIAN, HELD, ONE_HOT
from wavenet_tf.configuration.config import override
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.validation import validate
from wavenet_tf.learning import objectives
from wavenet_tf.learning.trainer import Trainer

pytestmark = pytest.mark.medium

ROWS = 4
SPEAKER = {
  'conditioning__globals': ('speaker',),
  'conditioning__global_channels': 3,
}
EVERYTHING_HEARD = {
  'distillation__stft_weight': 1.0,
  'distillation__style_weight': 0.5,
  'distillation__feature_weight': 0.5,
  'distillation__contrastive_weight': 0.3,
}
RAMP = {
  'distillation__divergence_ramp_steps': 3,
  'distillation__log_scale_floor_weight': 1.0,
}
VARIED = {
  'classifier__gain_decibels': 6.0,
  'classifier__speed_share': 0.2,
  'classifier__dropout': 0.3,
  'classifier__next_sample_weight': 0.1,
}
CASES = {
  'teacher': ('teacher', {}),
  'teacher, held, context, speaker': ('teacher', HELD | CONTEXT | SPEAKER),
  'teacher, one-hot': ('teacher', ONE_HOT),
  'student': ('student', EVERYTHING_HEARD | RAMP),
  'student, speaker': ('student', EVERYTHING_HEARD | SPEAKER | HELD),
  'pair of Gaussians': ('student', GAUSSIAN | {
    'distillation__divergence': 'closed_form'}),
  'classifier': ('classifier', VARIED),
}  # fmt: skip

LARGE = 'teacher', 'student, speaker'


def small(**fields):
  """Two layers of each network: what is divided knows nothing of more."""
  sizes = {
    'teacher__cycles': 1,
    'teacher__layers_per_cycle': 2,
    'student__flow_layers': (2, 1),
    'classifier__cycles': 1,
    'classifier__layers_per_cycle': 2,
  }
  return miniature(**sizes | fields)


def make_batch(config, samples, seed=0):
  generator = np.random.default_rng(seed)
  frames = samples // config.audio.hop_samples + 2 * MARGIN_FRAMES
  # Rows differ in loudness, so that a mean of ratios is no ratio of means.
  loudness = 1000 * np.arange(1, ROWS + 1)[:, None]
  levels = loudness * generator.normal(0, 1, [ROWS, samples])
  features = generator.normal(-5, 2, [ROWS, frames, config.local_channels])
  channels = config.conditioning.global_channels
  labels = generator.integers(0, 3, [ROWS, samples // 80])
  labels[1:, 2:] = -1  # Nor has each row as many labels.
  return Batch(
    tf.constant(levels.clip(-32768, 32767), tf.int32),
    tf.constant(features, tf.float32),
    tf.constant(labels, tf.int32),
    tf.constant(generator.normal(0, 1, [ROWS, channels]), tf.float32),
  )


def model_and_objective(kind, config):
  if kind == 'teacher':
    model = random_teacher(config)
    return model, objectives.teacher_objective(model)
  classifier = random_classifier(config, 3)
  if kind == 'classifier':
    return classifier, objectives.classifier_objective(classifier, 0.1)
  teacher, student = random_teacher(config), random_student(config)
  teacher.trainable = classifier.trainable = False
  return student, objectives.student_objective(
    teacher,
    student,
    config.distillation,
    config.audio.sample_rate_hz,
    classifier,
  )


@functools.cache
def step_of(case, **overrides):
  """Loss, metrics and gradient of one step."""
  kind, fields = CASES[case]
  config = small(**fields)
  model, objective = model_and_objective(kind, config)
  settings = dataclasses.replace(
    getattr(config, f'train_{kind}'), batch_size=ROWS, **overrides
  )
  trainer = Trainer(model, objective, settings, folder=None)
  batch = make_batch(config, settings.crop_samples)
  compute = tf.function(trainer._gradient, autograph=False)
  weights = trainer._weights.variable.value
  found = compute(weights.read_value(), batch, tf.constant([3, 1]))
  return tf.nest.map_structure(lambda x: x.numpy(), found)


def assert_same(found, expected):
  (loss, metrics, gradient), wanted = found, expected
  np.testing.assert_allclose(loss, wanted[0], rtol=2e-5)
  assert metrics.keys() == wanted[1].keys()
  for name in metrics:
    np.testing.assert_allclose(metrics[name], wanted[1][name], 1e-4, 1e-5)
  assert np.abs(wanted[2]).max() > 0
  distance = np.linalg.norm(gradient - wanted[2])
  assert distance < 1e-5 * np.linalg.norm(wanted[2])


@pytest.mark.parametrize(
  'case',
  [
    pytest.param(case, marks=pytest.mark.large if case in LARGE else ())
    for case in CASES
  ],
)
def test_parts_of_a_batch_have_its_gradient(case):
  assert_same(step_of(case, microbatches=ROWS), step_of(case))


@pytest.mark.parametrize(
  'case', ['teacher, held, context, speaker', 'student', 'classifier']
)
def test_blocks_computed_again_have_the_same_gradient(case):
  assert_same(step_of(case, recompute=True), step_of(case))


def test_both_at_once():
  found = step_of('student', microbatches=2, recompute=True)
  assert_same(found, step_of('student'))


def test_a_part_alone_is_not_the_whole():
  """Else the laws above would say nothing."""
  config = small(**CASES['student'][1])
  _, objective = model_and_objective('student', config)
  batch, seed = make_batch(config, 400), tf.constant([3, 1])
  rows = tf.nest.map_structure(lambda x: x[:2], batch)
  alone = float(objective(rows, seed)[0])
  assert abs(alone / step_of('student')[0] - 1) > 1e-3


def test_training_in_parts_takes_the_same_steps(tmp_path, uncompiled):
  config = small()
  batches = [make_batch(config, 400, seed) for seed in range(5)]
  weights = []
  for microbatches, recompute in itertools.product((1, 2), (False, True)):
    model, objective = model_and_objective('teacher', config)
    settings = dataclasses.replace(
      config.train_teacher,
      steps=5,
      batch_size=ROWS,
      microbatches=microbatches,
      recompute=recompute,
    )
    folder = tmp_path / f'{microbatches}{recompute}'
    trainer = Trainer(model, objective, settings, folder)
    trainer.run(batches)
    weights.append(trainer._state.weights.numpy())
  for other in weights[1:]:
    distance = np.linalg.norm(other - weights[0])
    assert distance < 1e-5 * np.linalg.norm(weights[0])


def test_parts_are_equal():
  fields = {'train_student.batch_size': 6, 'train_student.microbatches': 4}
  config = override(miniature(), fields)
  with pytest.raises(
    UserError, match=r'student\.microbatches: found 4, expected a divisor of'
  ):
    validate.validate(config)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
