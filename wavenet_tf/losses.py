"""The terms of probability density distillation (1711.10433 sec. 3 and 4).

All are functions of tensors, in nats per sample where they are entropies.
"""

from collections.abc import Callable
import math
from typing import NamedTuple

import tensorflow as tf

from wavenet_tf import audio, distributions
from wavenet_tf.config import DistillationConfig
from wavenet_tf.flows import FlowOutput
from wavenet_tf.layers import Conditioning

# Entropy of Logistic(0, 1) in nats.
_LOGISTIC_ENTROPY = 2.0


def logistic_entropy(log_scale):
  """H(P_S) = E[ln s] + 2 nats per sample, needing no sample of x."""
  return tf.reduce_mean(log_scale) + _LOGISTIC_ENTROPY


def sampled_cross_entropy(log_prob: Callable, student: FlowOutput, noise):
  """H(P_S, P_T), estimated with several draws per time step.

  The teacher has seen one waveform x of the student; at every t fresh draws
  x_t^(m) = location_t + s_t noise^(m)_t from the student's own logistic are
  scored under p_T(x_t | x_<t). Unbiased, with less variance than scoring x
  alone, and without running the teacher again.

  Args:
    log_prob: draws `[M, B, T]` -> ln p_T(x_t | x_<t), teacher context fixed.
    student: output of the chain, `[B, T]`.
    noise: Logistic(0, 1), `[M, B, T]`.

  Returns:
    Nats per sample, a scalar.
  """
  draws = student.location + tf.exp(student.log_scale) * noise
  return -tf.reduce_mean(log_prob(draws))


def power_loss(
  waveform,
  recording,
  *,
  window_samples: int,
  hop_samples: int,
  exponent: float,
  average_over_time: bool,
):
  """||phi(g(z, c)) - phi(x)||^2 with phi(x) = |STFT(x)|^exponent.

  Compares with the recording of the same conditioning (1711.10433 sec. 4.1);
  keeps a student from whispering, which a small KL alone allows.

  Args:
    waveform: of the student, float32 `[B, T]`.
    recording: of the same conditioning, `[B, T]`.
    window_samples: of the STFT.
    hop_samples: of the STFT.
    exponent: 2 is the paper's power.
    average_over_time: average phi over frames before the distance.

  Returns:
    The squared distance, summed over frequencies, averaged over the rest,
    relative to the energy of the recording's own phi.
  """

  def phi(x):
    magnitude = audio.stft_magnitude(x, window_samples, hop_samples)
    features = magnitude**exponent
    return tf.reduce_mean(features, 1) if average_over_time else features

  target = phi(recording)
  distance = tf.reduce_mean(tf.reduce_sum((phi(waveform) - target) ** 2, -1))
  energy = tf.reduce_mean(tf.reduce_sum(target**2, -1))
  return distance / (energy + 1e-12)


def teacher_objective(teacher) -> Callable:
  """-> (batch, seed) -> mean negative log-likelihood in nats per sample."""

  def objective(batch, seed):
    del seed  # Maximum likelihood draws nothing.
    waveform = audio.waveform_from_levels(batch.levels)
    parameters = teacher(waveform, Conditioning(batch.features))
    log_prob = teacher.output_kind.log_prob(parameters, batch.levels)
    loss = -tf.reduce_mean(log_prob)
    return loss, {'bits_per_sample': distributions.bits(loss)}

  return objective


def student_objective(
  teacher, student, distillation: DistillationConfig
) -> Callable:
  """-> (batch, seed) -> KL(student || teacher) + weighted power loss.

  The teacher's weights stay as they are; gradients pass through its context
  and through the point at which it is evaluated.
  """

  def objective(batch, seed):
    conditioning = Conditioning(batch.features)
    recording = audio.waveform_from_levels(batch.levels)
    z = distributions.standard_logistic(recording.shape, seed)
    noise = distributions.standard_logistic(
      [distillation.draws_per_step, *recording.shape], seed + 1_000_003
    )
    output = student(z, conditioning)
    divergence = distillation_divergence(teacher, output, conditioning, noise)
    loss = divergence.kl
    metrics = {
      'kl': divergence.kl,
      'cross_entropy': divergence.cross_entropy,
      'entropy': divergence.entropy,
      'log_scale_mean': tf.reduce_mean(output.log_scale),
      'student_rms_dbfs': _rms_dbfs(output.waveform),
      'recording_rms_dbfs': _rms_dbfs(recording),
      'clipped_share': tf.reduce_mean(
        tf.cast(tf.abs(output.waveform) >= 1.0, tf.float32)
      ),
    }
    # A weight of 0 switches a term off; it is not even computed.
    if distillation.power_weight:
      power = power_loss(
        output.waveform,
        recording,
        window_samples=distillation.power_window_samples,
        hop_samples=distillation.power_hop_samples,
        exponent=distillation.power_exponent,
        average_over_time=distillation.power_average_over_time,
      )
      loss += distillation.power_weight * power
      metrics['power_loss'] = power
    return loss, metrics

  return objective


class Divergence(NamedTuple):
  """KL(student || teacher) and its parts, in nats per sample.

  The teacher gives the mass of a 16-bit level, the student a density; the
  logarithm of a level's width is moved to the cross-entropy, so that the KL
  of equal distributions is zero.
  """

  kl: tf.Tensor
  cross_entropy: tf.Tensor
  entropy: tf.Tensor


def distillation_divergence(
  teacher, output: FlowOutput, conditioning: Conditioning, noise
) -> Divergence:
  """Estimates the divergence with one pass of the teacher, see above."""
  parameters = teacher(output.waveform, conditioning)
  log_prob = teacher.output_kind.distribution(parameters).log_prob
  cross_entropy = sampled_cross_entropy(log_prob, output, noise) - math.log(
    audio.FULL_SCALE
  )
  entropy = logistic_entropy(output.log_scale)
  return Divergence(cross_entropy - entropy, cross_entropy, entropy)


def _rms_dbfs(waveform):
  power = tf.reduce_mean(waveform**2)
  return 10.0 * tf.math.log(power + 1e-12) / math.log(10.0)
