"""Who speaks? A teacher that knows speakers, read by Bayes' rule.

A generative model of every speaker is a recogniser of them (1609.03499
sec. 3.1 trains the model; the rule is Bayes'). With equal priors,

  P(s | x) = p(x | s) / sum_s' p(x | s'),

so the speaker under whose id a recording is the most likely is the answer.
"""

from collections.abc import Sequence

import numpy as np

from wavenet_tf.configuration.choices import SPEAKER
from wavenet_tf.configuration.config import Config
from wavenet_tf.judging.likelihood import utterance_scorer
from wavenet_tf.networks.teacher import Teacher
from wavenet_tf.probability.outputs import bits


def recognise(
  teacher: Teacher,
  config: Config,
  examples: Sequence,
  global_names: Sequence[str],
) -> dict | None:
  """Accuracy and likelihoods under every speaker's id; plain data.

  Args:
    teacher: with its final weights.
    config: of the run.
    examples: utterances with `levels`, `features` and `global_`.
    global_names: of the channels of `global_`, `speaker <name>` for the
      one-hot part (`manifest.features['global_names']`).

  Returns:
    None where there is nobody to tell apart. Otherwise `speakers`,
    `utterances` and how many of them are `recognised`; bits per sample under
    the own id and, averaged, under the others'; and `by_speaker`: name ->
    `[recognised, utterances]`.
  """
  channels = speaker_channels(global_names)
  known = [e for e in examples if e.global_[channels].any()]
  if len(channels) < 2 or not known:
    return None
  score = utterance_scorer(teacher, config)
  nats = np.array([-score(e, _as_each(e.global_, channels)) for e in known])
  own = np.array([np.argmax(e.global_[channels]) for e in known])
  right = np.argmin(nats, 1) == own
  samples = sum(len(e.levels) for e in known)
  own_nats = np.sum(nats[np.arange(len(known)), own])
  other_nats = (np.sum(nats) - own_nats) / (len(channels) - 1)
  names = [global_names[i].removeprefix(f'{SPEAKER} ') for i in channels]
  return {
    'speakers': len(channels),
    'utterances': len(known),
    'recognised': int(np.sum(right)),
    'own_bits_per_sample': bits(own_nats) / samples,
    'other_bits_per_sample': bits(other_nats) / samples,
    'by_speaker': {
      name: [int(np.sum(right[own == i])), int(np.sum(own == i))]
      for i, name in enumerate(names)
    },
  }


def speaker_channels(global_names: Sequence[str]) -> list[int]:
  """Which channels of a global vector are the speaker's one-hot part."""
  return [
    i for i, name in enumerate(global_names) if name.startswith(f'{SPEAKER} ')
  ]


def _as_each(global_, channels):
  """The global vector `[C]` as that of each speaker, `[speakers, C]`."""
  rows = np.tile(global_, [len(channels), 1])
  rows[:, channels] = np.eye(len(channels))
  return rows
