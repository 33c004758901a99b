"""What is measured: configurations, random parameters, random inputs.

Nothing is zero, as zeros are faster than numbers and hide mistakes.
"""

import math
import random

import keras
import numpy as np
import tensorflow as tf

from data.shards.crops import Batch
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.choices import MU_LAW
from wavenet_tf.configuration.config import Config, override
from wavenet_tf.configuration.corpus import AudioConfig, MARGIN_FRAMES
from wavenet_tf.configuration.validation import validate

# Loudness of speech, on the scale of 16-bit levels.
_LEVEL_DEVIATION = 1600.0
_BIAS_DEVIATION = 0.1
# Outputs vary less than activations, as in a trained model.
_OUTPUT_SCALE = 0.1


def autoregressive() -> Config:
  """20 layers, R 64, S 128, kernel 2, 256 mu-law levels, 80 mels, 16 kHz."""
  return validate.validate(
    override(
      presets.preset('small'),
      {
        'audio.sample_rate_hz': 16000,
        'audio.hop_samples': 80,
        'audio.window_samples': 640,
        'conditioning.upsample_factors': (8, 10),
        'conditioning.channels': 80,
        'teacher.cycles': 2,
        'teacher.layers_per_cycle': 10,
        'teacher.kernel_size': 2,
        'teacher.residual_channels': 64,
        'teacher.gate_channels': 64,
        'teacher.skip_channels': 128,
        'teacher.output': MU_LAW,
        'student.flow_layers': (),
        'train_teacher.batch_size': 4,
        'train_teacher.crop_samples': 8000,
      },
    )
  )


def single_flow(upsampler: str = 'transposed') -> Config:
  """A student of one flow, 30 layers, 64 channels, kernel 3, at 22.05 kHz."""
  return validate.validate(
    override(
      presets.preset('small'),
      {
        'conditioning.channels': 80,
        'conditioning.upsampler': upsampler,
        'student.flow_layers': (30,),
        'student.layers_per_cycle': 10,
        'student.kernel_size': 3,
        'student.residual_channels': 64,
        'student.gate_channels': 64,
      },
    )
  )


def sizes(config: Config, network: str) -> str:
  """The sizes of the teacher or the student in words."""
  s = getattr(config, network)
  layers = (
    f'{s.cycles} x {s.layers_per_cycle} layers, skip {s.skip_channels}'
    if network == 'teacher'
    else f'flows {", ".join(map(str, s.flow_layers))}'
  )
  output = f', output {s.output}' if network == 'teacher' else ''
  return (
    f'{network}: {layers}, residual {s.residual_channels}, '
    f'gate {s.gate_channels}, kernel {s.kernel_size}{output}; '
    f'{config.audio.mel_bins} mels, conditioning '
    f'{config.conditioning.channels} at {config.audio.sample_rate_hz} Hz, '
    f'hop {config.audio.hop_samples}'
  )


def randomize(model: keras.Model, seed: int = 0) -> keras.Model:
  """Random weights that keep activations alive; every bias moves, too.

  The bias of an output stays near what it was: a log-scale far from its start
  makes waveforms that no model says.
  """
  random.seed(seed)
  generator = np.random.default_rng(seed)
  for variable in model.variables:
    shape = variable.shape
    is_output = '/output/' in variable.path
    scale = _OUTPUT_SCALE if is_output else 1.0
    if len(shape) > 1:
      fan_in = math.prod(shape[-2:-1])
      variable.assign(generator.normal(0, scale * fan_in**-0.5, shape))
    else:
      noise = generator.normal(0, scale * _BIAS_DEVIATION, shape)
      variable.assign(variable + noise.astype('float32'))
  return model


def features(audio: AudioConfig, batch: int, frames: int, seed: int = 1):
  """Log-mel features `[B, frames, mel_bins]` between floor and zero."""
  generator = np.random.default_rng(seed)
  share = generator.uniform(0.0, 1.0, [batch, frames, audio.mel_bins])
  return tf.constant(share * audio.log_mel_floor, tf.float32)


def batch(audio: AudioConfig, batch_size: int, crop_samples: int) -> Batch:
  """Noise as loud as speech."""
  generator = np.random.default_rng(2)
  levels = generator.normal(0, _LEVEL_DEVIATION, [batch_size, crop_samples])
  frames = crop_samples // audio.hop_samples + 2 * MARGIN_FRAMES
  return Batch(
    tf.constant(np.clip(levels, -32768, 32767), tf.int32),
    features(audio, batch_size, frames),
    tf.zeros([batch_size, 0], tf.int32),
    tf.zeros([batch_size, 0]),
  )
