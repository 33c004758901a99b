"""What each model minimizes: (batch, seed, part) -> (loss, metrics).

An objective is a pure function, which the training loop compiles; losses and
metrics are scalars. Its terms are in `losses.py`. The batch is always whole;
the loss is that of a part of it, by default of all.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from wavenet_tf.configuration.choices import CLOSED_FORM
from wavenet_tf.configuration.learning import DistillationConfig
from wavenet_tf.learning import losses
from wavenet_tf.learning.dividing.parts import dropout, WHOLE
from wavenet_tf.networks.classifier import Classifier
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.student import Student
from wavenet_tf.networks.teacher import Teacher
from wavenet_tf.probability.flows import FlowOutput
from wavenet_tf.probability.outputs import bits
from wavenet_tf.signal import augmentation, emphasis, noise, quantization


def teacher_objective(teacher: Teacher) -> Callable:
  """Mean negative log-likelihood, nats per sample.

  Of all samples of a crop, or of those that `teacher.score` and
  `context.teacher_samples` leave.
  """

  def objective(batch, seed, part=WHOLE):
    del seed  # Maximum likelihood draws nothing.
    batch = part.of(batch)
    output = teacher.output_kind
    parameters = teacher.end_of(
      output.waveform(batch.levels),
      Conditioning.of(batch.features, batch.global_),
      teacher.trained_samples or batch.levels.shape[1],
    )[:, teacher.unscored_samples :]
    levels = batch.levels[:, -parameters.shape[1] :]
    loss = -tf.reduce_mean(output.log_prob(parameters, levels))
    return loss, {'bits_per_sample': bits(loss)}

  return objective


def student_objective(
  teacher: Teacher,
  student: Student,
  settings: DistillationConfig,
  sample_rate_hz: int,
  classifier: Classifier | None = None,
  preemphasis: float = 0.0,
) -> Callable:
  """The divergence from the teacher and the weighted additional losses.

    w_d KL(P_S(c) || P_T(c)) + w_p power + w_m STFT + w_s style + w_f features
      - gamma KL(P_S(c) || P_T(c'))                       (1711.10433 sec. 4)

  with c' the conditioning of another crop of the batch. The teacher's and the
  classifier's weights stay as they are; gradients pass through the teacher's
  context and through the point at which it is evaluated. A term of weight 0
  is not computed. Teacher and divergence see the waveform as the student says
  it, all other losses compare what is heard. The weights of the divergences,
  w_d and gamma, may depend on the step, see `divergence_share`.

  Args:
    teacher: frozen.
    student: learns.
    settings: weights and estimators.
    sample_rate_hz: of the audio.
    classifier: frozen; wanted where a perceptual weight is set.
    preemphasis: of the waveforms that teacher and student see.

  Returns:
    (batch, [seed, step], part) -> (loss, metrics).
  """

  def objective(batch, seed, part=WHOLE):
    share = divergence_share(settings, seed[1])
    shape = batch.levels.shape
    told = Conditioning.of(batch.features, batch.global_)
    conditioning, another = part.of(told), part.of(told.rolled())
    seen = teacher.output_kind.waveform(part.of(batch.levels))
    z = part.of(student.family.standard_noise(shape, seed))
    draws = part.of(draws_for(student, settings, shape, seed), axis=1)
    output = student(z, conditioning)
    recording, waveform = (
      emphasis.de_emphasise(x, preemphasis) for x in (seen, output.waveform)
    )

    def divergence_under(conditioning):
      return _unless_zero(
        share,
        lambda: distillation_divergence(
          teacher, student, settings, output, conditioning, draws
        ),
      )

    loss, metrics = 0.0, {}
    for weight, term, shown in (
      *_divergence_terms(
        settings, share, output, divergence_under, conditioning
      ),
      *_heard_terms(
        settings, waveform, recording, sample_rate_hz, classifier, part
      ),
      *_contrastive_terms(settings, share, divergence_under, another),
    ):
      loss += weight * term
      metrics.update(shown)
    return loss, metrics

  return objective


# Terms of the student's loss: weight, value, and what is shown of it.


def _divergence_terms(settings, share, output, divergence_under, conditioning):
  """The divergence, and what stands in for it while its share is small."""
  if settings.divergence_weight:
    divergence = divergence_under(conditioning)
    shown = _where_weighted(share, divergence.metrics())
    yield settings.divergence_weight * share, divergence.objective, shown
  if settings.log_scale_floor_weight:
    loss = losses.log_scale_floor_loss(
      output.log_scale, settings.log_scale_floor
    )
    weight = settings.log_scale_floor_weight * (1.0 - share)
    yield weight, loss, {'log_scale_floor_loss': loss}


def _heard_terms(settings, waveform, recording, rate_hz, classifier, part):
  """Losses that compare what is heard."""
  if settings.power_weight:
    loss = losses.power_loss(waveform, recording, settings, rate_hz, part)
    yield settings.power_weight, loss, {'power_loss': loss}
  if settings.stft_weight:
    loss = losses.stft_loss(waveform, recording, settings, part)
    yield settings.stft_weight, loss, {'stft_loss': loss}
  if settings.is_perceptual:
    heard = classifier.activations(waveform)
    wanted = classifier.activations(recording)
    if settings.style_weight:
      loss = losses.style_loss(heard, wanted)
      yield settings.style_weight, loss, {'style_loss': loss}
    if settings.feature_weight:
      loss = losses.feature_loss(heard, wanted)
      yield settings.feature_weight, loss, {'feature_loss': loss}


def _contrastive_terms(settings, share, divergence_under, another):
  """The same waveform and draws; only the teacher is told something else."""
  if settings.contrastive_weight:
    kl = divergence_under(another).kl
    shown = _where_weighted(share, {'kl_under_other_conditioning': kl})
    yield -settings.contrastive_weight * share, kl, shown


def divergence_share(
  settings: DistillationConfig, step: tf.Tensor
) -> tf.Tensor | float:
  """Which share of its weight the divergence has at a step, 0 to 1.

  0 before `divergence_from_step`, then (1, 2, ...) / `divergence_ramp_steps`.
  Where nothing depends on the step, a Python number.
  """
  if not settings.divergence_weight:
    return 0.0
  if not settings.is_scheduled:
    return 1.0
  steps = tf.cast(step + 1 - settings.divergence_from_step, tf.float32)
  return tf.clip_by_value(steps / max(settings.divergence_ramp_steps, 1), 0, 1)


def _unless_zero(share, divergence: Callable) -> 'Divergence':
  """`divergence()`; zeros, and no pass of the teacher, where the share is 0."""
  if not tf.is_tensor(share):
    return divergence()
  nothing = Divergence(*[tf.zeros([])] * 3)
  return tf.cond(share > 0, divergence, lambda: nothing)


def _where_weighted(share, metrics):
  """Metrics of the divergence; not a number where it was not computed."""
  if not tf.is_tensor(share):
    return metrics
  return {k: tf.where(share > 0, x, float('nan')) for k, x in metrics.items()}


class Divergence(NamedTuple):
  """KL(P_S || P_T) = H(P_S, P_T) - H(P_S), in nats per sample.

  Attributes:
    objective: what is minimized: the KL, and its regularization if any.
    kl: without the regularization.
    entropy: H(P_S).
  """

  objective: tf.Tensor
  kl: tf.Tensor
  entropy: tf.Tensor

  def metrics(self) -> dict[str, tf.Tensor]:
    return {
      'kl': self.kl,
      'cross_entropy': self.kl + self.entropy,
      'entropy': self.entropy,
    }


def draws_for(
  student: Student,
  settings: DistillationConfig,
  shape: Sequence[int],
  seed: tf.Tensor,
) -> tf.Tensor | None:
  """Noise `[M, B, T]` of the sampled divergence; None for the closed form."""
  if settings.divergence == CLOSED_FORM:
    return None
  return student.family.standard_noise(
    [settings.draws_per_step, *shape], noise.another(seed)
  )


def distillation_divergence(
  teacher: Teacher,
  student: Student,
  settings: DistillationConfig,
  output: FlowOutput,
  conditioning: Conditioning,
  draws: tf.Tensor | None,
) -> Divergence:
  """The divergence of the student's `output`, by one pass of the teacher."""
  parameters = teacher(output.waveform, conditioning)
  entropy = student.family.entropy(output.log_scale)
  if settings.divergence == CLOSED_FORM:
    _, loc, log_scale = teacher.output_kind.split(parameters)
    pair = loc[..., 0], log_scale[..., 0]
    kl = tf.reduce_mean(
      losses.gaussian_divergence(output.location, output.log_scale, *pair)
    )
    regularization = losses.log_scale_regularization(output.log_scale, pair[1])
    return Divergence(
      kl + settings.regularization_weight * regularization, kl, entropy
    )
  cross_entropy = losses.sampled_cross_entropy(
    lambda x: teacher.output_kind.log_density(parameters, x), output, draws
  )
  return Divergence(cross_entropy - entropy, cross_entropy - entropy, entropy)


def classifier_objective(
  classifier: Classifier, next_sample_weight: float
) -> Callable:
  """-> (batch, seed) -> cross-entropy of frames + weighted next-sample loss.

  The two losses of 1609.03499 sec. 3.4. Frames without a label (-1) count in
  neither the loss nor the accuracy; a weight of 0 switches the second one off.
  With a seed, crops are heard as `augmentation` varies them and frames are
  thinned by dropout; without one, neither.
  """

  def objective(batch, seed, part=WHOLE):
    sizes, frame = classifier.sizes, classifier.frame_samples
    heard = part.of(
      augmentation.vary(batch.levels, batch.labels, sizes, frame, seed)
    )
    waveform = quantization.waveform_from_levels(heard.levels)
    dropout_seed = None if seed is None else noise.another(seed)
    thin = dropout(sizes.dropout, dropout_seed, part)
    output = classifier(waveform, thin=thin)
    labelled = tf.cast(heard.labels >= 0, tf.float32)
    frames = part.mean(tf.reduce_sum(labelled))
    frames = tf.maximum(frames, 1.0 / part.count)
    entropies = tf.nn.sparse_softmax_cross_entropy_with_logits(
      tf.maximum(heard.labels, 0), output.logits
    )
    loss = tf.reduce_sum(labelled * entropies) / frames
    best = tf.argmax(output.logits, -1, tf.int32)
    correct = tf.cast(best == heard.labels, tf.float32)  # Never where -1.
    metrics = {
      'frame_cross_entropy': loss,
      'frame_accuracy': tf.reduce_sum(correct) / frames,
    }
    if next_sample_weight:
      log_prob = classifier.output_kind.log_prob(
        output.parameters, heard.levels
      )
      nats = -tf.reduce_mean(log_prob)
      loss += next_sample_weight * nats
      metrics['bits_per_sample'] = bits(nats)
    return loss, metrics

  return objective
