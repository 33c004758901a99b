"""Checks of a configuration: each failure names the field and the fix.

Everything is checked once, before anything is written; no other module asks
whether a configuration makes sense.
"""

import math

from wavenet_tf.checks import (
  check_choice,
  check_not_negative,
  check_positive,
  check_seed,
  check_share,
  fail,
)
from wavenet_tf.config import (
  ACTIVATIONS,
  Config,
  FULL_CONTEXT,
  GLOBAL_KINDS,
  INPUTS,
  LABEL_KINDS,
  LOCAL_KINDS,
  MARGIN_FRAMES,
  MU_LAW,
  OUTPUTS,
  PRODUCT_DTYPES,
  SCORES,
  SPEAKER,
  SPEAKERS,
  SPLITS,
  UPSAMPLERS,
)
from wavenet_tf.student_validation import check_distillation, check_student

# Splits whose validation has other speakers than training.
_NEW_SPEAKERS = ('speaker', 'speaker_and_index')


def validate(config: Config) -> Config:
  """Checks every field and every relation; returns `config` unchanged.

  Raises:
    UserError: naming the field, what was found, and what would do.
  """
  _check_audio(config.audio)
  _check_data(config.data, config.audio)
  check_choice('classifier.labels', config.classifier.labels, LABEL_KINDS)
  _check_conditioning(config)
  _check_teacher(config.teacher)
  check_student(config)
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
    check_distillation(config)
    if (
      config.distillation.is_perceptual
      and not config.distillation.classifier_workdir
    ):
      validate_classifier(config)
  _check_context(config)
  check_positive(
    'evaluate',
    config.evaluate,
    'utterances',
    'audio_utterances',
    'chunk_frames',
    'temperature',
  )
  check_not_negative('evaluate', config.evaluate, 'audio_seconds')
  check_seed('evaluate', config.evaluate)
  return config


def _check_audio(audio):
  check_positive(
    'audio',
    audio,
    'sample_rate_hz',
    'hop_samples',
    'window_samples',
    'mel_bins',
    'mel_floor',
  )
  if audio.mel_floor >= 1:
    fail('audio.mel_floor', audio.mel_floor, 'a magnitude below 1')
  if audio.window_samples < audio.hop_samples:
    fail(
      'audio.window_samples',
      audio.window_samples,
      f'at least audio.hop_samples = {audio.hop_samples}',
    )
  if not 0 <= audio.mel_min_hz < audio.mel_max_hz:
    fail(
      'audio.mel_min_hz',
      audio.mel_min_hz,
      f'at least 0 and below audio.mel_max_hz = {audio.mel_max_hz}',
    )
  if audio.mel_max_hz > audio.sample_rate_hz / 2:
    fail(
      'audio.mel_max_hz',
      audio.mel_max_hz,
      f'at most half of audio.sample_rate_hz, {audio.sample_rate_hz / 2:g}',
    )


def _check_data(data, audio):
  if not 0 < data.validation_share < 1:
    fail('data.validation_share', data.validation_share, 'between 0 and 1')
  check_share('data.max_bad_share', data.max_bad_share)
  check_positive(
    'data',
    data,
    'min_seconds',
    'shard_megabytes',
    'workers',
    'shuffle_megabytes',
  )
  check_seed('data', data)
  check_choice('data.split', data.split, SPLITS)
  check_positive('data', data, 'held_out_speakers')
  check_not_negative('data', data, 'piece_seconds')
  shortest = max(data.min_seconds, audio.hop_samples / audio.sample_rate_hz)
  if 0 < data.piece_seconds < shortest:
    fail(
      'data.piece_seconds',
      data.piece_seconds,
      f'0, or at least data.min_seconds and audio.hop_samples, {shortest:g} s',
    )
  if not -60 < data.loudness_dbfs <= 0:
    fail('data.loudness_dbfs', data.loudness_dbfs, 'a level above -60 to 0 dB')
  if not data.silence_dbfs <= 0:
    fail('data.silence_dbfs', data.silence_dbfs, 'a level of at most 0 dB')


def _check_conditioning(config):
  told = config.conditioning
  check_choice('conditioning.local', told.local, LOCAL_KINDS)
  for kind in told.globals:
    check_choice('conditioning.globals', kind, GLOBAL_KINDS)
  if len(set(told.globals)) < len(told.globals):
    fail('conditioning.globals', told.globals, 'each kind once')
  if SPEAKER in told.globals and config.data.split in _NEW_SPEAKERS:
    fail(
      'data.split',
      repr(config.data.split),
      "'random' or 'index', as conditioning.globals has 'speaker', and the "
      'embedding of a speaker of whom nothing is in training stays untrained',
    )
  check_choice('conditioning.upsampler', told.upsampler, UPSAMPLERS)
  check_positive('conditioning', told, 'channels', 'embedding_channels')
  factors = told.upsample_factors
  if min(factors, default=0) < 1 or (
    math.prod(factors) != config.audio.hop_samples
  ):
    fail(
      'conditioning.upsample_factors',
      f'{factors}, whose product is {math.prod(factors)}',
      'factors whose product is audio.hop_samples = '
      f'{config.audio.hop_samples}',
    )
  if told.upsampler_reach_frames > MARGIN_FRAMES:
    fail(
      'conditioning.upsample_factors',
      f'{factors}, which see {told.upsampler_reach_frames} frames to either '
      'side',
      f'factors that see at most the {MARGIN_FRAMES} frames that accompany a '
      'chunk; leave factors of 1 out, or put them last',
    )


def _check_teacher(teacher):
  check_positive(
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
    fail('teacher.kernel_size', teacher.kernel_size, '2 or more')
  check_choice('teacher.input', teacher.input, INPUTS)
  check_choice('teacher.output', teacher.output, OUTPUTS)
  check_choice('teacher.activation', teacher.activation, ACTIVATIONS)
  check_choice('teacher.score', teacher.score, SCORES)
  check_choice('teacher.product_dtype', teacher.product_dtype, PRODUCT_DTYPES)
  if teacher.input == 'one_hot' and teacher.output != MU_LAW:
    fail(
      'teacher.input',
      f"'one_hot' with teacher.output={teacher.output!r}",
      "'scalar', since the levels of a mixture have no one-hot code here",
    )
  if teacher.mu_law_levels < 2:
    fail('teacher.mu_law_levels', teacher.mu_law_levels, '2 or more')
  if not -30 <= teacher.min_log_scale < 0:
    fail('teacher.min_log_scale', teacher.min_log_scale, 'within [-30, 0)')
  if not 8 <= teacher.bits <= 16:
    fail('teacher.bits', teacher.bits, '8 to 16')
  if not teacher.discretized and teacher.bits < 16:
    fail('teacher.bits', teacher.bits, '16, as teacher.discretized is False')


def _check_context(config):
  """The context stack, and what a crop must hold."""
  context, hop = config.context, config.audio.hop_samples
  check_not_negative('context', context, 'cycles', 'teacher_samples')
  field = config.teacher.receptive_field_samples
  crop = config.train_teacher.crop_samples
  if not context.cycles and context.teacher_samples:
    fail(
      'context.teacher_samples',
      context.teacher_samples,
      '0, as context.cycles is 0 and nothing else hears the rest of a crop; '
      'shorten train_teacher.crop_samples instead',
    )
  if context.teacher_samples and not field <= context.teacher_samples <= crop:
    fail(
      'context.teacher_samples',
      context.teacher_samples,
      f"at least the teacher's receptive field, {field} samples, and at most "
      f'train_teacher.crop_samples = {crop}',
    )
  if context.teacher_samples % hop:
    fail(
      'context.teacher_samples',
      context.teacher_samples,
      f'a multiple of audio.hop_samples = {hop}',
    )
  if config.teacher.score == FULL_CONTEXT and config.teacher_samples <= field:
    name = (
      'context.teacher_samples'
      if context.teacher_samples
      else 'train_teacher.crop_samples'
    )
    fail(
      name,
      config.teacher_samples,
      f"more than the teacher's receptive field, {field} samples, as "
      f'teacher.score is {FULL_CONTEXT}',
    )
  if context.cycles:
    _check_context_sizes(config)


def _check_context_sizes(config):
  context = config.context
  check_positive(
    'context',
    context,
    'layers_per_cycle',
    'residual_channels',
    'gate_channels',
    'pool_samples',
    'channels',
  )
  if context.kernel_size < 2:
    fail('context.kernel_size', context.kernel_size, '2 or more')
  lengths = {
    'evaluate.chunk_frames': config.evaluate.chunk_frames
    * config.audio.hop_samples,
    'train_teacher.crop_samples': config.train_teacher.crop_samples,
    'context.teacher_samples': context.teacher_samples,
  }
  if config.student.flow_layers:
    lengths['train_student.crop_samples'] = config.train_student.crop_samples
  for field, samples in lengths.items():
    if samples % context.pool_samples:
      fail(
        'context.pool_samples',
        context.pool_samples,
        f'a divisor of the {samples} samples of {field}',
      )
  heard = context.receptive_field_samples
  crops = {
    'train_teacher': ' (context.teacher_samples keeps its cost down)',
    'train_student': '',
  }
  if not config.student.flow_layers:
    del crops['train_student']
  for section, hint in crops.items():
    samples = getattr(config, section).crop_samples
    if samples < heard:
      fail(
        f'{section}.crop_samples',
        samples,
        f"at least the context stack's receptive field, {heard} samples; "
        f'lengthen the crop{hint}, or lower context.layers_per_cycle or '
        'context.pool_samples',
      )


def validate_classifier(config: Config) -> None:
  """Checks what `train_classifier` needs; other modes do without.

  Raises:
    UserError: as `validate`.
  """
  sizes, training = config.classifier, config.train_classifier
  if sizes.labels == SPEAKERS and config.data.split in _NEW_SPEAKERS:
    fail(
      'classifier.labels',
      repr(sizes.labels),
      f"another kind, as data.split = {config.data.split!r} keeps validation's "
      'speakers out of training, so that none of them can be recognised',
    )
  check_positive(
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
  check_not_negative(
    'classifier',
    sizes,
    'frame_layers',
    'next_sample_weight',
    'gain_decibels',
  )
  for field in 'dropout', 'speed_share':
    if not 0 <= getattr(sizes, field) < 1:
      fail(f'classifier.{field}', getattr(sizes, field), '0 or more, below 1')
  if sizes.kernel_size < 2:
    fail('classifier.kernel_size', sizes.kernel_size, '2 or more')
  frame = sizes.frame_samples(config.audio.sample_rate_hz)
  if frame < 1:
    fail(
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
    fail(
      'train_classifier.crop_samples',
      training.crop_samples,
      f'at least {frames} frames of {frame} samples, as '
      f'classifier.frame_layers = {sizes.frame_layers} see '
      f'{sizes.frame_reach} frames to either side; lengthen the crop',
    )


def _check_training(
  section, training, config, receptive_field, network='teacher'
):
  check_positive(
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
  check_not_negative(section, training, 'warmup_steps')
  check_seed(section, training)
  check_share(f'{section}.average_decay', training.average_decay)
  if not 0 <= training.final_learning_rate_share <= 1:
    fail(
      f'{section}.final_learning_rate_share',
      training.final_learning_rate_share,
      'a share in [0, 1]',
    )
  hop = config.audio.hop_samples
  if training.crop_samples % hop:
    nearest = hop * max(1, round(training.crop_samples / hop))
    fail(
      f'{section}.crop_samples',
      training.crop_samples,
      f'a multiple of audio.hop_samples = {hop}, such as {nearest}',
    )
  if training.crop_samples < receptive_field:
    fail(
      f'{section}.crop_samples',
      training.crop_samples,
      f"at least the {network}'s receptive field, {receptive_field} samples; "
      f'lengthen the crop, or lower {network}.cycles or '
      f'{network}.layers_per_cycle',
    )
