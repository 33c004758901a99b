"""Bayes' rule over speakers: who differs is recognised, who does not is not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from data.shards.crops import Batch
from data.shards.example import Example
from tests.support.miniature import miniature, random_teacher
from wavenet_tf.judging import speakers
from wavenet_tf.judging.likelihood import utterance_scorer
from wavenet_tf.learning import objectives
from wavenet_tf.networks.teacher import build_teacher
from wavenet_tf.showing import tables

SPEAKERS = 3
NAMES = ['tags loud', *(f'speaker {name}' for name in ('a', 'b', 'c'))]


def told_of_speakers(**overrides):
  return miniature(
    conditioning__local='none',
    conditioning__globals=('tags', 'speaker'),
    conditioning__global_channels=len(NAMES),
    student__flow_layers=(),
    **overrides,
  )


def example(samples, speaker, generator, scale=2000.0):
  levels = np.round(generator.normal(0, scale, samples)).astype(np.int16)
  features = np.zeros((-(-samples // 20), 0), np.float32)
  global_ = np.concatenate([[1], np.eye(SPEAKERS)[speaker]])
  return Example('x', levels, features, global_.astype(np.float32))


def test_channels_of_speakers_are_found_among_others():
  assert speakers.speaker_channels(NAMES) == [1, 2, 3]


def test_a_batch_scores_as_one_after_the_other(generator):
  config = told_of_speakers()
  teacher = random_teacher(config)
  utterance = example(333, 1, generator)
  rows = speakers._as_each(utterance.global_, [1, 2, 3])
  np.testing.assert_array_equal(rows[:, 0], 1)  # Tags stay.
  score = utterance_scorer(teacher, config)
  together = score(utterance, rows)
  alone = [score(utterance, row[None])[0] for row in rows]
  np.testing.assert_allclose(together, alone, rtol=1e-4)
  assert np.ptp(together) > 1e-3


def test_who_is_not_heard_makes_no_difference(generator):
  config = told_of_speakers()
  teacher = random_teacher(config)
  projection = teacher.network.stack.global_projection.kernel
  projection.assign(tf.zeros_like(projection))
  utterances = [example(150, s, generator) for s in (0, 1, 2)]
  measured = speakers.recognise(teacher, config, utterances, NAMES)
  assert measured['own_bits_per_sample'] == pytest.approx(
    measured['other_bits_per_sample'], rel=1e-6
  )


def test_a_trained_teacher_recognises_by_loudness(generator):
  """Speakers who differ in nothing but loudness, a hundredfold."""
  config = told_of_speakers(teacher__mixture_components=1)
  teacher = build_teacher(config)
  objective = objectives.teacher_objective(teacher)
  # At a constant rate, 2 of 8 initial weights end at a bad step.
  rate = keras.optimizers.schedules.CosineDecay(0.01, 100)
  optimizer = keras.optimizers.Adam(rate)
  variables = teacher.trainable_variables
  optimizer.build(variables)
  scales = (20.0, 200.0, 2000.0)

  @tf.function(autograph=False)
  def step(levels, global_):
    nothing = tf.zeros([SPEAKERS, 16, 0])
    with tf.GradientTape() as tape:
      loss, _ = objective(Batch(levels, nothing, None, global_), None)
    gradients = tape.gradient(loss, [v.value for v in variables])
    optimizer.apply(gradients, variables)

  for _ in range(100):
    crops = [example(200, s, generator, scales[s]) for s in (0, 1, 2)]
    levels = np.stack([c.levels for c in crops]).astype(np.int32)
    step(tf.constant(levels), tf.constant([c.global_ for c in crops]))
  utterances = [
    example(90 + 40 * s, s, generator, scales[s]) for s in (0, 1, 2, 2)
  ]
  measured = speakers.recognise(teacher, config, utterances, NAMES)
  assert measured['recognised'] == measured['utterances'] == 4
  assert measured['by_speaker'] == {'a': [1, 1], 'b': [1, 1], 'c': [2, 2]}
  assert measured['own_bits_per_sample'] < measured['other_bits_per_sample']
  ((_, text),) = tables.speaker_rows(measured)
  assert text.startswith('4 of 4 utterances (100.0 %), 3 speakers')


def test_nobody_to_tell_apart():
  assert speakers.recognise(None, miniature(), [], ['tags loud']) is None


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
