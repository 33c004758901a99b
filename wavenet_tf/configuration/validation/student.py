"""Checks of the student and of what it learns from."""

import math

from wavenet_tf.configuration.choices import (
  BASES,
  CLOSED_FORM,
  DIVERGENCES,
  GAUSSIAN,
  GAUSSIAN_MIXTURE,
  LINGUISTIC,
  LOG,
  MEL,
  MU_LAW,
  NONE,
  POWER_FEATURES,
  PRODUCT_DTYPES,
)
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.corpus import HIGHEST_F0_HZ
from wavenet_tf.configuration.validation.fields import (
  check_choice,
  check_layers,
  check_not_negative,
  check_positive,
  fail,
)


def check_student(config: Config) -> None:
  """Checks `student`; nothing where a run has none."""
  student = config.student
  if not student.flow_layers:
    return
  if min(student.flow_layers) < 1:
    fail('student.flow_layers', student.flow_layers, 'layer counts above 0')
  check_positive(
    'student',
    student,
    'layers_per_cycle',
    'residual_channels',
    'gate_channels',
    'initial_scale',
  )
  check_layers('student.flow_layers', sum(student.flow_layers))
  if not student.min_log_scale < student.max_log_scale:
    fail(
      'student.min_log_scale',
      student.min_log_scale,
      f'less than student.max_log_scale = {student.max_log_scale}',
    )
  start = math.log(student.initial_scale) / len(student.flow_layers)
  if not student.min_log_scale < start < student.max_log_scale:
    fail(
      'student.initial_scale',
      student.initial_scale,
      f'a scale whose logarithm, {start:.2f} for each flow, lies between '
      'student.min_log_scale and student.max_log_scale',
    )
  if student.kernel_size < 2:
    fail('student.kernel_size', student.kernel_size, '2 or more')
  check_choice('student.base', student.base, BASES)
  check_not_negative('student', student, 'phase_harmonics')
  if student.phase_harmonics:
    if not _tells_pitch(config.conditioning):
      fail(
        'student.phase_harmonics',
        student.phase_harmonics,
        "0 where nothing tells F0: neither conditioning.local='mel' nor "
        "'linguistic' with conditioning.log_f0",
      )
    most = int(config.audio.sample_rate_hz / 2 / HIGHEST_F0_HZ)
    if student.phase_harmonics > most:
      fail(
        'student.phase_harmonics',
        student.phase_harmonics,
        f'at most {most}, so that harmonics of {HIGHEST_F0_HZ:.0f} Hz stay '
        'below half of audio.sample_rate_hz',
      )
  check_choice('student.product_dtype', student.product_dtype, PRODUCT_DTYPES)
  if config.teacher.output == MU_LAW:
    fail(
      'teacher.output',
      repr(config.teacher.output),
      "'logistic_mixture' or 'gaussian_mixture', as distillation "
      "differentiates the teacher's density; set student.flow_layers=() to "
      'train a teacher only',
    )


def check_distillation(config: Config) -> None:
  """Checks `distillation` and what it asks of the other sections."""
  distillation = config.distillation
  check_choice('distillation.divergence', distillation.divergence, DIVERGENCES)
  check_choice(
    'distillation.power_feature', distillation.power_feature, POWER_FEATURES
  )
  check_not_negative(
    'distillation',
    distillation,
    'divergence_weight',
    'regularization_weight',
    'power_weight',
    'stft_weight',
    'style_weight',
    'feature_weight',
    'contrastive_weight',
    'divergence_from_step',
    'divergence_ramp_steps',
    'log_scale_floor_weight',
  )
  check_positive('distillation', distillation, 'draws_per_step', 'stft_floor')
  if distillation.divergence == CLOSED_FORM:
    _check_gaussian_pair(config)
  if distillation.power_weight:
    _check_windows(config, 'power_window_samples')
  if distillation.stft_weight:
    _check_windows(config, 'stft_window_samples')
  _check_power(distillation)
  _check_told(config)
  _check_weights(distillation)
  if (
    distillation.contrastive_weight
    and not distillation.contrastive_weight < distillation.divergence_weight
  ):
    fail(
      'distillation.contrastive_weight',
      distillation.contrastive_weight,
      'less than distillation.divergence_weight = '
      f"{distillation.divergence_weight}, or the student's entropy would be "
      'punished',
    )
  if distillation.contrastive_weight and config.train_student.batch_size < 2:
    fail(
      'train_student.batch_size',
      config.train_student.batch_size,
      '2 or more, as distillation.contrastive_weight needs the conditioning '
      'of another crop',
    )


def _check_weights(distillation):
  """Something is learned, at every step."""
  others = (
    distillation.power_weight
    or distillation.stft_weight
    or distillation.is_perceptual
  )
  if not (others or distillation.divergence_weight):
    fail(
      'distillation.divergence_weight',
      distillation.divergence_weight,
      'a weight above 0, of this or of another loss',
    )
  if distillation.divergence_from_step and not others:
    fail(
      'distillation.divergence_from_step',
      distillation.divergence_from_step,
      '0, or another loss beside the divergence (distillation.stft_weight), as '
      'nothing is learned before it begins',
    )
  if not math.isfinite(distillation.log_scale_floor):
    fail(
      'distillation.log_scale_floor',
      distillation.log_scale_floor,
      'a finite logarithm',
    )


def _check_gaussian_pair(config):
  """The closed form is that of two Gaussians."""
  why = f', as distillation.divergence is {CLOSED_FORM!r}'
  teacher = config.teacher
  for field, found, expected in (
    ('teacher.output', teacher.output, GAUSSIAN_MIXTURE),
    ('teacher.mixture_components', teacher.mixture_components, 1),
    ('teacher.discretized', teacher.discretized, False),
    ('student.base', config.student.base, GAUSSIAN),
  ):
    if found != expected:
      fail(field, repr(found), f'{expected!r}{why}')


def _check_windows(config, name):
  windows = getattr(config.distillation, name)
  if not windows or min(windows) < 4:
    fail(f'distillation.{name}', windows, 'lengths of 4 or more')
  if max(windows) > config.train_student.crop_samples:
    fail(
      f'distillation.{name}',
      windows,
      'at most train_student.crop_samples = '
      f'{config.train_student.crop_samples}',
    )


def _check_power(distillation):
  if distillation.power_relative and distillation.power_feature == LOG:
    fail(
      'distillation.power_relative',
      'True',
      f'False, as distillation.power_feature is {LOG!r}, which is relative '
      'already',
    )
  edges = distillation.power_band_edges_hz
  weights = distillation.power_band_weights
  if list(edges) != sorted(set(edges)):
    fail('distillation.power_band_edges_hz', edges, 'increasing frequencies')
  if len(weights) != len(edges) + 1 or not all(
    math.isfinite(weight) and weight >= 0 for weight in weights
  ):
    fail(
      'distillation.power_band_weights',
      weights,
      f'{len(edges) + 1} weights of 0 or more, one for each band that '
      f'distillation.power_band_edges_hz = {edges} separates',
    )


def _check_told(config):
  """A loss that compares with something needs something to compare with."""
  conditioning, distillation = config.conditioning, config.distillation
  if conditioning.local != NONE:
    return
  if distillation.contrastive_weight and not conditioning.globals:
    fail(
      'distillation.contrastive_weight',
      distillation.contrastive_weight,
      '0, as conditioning.local is none and conditioning.globals is (), so '
      'that there is no other conditioning to contrast with',
    )
  # Without local conditioning, nothing says what is heard at which time.
  why = (
    ', as conditioning.local is none, so that a student does not say what the '
    'recording says at the same time'
  )
  if distillation.power_weight and not distillation.power_average_over_time:
    fail('distillation.power_average_over_time', 'False', f'True{why}')
  if distillation.stft_weight:
    fail('distillation.stft_weight', distillation.stft_weight, f'0{why}')
  if distillation.feature_weight:
    fail('distillation.feature_weight', distillation.feature_weight, f'0{why}')


def _tells_pitch(conditioning):
  """Whether F0 is among what the student is told, or can be read off it."""
  if conditioning.local == LINGUISTIC:
    return conditioning.log_f0
  return conditioning.local == MEL
