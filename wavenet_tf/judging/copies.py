"""Copy synthesis of utterances, compared with their recordings."""

from collections.abc import Sequence
import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.choices import NONE
from wavenet_tf.configuration.config import Config
from wavenet_tf.judging.distances import spectral_distance, SpectralDistance
from wavenet_tf.judging.evaluation import Models
from wavenet_tf.signal import quantization
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.synthesis import Synthesizer

RECORDING = 'recording'


class Copies(NamedTuple):
  """Copy synthesis of some utterances.

  Without local conditioning what is generated is no copy: it lasts as long as
  the recording and has its global vector, so that only the level and the
  long-term spectrum can be compared.

  Attributes:
    results: `teacher_audio` and `student_audio`: mean `SpectralDistance`, but
      the worst loudness, and of the first two alone where nothing local is
      told; the median `real_time_factor` (seconds of work per
      second of audio); utterances and seconds.
    waveforms: by utterance, then 'recording', 'teacher', 'student': float32
      `[draws, T]`, `evaluate.draws` of a model; the results are of the first.
  """

  results: dict
  waveforms: dict[str, dict[str, np.ndarray]]


def copies(config: Config, models: Models, examples: Sequence) -> Copies:
  """Lets both models copy utterances, and compares with the recordings."""
  voices = {'teacher': Generator(models.teacher, config)}
  if models.student is not None:
    voices['student'] = Synthesizer(models.student, config)
  results = {}
  compared = SpectralDistance._fields
  if config.conditioning.local == NONE:
    compared = ('loudness_db', 'long_term_spectrum_db')
  waveforms = {
    e.name: {
      RECORDING: quantization.waveform_from_levels(e.levels[None]).numpy()
    }
    for e in examples
  }
  for voice, synthesize in voices.items():
    # Compiles, for every length of a chunk that occurs.
    _speak(synthesize, max(examples, key=lambda e: len(e.levels)), (0, 0))
    distances, factors = [], []
    redraws = synthesize.redraws
    for example in examples:
      draws = []
      for seed in draw_seeds(config):
        start = time.perf_counter()
        waveform = _speak(synthesize, example, seed)
        seconds = time.perf_counter() - start
        factors.append(seconds * config.audio.sample_rate_hz / len(waveform))
        draws.append(waveform[: len(example.levels)])
      by_voice = waveforms[example.name]
      by_voice[voice] = np.stack(draws)
      distances.append(
        spectral_distance(draws[0], by_voice[RECORDING][0], config.audio)
      )
    results[f'{voice}_audio'] = {
      **{
        name: float(np.mean([getattr(d, name) for d in distances]))
        for name in compared
      },
      # A mean would let a loud copy make up for a quiet one.
      'loudness_db': max((d.loudness_db for d in distances), key=abs),
      'real_time_factor': float(np.median(factors)),
      'utterances': len(examples),
      'seconds': sum(len(e.levels) for e in examples)
      / config.audio.sample_rate_hz,
      # Of chunks that were too loud.
      'redraws': synthesize.redraws - redraws,
    }
  return Copies(results, waveforms)


def draw_seeds(config: Config) -> list[tuple[int, int]]:
  """One for each draw that is compared; the same for every voice."""
  return [(config.evaluate.seed, i) for i in range(config.evaluate.draws)]


def _speak(synthesize, example, seed):
  return synthesize(
    tf.constant(example.features[None]),
    seed,
    tf.constant(example.global_[None]),
  )[0]
