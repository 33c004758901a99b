"""A teacher's draws after the real past: capacity without drift.

In a free run a teacher hears what it said itself, and errors add up. Here it
hears the recording up to every sample, and says only that one; so all of them
are drawn in one parallel pass. What is wrong already here is for the network
to learn; what is wrong in the free run alone is that it loses its way.
"""

from collections.abc import Sequence
import itertools

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.teacher import Teacher
from wavenet_tf.probability.sampling import Sampling
from wavenet_tf.signal import quantization
from wavenet_tf.signal.emphasis import pre_emphasise
from wavenet_tf.speaking.chunks import recorded_windows


class AfterRecording:
  """x^_t ~ p(x_t | x_<t of the recording, h), for every t.

  Args:
    teacher: with its final weights.
    config: of the run; for the hop, pre-emphasis and `evaluate` (chunk length,
      sampling).

  Example:
    ```python
    draw = AfterRecording(teacher, config)
    waveform = draw(levels, log_mel[None], seed=[7, 0])   # [1, T]
    ```
  """

  def __init__(self, teacher: Teacher, config: Config):
    self._teacher = teacher
    self._config = config
    self._sampling = Sampling.of(config.evaluate)
    self._compiled = tf.function(self._draw_chunk, autograph=False)

  def __call__(
    self,
    levels: np.ndarray,
    features: tf.Tensor,
    seed: Sequence[int],
    global_: tf.Tensor | None = None,
  ) -> np.ndarray:
    """One draw a sample.

    Args:
      levels: int16 `[T]`, the recording.
      features: float32 `[1, ceil(T / hop), channels]`.
      seed: two integers; the same seed gives the same waveform.
      global_: float32 `[1, channels]`, where the teacher has it.

    Returns:
      float32 `[1, T]`.
    """
    state = self._teacher.initial_state(1)
    drawn = []
    for index, chunk in enumerate(
      recorded_windows(
        levels,
        features,
        itertools.repeat(self._config.evaluate.chunk_frames),
        self._config,
      )
    ):
      chunk_seed = tf.random.experimental.stateless_fold_in(
        tf.constant(seed, tf.int32), index
      )
      waveform, state = self._compiled(
        chunk.levels, chunk.features, global_, chunk_seed, state
      )
      drawn.append(waveform[:, : chunk.samples])
    heard = tf.concat(drawn, 1) + self._real_past(levels)
    return tf.clip_by_value(heard, -1.0, 1.0).numpy()

  def _real_past(self, levels):
    """What pre-emphasis took away: a x_{t-1}, `[1, T]`.

    Of the recording, as its past is the real one; to undo pre-emphasis of the
    draws by themselves would add up their errors.
    """
    seen = pre_emphasise(levels, self._config.audio.preemphasis)
    return quantization.waveform_from_levels(
      tf.cast(levels, tf.int32) - tf.cast(seen, tf.int32)
    )[None]

  def _draw_chunk(self, levels, features, global_, seed, state):
    output = self._teacher.output_kind
    parameters, state = self._teacher.chunk(
      output.waveform(levels), Conditioning.of(features, global_), state
    )
    noise = output.noise(levels.shape, seed)
    return output.sample(parameters, noise, self._sampling), state
