"""The student in the box, which goes on learning, from other losses."""

import dataclasses
import functools
import random
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from docs.tutorial.example import as_heard, recording, VOICE, voice
from wavenet_tf.configuration.config import override
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.learning import losses
from wavenet_tf.learning.objectives import draws_for
from wavenet_tf.networks.classifier import build_classifier, Classifier
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.signal.emphasis import de_emphasise
from wavenet_tf.voice import load_run

STEPS = 12
MEASURED_EVERY = 3
# Each step hears a crop, and the next one lies so much later.
_CROP_FRAMES = 16
_STRIDE_FRAMES = 17
_LEARNING_RATE = 3e-4
_CLASSES = 40
_SEED = tf.constant([0, 0])


class Weights(NamedTuple):
  """Of the losses; the divergence is cross-entropy and entropy alike."""

  cross_entropy: float = 0.0
  entropy: float = 0.0
  power: float = 0.0
  stft: float = 0.0
  style: float = 0.0
  contrastive: float = 0.0


class Course(NamedTuple):
  """What became of the student.

  Attributes:
    divergence: nats a sample, of one and the same crop before every
      `MEASURED_EVERY` steps and at the end.
    stft: multi-resolution STFT loss, likewise.
    waveform: the sentence, as the student says it then, `[T]`.
  """

  divergence: np.ndarray
  stft: np.ndarray
  waveform: np.ndarray


@functools.cache
def untrained_classifier() -> Classifier:
  """One that has learned nothing: there is none in the box."""
  random.seed(0)  # Of which Keras draws the seeds of initial weights.
  config = override(voice().config, {'classifier.cycles': 1})
  return build_classifier(config, _CLASSES)


@functools.cache
def course(weights: Weights) -> Course:
  """`STEPS` of Adam, from the student in the box on."""
  school = _school()
  school.begin()
  measured = []
  for step in range(STEPS + 1):
    if step % MEASURED_EVERY == 0:
      terms = school.terms(*_crop(0), tf.constant([1, 0]))
      measured.append([terms.cross_entropy + terms.entropy, terms.stft])
    if step < STEPS:
      school.learn(*_crop(step), tf.constant([0, step]), tf.constant(weights))
  divergence, stft = np.array(measured).T
  return Course(divergence, stft, school.say())


class _School:
  """A student, its teacher, and a step, compiled once for all courses."""

  def __init__(self):
    self.student = load_run(VOICE).student
    self.student.trainable, self.student.pitch.trainable = True, False
    self.learned = self.student.trainable_variables
    self.optimizer = keras.optimizers.Adam(_LEARNING_RATE)
    self.optimizer.build(self.learned)
    changed = [*self.learned, *self.optimizer.variables]
    self._at_first = [(v, v.numpy()) for v in changed]
    self.settings = dataclasses.replace(
      voice().config.distillation, power_relative=True
    )
    self.terms = tf.function(self._terms, autograph=False)
    self.learn = tf.function(self._learn, autograph=False)
    self.speak = tf.function(self.student.call, autograph=False)

  def begin(self):
    """Everything as it was before the first course."""
    for variable, value in self._at_first:
      variable.assign(value)

  def _learn(self, recorded, told, seed, weights):
    with tf.GradientTape() as tape:
      terms = self._terms(recorded, told, seed)
      loss = tf.reduce_sum(weights * tf.stack(terms))
    gradients = tape.gradient(loss, [v.value for v in self.learned])
    self.optimizer.apply(gradients, self.learned)

  def _terms(self, recorded, told, seed) -> Weights:
    """What is weighted, each to be small."""
    student, config = self.student, voice().config
    z = student.family.standard_noise(recorded.shape, seed)
    output = student(z, Conditioning(told[:1]))
    # One waveform, heard by two: who is told the same, and another sentence.
    parameters = voice().teacher(
      tf.repeat(output.waveform, 2, 0), Conditioning(told)
    )
    draws = draws_for(student, self.settings, recorded.shape, seed)
    log_density = voice().teacher.output_kind.log_density
    right, wrong = (
      losses.sampled_cross_entropy(
        functools.partial(log_density, heard[None]), output, draws
      )
      for heard in tf.unstack(parameters)
    )
    entropy = student.family.entropy(output.log_scale)
    said = de_emphasise(output.waveform, config.audio.preemphasis)
    active, wanted = map(untrained_classifier().activations, (said, recorded))
    return Weights(
      cross_entropy=right,
      entropy=-entropy,
      power=losses.power_loss(
        said, recorded, self.settings, config.audio.sample_rate_hz
      ),
      stft=losses.stft_loss(said, recorded, self.settings),
      style=losses.style_loss(active, wanted),
      contrastive=entropy - wrong,
    )

  def say(self) -> np.ndarray:
    heard = as_heard(voice(), recording().waveform)
    z = self.student.family.standard_noise(heard.levels.shape, _SEED)
    said = self.speak(z, heard.conditioning).waveform
    return de_emphasise(said, voice().config.audio.preemphasis)[0].numpy()


@functools.cache
def _school() -> _School:
  return _School()


def _crop(step):
  """A waveform `[1, T]`; its log-mel and another sentence's, `[2, ...]`."""
  hop = voice().config.audio.hop_samples
  own, other = _log_mels()
  frames = own.shape[1] - 2 * MARGIN_FRAMES
  first = step * _STRIDE_FRAMES % (frames - _CROP_FRAMES)
  margins = slice(first, first + _CROP_FRAMES + 2 * MARGIN_FRAMES)
  samples = slice(first * hop, (first + _CROP_FRAMES) * hop)
  waveform = tf.constant(recording().waveform[None, samples])
  return waveform, tf.concat([own[:, margins], other[:, margins]], 0)


@functools.cache
def _log_mels():
  return [
    as_heard(voice(), recording(number).waveform).conditioning.local
    for number in (1, 2)
  ]
