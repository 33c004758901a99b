"""A miniature configuration, and random models of it."""

import numpy as np

from wavenet_tf.configuration import presets
from wavenet_tf.configuration.config import Config, override
from wavenet_tf.configuration.validation import validate
from wavenet_tf.networks.classifier import build_classifier
from wavenet_tf.networks.student import build_student
from wavenet_tf.networks.teacher import build_teacher

# Divergence and power loss alone, and nothing that presets gained since: what
# most tests are about.
PLAIN = {
  'student.kernel_size': 2,
  'student.phase_harmonics': 0,
  'distillation.divergence_weight': 1.0,
  'distillation.divergence_from_step': 0,
  'distillation.divergence_ramp_steps': 0,
  'distillation.log_scale_floor_weight': 0.0,
  'distillation.stft_weight': 0.0,
  'distillation.power_weight': 10.0,
  'distillation.power_feature': 'magnitude',
  'distillation.power_relative': True,
}


def plain_tiny() -> Config:
  return override(presets.preset('tiny'), PLAIN)


def miniature(**overrides) -> Config:
  """A configuration whose models run in milliseconds."""
  config = override(
    plain_tiny(),
    {
      'audio.hop_samples': 20,
      'audio.window_samples': 80,
      'audio.mel_bins': 8,
      'conditioning.upsample_factors': (4, 5),
      'conditioning.channels': 6,
      'teacher.cycles': 2,
      'teacher.layers_per_cycle': 2,
      'teacher.residual_channels': 8,
      'teacher.gate_channels': 6,
      'teacher.skip_channels': 10,
      'teacher.mixture_components': 3,
      'student.flow_layers': (2, 3),
      'student.layers_per_cycle': 2,
      'student.residual_channels': 8,
      'student.gate_channels': 6,
      'classifier.cycles': 2,
      'classifier.layers_per_cycle': 2,
      'classifier.residual_channels': 8,
      'classifier.gate_channels': 6,
      'classifier.skip_channels': 10,
      'classifier.frame_channels': 7,
      'classifier.frame_layers': 2,
      'train_teacher.crop_samples': 400,
      'train_student.crop_samples': 400,
      'train_classifier.crop_samples': 400,
      'train_classifier.batch_size': 2,
      'train_teacher.batch_size': 2,
      'train_student.batch_size': 2,
      'distillation.draws_per_step': 2,
      'distillation.stft_window_samples': (128, 64),
      'distillation.power_window_samples': (128,),
      'evaluate.chunk_frames': 4,
      **{name.replace('__', '.'): value for name, value in overrides.items()},
    },
  )
  return validate.validate(config)


def short(**overrides) -> Config:
  """Trained in a step, from recordings of a third of a second."""
  return miniature(
    **{
      'data__min_seconds': 0.1,
      'teacher__cycles': 1,
      'teacher__layers_per_cycle': 2,
      'student__flow_layers': (2,),
      'context__layers_per_cycle': 1,
      'train_teacher__steps': 1,
      'train_student__steps': 1,
      'evaluate__audio_utterances': 1,
      'evaluate__audio_seconds': 0.05,
      'evaluate__utterances': 1,
    }
    | overrides
  )


def randomize(model, scale=0.3, seed=0):
  """Random weights everywhere: an initial bias of zero hides mistakes."""
  generator = np.random.default_rng(seed)
  for variable in model.variables:
    variable.assign(generator.normal(0, scale, variable.shape))
  return model


def random_teacher(config):
  return _random(build_teacher, config)


def random_student(config):
  return _random(build_student, config)


def random_classifier(config, classes):
  return _random(build_classifier, config, classes)


_built = {}


def _random(build, *arguments):
  """A model of given sizes is built once: that takes longest."""
  name = build.__name__, repr(arguments)
  if name not in _built:
    _built[name] = build(*arguments)
  model = _built[name]
  model.trainable = True  # Whatever the last test left.
  return randomize(model)
