"""Checks of a configuration: each failure names the field and the fix.

Everything is checked once, before anything is written; no other module asks
whether a configuration makes sense.
"""

import math
import pathlib

from wavenet_tf.config import (
  BASES,
  CLOSED_FORM,
  Config,
  DIVERGENCES,
  flatten,
  GAUSSIAN,
  GAUSSIAN_MIXTURE,
  INPUTS,
  LABEL_KINDS,
  LOG,
  MU_LAW,
  OUTPUTS,
  POWER_FEATURES,
  UPSAMPLERS,
  UserError,
)

# Fields that an existing run may change without becoming another run: how long
# and how often, what to listen to; never what is learned or from which data.
RESUMABLE_FIELDS = frozenset(
  {
    'train_teacher.steps',
    'train_teacher.checkpoint_every_steps',
    'train_teacher.summary_every_steps',
    'train_student.steps',
    'train_student.checkpoint_every_steps',
    'train_student.summary_every_steps',
    'train_classifier.steps',
    'train_classifier.checkpoint_every_steps',
    'train_classifier.summary_every_steps',
    'evaluate.utterances',
    'evaluate.audio_utterances',
    'evaluate.audio_seconds',
    'evaluate.temperature',
    'evaluate.chunk_frames',
    'data.workers',
  }
)


def validate(config: Config) -> Config:
  """Checks every field and every relation; returns `config` unchanged.

  Raises:
    UserError: naming the field, what was found, and what would do.
  """
  _check_audio(config.audio)
  _check_data(config.data)
  _check_choice(
    'conditioning.upsampler', config.conditioning.upsampler, UPSAMPLERS
  )
  _check_choice('classifier.labels', config.classifier.labels, LABEL_KINDS)
  _check_conditioning(config)
  _check_teacher(config.teacher)
  _check_student(config)
  _check_training(
    'train_teacher',
    config.train_teacher,
    config,
    config.teacher.receptive_field_samples,
  )
  if config.student.flow_layers:
    _check_training(
      'train_student',
      config.train_student,
      config,
      config.teacher.receptive_field_samples,
    )
    _check_distillation(config)
    if (
      config.distillation.is_perceptual
      and not config.distillation.classifier_workdir
    ):
      validate_classifier(config)
  _check_positive(
    'evaluate',
    config.evaluate,
    'utterances',
    'audio_utterances',
    'chunk_frames',
    'temperature',
  )
  _check_not_negative('evaluate', config.evaluate, 'audio_seconds')
  _check_seed('evaluate', config.evaluate)
  return config


def _fail(field, found, expected):
  raise UserError(f'{field}: found {found}, expected {expected}.')


def _check_choice(field, value, choices):
  if value not in choices:
    _fail(field, repr(value), 'one of ' + ', '.join(choices))


def _check_positive(section, fields, *names):
  for name in names:
    value = getattr(fields, name)
    if not (value > 0 and math.isfinite(value)):
      _fail(f'{section}.{name}', value, 'a number above 0')


def _check_not_negative(section, fields, *names):
  for name in names:
    value = getattr(fields, name)
    if not (value >= 0 and math.isfinite(value)):
      _fail(f'{section}.{name}', value, '0 or more')


def _check_seed(section, fields):
  if not 0 <= fields.seed < 2**31:
    _fail(f'{section}.seed', fields.seed, 'an integer in [0, 2^31)')


def _check_share(field, value):
  if not 0 <= value < 1:
    _fail(field, value, 'a share in [0, 1)')


def _check_audio(audio):
  _check_positive(
    'audio',
    audio,
    'sample_rate_hz',
    'hop_samples',
    'window_samples',
    'mel_bins',
    'mel_floor',
  )
  if audio.mel_floor >= 1:
    _fail('audio.mel_floor', audio.mel_floor, 'a magnitude below 1')
  if audio.window_samples < audio.hop_samples:
    _fail(
      'audio.window_samples',
      audio.window_samples,
      f'at least audio.hop_samples = {audio.hop_samples}',
    )
  if not 0 <= audio.mel_min_hz < audio.mel_max_hz:
    _fail(
      'audio.mel_min_hz',
      audio.mel_min_hz,
      f'at least 0 and below audio.mel_max_hz = {audio.mel_max_hz}',
    )
  if audio.mel_max_hz > audio.sample_rate_hz / 2:
    _fail(
      'audio.mel_max_hz',
      audio.mel_max_hz,
      f'at most half of audio.sample_rate_hz, {audio.sample_rate_hz / 2:g}',
    )


def _check_data(data):
  if not 0 < data.validation_share < 1:
    _fail('data.validation_share', data.validation_share, 'between 0 and 1')
  _check_share('data.max_bad_share', data.max_bad_share)
  _check_positive(
    'data',
    data,
    'min_seconds',
    'shard_megabytes',
    'workers',
    'shuffle_megabytes',
  )
  _check_seed('data', data)
  if not data.silence_dbfs <= 0:
    _fail('data.silence_dbfs', data.silence_dbfs, 'a level of at most 0 dB')


def _check_conditioning(config):
  factors = config.conditioning.upsample_factors
  _check_positive('conditioning', config.conditioning, 'channels')
  if min(factors, default=0) < 1 or (
    math.prod(factors) != config.audio.hop_samples
  ):
    _fail(
      'conditioning.upsample_factors',
      f'{factors}, whose product is {math.prod(factors)}',
      'factors whose product is audio.hop_samples = '
      f'{config.audio.hop_samples}',
    )


def _check_teacher(teacher):
  _check_positive(
    'teacher',
    teacher,
    'cycles',
    'layers_per_cycle',
    'residual_channels',
    'gate_channels',
    'skip_channels',
    'mixture_components',
    'signal_unit',
  )
  if teacher.kernel_size < 2:
    _fail('teacher.kernel_size', teacher.kernel_size, '2 or more')
  _check_choice('teacher.input', teacher.input, INPUTS)
  _check_choice('teacher.output', teacher.output, OUTPUTS)
  if teacher.input == 'one_hot' and teacher.output != MU_LAW:
    _fail(
      'teacher.input',
      f"'one_hot' with teacher.output={teacher.output!r}",
      "'scalar', since the levels of a mixture have no one-hot code here",
    )
  if teacher.mu_law_levels < 2:
    _fail('teacher.mu_law_levels', teacher.mu_law_levels, '2 or more')
  if not -30 <= teacher.min_log_scale < 0:
    _fail('teacher.min_log_scale', teacher.min_log_scale, 'within [-30, 0)')
  if not 8 <= teacher.bits <= 16:
    _fail('teacher.bits', teacher.bits, '8 to 16')
  if not teacher.discretized and teacher.bits < 16:
    _fail('teacher.bits', teacher.bits, '16, as teacher.discretized is False')


def _check_student(config):
  student = config.student
  if not student.flow_layers:
    return
  if min(student.flow_layers) < 1:
    _fail('student.flow_layers', student.flow_layers, 'layer counts above 0')
  _check_positive(
    'student',
    student,
    'layers_per_cycle',
    'residual_channels',
    'gate_channels',
    'initial_scale',
  )
  if not student.min_log_scale < student.max_log_scale:
    _fail(
      'student.min_log_scale',
      student.min_log_scale,
      f'less than student.max_log_scale = {student.max_log_scale}',
    )
  start = math.log(student.initial_scale) / len(student.flow_layers)
  if not student.min_log_scale < start < student.max_log_scale:
    _fail(
      'student.initial_scale',
      student.initial_scale,
      f'a scale whose logarithm, {start:.2f} for each flow, lies between '
      'student.min_log_scale and student.max_log_scale',
    )
  if student.kernel_size < 2:
    _fail('student.kernel_size', student.kernel_size, '2 or more')
  _check_choice('student.base', student.base, BASES)
  if config.teacher.output == MU_LAW:
    _fail(
      'teacher.output',
      repr(config.teacher.output),
      "'logistic_mixture' or 'gaussian_mixture', as distillation "
      "differentiates the teacher's density; set student.flow_layers=() to "
      'train a teacher only',
    )


def validate_classifier(config: Config) -> None:
  """Checks what `train_classifier` needs; other modes do without.

  Raises:
    UserError: as `validate`.
  """
  sizes, training = config.classifier, config.train_classifier
  _check_positive(
    'classifier',
    sizes,
    'cycles',
    'layers_per_cycle',
    'residual_channels',
    'gate_channels',
    'skip_channels',
    'signal_unit',
    'frame_milliseconds',
    'frame_channels',
    'frame_dilation_growth',
  )
  _check_not_negative(
    'classifier',
    sizes,
    'frame_layers',
    'next_sample_weight',
    'gain_decibels',
  )
  for field in 'dropout', 'speed_share':
    if not 0 <= getattr(sizes, field) < 1:
      _fail(f'classifier.{field}', getattr(sizes, field), '0 or more, below 1')
  if sizes.kernel_size < 2:
    _fail('classifier.kernel_size', sizes.kernel_size, '2 or more')
  frame = sizes.frame_samples(config.audio.sample_rate_hz)
  if frame < 1:
    _fail(
      'classifier.frame_milliseconds',
      sizes.frame_milliseconds,
      f'at least one sample, {1000 / config.audio.sample_rate_hz:g} ms',
    )
  _check_training(
    'train_classifier',
    training,
    config,
    sizes.receptive_field_samples,
    'classifier',
  )
  # One frame of a crop, at least, has all its neighbours.
  frames = 2 * sizes.frame_reach + 1
  if training.crop_samples < frames * frame:
    _fail(
      'train_classifier.crop_samples',
      training.crop_samples,
      f'at least {frames} frames of {frame} samples, as '
      f'classifier.frame_layers = {sizes.frame_layers} see '
      f'{sizes.frame_reach} frames to either side; lengthen the crop',
    )


def _check_training(
  section, training, config, receptive_field, network='teacher'
):
  _check_positive(
    section,
    training,
    'steps',
    'batch_size',
    'crop_samples',
    'learning_rate',
    'clip_norm',
    'max_bad_steps',
    'checkpoint_every_steps',
    'summary_every_steps',
  )
  _check_not_negative(section, training, 'warmup_steps')
  _check_seed(section, training)
  _check_share(f'{section}.average_decay', training.average_decay)
  if not 0 <= training.final_learning_rate_share <= 1:
    _fail(
      f'{section}.final_learning_rate_share',
      training.final_learning_rate_share,
      'a share in [0, 1]',
    )
  hop = config.audio.hop_samples
  if training.crop_samples % hop:
    nearest = hop * max(1, round(training.crop_samples / hop))
    _fail(
      f'{section}.crop_samples',
      training.crop_samples,
      f'a multiple of audio.hop_samples = {hop}, such as {nearest}',
    )
  if training.crop_samples < receptive_field:
    _fail(
      f'{section}.crop_samples',
      training.crop_samples,
      f"at least the {network}'s receptive field, {receptive_field} samples; "
      f'lengthen the crop, or lower {network}.cycles or '
      f'{network}.layers_per_cycle',
    )


def _check_distillation(config):
  distillation = config.distillation
  _check_choice('distillation.divergence', distillation.divergence, DIVERGENCES)
  _check_choice(
    'distillation.power_feature', distillation.power_feature, POWER_FEATURES
  )
  _check_not_negative(
    'distillation',
    distillation,
    'divergence_weight',
    'regularization_weight',
    'power_weight',
    'style_weight',
    'feature_weight',
    'contrastive_weight',
  )
  _check_positive('distillation', distillation, 'draws_per_step')
  if distillation.divergence == CLOSED_FORM:
    _check_gaussian_pair(config)
  _check_power(config)
  if not any(
    (
      distillation.divergence_weight,
      distillation.power_weight,
      distillation.is_perceptual,
    )
  ):
    _fail(
      'distillation.divergence_weight',
      distillation.divergence_weight,
      'a weight above 0, of this or of another loss',
    )
  if (
    distillation.contrastive_weight
    and not distillation.contrastive_weight < distillation.divergence_weight
  ):
    _fail(
      'distillation.contrastive_weight',
      distillation.contrastive_weight,
      'less than distillation.divergence_weight = '
      f"{distillation.divergence_weight}, or the student's entropy would be "
      'punished',
    )
  if distillation.contrastive_weight and config.train_student.batch_size < 2:
    _fail(
      'train_student.batch_size',
      config.train_student.batch_size,
      '2 or more, as distillation.contrastive_weight needs the conditioning '
      'of another crop',
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
      _fail(field, repr(found), f'{expected!r}{why}')


def _check_power(config):
  distillation = config.distillation
  windows = distillation.power_window_samples
  if not windows or min(windows) < 4:
    _fail('distillation.power_window_samples', windows, 'lengths of 4 or more')
  if max(windows) > config.train_student.crop_samples:
    _fail(
      'distillation.power_window_samples',
      windows,
      'at most train_student.crop_samples = '
      f'{config.train_student.crop_samples}',
    )
  if distillation.power_relative and distillation.power_feature == LOG:
    _fail(
      'distillation.power_relative',
      'True',
      f'False, as distillation.power_feature is {LOG!r}, which is relative '
      'already',
    )
  edges = distillation.power_band_edges_hz
  weights = distillation.power_band_weights
  if list(edges) != sorted(set(edges)):
    _fail('distillation.power_band_edges_hz', edges, 'increasing frequencies')
  if len(weights) != len(edges) + 1 or not all(
    math.isfinite(weight) and weight >= 0 for weight in weights
  ):
    _fail(
      'distillation.power_band_weights',
      weights,
      f'{len(edges) + 1} weights of 0 or more, one for each band that '
      f'distillation.power_band_edges_hz = {edges} separates',
    )


# Which models depend on a section; while none of their folders exists, it may
# change. (The classifier predicts samples as the teacher does.)
_MODELS_OF_A_SECTION = {
  'teacher': ('teacher', 'classifier'),
  'train_teacher': ('teacher',),
  'conditioning': ('teacher',),
  'student': ('student',),
  'train_student': ('student',),
  'distillation': ('student',),
  'classifier': ('classifier',),
  'train_classifier': ('classifier',),
}


def check_same_run(saved: Config, asked: Config, workdir) -> None:
  """Raises `UserError` where `asked` would make another run of `workdir`."""
  before, after = flatten(saved), flatten(asked)
  free = {
    section
    for section, models in _MODELS_OF_A_SECTION.items()
    if not any(pathlib.Path(workdir, model).exists() for model in models)
  }
  for field, value in after.items():
    if field.split('.')[0] in free:
      continue
    if before[field] != value and field not in RESUMABLE_FIELDS:
      models = _MODELS_OF_A_SECTION.get(field.split('.')[0], ())
      copied = f', or a copy of it without {" and ".join(models)}/'
      raise UserError(
        f'{field}: found {value}, but {workdir} was made with '
        f'{before[field]}; use that value (without --preset, '
        f'a run takes its own), or another --workdir'
        f'{copied if models else ""}.'
      )
