"""How likely a teacher finds recordings, in bits per sample."""

from collections.abc import Callable, Iterable
import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.teacher import Teacher
from wavenet_tf.probability.outputs import bits
from wavenet_tf.speaking.chunks import recorded_windows


class Likelihood(NamedTuple):
  """Average negative log2-probability of the samples of some utterances.

  Pre-emphasised ones, where networks see them so; as that loses nothing, these
  are the bits of the samples that are heard, too.
  """

  bits_per_sample: float
  samples: int


def teacher_likelihood(
  teacher: Teacher, config: Config, examples: Iterable
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
  return Likelihood(bits(nats) / samples, samples)


def utterance_scorer(teacher: Teacher, config: Config) -> Callable:
  """-> (example, global vectors `[B, C]`) -> ln p(x | h) `[B]`, nats.

  Every sample of an utterance is scored in its full context, under each of
  the global vectors: it passes in chunks that hand their state on, so one
  compiled function serves any length.
  """

  @tf.function(jit_compile=True, autograph=False)
  def score_chunk(levels, features, global_, state):
    told = Conditioning.of(features, global_)
    return teacher.log_prob(levels, told, state)

  def score(example, global_):
    batch = len(global_)
    state = teacher.initial_state(batch)
    global_ = tf.constant(global_)
    nats = np.zeros(batch)
    for chunk in recorded_windows(
      example.levels,
      tf.constant(example.features[None]),
      itertools.repeat(config.evaluate.chunk_frames),
      config,
    ):
      log_prob, state = score_chunk(
        tf.repeat(chunk.levels, batch, 0),
        tf.repeat(chunk.features, batch, 0),
        global_,
        state,
      )
      nats += np.sum(log_prob.numpy()[:, : chunk.samples], 1, dtype=np.float64)
    return nats

  return score
