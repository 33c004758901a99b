"""Checks of `teacher`, `context` and `classifier`."""

from wavenet_tf.configuration.choices import (
  ACTIVATIONS,
  FULL_CONTEXT,
  INPUTS,
  MU_LAW,
  OUTPUTS,
  PRODUCT_DTYPES,
  SCORES,
  SPEAKERS,
)
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.networks import TeacherConfig
from wavenet_tf.configuration.validation.corpus import NEW_SPEAKERS
from wavenet_tf.configuration.validation.fields import (
  check_choice,
  check_layers,
  check_not_negative,
  check_positive,
  fail,
)
from wavenet_tf.configuration.validation.training import check_training


def check_teacher(teacher: TeacherConfig) -> None:
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
  check_layers('teacher.cycles', teacher.cycles * teacher.layers_per_cycle)
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


def check_context(config: Config) -> None:
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
  check_layers('context.cycles', context.cycles * context.layers_per_cycle)
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
  if sizes.labels == SPEAKERS and config.data.split in NEW_SPEAKERS:
    fail(
      'classifier.labels',
      repr(sizes.labels),
      f"another kind, as data.split = {config.data.split!r} keeps validation's "
      'speakers out of training, so that none of them can be recognised',
    )
  _check_classifier_sizes(sizes)
  frame = sizes.frame_samples(config.audio.sample_rate_hz)
  if frame < 1:
    fail(
      'classifier.frame_milliseconds',
      sizes.frame_milliseconds,
      f'at least one sample, {1000 / config.audio.sample_rate_hz:g} ms',
    )
  check_training(
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


def _check_classifier_sizes(sizes):
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
  check_layers('classifier.cycles', sizes.cycles * sizes.layers_per_cycle)
  check_layers('classifier.frame_layers', sizes.frame_layers)
  for field in 'dropout', 'speed_share':
    if not 0 <= getattr(sizes, field) < 1:
      fail(f'classifier.{field}', getattr(sizes, field), '0 or more, below 1')
  if sizes.kernel_size < 2:
    fail('classifier.kernel_size', sizes.kernel_size, '2 or more')
