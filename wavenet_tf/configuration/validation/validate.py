"""Checks of a configuration: each failure names the field and the fix.

Everything is checked once, before anything is written; no other module asks
whether a configuration makes sense.
"""

from wavenet_tf.configuration.choices import (
  LABEL_KINDS,
)
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.validation.corpus import (
  check_audio,
  check_conditioning,
  check_data,
)
from wavenet_tf.configuration.validation.evaluation import (
  check_evaluation,
  check_export,
)
from wavenet_tf.configuration.validation.fields import check_choice
from wavenet_tf.configuration.validation.networks import (
  check_context,
  check_teacher,
  validate_classifier,
)
from wavenet_tf.configuration.validation.student import (
  check_distillation,
  check_student,
)
from wavenet_tf.configuration.validation.training import check_training


def validate(config: Config) -> Config:
  """Checks every field and every relation; returns `config` unchanged.

  Raises:
    UserError: naming the field, what was found, and what would do.
  """
  check_audio(config.audio)
  check_data(config.data, config.audio)
  check_choice('classifier.labels', config.classifier.labels, LABEL_KINDS)
  check_conditioning(config)
  check_teacher(config.teacher)
  check_student(config)
  check_training(
    'train_teacher',
    config.train_teacher,
    config,
    config.teacher.receptive_field_samples,
  )
  if config.student.flow_layers:
    check_training(
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
  check_context(config)
  check_evaluation(config)
  check_export(config)
  return config
