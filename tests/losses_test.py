"""The terms of distillation against closed forms and numerical integrals."""

from conftest import miniature, random_student, random_teacher
import numpy as np
import pytest
from scipy import integrate, stats
import tensorflow as tf

from data.dataset import Batch
from wavenet_tf import distributions, losses
from wavenet_tf.config import MARGIN_FRAMES
from wavenet_tf.flows import FlowOutput


def test_entropy_of_a_logistic():
  for log_scale in -4.0, 0.0, 1.5:
    assert float(losses.logistic_entropy([log_scale])) == pytest.approx(
      stats.logistic(0, np.exp(log_scale)).entropy(), abs=1e-5
    )


def cross_entropy(loc, log_scale, teacher, draws, seed):
  """`sampled_cross_entropy` for one step of a teacher given by SciPy."""
  noise = distributions.standard_logistic([draws, 1, 1], [seed, 0])
  output = FlowOutput(None, tf.constant([[loc]]), tf.constant([[log_scale]]))

  def log_prob(x):
    return tf.constant(teacher.logpdf(x.numpy()), tf.float32)

  return float(losses.sampled_cross_entropy(log_prob, output, noise))


def test_sampled_cross_entropy_converges_to_the_integral():
  student = stats.logistic(0.3, np.exp(-1.0))
  teacher = stats.logistic(0.1, np.exp(-0.5))
  exact = integrate.quad(
    lambda x: -student.pdf(x) * teacher.logpdf(x), -20, 20
  )[0]
  sampled = cross_entropy(0.3, -1.0, teacher, 200_000, 1)
  assert sampled == pytest.approx(exact, abs=0.01)


def test_more_draws_vary_less():
  teacher = stats.logistic(0.1, 0.6)
  spread = [
    np.std([cross_entropy(0.3, -1.0, teacher, n, s) for s in range(60)])
    for n in (1, 16)
  ]
  assert spread[1] < 0.5 * spread[0]


def test_power_loss_of_equal_waveforms_is_zero_and_scales():
  x = tf.random.stateless_normal([2, 2000], [1, 2])
  settings = {
    'window_samples': 256,
    'hop_samples': 64,
    'exponent': 2.0,
    'average_over_time': False,
  }
  assert float(losses.power_loss(x, x, **settings)) == 0.0
  # phi(x / 2) = phi(x) / 4, so the relative distance is (3 / 4)^2.
  assert float(losses.power_loss(x / 2, x, **settings)) == pytest.approx(
    9 / 16, rel=1e-3
  )
  settings['exponent'] = 1.0
  assert float(losses.power_loss(x / 2, x, **settings)) == pytest.approx(
    1 / 4, rel=1e-3
  )


def test_averaging_over_time_forgives_a_different_phase_of_noise():
  x, y = tf.unstack(tf.random.stateless_normal([2, 1, 20000], [1, 2]))
  settings = {'window_samples': 256, 'hop_samples': 64, 'exponent': 2.0}
  framed = losses.power_loss(x, y, average_over_time=False, **settings)
  averaged = losses.power_loss(x, y, average_over_time=True, **settings)
  assert float(averaged) < 0.1 * float(framed)


def make_batch(config, batch=2):
  samples = config.train_student.crop_samples
  frames = samples // config.audio.hop_samples + 2 * MARGIN_FRAMES
  generator = np.random.default_rng(0)
  return Batch(
    tf.constant(generator.integers(-3000, 3000, [batch, samples]), tf.int32),
    tf.constant(
      generator.normal(-5, 2, [batch, frames, config.audio.mel_bins]),
      tf.float32,
    ),
  )


def test_teacher_objective_is_the_mean_negative_log_likelihood():
  config = miniature()
  teacher = random_teacher(config)
  batch = make_batch(config)
  loss, metrics = losses.teacher_objective(teacher)(batch, None)
  assert float(metrics['bits_per_sample']) == pytest.approx(
    float(loss) / np.log(2), rel=1e-6
  )
  with tf.GradientTape() as tape:
    loss, _ = losses.teacher_objective(teacher)(batch, None)
  gradients = tape.gradient(loss, [v.value for v in teacher.variables])
  assert all(g is not None for g in gradients)


@pytest.mark.parametrize('power_weight', [0.0, 2.0])
def test_student_objective_is_kl_plus_weighted_power(power_weight):
  config = miniature(distillation__power_weight=power_weight)
  teacher, student = random_teacher(config), random_student(config)
  loss, metrics = losses.student_objective(
    teacher, student, config.distillation
  )(make_batch(config), tf.constant([1, 2]))
  kl = metrics['cross_entropy'] - metrics['entropy']
  assert float(metrics['kl']) == pytest.approx(float(kl), abs=1e-5)
  power = float(metrics.get('power_loss', 0.0))
  assert ('power_loss' in metrics) == bool(power_weight)
  assert float(loss) == pytest.approx(
    float(kl) + power_weight * power, rel=1e-5
  )


def test_every_weight_of_the_student_learns_and_the_teacher_gives_gradients():
  config = miniature()
  teacher, student = random_teacher(config), random_student(config)
  objective = losses.student_objective(teacher, student, config.distillation)
  teacher.trainable = False
  batch = make_batch(config)
  with tf.GradientTape() as tape:
    loss, _ = objective(batch, tf.constant([1, 2]))
  assert not teacher.trainable_variables
  gradients = tape.gradient(loss, [v.value for v in student.variables])
  assert all(np.abs(g).max() > 0 for g in gradients)


def test_kl_of_a_student_that_is_the_teacher_is_zero():
  """A teacher with one logistic that ignores its context, and a student whose
  only flow is that logistic: the estimate must fall to zero.
  """
  config = miniature(
    teacher__mixture_components=1, student__flow_layers=(2,),
    distillation__power_weight=0.0, distillation__draws_per_step=64,
  )  # fmt: skip
  teacher, student = random_teacher(config), random_student(config)
  for model in teacher, student:
    network = getattr(model, 'network', None) or model.networks[0]
    network.output_layer.kernel.assign(
      tf.zeros_like(network.output_layer.kernel)
    )
  unit = config.teacher.signal_unit
  teacher.network.output_layer.bias.assign([0.0, 0.02 / unit, -3.5])
  objective = losses.student_objective(teacher, student, config.distillation)
  kl = []
  for loc, log_scale in (0.02, -3.5), (0.05, -3.5), (0.02, -3.0):
    student.networks[0].output_layer.bias.assign(
      [loc / config.student.initial_scale, log_scale]
    )
    _, metrics = objective(make_batch(config), tf.constant([1, 2]))
    kl.append(float(metrics['kl']))
  assert kl[0] == pytest.approx(0.0, abs=5e-3)
  assert kl[1] > 0.1
  assert kl[2] > 0.05


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
