"""How often a classifier is right, frame by frame and clip by clip."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.choices import PHONES
from wavenet_tf.configuration.config import Config
from wavenet_tf.networks.classifier import Classifier
from wavenet_tf.signal import quantization


def classifier_accuracy(
  classifier: Classifier, config: Config, examples: Sequence, labels: Sequence
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
    waveform = quantization.waveform_from_levels(example.levels)[None]
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
