"""Speaking chunk by chunk: features with their margins, waveforms joined."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.signal.emphasis import pre_emphasise


class Chunk(NamedTuple):
  """`waveform` float32 `[B, N]` and the state that follows it."""

  waveform: tf.Tensor
  state: tuple


def windows(
  features: tf.Tensor,
  lengths: Iterable[int],
  silence: float,
  margin_frames: int = MARGIN_FRAMES,
) -> Iterator[tf.Tensor]:
  """Features `[B, frames, C]` in chunks of these lengths, with their margins.

  Silence is assumed around them and after them, to the end of the last chunk.
  Only the chunk at hand is copied.

  Args:
    features: float32 `[B, frames, C]`.
    lengths: frames of one chunk after the other, at least as many in all.
    silence: what features are where there is no sound.
    margin_frames: on either side.

  Yields:
    `[B, length + 2 margin_frames, C]`.
  """
  frames, start = features.shape[1], 0
  for length in lengths:
    if start >= frames:
      return
    first, end = start - margin_frames, start + length + margin_frames
    yield tf.pad(
      features[:, max(first, 0) : min(end, frames)],
      [[0, 0], [max(-first, 0), max(end - frames, 0)], [0, 0]],
      constant_values=silence,
    )
    start += length


class Recorded(NamedTuple):
  """A chunk of a recording beside its features.

  Attributes:
    levels: int32 `[1, length * hop]` as networks see them, pre-emphasised; zero
      beyond the end.
    features: float32 `[1, length + 2 margin_frames, C]`.
    samples: of the levels, those of the recording.
  """

  levels: tf.Tensor
  features: tf.Tensor
  samples: int


def recorded_windows(
  levels: np.ndarray,
  features: tf.Tensor,
  lengths: Iterable[int],
  config: Config,
) -> Iterator[Recorded]:
  """`windows` of features, each with the levels that they were made of.

  Args:
    levels: int16 `[T]`.
    features: float32 `[1, ceil(T / hop), C]`.
    lengths: as for `windows`.
    config: for the hop, silence and pre-emphasis.
  """
  seen = pre_emphasise(levels, config.audio.preemphasis)
  start, margin = 0, config.margin_frames
  for window in windows(features, lengths, config.silence, margin):
    frames = window.shape[1] - 2 * margin
    size = frames * config.audio.hop_samples
    part = seen[start : start + size]
    padded = np.pad(part, [0, size - len(part)])
    yield Recorded(tf.constant(padded[None], tf.int32), window, len(part))
    start += size


class ChunkwiseSpeaker:
  """What speaks chunk by chunk, `chunks`, and, called, in one piece.

  Args:
    config: of the run.

  Attributes:
    redraws: how often a chunk of a row was drawn again, in all it has said.
  """

  def __init__(self, config: Config):
    self._config = config
    self.redraws = 0

  def __call__(
    self,
    features: tf.Tensor,
    seed: Sequence[int] | Sequence[Sequence[int]],
    global_: tf.Tensor | None = None,
    frames: Sequence[int] | None = None,
  ) -> np.ndarray:
    """Whole waveforms, which are kept; `chunks` keeps none of its own.

    Args:
      features: float32 `[B, frames, channels]`; without local conditioning
        there are no channels, and the frames say how long to go on.
      seed: two integers; the same seed gives the same waveform. Or two for
        each row, whose noise is then what it were if it spoke alone.
      global_: float32 `[B, channels]`, where the model has it.
      frames: of each row, where some end before others.

    Returns:
      float32 `[B, frames * hop]`.
    """
    samples = features.shape[1] * self._config.audio.hop_samples
    joined = np.empty([features.shape[0], samples], np.float32)
    start = 0
    for chunk in self.chunks(features, seed, global_, frames):
      part = joined[:, start : start + chunk.waveform.shape[1]]
      part[:] = chunk.waveform[:, : part.shape[1]]
      start += part.shape[1]
    return joined

  def chunks(
    self,
    features: tf.Tensor,
    seed: Sequence[int] | Sequence[Sequence[int]],
    global_: tf.Tensor | None = None,
    frames: Sequence[int] | None = None,
  ) -> Iterator[Chunk]:
    """Yields one `Chunk` after the other; the last may exceed the features.

    Memory beside the features themselves does not grow with their length.
    """
    raise NotImplementedError
