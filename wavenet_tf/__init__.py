"""From WaveNet to Parallel WaveNet, in TensorFlow and Keras.

A run that `train_main.py` trained, in a notebook:

  >>> import numpy as np
  >>> import wavenet_tf
  >>> voice = wavenet_tf.load_run('runs/demo')
  >>> rate = voice.config.audio.sample_rate_hz
  >>> waveform = 0.1 * np.sin(2 * np.pi * 440 * np.arange(rate // 2) / rate)
  >>> mel = voice.features(waveform)            # [frames, mel_bins]
  >>> copy = voice.speak(mel, seed=7)           # [frames * hop_samples]
  >>> parts = list(voice.stream(mel, seed=7))   # the same, as it is made
  >>> bool(np.all(np.concatenate(parts) == copy))
  True
  >>> voice.bits(waveform) > 0                  # bits per sample
  True

A model of one's own, from a preset:

  >>> config = wavenet_tf.override(
  ...   wavenet_tf.preset('tiny'), {'teacher.residual_channels': 16}
  ... )
  >>> teacher = wavenet_tf.build_teacher(config)
  >>> teacher.count_params() > 10_000
  True

Names are imported when they are first used, so that `import wavenet_tf` costs
nothing. Keras knows a class once it was imported: after `from wavenet_tf import
Teacher`, `keras.models.load_model` reads what `teacher.save` wrote.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from wavenet_tf.configuration.config import Config, override
  from wavenet_tf.configuration.errors import UserError
  from wavenet_tf.configuration.presets import preset, PRESETS
  from wavenet_tf.configuration.saved_config import load_config, save_config
  from wavenet_tf.networks.classifier import Classifier
  from wavenet_tf.networks.conditioning.conditioning import Conditioning
  from wavenet_tf.networks.student import build_student, Student
  from wavenet_tf.networks.teacher import build_teacher, Teacher
  from wavenet_tf.speaking.generation import Generator
  from wavenet_tf.speaking.synthesis import Synthesizer
  from wavenet_tf.voice import load_run, Voice

__version__ = '0.4.0'

__all__ = [
  'PRESETS',
  'Classifier',
  'Conditioning',
  'Config',
  'Generator',
  'Student',
  'Synthesizer',
  'Teacher',
  'UserError',
  'Voice',
  'build_student',
  'build_teacher',
  'load_config',
  'load_run',
  'override',
  'preset',
  'save_config',
]

# Where each of them lives.
_HOMES = {
  'PRESETS': 'configuration.presets',
  'Classifier': 'networks.classifier',
  'Conditioning': 'networks.conditioning.conditioning',
  'Config': 'configuration.config',
  'Generator': 'speaking.generation',
  'Student': 'networks.student',
  'Synthesizer': 'speaking.synthesis',
  'Teacher': 'networks.teacher',
  'UserError': 'configuration.errors',
  'Voice': 'voice',
  'build_student': 'networks.student',
  'build_teacher': 'networks.teacher',
  'load_config': 'configuration.saved_config',
  'load_run': 'voice',
  'override': 'configuration.config',
  'preset': 'configuration.presets',
  'save_config': 'configuration.saved_config',
}


# A type checker has seen the imports, and so finds misspellings.
if not TYPE_CHECKING:

  def __getattr__(name: str) -> object:
    if name not in _HOMES:
      raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_HOMES[name]}'), name)


def __dir__() -> list[str]:
  return [*globals(), *__all__]
