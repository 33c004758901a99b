"""Recordings that tests make up: tones, pulses, corpora; and features."""

import numpy as np
import soundfile
import tensorflow as tf

from data.shards.example import Example
from wavenet_tf.signal import quantization, spectra

RATE = 8000


def speech_like(seconds=1.0, rate=RATE, seed=0):
  """A decaying, noisy tone: 16-bit levels."""
  t = np.arange(int(seconds * rate)) / rate
  noise = np.random.default_rng(seed).normal(0, 0.02, len(t))
  tone = 0.4 * np.sin(2 * np.pi * (180 + 20 * seed) * t) * np.exp(-t)
  return np.round((tone + noise) * 32768).astype(np.int16)


def write(path, levels=None, rate=RATE, **kwargs):
  path.parent.mkdir(parents=True, exist_ok=True)
  levels = speech_like() if levels is None else levels
  soundfile.write(path, levels, rate, **kwargs)
  return path


def write_corpus(folder, count=6):
  for i in range(count):
    write(folder / f'{i}.wav', speech_like(1.0 + 0.1 * i, seed=i))
  return folder


def pulses(f0_hz, seconds=1.0, rate=8000):
  """Harmonics with a slope: a voice without a mouth. `f0_hz` may glide."""
  phase = 2 * np.pi * np.cumsum(np.full(int(seconds * rate), f0_hz)) / rate
  count = int(rate / 2 / np.max(f0_hz))
  wave = sum(0.6**k * np.cos(k * phase) for k in range(1, count))
  return np.round(12000 * wave / np.abs(wave).max()).astype(np.int16)


def example(config, samples, generator):
  levels = generator.integers(-3000, 3000, samples).astype(np.int16)
  features = spectra.log_mel(
    quantization.waveform_from_levels(levels[None]), config.audio
  )
  return Example('x', levels, features[0].numpy())


def features_of(config, frames, batch=2, mean=-5.0, deviation=2.0):
  """Log-mels of no recording."""
  return tf.random.stateless_normal(
    [batch, frames, config.audio.mel_bins], [3, 4], mean, deviation
  )
