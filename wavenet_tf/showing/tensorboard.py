"""Sounds, pictures and health in TensorBoard."""

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.judging.health.measurement import Measurement
from wavenet_tf.judging.health.summary import scalars
from wavenet_tf.showing.pictures import pixels
from wavenet_tf.showing.spectrograms import spectrogram_figure


def write_perception(measured: dict[str, float], step: int) -> None:
  """What `perception.comparison.Listener` says of a copy, as scalars."""
  for name, value in measured.items():
    if np.isfinite(value):
      tf.summary.scalar(f'perception/{name}', value, step)


def write_audio(
  waveforms: dict[str, np.ndarray], audio_config: AudioConfig, step: int
) -> None:
  """Audio and spectrograms into the current summary writer."""
  for name, waveform in waveforms.items():
    tf.summary.audio(
      name, waveform[None, :, None], audio_config.sample_rate_hz, step
    )
  figure = spectrogram_figure(waveforms, audio_config)
  tf.summary.image('spectrograms', pixels(figure)[None], step)


def write_health(measurement: Measurement, step: int) -> None:
  """Scalars and a histogram into the current summary writer."""
  for name, value in scalars(measurement.health).items():
    tf.summary.scalar(f'health/{name}', value, step)
  tf.summary.histogram('health/log_scale', measurement.log_scale, step)
