"""The multi-resolution STFT loss, and when the divergence joins it."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from data.shards.crops import Batch
from tests.support.miniature import miniature, random_student, random_teacher
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.learning import DistillationConfig
from wavenet_tf.learning import losses, objectives
from wavenet_tf.learning.trainer import Trainer

WINDOWS = (256, 128)
SETTINGS = DistillationConfig(stft_window_samples=WINDOWS)


def noise_pair(samples=2000):
  return tf.unstack(
    0.1 * tf.random.stateless_normal([2, 2, samples], [1, 2]), num=2
  )


def magnitudes(x, window):
  """|STFT| of float64, a full-scale sine at 1, raised to the floor."""
  taper = np.hanning(window + 1)[:-1]
  frames = np.lib.stride_tricks.sliding_window_view(
    x.numpy().astype(np.float64), window, -1
  )[:, :: window // 4]
  spectrum = np.abs(np.fft.rfft(frames * taper)) * 4 / window
  return np.maximum(spectrum, SETTINGS.stft_floor)


def test_it_is_the_formula():
  ours, target = noise_pair()
  target = target * [[1.0], [0.01]]
  expected = []
  for window in WINDOWS:
    y, x = magnitudes(ours, window), magnitudes(target, window)
    expected.append(
      np.linalg.norm(x - y) / np.linalg.norm(x)
      + np.abs(np.log(x) - np.log(y)).mean()
    )
  found = losses.stft_loss(ours, target, SETTINGS)
  assert float(found) == pytest.approx(np.mean(expected), rel=1e-4)


@pytest.mark.parametrize('level', [1.0, 0.0])
def test_nothing_is_lost_on_equal_waveforms_and_gradients_are_finite(level):
  x = tf.Variable(level * noise_pair()[0])
  with tf.GradientTape() as tape:
    loss = losses.stft_loss(x, tf.identity(x), SETTINGS)
  assert float(loss) < 1e-5
  assert np.isfinite(tape.gradient(loss, x)).all()


def test_both_terms_hear_what_the_other_does_not():
  """A loud peak that is off, and a pause that is not quiet."""
  _, recording = noise_pair()
  pause = tf.concat([recording[:, :1000], 1e-4 * recording[:, 1000:]], 1)
  hiss = pause + tf.concat([0 * pause[:, :1000], 1e-3 * pause[:, :1000]], 1)
  louder = 1.2 * recording
  convergence, logarithm = 0.2, np.log(1.2)
  assert float(losses.stft_loss(louder, recording, SETTINGS)) == pytest.approx(
    convergence + logarithm, rel=1e-3
  )
  # 20 dB too loud in half of the frames: 2.3 nepers there.
  assert float(losses.stft_loss(hiss, pause, SETTINGS)) > 0.8


def test_a_silent_batch_is_as_loud_as_quiet_noise():
  """It has no norm to divide by, and must not own the gradient."""
  x, _ = noise_pair()
  found = float(losses.stft_loss(0.03 * x, tf.zeros_like(x), SETTINGS))
  assert 1.0 < found < 20.0


def test_what_lies_below_the_floor_is_equal():
  x, y = noise_pair()
  settings = dataclasses.replace(SETTINGS, stft_floor=1.0)
  assert float(losses.stft_loss(x, y, settings)) < 1e-5


@pytest.mark.parametrize(
  ('start', 'ramp', 'shares'),
  [
    (0, 0, [1, 1, 1, 1, 1]),
    (2, 0, [0, 0, 1, 1, 1]),
    (1, 2, [0, 0.5, 1, 1, 1]),
    (0, 4, [0.25, 0.5, 0.75, 1, 1]),
  ],
)
def test_the_share_of_the_divergence_waits_then_grows(start, ramp, shares):
  settings = DistillationConfig(
    divergence_from_step=start, divergence_ramp_steps=ramp
  )
  found = [
    float(objectives.divergence_share(settings, tf.constant(step)))
    for step in range(5)
  ]
  assert found == pytest.approx(shares)


def test_without_a_divergence_there_is_no_share_of_it():
  settings = DistillationConfig(divergence_weight=0.0, divergence_from_step=3)
  assert objectives.divergence_share(settings, tf.constant(9)) == 0.0


FIELDS = {
  'distillation__power_weight': 0.0,
  'distillation__stft_weight': 1.0,
  'distillation__stft_window_samples': WINDOWS,
  'distillation__divergence_weight': 0.5,
  'distillation__contrastive_weight': 0.1,
  'distillation__log_scale_floor_weight': 2.0,
  # High enough that the scales of random weights lie on both sides.
  'distillation__log_scale_floor': 0.0,
}
SCHEDULE = {
  'distillation__divergence_from_step': 2,
  'distillation__divergence_ramp_steps': 2,
}


def make_batch(config, seed=0):
  samples = config.train_student.crop_samples
  frames = samples // config.audio.hop_samples + 2 * MARGIN_FRAMES
  generator = np.random.default_rng(seed)
  return Batch(
    tf.constant(generator.integers(-3000, 3000, [2, samples]), tf.int32),
    tf.constant(
      generator.normal(-5, 2, [2, frames, config.audio.mel_bins]), tf.float32
    ),
  )


class CountedTeacher:
  """Counts its passes where they run, not where they are traced."""

  def __init__(self, teacher):
    self._teacher = teacher
    self.output_kind = teacher.output_kind
    self.passes = tf.Variable(0)

  def __call__(self, waveform, conditioning):
    self.passes.assign_add(1)
    return self._teacher(waveform, conditioning)


def models_and_objective(config):
  teacher, student = random_teacher(config), random_student(config)
  teacher.trainable = False
  counted = CountedTeacher(teacher)
  objective = objectives.student_objective(
    counted, student, config.distillation, config.audio.sample_rate_hz
  )
  return counted, student, objective


def test_terms_at_each_step_are_those_of_the_schedule():
  """Nothing of the divergence, then half of it, then all, in one graph."""
  config = miniature(**FIELDS, **SCHEDULE)
  _, student, objective = models_and_objective(config)
  always = models_and_objective(miniature(**FIELDS))[2]
  batch = make_batch(config)
  variables = [v.value for v in student.trainable_variables]

  @tf.function(autograph=False)
  def step(seed):
    with tf.GradientTape() as tape:
      loss, metrics = objective(batch, seed)
    return loss, metrics, tape.gradient(loss, variables)

  for number, share in (1, 0.0), (2, 0.5), (3, 1.0), (9, 1.0):
    seed = tf.constant([5, number])
    loss, metrics, gradients = step(seed)
    known = always(batch, seed)[1]
    if not share:
      assert np.isnan([float(metrics['kl']), float(metrics['entropy'])]).all()
    else:
      assert float(metrics['kl']) == pytest.approx(float(known['kl']), rel=1e-4)
    expected = float(known['stft_loss']) + share * (
      0.5 * float(known['kl'])
      - 0.1 * float(known['kl_under_other_conditioning'])
    )
    expected += 2.0 * (1 - share) * float(known['log_scale_floor_loss'])
    assert float(known['log_scale_floor_loss']) > 0
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    for variable, gradient in zip(student.trainable_variables, gradients):
      assert np.isfinite(gradient).all(), variable.path
      assert np.abs(gradient).max() > 0, variable.path


@pytest.mark.large
def test_xla_takes_the_same_way():
  config = miniature(
    **(FIELDS | SCHEDULE | {'distillation__contrastive_weight': 0.0}),
    student__flow_layers=(2,),
  )
  teacher, student = random_teacher(config), random_student(config)
  teacher.trainable = False
  objective = objectives.student_objective(
    teacher, student, config.distillation, 8000
  )
  batch = make_batch(config)
  variables = [v.value for v in student.trainable_variables]

  def step(seed):
    with tf.GradientTape() as tape:
      loss, _ = objective(batch, seed)
    return loss, tape.gradient(loss, variables)

  compiled = tf.function(step, jit_compile=True, autograph=False)
  for number in 1, 2:
    seed = tf.constant([5, number])
    (loss, gradients), (expected, wanted) = compiled(seed), step(seed)
    assert float(loss) == pytest.approx(float(expected), rel=1e-3)
    for found, other in zip(gradients, wanted):
      scale = np.abs(other).max()
      np.testing.assert_allclose(found / scale, other / scale, atol=0.02)


def test_training_asks_the_teacher_from_its_step_on(tmp_path):
  """Four steps of the loop, of which the first two cost no pass."""
  config = miniature(
    **(FIELDS | SCHEDULE | {'distillation__contrastive_weight': 0.0}),
    train_student__steps=4,
    train_student__jit_compile=False,
  )
  teacher, student, objective = models_and_objective(config)
  trainer = Trainer(student, objective, config.train_student, tmp_path)
  trainer.run(make_batch(config, i) for i in range(4))
  assert int(teacher.passes) == 2


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({'stft_weight': -1.0}, ['distillation.stft_weight', '0 or more']),
    ({'stft_floor': 0.0}, ['distillation.stft_floor', 'above 0']),
    (
      {'stft_weight': 1.0, 'stft_window_samples': (1024,)},
      ['distillation.stft_window_samples', 'crop_samples = 400'],
    ),
    (
      {'divergence_from_step': 5, 'power_weight': 0.0},
      [
        'distillation.divergence_from_step',
        'stft_weight',
        'nothing is learned',
      ],
    ),
    ({'divergence_ramp_steps': -1}, ['distillation.divergence_ramp_steps']),
    ({'log_scale_floor': float('-inf')}, ['distillation.log_scale_floor']),
  ],
)
def test_contradictions_name_the_field(fields, words):
  changes = {f'distillation__{name}': value for name, value in fields.items()}
  with pytest.raises(UserError) as refusal:
    miniature(**changes)
  for word in words:
    assert word in str(refusal.value)


def test_the_loss_compares_in_time():
  with pytest.raises(UserError, match=r'distillation\.stft_weight'):
    miniature(
      conditioning__local='none',
      distillation__power_weight=0.0,
      distillation__stft_weight=1.0,
      distillation__stft_window_samples=WINDOWS,
    )


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
