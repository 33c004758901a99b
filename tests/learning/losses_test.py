"""The terms of the losses against closed forms and numerical integrals."""

import dataclasses

import numpy as np
import pytest
from scipy import integrate, stats
import tensorflow as tf

from wavenet_tf.configuration.learning import DistillationConfig
from wavenet_tf.learning import losses
from wavenet_tf.probability.families import FAMILIES
from wavenet_tf.probability.flows import FlowOutput

RATE = 8000


def student_output(loc, log_scale):
  return FlowOutput(
    None, tf.constant([[loc]]), tf.constant([[log_scale]], tf.float32)
  )


def cross_entropy(base, loc, log_scale, teacher, draws, seed):
  """`sampled_cross_entropy` of one step under a density given by SciPy."""
  noise = FAMILIES[base].standard_noise([draws, 1, 1], [seed, 0])

  def log_density(x):
    return tf.constant(teacher.logpdf(x.numpy()), tf.float32)

  return float(
    losses.sampled_cross_entropy(
      log_density, student_output(loc, log_scale), noise
    )
  )


def kl(base, loc, log_scale, teacher, draws=400_000):
  entropy = FAMILIES[base].entropy(tf.constant([log_scale], tf.float32))
  return cross_entropy(base, loc, log_scale, teacher, draws, 1) - float(entropy)


def test_sampled_cross_entropy_converges_to_the_integral():
  student = stats.logistic(0.3, np.exp(-1.0))
  teacher = stats.logistic(0.1, np.exp(-0.5))
  exact = integrate.quad(
    lambda x: -student.pdf(x) * teacher.logpdf(x), -20, 20
  )[0]
  sampled = cross_entropy('logistic', 0.3, -1.0, teacher, 400_000, 1)
  assert sampled == pytest.approx(exact, abs=0.005)


@pytest.mark.parametrize('distance', [0.0, 0.5, 3.0])
def test_sampled_kl_of_two_logistics_converges_to_its_closed_form(distance):
  """Of equal scale, at a distance of d scales: d coth(d / 2) - 2.

  From E[softplus(d - x)] = d / (1 - e^-d) for x ~ Logistic(0, 1).
  """
  scale = np.exp(-2.0)
  teacher = stats.logistic(0.1 + distance * scale, scale)
  exact = distance / np.tanh(distance / 2) - 2 if distance else 0.0
  assert kl('logistic', 0.1, -2.0, teacher) == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize(('loc', 'scale'), [(0.1, 0.2), (0.3, 0.2), (0.2, 0.5)])
def test_sampled_kl_of_two_gaussians_converges_to_its_closed_form(loc, scale):
  sampled = kl('gaussian', 0.1, np.log(0.2), stats.norm(loc, scale))
  closed = losses.gaussian_divergence(0.1, np.log(0.2), loc, np.log(scale))
  assert sampled == pytest.approx(float(closed), abs=0.01)


@pytest.mark.parametrize(
  'pair', [(0.1, 0.2, 0.1, 0.2), (0.1, 0.2, 0.3, 0.2), (0.0, 0.01, 0.1, 0.3)]
)
def test_closed_form_of_two_gaussians_is_the_integral(pair):
  loc_q, scale_q, loc_p, scale_p = pair
  q, p = stats.norm(loc_q, scale_q), stats.norm(loc_p, scale_p)
  exact = integrate.quad(
    lambda x: q.pdf(x) * (q.logpdf(x) - p.logpdf(x)),
    loc_q - 12 * scale_q,
    loc_q + 12 * scale_q,
  )[0]
  closed = losses.gaussian_divergence(
    loc_q, np.float32(np.log(scale_q)), loc_p, np.float32(np.log(scale_p))
  )
  assert float(closed) == pytest.approx(exact, abs=1e-5)


def test_closed_form_keeps_its_precision_where_the_two_are_nearly_equal():
  """KL ~ (d ln s)^2, where a difference of squares would leave noise."""
  closed = losses.gaussian_divergence(
    tf.constant(0.0), tf.constant(-3.0), tf.constant(0.0), tf.constant(-3.001)
  )
  assert float(closed) == pytest.approx(1e-6, rel=0.1)


def test_the_floor_of_scales_counts_what_lies_below_it():
  """Two samples: one is a neper below, one above, which counts nothing."""
  found = losses.log_scale_floor_loss(tf.constant([[-1.0, -3.0]]), -2.0)
  assert float(found) == 0.5


def test_variance_falls_with_the_number_of_draws():
  """As one over the number, up to the noise of 200 repetitions."""
  teacher = stats.logistic(0.1, 0.6)
  variance = [
    np.var(
      [cross_entropy('logistic', 0.3, -1.0, teacher, n, s) for s in range(200)]
    )
    for n in (1, 16)
  ]
  assert 8 < variance[0] / variance[1] < 32


@pytest.mark.parametrize('base', ['logistic', 'gaussian'])
def test_gradient_of_the_sampled_kl_is_that_of_the_integral(base):
  """Unbiased, with a mixture of two logistics as teacher."""
  at = 0.2, -1.5
  student = {'logistic': stats.logistic, 'gaussian': stats.norm}[base]

  def teacher_density(x):
    return 0.3 * stats.logistic(0.0, 0.2).pdf(x) + 0.7 * stats.logistic(
      0.4, 0.1
    ).pdf(x)

  def integrated(loc, log_scale):
    q = student(loc, np.exp(log_scale))
    return integrate.quad(
      lambda x: q.pdf(x) * (q.logpdf(x) - np.log(teacher_density(x))),
      loc - 25 * np.exp(log_scale),
      loc + 25 * np.exp(log_scale),
      epsabs=1e-10,
      limit=200,
    )[0]

  def log_density(x):
    parts = [
      np.log(weight / scale) - u - 2 * tf.nn.softplus(-u)
      for weight, scale, u in (
        (0.3, 0.2, x / 0.2),
        (0.7, 0.1, (x - 0.4) / 0.1),
      )
    ]
    return tf.reduce_logsumexp(parts, 0)

  loc, log_scale = tf.Variable([[at[0]]]), tf.Variable([[at[1]]])
  noise = FAMILIES[base].standard_noise([400_000, 1, 1], [1, 2])
  with tf.GradientTape() as tape:
    output = FlowOutput(None, loc, log_scale)
    estimate = losses.sampled_cross_entropy(
      log_density, output, noise
    ) - FAMILIES[base].entropy(log_scale)
  gradients = tape.gradient(estimate, [loc, log_scale])
  sampled = [g.numpy().item() for g in gradients]
  h = 1e-4
  exact = [
    (integrated(at[0] + h, at[1]) - integrated(at[0] - h, at[1])) / (2 * h),
    (integrated(at[0], at[1] + h) - integrated(at[0], at[1] - h)) / (2 * h),
  ]
  assert float(estimate) == pytest.approx(integrated(*at), abs=0.01)
  assert sampled == pytest.approx(exact, abs=0.03)


def settings(**changes):
  return dataclasses.replace(
    DistillationConfig(power_window_samples=(256,)), **changes
  )


def noise_pair(samples=2000):
  return tf.unstack(tf.random.stateless_normal([2, 2, samples], [1, 2]))


def test_the_default_power_loss_is_the_paper_s():
  """||phi(g) - phi(x)||^2, phi = |STFT|^2 as NumPy computes it."""
  ours, target = noise_pair()
  window = np.hanning(257)[:-1]

  def phi(x):
    frames = np.lib.stride_tricks.sliding_window_view(x, 256, -1)[:, ::64]
    spectrum = np.fft.rfft(frames.astype(np.float64) * window)
    # A full-scale sine has a peak of one.
    return (np.abs(spectrum) * 4 / 256) ** 2

  expected = ((phi(ours.numpy()) - phi(target.numpy())) ** 2).sum(-1).mean()
  measured = losses.power_loss(ours, target, settings(), RATE)
  assert float(measured) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('feature', ['power', 'magnitude', 'log'])
@pytest.mark.parametrize('average', [False, True])
def test_power_loss_of_equal_waveforms_is_zero(feature, average):
  x, _ = noise_pair()
  changed = settings(power_feature=feature, power_average_over_time=average)
  assert float(losses.power_loss(x, x, changed, RATE)) == 0.0
  assert float(losses.power_loss(0.9 * x, x, changed, RATE)) > 0


@pytest.mark.parametrize(
  ('feature', 'relative', 'expected'),
  [('power', True, 9 / 16), ('magnitude', True, 1 / 4)],
)
def test_relative_distance_of_half_the_amplitude(feature, relative, expected):
  x, _ = noise_pair()
  changed = settings(power_feature=feature, power_relative=relative)
  measured = losses.power_loss(x / 2, x, changed, RATE)
  assert float(measured) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize('feature', ['power', 'magnitude'])
def test_a_silent_recording_does_not_own_a_relative_loss(feature):
  """It counts as noise at about -50 dBFS, as loud as which it may be told."""
  x, _ = noise_pair()
  changed = settings(power_feature=feature, power_relative=True)
  silence = tf.zeros_like(x)
  quiet = x * 10 ** (-50 / 20)
  against_silence = float(losses.power_loss(quiet, silence, changed, RATE))
  assert 0.1 < against_silence < 30


def test_whole_numbers_are_weights_too():
  x, y = noise_pair()
  edges = {'power_band_edges_hz': (1000,)}
  whole, real = (
    losses.power_loss(x, y, settings(power_band_weights=weights, **edges), RATE)
    for weights in ((1, 2), (1.0, 2.0))
  )
  assert float(whole) == float(real)


def test_logarithm_hears_a_gain_alike_at_every_loudness():
  x, _ = noise_pair()
  changed = settings(power_feature='log')
  loud, quiet = (
    float(losses.power_loss(0.5 * g * x, g * x, changed, RATE))
    for g in (1.0, 0.05)
  )
  # Squared, summed over 129 frequencies.
  assert loud == pytest.approx(129 * np.log(2) ** 2, rel=1e-2)
  assert quiet == pytest.approx(loud, rel=0.05)
  silence = tf.zeros_like(x)
  assert float(losses.power_loss(1e-8 * x, silence, changed, RATE)) == 0


def test_averaging_over_time_forgives_a_different_draw_of_noise():
  x, y = noise_pair(20000)
  framed, averaged = (
    losses.power_loss(x, y, settings(power_average_over_time=average), RATE)
    for average in (False, True)
  )
  assert float(averaged) < 0.1 * float(framed)


def test_several_resolutions_are_averaged():
  x, y = noise_pair()
  both, *single = (
    float(losses.power_loss(x, y, settings(power_window_samples=w), RATE))
    for w in ((128, 512), (128,), (512,))
  )
  assert both == pytest.approx(np.mean(single), rel=1e-5)


def test_band_weights_count_the_bands_they_name():
  """Below 1 kHz, up to 3 kHz, above: the sum over bands is the whole."""
  x, y = noise_pair()

  def weighted(*weights):
    changed = settings(
      power_band_edges_hz=(1000.0, 3000.0), power_band_weights=weights
    )
    return float(losses.power_loss(x, y, changed, RATE))

  parts = [weighted(1.0, 0.0, 0.0), weighted(0.0, 1.0, 0.0),
           weighted(0.0, 0.0, 1.0)]  # fmt: skip
  assert sum(parts) == pytest.approx(weighted(1.0, 1.0, 1.0), rel=1e-5)
  assert weighted(0.5, 2.0, 1.0) == pytest.approx(
    0.5 * parts[0] + 2.0 * parts[1] + parts[2], rel=1e-5
  )
  # A tone of 2 kHz is heard in the middle band only.
  tone = tf.sin(2 * np.pi * 2000 / RATE * tf.range(2000.0))[None]
  heard = [
    float(
      losses.power_loss(
        tone,
        tf.zeros_like(tone),
        settings(
          power_band_edges_hz=(1000.0, 3000.0), power_band_weights=weights
        ),
        RATE,
      )
    )
    for weights in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
  ]
  assert heard[1] > 1000 * max(heard[0], heard[2])


@pytest.mark.parametrize('feature', ['power', 'magnitude', 'log'])
def test_power_loss_has_a_finite_gradient_in_silence(feature):
  waveform = tf.Variable(tf.zeros([1, 1000]))
  target, _ = noise_pair(1000)
  with tf.GradientTape() as tape:
    loss = losses.power_loss(
      waveform, target[:1], settings(power_feature=feature), RATE
    )
  assert np.isfinite(tape.gradient(loss, waveform)).all()


def activations(seed, samples=500):
  return tf.random.stateless_uniform([2, samples, 3, 4], [seed, 0], -1, 1)


def test_style_is_the_distance_of_gram_matrices():
  ours, target = activations(1), activations(2)

  def gram(x):
    return np.einsum('btli,btlj->blij', x, x, dtype=np.float64) / x.shape[1]

  a, b = gram(ours.numpy()), gram(target.numpy())
  expected = (((a - b) ** 2).sum((2, 3)) / (b**2).sum((2, 3))).mean()
  assert float(losses.style_loss(ours, target)) == pytest.approx(
    expected, rel=1e-4
  )


def test_style_ignores_when_and_features_do_not():
  x = activations(1)
  shuffled = tf.gather(x, np.random.default_rng(0).permutation(500), axis=1)
  assert float(losses.style_loss(shuffled, x)) == pytest.approx(0, abs=1e-9)
  assert float(losses.feature_loss(shuffled, x)) > 0.5
  assert float(losses.feature_loss(x, x)) == 0


def test_perceptual_distances_are_relative_per_layer():
  """A layer that is ten times as loud does not count for more."""
  ours, target = activations(1), activations(2)
  gains = tf.constant([10.0, 1.0, 0.1])[:, None]
  for loss in losses.style_loss, losses.feature_loss:
    plain = float(loss(ours, target))
    assert float(loss(gains * ours, gains * target)) == pytest.approx(
      plain, rel=1e-3
    )


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
