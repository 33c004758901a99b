"""What each model minimizes: its terms, weights, gradients; distillation."""

import copy
import dataclasses

import keras
import numpy as np
import pytest
from scipy import stats
import tensorflow as tf

from data.shards.crops import Batch
from tests.support.miniature import (
  miniature,
  random_classifier,
  random_student,
  random_teacher,
  randomize,
)
from tests.support.variants import GAUSSIAN
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.configuration.learning import DistillationConfig
from wavenet_tf.learning import checkpoints, losses, objectives
from wavenet_tf.learning.trainer import Trainer
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.student import build_student
from wavenet_tf.probability.families import FAMILIES
from wavenet_tf.probability.flows import FlowOutput
from wavenet_tf.probability.outputs import WaveformMixture

SEED = tf.constant([1, 2])


def make_batch(config, batch=2, seed=0):
  samples = config.train_student.crop_samples
  frames = samples // config.audio.hop_samples + 2 * MARGIN_FRAMES
  generator = np.random.default_rng(seed)
  return Batch(
    tf.constant(generator.integers(-3000, 3000, [batch, samples]), tf.int32),
    tf.constant(
      generator.normal(-5, 2, [batch, frames, config.audio.mel_bins]),
      tf.float32,
    ),
    tf.zeros([batch, 0], tf.int32),
  )


def gaussian(**overrides):
  return miniature(**(GAUSSIAN | overrides))


def objective_of(config, classifier=None):
  teacher, student = random_teacher(config), random_student(config)
  teacher.trainable = False
  objective = objectives.student_objective(
    teacher,
    student,
    config.distillation,
    config.audio.sample_rate_hz,
    classifier,
  )
  return teacher, student, objective


@pytest.mark.parametrize(
  'overrides',
  [
    {},
    {'teacher__bits': 8},
    {'teacher__output': 'gaussian_mixture'},
    {'teacher__output': 'mu_law', 'student__flow_layers': ()},
  ],
)
def test_teacher_objective_is_the_mean_negative_log_likelihood(overrides):
  config = miniature(**overrides)
  teacher = random_teacher(config)
  batch = make_batch(config)
  with tf.GradientTape() as tape:
    loss, metrics = objectives.teacher_objective(teacher)(batch, None)
  assert float(metrics['bits_per_sample']) == pytest.approx(
    float(loss) / np.log(2), rel=1e-6
  )
  gradients = tape.gradient(loss, [v.value for v in teacher.variables])
  assert all(np.abs(g).max() > 0 for g in gradients)


class CountingTeacher:
  """Counts passes, and remembers under which conditioning."""

  def __init__(self, teacher):
    self._teacher = teacher
    self.output_kind = teacher.output_kind
    self.heard = []

  def __call__(self, waveform, conditioning):
    self.heard.append((waveform, conditioning.local))
    return self._teacher(waveform, conditioning)


TERMS = {
  'divergence': ('distillation__divergence_weight', 'kl'),
  'power': ('distillation__power_weight', 'power_loss'),
  'style': ('distillation__style_weight', 'style_loss'),
  'features': ('distillation__feature_weight', 'feature_loss'),
}
OTHERS_OFF = {
  'distillation__power_weight': 0.0,
  'distillation__style_weight': 0.0,
  'distillation__feature_weight': 0.0,
}
ALL_OFF = OTHERS_OFF | {'distillation__divergence_weight': 0.0}


@pytest.mark.parametrize('term', TERMS)
def test_each_term_has_its_own_weight(term):
  """Alone, with a weight of two, the loss is twice the term."""
  field, metric = TERMS[term]
  config = miniature(**(ALL_OFF | {field: 2.0}))
  classifier = random_classifier(config, classes=3)
  loss, metrics = objective_of(config, classifier)[2](make_batch(config), SEED)
  assert set(metrics) & {m for _, m in TERMS.values()} == {metric}
  assert float(metrics[metric]) > 0
  assert float(loss) == pytest.approx(2.0 * float(metrics[metric]), rel=1e-5)


def test_terms_add_up():
  weights = {field: i + 1.0 for i, (field, _) in enumerate(TERMS.values())}
  config = miniature(**weights)
  classifier = random_classifier(config, classes=3)
  loss, metrics = objective_of(config, classifier)[2](make_batch(config), SEED)
  expected = sum(
    weights[field] * float(metrics[metric]) for field, metric in TERMS.values()
  )
  assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('weight', [0.0, 1.0])
def test_a_weight_of_zero_computes_nothing(weight, monkeypatch):
  """No classifier is asked, and the teacher runs once, or not at all."""
  config = miniature(**OTHERS_OFF)
  teacher, student, _ = objective_of(config)
  settings = dataclasses.replace(config.distillation, divergence_weight=weight)
  counting = CountingTeacher(teacher)
  monkeypatch.setattr(losses, 'power_loss', None)
  objective = objectives.student_objective(
    counting, student, settings, 8000, classifier=None
  )
  _, metrics = objective(make_batch(config), SEED)
  assert len(counting.heard) == weight
  assert set(metrics) == (
    {'kl', 'cross_entropy', 'entropy'} if weight else set()
  )


def test_contrastive_term_is_one_sample_and_two_teacher_passes():
  config = miniature(**OTHERS_OFF, distillation__contrastive_weight=0.3)
  teacher, student, _ = objective_of(config)
  counting = CountingTeacher(teacher)
  objective = objectives.student_objective(
    counting, student, config.distillation, 8000
  )
  batch = make_batch(config)
  loss, metrics = objective(batch, SEED)
  (first, own), (second, other) = counting.heard
  np.testing.assert_array_equal(first, second)
  np.testing.assert_array_equal(own, batch.features)
  np.testing.assert_array_equal(other, batch.features[::-1])
  assert float(loss) == pytest.approx(
    float(metrics['kl']) - 0.3 * float(metrics['kl_under_other_conditioning']),
    rel=1e-5,
  )
  # Expanded: H(S, T1) - gamma H(S, T2) - (1 - gamma) H(S).
  cross = float(metrics['cross_entropy'])
  entropy = float(metrics['entropy'])
  other_cross = float(metrics['kl_under_other_conditioning']) + entropy
  assert float(loss) == pytest.approx(
    cross - 0.3 * other_cross - 0.7 * entropy, rel=1e-4
  )


LEARNERS = {
  'default': {},
  'all terms': {
    'distillation__style_weight': 1.0,
    'distillation__feature_weight': 1.0,
    'distillation__contrastive_weight': 0.3,
  },
  'gaussian teacher': {'teacher__output': 'gaussian_mixture'},
  'sampled': GAUSSIAN,
  'closed form': GAUSSIAN | {'distillation__divergence': 'closed_form'},
}


@pytest.mark.parametrize(
  ('name', 'jit_compile'),
  [
    *((n, False) for n in LEARNERS),
    pytest.param('default', True, marks=pytest.mark.large),
  ],
)
def test_every_weight_of_the_student_learns_and_no_other(name, jit_compile):
  """Gradients reach each weight of the student; the teacher's and the
  classifier's are not asked for, and an update leaves them as they were.
  """
  config = miniature(**LEARNERS[name])
  classifier = random_classifier(config, classes=3)
  classifier.trainable = False
  teacher, student, objective = objective_of(config, classifier)
  assert not teacher.trainable_variables
  frozen = [v.numpy().copy() for v in teacher.variables + classifier.variables]
  variables = student.trainable_variables
  optimizer = keras.optimizers.Adam(1e-3)
  optimizer.build(variables)

  def step(batch):
    with tf.GradientTape() as tape:
      loss, _ = objective(batch, SEED)
    gradients = tape.gradient(loss, [v.value for v in variables])
    optimizer.apply(gradients, variables)
    return loss, gradients

  if jit_compile:
    step = tf.function(step, jit_compile=True, autograph=False)
  loss, gradients = step(make_batch(config))
  assert np.isfinite(float(loss))
  for variable, gradient in zip(variables, gradients):
    assert np.abs(gradient).max() > 0, variable.path
    assert np.isfinite(gradient).all(), variable.path
  after = [v.numpy() for v in teacher.variables + classifier.variables]
  for before, now in zip(frozen, after):
    np.testing.assert_array_equal(before, now)


def test_training_a_student_moves_nothing_but_the_student(tmp_path, eager):
  """Three steps of the real loop, with models as `train_main` loads them."""
  config = miniature(
    train_student__steps=3,
    distillation__style_weight=1.0,
    distillation__contrastive_weight=0.3,
  )
  frozen = {
    'teacher': random_teacher(config),
    'classifier': random_classifier(config, classes=3),
  }
  for name, model in frozen.items():
    # What training leaves behind, loaded as `Run.teacher` loads it.
    def nothing(batch, seed, part, model=model):
      weights = [v.value for v in model.trainable_variables]
      return 0.0 * tf.add_n([tf.reduce_sum(w) for w in weights]), {}

    once = dataclasses.replace(config.train_teacher, steps=1)
    Trainer(model, nothing, once, tmp_path / name).run([make_batch(config)])
    checkpoints.load_average(model, tmp_path / name)
  before = {
    name: [v.numpy().copy() for v in model.variables]
    for name, model in frozen.items()
  }
  student = random_student(config)
  start = [v.numpy().copy() for v in student.variables]
  objective = objectives.student_objective(
    frozen['teacher'],
    student,
    config.distillation,
    8000,
    frozen['classifier'],
  )
  trainer = Trainer(
    student, objective, config.train_student, tmp_path / 'student'
  )
  trainer.run(make_batch(config, seed=i) for i in range(3))
  for name, model in frozen.items():
    for variable, value in zip(model.variables, before[name]):
      np.testing.assert_array_equal(variable, value, err_msg=variable.path)
  for variable, value in zip(student.variables, start):
    assert np.abs(variable - value).max() > 0, variable.path


def test_the_gradient_reaches_the_student_through_the_teacher_s_context():
  """Perturbing early noise moves what the teacher expects later."""
  config = miniature(**OTHERS_OFF)
  teacher, student, _ = objective_of(config)
  batch = make_batch(config)
  z = tf.Variable(
    student.family.standard_noise([2, config.train_student.crop_samples], SEED)
  )
  with tf.GradientTape() as tape:
    waveform = student(z, Conditioning(batch.features)).waveform
    parameters = teacher(waveform, Conditioning(batch.features))
    late = tf.reduce_sum(parameters[:, 300:])
  gradient = tape.gradient(late, z).numpy()
  assert np.abs(gradient[:, 290:299]).min() > 0
  assert np.abs(gradient[:, 399:]).max() == 0


@pytest.mark.parametrize('output', ['logistic_mixture', 'gaussian_mixture'])
def test_a_divergence_is_not_negative(output):
  """Also of loud students that leave the range of a discretized teacher."""
  config = miniature(
    teacher__output=output, distillation__draws_per_step=64, **OTHERS_OFF
  )
  teacher, student, objective = objective_of(config)
  for seed in range(4):
    randomize(teacher, scale=0.4, seed=seed)
    randomize(student, scale=0.4, seed=seed + 10)
    _, metrics = objective(make_batch(config, seed=seed), SEED)
    assert float(metrics['kl']) > 0


def constant_models(config, teacher_bias):
  """Models whose outputs are their biases, whatever they hear."""
  teacher, student, _ = objective_of(config)
  for net in (teacher.network, *student.networks):
    net.output_layer.kernel.assign(tf.zeros_like(net.output_layer.kernel))
  teacher.network.output_layer.bias.assign(teacher_bias)
  objective = objectives.student_objective(
    teacher, student, config.distillation, 8000
  )
  return student, objective


@pytest.mark.parametrize(
  ('base', 'divergence'),
  [
    ('logistic', 'sampled'),
    ('gaussian', 'sampled'),
    ('gaussian', 'closed_form'),
  ],
)
def test_kl_of_a_student_that_is_the_teacher_is_zero(base, divergence):
  """One component that ignores its context, one flow that is the same."""
  sizes = {
    'student__flow_layers': (2,),
    'teacher__mixture_components': 1,
    'distillation__divergence': divergence,
    'distillation__draws_per_step': 64,
    **OTHERS_OFF,
  }
  config = (gaussian if base == 'gaussian' else miniature)(**sizes)
  unit = config.teacher.signal_unit
  student, objective = constant_models(config, [0.02 / unit, -3.5])
  kl = []
  for loc, log_scale in (0.02, -3.5), (0.05, -3.5), (0.02, -3.0):
    student.networks[0].output_layer.bias.assign(
      [loc / config.student.initial_scale, log_scale]
    )
    kl.append(float(objective(make_batch(config), SEED)[1]['kl']))
  exact = [0.0]
  for loc, log_scale in (0.05, -3.5), (0.02, -3.0):
    z = np.random.default_rng(0).logistic(size=400_000)
    if base == 'gaussian':
      exact.append(
        float(losses.gaussian_divergence(loc, log_scale, 0.02, -3.5))
      )
      continue
    x = loc + np.exp(log_scale) * z
    student_log = stats.logistic(loc, np.exp(log_scale)).logpdf(x)
    teacher_log = stats.logistic(0.02, np.exp(-3.5)).logpdf(x)
    exact.append((student_log - teacher_log).mean())
  assert kl == pytest.approx(exact, abs=0.02)


def test_regularization_is_part_of_the_objective_only():
  config = gaussian(
    distillation__divergence='closed_form',
    distillation__regularization_weight=4.0,
    student__flow_layers=(2,),
    **OTHERS_OFF,
  )
  student, objective = constant_models(config, [0.0, -3.5])
  student.networks[0].output_layer.bias.assign([0.0, -3.0])
  loss, metrics = objective(make_batch(config), SEED)
  kl = float(losses.gaussian_divergence(0.0, -3.0, 0.0, -3.5))
  assert float(metrics['kl']) == pytest.approx(kl, abs=1e-4)
  assert float(loss) == pytest.approx(kl + 4.0 * 0.5**2, abs=1e-3)


def test_draws_per_step_estimate_what_the_waveform_alone_does():
  """H(P_S, P_T) is also -E[ln p_T(x)], with one waveform and more variance."""
  config = miniature(distillation__draws_per_step=16, **OTHERS_OFF)
  teacher, student, _ = objective_of(config)
  batch = make_batch(config)
  conditioning = Conditioning(batch.features)

  @tf.function(jit_compile=True, autograph=False)
  def estimates(seed):
    z = student.family.standard_noise(batch.levels.shape, seed)
    output = student(z, conditioning)
    parameters = teacher(output.waveform, conditioning)
    density = teacher.output_kind.log_density
    alone = -tf.reduce_mean(density(parameters, output.waveform))
    draws = objectives.draws_for(
      student, config.distillation, batch.levels.shape, seed
    )
    several = losses.sampled_cross_entropy(
      lambda x: density(parameters, x), output, draws
    )
    return alone, several

  found = np.array([estimates(tf.constant([i, 5])) for i in range(200)])
  error = np.std(found[:, 0] - found[:, 1]) / np.sqrt(len(found))
  assert np.mean(found[:, 0]) == pytest.approx(
    np.mean(found[:, 1]), abs=4 * error
  )
  assert np.var(found[:, 1]) < np.var(found[:, 0])


class LinearStudent:
  """x_t = b + s z_t + c z_{t-1}: a Gaussian flow with three parameters."""

  family = FAMILIES['gaussian']

  def __init__(self, b, s, c):
    self.parameters = [tf.Variable(x, dtype=tf.float32) for x in (b, s, c)]

  def __call__(self, z):
    b, s, c = self.parameters
    location = b + c * tf.pad(z, [[0, 0], [1, 0]])[:, :-1]
    log_scale = tf.math.log(s) + tf.zeros_like(z)
    return FlowOutput(location + s * z, location, log_scale)


def test_the_gradient_is_unbiased_through_the_teacher_s_context():
  """Three steps under x_t ~ N(a x_{t-1}, sigma^2), where the KL is known.

  E[(location_t - a x_{t-1})^2] is, with x_{-1} = z_{-1} = 0,
    t = 0: b^2,
    t = 1: (b (1 - a))^2 + (c - a s)^2,
    t = 2: (b (1 - a))^2 + (c - a s)^2 + (a c)^2.
  """
  a, sigma = 0.7, 0.5
  at = np.array([0.2, 0.4, -0.3])

  def exact(parameters):
    b, s, c = parameters
    shifted, mixed = (b * (1 - a)) ** 2, (c - a * s) ** 2
    squares = np.array([b**2, shifted + mixed, shifted + mixed + (a * c) ** 2])
    step = np.log(sigma / s) + (s**2 - sigma**2 + squares) / (2 * sigma**2)
    return step.mean()

  teacher = KnownProcess(a, sigma)
  student = LinearStudent(*at)
  settings = DistillationConfig(draws_per_step=4)
  z = student.family.standard_noise([100_000, 3], SEED)
  draws = objectives.draws_for(student, settings, z.shape, SEED)
  with tf.GradientTape() as tape:
    divergence = objectives.distillation_divergence(
      teacher, student, settings, student(z), Conditioning(), draws
    )
  gradient = tape.gradient(divergence.kl, student.parameters)
  h = 1e-5
  numeric = [
    (exact(at + h * e) - exact(at - h * e)) / (2 * h) for e in np.eye(3)
  ]
  assert float(divergence.kl) == pytest.approx(exact(at), abs=0.01)
  assert [float(g) for g in gradient] == pytest.approx(numeric, abs=0.03)
  # What stopping the gradient at the context would give is far from it.
  deaf = copy.copy(teacher)
  deaf.hears = tf.stop_gradient
  with tf.GradientTape() as tape:
    stopped = objectives.distillation_divergence(
      deaf, student, settings, student(z), Conditioning(), draws
    )
  wrong = tape.gradient(stopped.kl, student.parameters)
  assert max(abs(float(g) - n) for g, n in zip(wrong, numeric)) > 0.1


class KnownProcess:
  """x_t ~ N(a x_{t-1}, sigma^2): a teacher whose every answer is known."""

  def __init__(self, a, sigma):
    self._a, self._sigma = a, sigma
    self.hears = tf.identity
    self.output_kind = WaveformMixture(
      FAMILIES['gaussian'], 1, 2**16, False, -11.0, 1.0
    )

  def __call__(self, waveform, conditioning):
    del conditioning
    previous = tf.pad(self.hears(waveform), [[0, 0], [1, 0]])[:, :-1]
    log_scale = tf.fill(tf.shape(waveform), np.float32(np.log(self._sigma)))
    return tf.stack([self._a * previous, log_scale], -1)


@pytest.mark.parametrize(
  'divergence',
  ['sampled', pytest.param('closed_form', marks=pytest.mark.large)],
)
def test_a_flow_distilled_from_a_known_process_is_that_process(divergence):
  """KL below 0.01 nats per sample, measured in closed form on new noise."""
  teacher = KnownProcess(a=0.7, sigma=0.05)
  config = gaussian(
    distillation__divergence=divergence,
    distillation__draws_per_step=8,
    student__flow_layers=(4,),
    student__layers_per_cycle=4,
    student__residual_channels=16,
    student__gate_channels=16,
    **OTHERS_OFF,
  )
  student = build_student(config)
  objective = objectives.student_objective(
    teacher, student, config.distillation, 8000
  )
  variables = student.trainable_variables
  optimizer = keras.optimizers.Adam(
    keras.optimizers.schedules.CosineDecay(1e-2, 600)
  )
  optimizer.build(variables)

  @tf.function(jit_compile=True, autograph=False)
  def step(batch, seed):
    with tf.GradientTape() as tape:
      loss, _ = objective(batch, seed)
    gradients = tape.gradient(loss, [v.value for v in variables])
    gradients, _ = tf.clip_by_global_norm(gradients, 10.0)
    optimizer.apply(gradients, variables)

  batch = make_batch(config, batch=8)
  for i in range(600):
    step(batch, tf.constant([i, 0]))
  conditioning = Conditioning(batch.features)
  z = student.family.standard_noise(batch.levels.shape, tf.constant([0, 99]))
  output = student(z, conditioning)
  _, loc, log_scale = teacher.output_kind.split(
    teacher(output.waveform, conditioning)
  )
  kl = losses.gaussian_divergence(
    output.location, output.log_scale, loc[..., 0], log_scale[..., 0]
  )
  assert float(tf.reduce_mean(kl)) < 0.01
  # The process itself, not only its numbers: neighbours correlate as a^k.
  x = output.waveform.numpy()[:, 50:]
  for lag in 1, 2, 3:
    correlation = np.corrcoef(x[:, lag:].ravel(), x[:, :-lag].ravel())[0, 1]
    assert correlation == pytest.approx(0.7**lag, abs=0.08)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
