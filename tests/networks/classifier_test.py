"""Raw audio -> classes: what the classifier sees, and that it learns."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from data.shards.crops import Batch
from data.shards.example import Example
from data.text.labels import Segments
from tests.support.miniature import miniature, random_classifier
from wavenet_tf.judging.classification import (
  _frame_log_probs,
  classifier_accuracy,
)
from wavenet_tf.learning import objectives
from wavenet_tf.learning.dividing.parts import dropout
from wavenet_tf.networks.classifier import build_classifier
from wavenet_tf.signal import quantization

CLASSES = 4
FRAME = 80
SAMPLES = 12 * FRAME


@pytest.fixture(scope='module')
def classifier():
  return random_classifier(miniature(), CLASSES)


def random_waveform(generator, batch=2, samples=SAMPLES):
  return generator.normal(0, 0.05, [batch, samples]).astype(np.float32)


def test_shapes(classifier, generator):
  waveform = random_waveform(generator, samples=SAMPLES + 30)
  output = classifier(waveform)
  assert output.logits.shape == (2, 12, CLASSES)
  assert output.parameters.shape == (
    2, SAMPLES + 30, classifier.output_kind.parameter_size,
  )  # fmt: skip
  activations = classifier.activations(waveform)
  assert activations.shape == (2, SAMPLES + 30, 4, 6)
  assert activations.dtype == tf.float32


def test_activations_are_the_gates_of_every_block(classifier, generator):
  """In the order of the blocks: a weight of block i moves layers i and on."""
  waveform = random_waveform(generator)
  before = classifier.activations(waveform).numpy()
  assert np.abs(before).max() < 1  # tanh times sigmoid
  kernel = classifier.network.stack.blocks[3].convolution.product.kernel
  kept = kernel.numpy()
  kernel.assign(kept + 0.1)
  moved = np.abs(classifier.activations(waveform) - before).max((0, 1, 3))
  kernel.assign(kept)
  assert (moved[:3] == 0).all()
  assert (moved[3:] > 0).all()


def test_pooling_is_the_mean_over_a_frame(classifier, generator):
  gates = generator.normal(size=[2, 3 * FRAME + 17, 24]).astype(np.float32)
  kernel, bias = classifier.network.skip.get_weights()
  y = np.maximum(gates @ kernel + bias, 0)
  expected = [
    [y[b, f * FRAME : (f + 1) * FRAME].mean(0) for f in range(3)]
    for b in range(2)
  ]
  np.testing.assert_allclose(classifier.pool(gates), expected, atol=1e-5)


def changed_at(outputs, waveform, t):
  """Positions of an output that differ after sample t was changed."""
  other = waveform.copy()
  other[:, t] += 0.1
  difference = np.abs(outputs(waveform) - outputs(other))
  return np.flatnonzero(difference.max((0, 2)))


def test_the_next_sample_is_predicted_from_the_past_only(classifier, generator):
  waveform = random_waveform(generator)
  t = 500
  changed = changed_at(lambda x: classifier(x).parameters, waveform, t)
  assert changed.min() == t + 1
  field = classifier.sizes.receptive_field_samples
  assert changed.max() == t + field


def test_a_frame_sees_frame_layers_frames_to_either_side(classifier, generator):
  waveform = random_waveform(generator)
  reach = classifier.sizes.frame_layers
  # The first sample of frame 6 is heard from the next one on; the stack's
  # field of 16 samples ends within the frame.
  changed = changed_at(lambda x: classifier(x).logits, waveform, 6 * FRAME)
  assert changed.tolist() == list(range(6 - reach, 6 + reach + 1))
  # What is heard of the last sample is heard in the next frame.
  last = changed_at(lambda x: classifier(x).logits, waveform, 7 * FRAME - 1)
  assert last.tolist() == list(range(7 - reach, 7 + reach + 1))


def random_batch(generator, labels):
  labels = np.array(labels, np.int32)
  samples = labels.shape[1] * FRAME
  levels = generator.integers(-3000, 3000, [len(labels), samples])
  return Batch(tf.constant(levels, tf.int32), None, tf.constant(labels))


def test_losses_equal_numpy(classifier, generator):
  batch = random_batch(generator, [[0, -1, 2, 3, 1], [-1, -1, 1, 1, 0]])
  objective = objectives.classifier_objective(classifier, 0.5)
  loss, metrics = objective(batch, None)
  output = classifier(quantization.waveform_from_levels(batch.levels))
  log_prob = tf.nn.log_softmax(output.logits).numpy()
  known = np.argwhere(batch.labels.numpy() >= 0)
  picked = [log_prob[b, f, batch.labels[b, f]] for b, f in known]
  right = [log_prob[b, f].argmax() == batch.labels[b, f] for b, f in known]
  nats = -np.mean(
    classifier.output_kind.log_prob(output.parameters, batch.levels)
  )
  assert len(picked) == 7
  entropy = -np.mean(picked)
  for found, expected in (
    (metrics['frame_cross_entropy'], entropy),
    (metrics['frame_accuracy'], np.mean(right)),
    (metrics['bits_per_sample'], nats / np.log(2)),
    (loss, entropy + 0.5 * nats),
  ):
    assert float(found) == pytest.approx(expected, 1e-5)


def test_a_weight_of_zero_leaves_one_loss(generator):
  config = miniature(classifier__next_sample_weight=0.0)
  classifier = random_classifier(config, CLASSES)
  batch = random_batch(generator, [[0, 1, 2, 3]])
  objective = objectives.classifier_objective(classifier, 0.0)
  with tf.GradientTape() as tape:
    loss, metrics = objective(batch, None)
  assert set(metrics) == {'frame_cross_entropy', 'frame_accuracy'}
  assert loss == metrics['frame_cross_entropy']
  variables = [v.value for v in classifier.trainable_variables]
  assert all(g is not None for g in tape.gradient(loss, variables))


def test_a_batch_without_labels_has_a_finite_loss(classifier, generator):
  batch = random_batch(generator, [[-1, -1, -1]])
  variables = [v.value for v in classifier.trainable_variables]
  with tf.GradientTape() as tape:
    loss, metrics = objectives.classifier_objective(classifier, 0.1)(
      batch, None
    )
  assert np.isfinite(loss)
  assert metrics['frame_cross_entropy'] == 0
  assert metrics['frame_accuracy'] == 0
  for gradient in tape.gradient(loss, variables):
    assert np.isfinite(gradient).all()


def test_gradients_reach_every_weight(classifier, generator):
  batch = random_batch(generator, [[0, 1, 2, 3, 0, 1, 2, 3]] * 2)
  variables = classifier.trainable_variables
  with tf.GradientTape() as tape:
    loss, _ = objectives.classifier_objective(classifier, 0.1)(batch, None)
  gradients = tape.gradient(loss, [v.value for v in variables])
  for variable, gradient in zip(variables, gradients):
    assert gradient is not None, variable.path
    assert np.abs(gradient).max() > 0, variable.path


def test_gradients_pass_through_activations_to_the_waveform(
  classifier, generator
):
  """As the perceptual loss needs them, compiled."""
  waveform = tf.constant(random_waveform(generator))

  @tf.function(jit_compile=True, autograph=False)
  def gradient():
    with tf.GradientTape() as tape:
      tape.watch(waveform)
      total = tf.reduce_sum(classifier.activations(waveform) ** 2)
    return tape.gradient(total, waveform)

  assert (np.abs(gradient()) > 0).mean() > 0.9


def tone(word, samples, generator):
  """Word 0 is a low tone, word 1 a high one; both in noise."""
  t = np.arange(samples) / 8000
  phase = generator.uniform(0, 2 * np.pi)
  waveform = 0.1 * np.sin(2 * np.pi * (300, 1500)[word] * t + phase)
  waveform += generator.normal(0, 0.01, samples)
  return np.round(waveform * 32768).astype(np.int16)


def test_two_tones_are_told_apart(generator):
  config = miniature(
    classifier__labels='words', classifier__next_sample_weight=0.0
  )
  random.seed(0)
  classifier = build_classifier(config, 2)
  objective = objectives.classifier_objective(classifier, 0.0)
  optimizer = keras.optimizers.Adam(0.01)
  variables = classifier.trainable_variables
  optimizer.build(variables)

  @tf.function(autograph=False)
  def step(levels, labels):
    with tf.GradientTape() as tape:
      loss, _ = objective(Batch(levels, None, labels), None)
    gradients = tape.gradient(loss, [v.value for v in variables])
    optimizer.apply(gradients, variables)

  for _ in range(60):
    words = generator.integers(0, 2, 8)
    levels = np.stack([tone(w, 5 * FRAME, generator) for w in words])
    step(
      tf.constant(levels, tf.int32),
      tf.constant(np.repeat(words[:, None], 5, 1), tf.int32),
    )
  examples, labels = [], []
  for i, frames in enumerate((7, 8, 13, 21, 40)):
    levels = tone(i % 2, frames * FRAME + 33, generator)
    whole = Segments(np.array([len(levels)]), np.array([i % 2]))
    examples.append(Example(str(i), levels, None, segments={'words': whole}))
    labels.append(np.full(frames, i % 2))
  labels[0][:3] = -1
  measured = classifier_accuracy(classifier, config, examples, labels)
  assert measured['frame_accuracy'] == 1
  assert measured['clip_accuracy'] == 1
  assert measured['frames'] == 4 + 8 + 13 + 21 + 40
  assert measured['clips'] == 5
  assert measured['clip_majority_share'] == 0.6
  assert measured['frame_majority_share'] == pytest.approx(57 / 86)


def test_dropout_is_of_training_only(generator):
  config = miniature(classifier__dropout=0.5, classifier__gain_decibels=3.0)
  classifier = random_classifier(config, CLASSES)
  waveform = random_waveform(generator)
  plain = classifier(waveform).logits.numpy()
  np.testing.assert_array_equal(plain, classifier(waveform).logits)
  thinned = [
    classifier(waveform, thin=dropout(0.5, [0, step])).logits.numpy()
    for step in (1, 1, 2)
  ]
  np.testing.assert_array_equal(thinned[0], thinned[1])
  assert np.abs(thinned[0] - plain).max() > 1e-3
  assert np.abs(thinned[0] - thinned[2]).max() > 1e-3


def test_dilated_frames_reach_further(generator):
  config = miniature(
    classifier__frame_layers=3, classifier__frame_dilation_growth=2,
    train_classifier__crop_samples=1600,
  )  # fmt: skip
  assert config.classifier.frame_dilations == (1, 2, 4)
  classifier = random_classifier(config, CLASSES)
  frames = generator.normal(size=[1, 31, 10]).astype(np.float32)
  other = frames.copy()
  other[:, 15] += 1
  changed = np.abs(classifier.classify(frames) - classifier.classify(other))
  reached = np.flatnonzero(changed.max((0, 2)))
  assert reached.min() == 15 - config.classifier.frame_reach == 8
  assert reached.max() == 22


def test_evaluation_in_chunks_equals_one_pass(classifier, generator):
  config = miniature(classifier__labels='words')
  levels = generator.integers(-3000, 3000, 11 * FRAME + 5).astype(np.int16)
  (log_prob,) = _frame_log_probs(
    classifier, config, [Example('a', levels, None)]
  )
  whole = classifier(quantization.waveform_from_levels(levels)[None]).logits
  np.testing.assert_allclose(
    log_prob, tf.nn.log_softmax(whole)[0], atol=1e-5
  )  # fmt: skip


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
