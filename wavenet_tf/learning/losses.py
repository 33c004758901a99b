"""The terms of the losses, as functions of tensors.

Probability density distillation (1711.10433 sec. 4) with its sampled and its
closed-form divergence, and the additional losses of sec. 4.1. Entropies and
divergences are in nats per sample.
"""

from collections.abc import Callable

import tensorflow as tf

from wavenet_tf.configuration.choices import LOG, POWER
from wavenet_tf.configuration.learning import DistillationConfig
from wavenet_tf.learning.dividing.parts import Part, WHOLE
from wavenet_tf.probability.flows import FlowOutput
from wavenet_tf.signal import spectra

# -100 dB: what is quieter is silence, and silences are equal.
_LOWEST_MAGNITUDE = 1e-5
# Each bin of white noise at about -50 dBFS: a recording that is quieter has no
# power to be relative to, and one silent crop must not own the gradient.
_QUIET_MAGNITUDE = 3e-4


def sampled_cross_entropy(
  log_density: Callable, student: FlowOutput, noise: tf.Tensor
) -> tf.Tensor:
  """H(P_S, P_T), estimated with several draws per time step.

  The teacher has seen one waveform x of the student; at every t fresh draws
  x_t^(m) = location_t + s_t noise^(m)_t from the student's own distribution
  are scored under p_T(x_t | x_<t). Unbiased, with less variance than scoring x
  alone, and without running the teacher again.

  Args:
    log_density: draws `[M, B, T]` -> ln p_T(x_t | x_<t), the context fixed.
    student: output of the chain, `[B, T]`.
    noise: standard noise of the student's family, `[M, B, T]`.

  Returns:
    Nats per sample, a scalar.
  """
  draws = student.location + tf.exp(student.log_scale) * noise
  return -tf.reduce_mean(log_density(draws))


def gaussian_divergence(
  loc_q: tf.Tensor,
  log_scale_q: tf.Tensor,
  loc_p: tf.Tensor,
  log_scale_p: tf.Tensor,
) -> tf.Tensor:
  """KL(q || p) of two Gaussians in closed form (1807.07281).

  ln(s_p / s_q) + (s_q^2 - s_p^2 + (mu_p - mu_q)^2) / (2 s_p^2), nats, of the
  shape of the arguments. Written with expm1, which loses nothing where the
  two are nearly equal.
  """
  loc_q, log_scale_q, loc_p, log_scale_p = (
    tf.convert_to_tensor(x, tf.float32)
    for x in (loc_q, log_scale_q, loc_p, log_scale_p)
  )
  difference = log_scale_q - log_scale_p
  distance = (loc_p - loc_q) * tf.exp(-log_scale_p)
  return 0.5 * (tf.math.expm1(2.0 * difference) + distance**2) - difference


def log_scale_regularization(
  log_scale_q: tf.Tensor, log_scale_p: tf.Tensor
) -> tf.Tensor:
  """Mean (ln s_p - ln s_q)^2 (1807.07281).

  Keeps the closed-form divergence calm where both are sharply peaked.
  """
  return tf.reduce_mean((log_scale_p - log_scale_q) ** 2)


def power_loss(
  waveform: tf.Tensor,
  recording: tf.Tensor,
  settings: DistillationConfig,
  sample_rate_hz: int,
  part: Part = WHOLE,
) -> tf.Tensor:
  """||phi(g(z, c)) - phi(x)||^2, phi(x) = |STFT(x)|^2 (1711.10433 sec. 4.1).

  Compares with the recording of the same conditioning; keeps a student from
  whispering, which a small divergence alone allows. The variants that
  `settings` names: magnitude or its logarithm instead of the power, phi
  averaged over time first, several window lengths (averaged), weights by
  band, and the distance in units of the recording's own ||phi(x)||^2 (or of
  that of noise at -50 dBFS, where a recording is quieter).

  Args:
    waveform: of the student, float32 `[B, T]`.
    recording: of the same conditioning, `[B, T]`.
    settings: its `power_...` fields.
    sample_rate_hz: places the bands.
    part: of the batch, whose rows these are.

  Returns:
    A scalar: summed over frequencies, averaged over frames and the batch.
  """
  losses = []
  for window_samples in settings.power_window_samples:
    ours, target = (
      _phi(x, window_samples, settings) for x in (waveform, recording)
    )
    weights = _band_weights(ours.shape[-1], settings, sample_rate_hz)
    distance = tf.reduce_mean(tf.reduce_sum(weights * (ours - target) ** 2, -1))
    if settings.power_relative:
      energy = part.mean(tf.reduce_mean(tf.reduce_sum(weights * target**2, -1)))
      quiet = tf.fill(tf.shape(weights), _QUIET_MAGNITUDE)
      quiet_energy = tf.reduce_sum(weights * _feature(quiet, settings) ** 2)
      distance /= tf.maximum(energy, quiet_energy)
    losses.append(distance)
  return tf.add_n(losses) / len(losses)


def _phi(x, window_samples, settings):
  magnitude = spectra.stft_magnitude(x, window_samples, window_samples // 4)
  feature = _feature(magnitude, settings)
  if settings.power_average_over_time:
    return tf.reduce_mean(feature, 1)
  return feature


def _feature(magnitude, settings):
  if settings.power_feature == POWER:
    return magnitude**2
  if settings.power_feature == LOG:
    return tf.math.log(tf.maximum(magnitude, _LOWEST_MAGNITUDE))
  return magnitude


def _band_weights(bins, settings, sample_rate_hz):
  """A weight per bin: that of the band in which its frequency lies."""
  frequencies = tf.linspace(0.0, sample_rate_hz / 2.0, bins)
  bands = tf.searchsorted(
    tf.constant(settings.power_band_edges_hz, tf.float32),
    frequencies,
    side='right',
  )
  weights = tf.constant(settings.power_band_weights, tf.float32)
  return tf.gather(weights, bands)


def stft_loss(
  waveform: tf.Tensor,
  recording: tf.Tensor,
  settings: DistillationConfig,
  part: Part = WHOLE,
) -> tf.Tensor:
  """The multi-resolution STFT loss (1910.11480 sec. 2.2).

  With |X| the magnitudes of the recording, |Y| those of the student, raised to
  a floor, the mean over window lengths of

    || |X| - |Y| ||_F / || |X| ||_F + mean | ln |X| - ln |Y| |:

  the first, spectral convergence, hears the loud peaks, the second everything
  alike, pauses too. Norms are of the whole batch, and that of a quiet one
  counts as noise at -50 dBFS, since a silent crop has none.

  Args:
    waveform: of the student, float32 `[B, T]`.
    recording: of the same conditioning, `[B, T]`.
    settings: its `stft_...` fields.
    part: of the batch, whose rows these are.

  Returns:
    A scalar.
  """
  losses = []
  for window_samples in settings.stft_window_samples:
    ours, target = (
      tf.maximum(
        spectra.stft_magnitude(x, window_samples, window_samples // 4),
        settings.stft_floor,
      )
      for x in (waveform, recording)
    )
    distance = part.mean(tf.reduce_sum((ours - target) ** 2))
    energy = part.mean(tf.reduce_sum(target**2))
    quiet_energy = _QUIET_MAGNITUDE**2 * tf.cast(tf.size(target), tf.float32)
    relative = distance / tf.maximum(energy, quiet_energy)
    # A bare root has no gradient at zero.
    convergence = tf.sqrt(tf.maximum(relative, 1e-12))
    logarithms = tf.abs(tf.math.log(ours) - tf.math.log(target))
    losses.append(convergence + tf.reduce_mean(logarithms))
  return tf.add_n(losses) / len(losses)


def log_scale_floor_loss(log_scale: tf.Tensor, floor: float) -> tf.Tensor:
  """Mean relu(floor - ln s): nothing where scales lie above the floor."""
  return tf.reduce_mean(tf.nn.relu(floor - log_scale))


def feature_loss(features: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
  """Feature reconstruction ||f(g(z, c)) - f(x)||^2 (1711.10433 sec. 4.1).

  Args:
    features: activations of a frozen classifier that hears the student,
      float32 `[B, T, layers, channels]`.
    target: the same for the recording.

  Returns:
    A scalar: the squared distance in units of ||f(x)||^2, per layer, averaged
    over layers and the batch.
  """
  return _relative_distance(features, target, axes=(1, 3))


def style_loss(features: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
  """||G(g(z, c)) - G(x)||_F^2, G the Gram matrices (1711.10433 sec. 4.1).

  G_ij = 1/T sum_t f_ti f_tj per layer: which features of a layer are active
  together, whenever that is. Arguments and result as in `feature_loss`.
  """
  return _relative_distance(_gram(features), _gram(target), axes=(2, 3))


def _gram(features):
  samples = tf.cast(tf.shape(features)[1], tf.float32)
  return tf.einsum('btli,btlj->blij', features, features) / samples


def _relative_distance(x, target, axes):
  distance = tf.reduce_sum((x - target) ** 2, axes)
  return tf.reduce_mean(distance / (tf.reduce_sum(target**2, axes) + 1e-12))
