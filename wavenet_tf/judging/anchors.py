"""Voices to hear the models beside: none of them has to be learned to speak.

Below lies what the features say without any network; above, what the teacher
would say if it never lost its way.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.choices import MEL
from wavenet_tf.configuration.config import Config
from wavenet_tf.judging.copies import draw_seeds
from wavenet_tf.networks.teacher import Teacher
from wavenet_tf.signal import inversion
from wavenet_tf.speaking.after_recording import AfterRecording

GRIFFIN_LIM = 'griffin_lim'
RANDOM_PHASE = 'random_phase'
AFTER_RECORDING = 'teacher_after_recording'


def anchors(
  config: Config, teacher: Teacher, examples: Sequence
) -> dict[str, dict[str, np.ndarray]]:
  """Copies by the anchors, of the features and with the seeds of the models.

  Griffin-Lim and random phase only where the models are told the log-mel.

  Returns:
    By utterance, then voice: float32 `[draws, T]`.
  """
  seeds = draw_seeds(config)
  after_recording = AfterRecording(teacher, config)
  return {
    example.name: {
      **_of_mel(example, config, seeds),
      AFTER_RECORDING: np.concatenate(
        [
          after_recording(
            example.levels,
            tf.constant(example.features[None]),
            seed,
            tf.constant(example.global_[None]),
          )
          for seed in seeds
        ]
      ),
    }
    for example in examples
  }


def _of_mel(example, config, seeds):
  if config.conditioning.local != MEL:
    return {}
  magnitude = inversion.magnitudes(example.features, config.audio)
  return {
    voice: np.stack(
      [
        invert(magnitude, config.audio, seed)[: len(example.levels)]
        for seed in seeds
      ]
    )
    for voice, invert in (
      (GRIFFIN_LIM, inversion.griffin_lim),
      (RANDOM_PHASE, inversion.random_phase),
    )
  }
