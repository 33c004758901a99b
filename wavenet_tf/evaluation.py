"""Numbers that say how good a run is, on validation utterances."""

from collections.abc import Callable, Iterable, Sequence
import time
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from wavenet_tf import audio, distributions, losses, sampling
from wavenet_tf.config import AudioConfig, Config
from wavenet_tf.layers import Conditioning

_DECIBELS_PER_NEPER = 20.0 / np.log(10.0)
_CEPSTRAL_COEFFICIENTS = 13


class SpectralDistance(NamedTuple):
  """How far generated audio is from its recording; decibels, 0 is equal.

  Attributes:
    loudness_db: generated minus recorded RMS level.
    long_term_spectrum_db: RMS over mel bands of the difference between the
      average powers in each band.
    log_mel_db: RMS over frames and bands of the difference of log-mels.
    mel_cepstral_db: mel-cepstral distortion over 13 coefficients of the
      log-mel's cosine transform, without the level.
  """

  loudness_db: float
  long_term_spectrum_db: float
  log_mel_db: float
  mel_cepstral_db: float


def spectral_distance(
  generated: np.ndarray, recorded: np.ndarray, audio_config: AudioConfig
) -> SpectralDistance:
  """Compares two waveforms `[T]` of the same length."""
  a, b = (
    audio.log_mel(tf.constant(x[None], tf.float32), audio_config)[0].numpy()
    for x in (generated, recorded)
  )
  long_term = [10 * np.log10(np.mean(np.exp(2 * x), 0)) for x in (a, b)]
  return SpectralDistance(
    loudness_db=audio.rms_dbfs(generated) - audio.rms_dbfs(recorded),
    long_term_spectrum_db=_rms(long_term[0] - long_term[1]),
    log_mel_db=_DECIBELS_PER_NEPER * _rms(a - b),
    mel_cepstral_db=_mel_cepstral_distortion(a, b),
  )


def _mel_cepstral_distortion(a: np.ndarray, b: np.ndarray) -> float:
  """(10 / ln 10) sqrt(2 sum_m (c_m - c'_m)^2), averaged over frames.

  c_m = (2 / N) sum_n log_mel_n cos(pi m (n + 1/2) / N), so that log-mels are
  c_0 / 2 + sum_m c_m cos(...).
  """
  difference = tf.signal.dct(a - b, norm='ortho').numpy()
  # An orthonormal transform differs from c_m by this factor.
  cepstra = difference * np.sqrt(2.0 / a.shape[-1])
  squared = np.sum(cepstra[:, 1 : _CEPSTRAL_COEFFICIENTS + 1] ** 2, -1)
  return float(10 / np.log(10) * np.mean(np.sqrt(2 * squared)))


class Likelihood(NamedTuple):
  """Average negative log2-probability of the samples of some utterances."""

  bits_per_sample: float
  samples: int


def teacher_likelihood(
  teacher, config: Config, examples: Iterable
) -> Likelihood:
  """Bits per sample of whole utterances, comparable with a lossless coder.

  Every sample is scored in its full context: an utterance passes in chunks
  that hand their state on, so one compiled function serves any length.

  Args:
    teacher: with its final weights.
    config: of the run.
    examples: with `levels` `[T]` and `features` `[frames, channels]`.
  """
  frames = config.evaluate.chunk_frames
  hop = config.audio.hop_samples

  @tf.function(jit_compile=True, autograph=False)
  def score(levels, features, state):
    parameters, state = teacher.chunk(
      audio.waveform_from_levels(levels), Conditioning(features), state
    )
    return teacher.output_kind.log_prob(parameters, levels)[0], state

  nats, samples = 0.0, 0
  for example in examples:
    state = teacher.initial_state(1)
    features = tf.constant(example.features[None])
    for index, window in enumerate(
      sampling.windows(features, frames, config.audio)
    ):
      levels = example.levels[index * frames * hop :][: frames * hop]
      padded = np.pad(levels, [0, frames * hop - len(levels)])[None]
      log_prob, state = score(tf.constant(padded, tf.int32), window, state)
      nats -= float(np.sum(log_prob.numpy()[: len(levels)], dtype=np.float64))
    samples += len(example.levels)
  return Likelihood(distributions.bits(nats) / samples, samples)


def average_metrics(
  objective: Callable, batches: Iterable, seed: int
) -> dict[str, float]:
  """Means of an objective's metrics over batches of one shape."""
  compiled = tf.function(objective, jit_compile=True, autograph=False)
  rows = []
  for i, batch in enumerate(batches):
    _, metrics = compiled(batch, tf.constant([seed, i], tf.int32))
    rows.append({name: float(value) for name, value in metrics.items()})
  return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


class Models(NamedTuple):
  """What is evaluated; a run without a student has None for the last two."""

  teacher: keras.Model
  student: keras.Model | None
  untrained_student: keras.Model | None


def measure(
  config: Config,
  models: Models,
  examples: Sequence,
  batches: Sequence,
  flac_bytes: int,
) -> dict:
  """Sizes, likelihoods and divergences as plain data for `results.json`.

  Args:
    config: of the run.
    models: with their final weights.
    examples: validation utterances.
    batches: the same as crops of the student's training length.
    flac_bytes: what `flac -8` needs for these utterances.
  """
  likelihood = teacher_likelihood(models.teacher, config, examples)
  results = {
    'preset': config.preset,
    'output': config.teacher.output,
    'sample_rate_hz': config.audio.sample_rate_hz,
    'validation_utterances': len(examples),
    'validation_samples': likelihood.samples,
    'teacher_parameters': models.teacher.count_params(),
    'teacher_bits_per_sample': likelihood.bits_per_sample,
    'flac_bits_per_sample': 8 * flac_bytes / likelihood.samples,
  }
  if models.student is None:
    return results
  results['student_parameters'] = models.student.count_params()
  named = {'start': models.untrained_student, 'end': models.student}
  for name, student in named.items():
    objective = losses.student_objective(
      models.teacher, student, config.distillation
    )
    results[f'student_at_{name}'] = average_metrics(objective, batches, seed=0)
  return results


class Copies(NamedTuple):
  """Copy synthesis of some utterances.

  Attributes:
    results: `teacher_audio` and `student_audio`: mean `SpectralDistance`, but
      the worst loudness; the median `real_time_factor` (seconds of work per
      second of audio); utterances and seconds.
    waveforms: by utterance, then 'recording', 'teacher', 'student'.
  """

  results: dict
  waveforms: dict[str, dict[str, np.ndarray]]


def copies(config: Config, models: Models, examples: Sequence) -> Copies:
  """Lets both models copy utterances, and compares with the recordings."""
  voices = {'teacher': sampling.Generator(models.teacher, config)}
  if models.student is not None:
    voices['student'] = sampling.Synthesizer(models.student, config.audio)
  results = {}
  waveforms = {
    e.name: {'recording': audio.waveform_from_levels(e.levels).numpy()}
    for e in examples
  }
  for voice, synthesize in voices.items():
    synthesize(tf.constant(examples[0].features[None]), (0, 0))  # Compiles.
    distances, factors = [], []
    for example in examples:
      start = time.perf_counter()
      waveform = synthesize(
        tf.constant(example.features[None]), (config.evaluate.seed, 0)
      )[0]
      seconds = time.perf_counter() - start
      factors.append(seconds * config.audio.sample_rate_hz / len(waveform))
      by_voice = waveforms[example.name]
      by_voice[voice] = waveform[: len(example.levels)]
      distances.append(
        spectral_distance(by_voice[voice], by_voice['recording'], config.audio)
      )
    results[f'{voice}_audio'] = {
      **{
        name: float(np.mean([getattr(d, name) for d in distances]))
        for name in SpectralDistance._fields
      },
      # A mean would let a loud copy make up for a quiet one.
      'loudness_db': max((d.loudness_db for d in distances), key=abs),
      'real_time_factor': float(np.median(factors)),
      'utterances': len(examples),
      'seconds': sum(len(e.levels) for e in examples)
      / config.audio.sample_rate_hz,
    }
  return Copies(results, waveforms)


def _rms(x) -> float:
  return float(np.sqrt(np.mean(np.square(x))))
