"""Numbers that say how good a run is, on validation utterances."""

from collections.abc import Callable, Iterable, Sequence
import dataclasses
import itertools
import time
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from wavenet_tf import (
  audio,
  diagnosis,
  distributions,
  health,
  objectives,
  sampling,
)
from wavenet_tf.config import AudioConfig, Config, NONE, PHONES
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
  """Bits per sample of whole utterances; at 16 bits, comparable with flac.

  Args:
    teacher: with its final weights.
    config: of the run.
    examples: with `levels` `[T]`, `features` `[frames, channels]` and
      `global_` `[channels]`.
  """
  score = utterance_scorer(teacher, config)
  nats, samples = 0.0, 0
  for example in examples:
    nats -= score(example, example.global_[None])[0]
    samples += len(example.levels)
  return Likelihood(distributions.bits(nats) / samples, samples)


def utterance_scorer(teacher, config: Config) -> Callable:
  """-> (example, global vectors `[B, C]`) -> ln p(x | h) `[B]`, nats.

  Every sample of an utterance is scored in its full context, under each of
  the global vectors: it passes in chunks that hand their state on, so one
  compiled function serves any length.
  """
  frames = config.evaluate.chunk_frames
  hop = config.audio.hop_samples

  @tf.function(jit_compile=True, autograph=False)
  def score_chunk(levels, features, global_, state):
    parameters, state = teacher.chunk(
      teacher.output_kind.waveform(levels),
      Conditioning.of(features, global_),
      state,
    )
    return teacher.output_kind.log_prob(parameters, levels), state

  def score(example, global_):
    batch = len(global_)
    state = teacher.initial_state(batch)
    global_ = tf.constant(global_)
    features = tf.repeat(tf.constant(example.features[None]), batch, 0)
    nats = np.zeros(batch)
    for index, window in enumerate(
      sampling.windows(features, itertools.repeat(frames), config.silence)
    ):
      levels = example.levels[index * frames * hop :][: frames * hop]
      padded = np.pad(levels, [0, frames * hop - len(levels)])
      log_prob, state = score_chunk(
        tf.constant(np.tile(padded, [batch, 1]), tf.int32),
        window,
        global_,
        state,
      )
      nats += np.sum(log_prob.numpy()[:, : len(levels)], 1, dtype=np.float64)
    return nats

  return score


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


def classifier_accuracy(
  classifier, config: Config, examples: Sequence, labels: Sequence
) -> dict:
  """Shares of frames, and of clips, that are recognised; plain data.

  A clip's class has the largest mean log-probability over its frames. The
  majority share, that of the commonest class, is what a constant answer gets.

  Args:
    classifier: with its final weights.
    config: of the run.
    examples: utterances with `levels` `[T]`.
    labels: int `[F]` for each, an id per frame or -1; where the labels are not
      phones, all of an utterance's frames have one id.
  """
  answers, truths, clip_answers, clip_truths = [], [], [], []
  for log_prob, truth in zip(
    _frame_log_probs(classifier, config, examples), map(np.asarray, labels)
  ):
    known = truth >= 0
    answers.append(np.argmax(log_prob, -1)[known])
    truths.append(truth[known])
    if known.any():
      clip_answers.append(np.argmax(np.mean(log_prob, 0)))
      clip_truths.append(truth[known][0])
  results = {
    'labels': config.classifier.labels,
    'parameters': classifier.count_params(),
    'utterances': len(examples),
    **_shares('frame', np.concatenate(answers), np.concatenate(truths)),
  }
  if config.classifier.labels != PHONES:
    results |= _shares('clip', np.array(clip_answers), np.array(clip_truths))
  return results


def _frame_log_probs(classifier, config, examples):
  """Yields ln p `[F, classes]` of every frame of each whole utterance."""
  chunk_samples = config.evaluate.chunk_frames * classifier.frame_samples

  @tf.function(jit_compile=True, autograph=False)
  def pooled(waveform, state):
    gates, state = classifier.chunk(waveform, state)
    return classifier.pool(gates), state

  for example in examples:
    waveform = audio.waveform_from_levels(example.levels)[None]
    state, frames = classifier.initial_state(1), []
    for start in range(0, waveform.shape[1], chunk_samples):
      chunk = waveform[:, start : start + chunk_samples]
      missing = chunk_samples - chunk.shape[1]
      chunk_of_frames, state = pooled(
        tf.pad(chunk, [[0, 0], [0, missing]]), state
      )
      frames.append(chunk_of_frames)
    whole = waveform.shape[1] // classifier.frame_samples
    logits = classifier.classify(tf.concat(frames, 1)[:, :whole])
    yield tf.nn.log_softmax(logits)[0].numpy()


def _shares(unit, answers, truths):
  """Of `unit`s: how many, the share answered correctly, and the majority's."""
  count = len(truths)
  return {
    f'{unit}s': count,
    f'{unit}_accuracy': float(np.mean(answers == truths)) if count else None,
    f'{unit}_majority_share': float(np.bincount(truths).max() / count)
    if count
    else None,
  }


class Models(NamedTuple):
  """What is evaluated; a run without a student has a teacher only.

  The listener is the frozen classifier of the perceptual loss, if it has one.
  """

  teacher: keras.Model
  student: keras.Model | None = None
  untrained_student: keras.Model | None = None
  listener: keras.Model | None = None


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
    'local': config.conditioning.local,
    'globals': list(config.conditioning.globals),
    'output': config.teacher.output,
    'bits': config.teacher.bits,
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
    objective = objectives.student_objective(
      models.teacher,
      student,
      # A batch of one crop has no other conditioning; the divergence is
      # wanted whatever was trained with.
      dataclasses.replace(
        config.distillation, contrastive_weight=0.0, divergence_weight=1.0
      ),
      config.audio.sample_rate_hz,
      models.listener,
    )
    results[f'student_at_{name}'] = average_metrics(objective, batches, seed=0)
  measured = health.measurer(models.teacher, models.student, batches, config)()
  results['student_health'] = {
    **health.scalars(measured.health),
    'warnings': diagnosis.warnings(measured.health),
  }
  return results


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
    waveforms: by utterance, then 'recording', 'teacher', 'student'.
  """

  results: dict
  waveforms: dict[str, dict[str, np.ndarray]]


def copies(config: Config, models: Models, examples: Sequence) -> Copies:
  """Lets both models copy utterances, and compares with the recordings."""
  voices = {'teacher': sampling.Generator(models.teacher, config)}
  if models.student is not None:
    voices['student'] = sampling.Synthesizer(models.student, config)
  results = {}
  compared = SpectralDistance._fields
  if config.conditioning.local == NONE:
    compared = ('loudness_db', 'long_term_spectrum_db')
  waveforms = {
    e.name: {'recording': audio.waveform_from_levels(e.levels).numpy()}
    for e in examples
  }
  for voice, synthesize in voices.items():
    # Compiles, for every length of a chunk that occurs.
    _speak(synthesize, max(examples, key=lambda e: len(e.levels)), (0, 0))
    distances, factors = [], []
    for example in examples:
      start = time.perf_counter()
      waveform = _speak(synthesize, example, (config.evaluate.seed, 0))
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
        for name in compared
      },
      # A mean would let a loud copy make up for a quiet one.
      'loudness_db': max((d.loudness_db for d in distances), key=abs),
      'real_time_factor': float(np.median(factors)),
      'utterances': len(examples),
      'seconds': sum(len(e.levels) for e in examples)
      / config.audio.sample_rate_hz,
    }
  return Copies(results, waveforms)


def _speak(synthesize, example, seed):
  return synthesize(
    tf.constant(example.features[None]),
    seed,
    tf.constant(example.global_[None]),
  )[0]


def _rms(x) -> float:
  return float(np.sqrt(np.mean(np.square(x))))
