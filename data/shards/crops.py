"""Crops of utterances: their samples, and what a network is told of them.

Where a crop gets its conditioning: the features at frame rate that preparation
stored with the utterance, cut to the frames of the crop with `margin_frames`
more on either side, silence beyond its ends.
"""

import dataclasses
from typing import NamedTuple

import tensorflow as tf

from data.shards.example import Example
from wavenet_tf.configuration.config import Config
from wavenet_tf.signal.emphasis import pre_emphasise
from wavenet_tf.signal.framing import pad_margin


class Batch(NamedTuple):
  """Crops of utterances.

  Attributes:
    levels: int32 `[B, T]`, 16-bit levels; pre-emphasised, but for a
      classifier.
    features: float32 `[B, T / hop + 2 margin_frames, local_channels]`.
    labels: int32 `[B, F]`, the id at the centre of each frame of the
      classifier, -1 where there is none; `[B, 0]` where none were asked for.
    global_: float32 `[B, global_channels]`.
  """

  levels: tf.Tensor
  features: tf.Tensor
  labels: tf.Tensor | None = None
  global_: tf.Tensor | None = None


class FrameLabels(NamedTuple):
  """Which labels a classifier learns: their kind, and samples of a frame."""

  kind: str
  frame_samples: int

  def of(
    self, example: Example, start: int | tf.Tensor, samples: int
  ) -> tf.Tensor:
    """Ids at the centres of a crop's frames, int32 `[F]`; -1 where none is.

    Args:
      example: whose segments to read.
      start: its sample at which the crop begins.
      samples: length of the crop, of which F = samples // frame_samples.
    """
    frame = self.frame_samples
    centres = tf.range(frame // 2, samples, frame)[: samples // frame]
    segments = example.segments[self.kind]
    # A segment holds the samples before its end; beyond the last is no label.
    index = tf.searchsorted(segments.ends, start + centres, side='right')
    return tf.gather(tf.concat([segments.ids, [-1]], 0), index)


@dataclasses.dataclass(frozen=True)
class Crops:
  """How utterances are cut.

  An utterance shorter than the crop is continued with silence. The first
  `past_samples` of a crop are what came before the rest of it, silence before
  the beginning of an utterance; so every sample may come after them.

  Attributes:
    config: hop, channels of the features, and what pads them.
    samples: T, a multiple of the hop.
    past_samples: a multiple of the hop, less than `samples`.
    labels: of a batch, or None for none.
  """

  config: Config
  samples: int
  past_samples: int = 0
  labels: FrameLabels | None = None

  @property
  def hop(self) -> int:
    return self.config.audio.hop_samples

  @property
  def frames(self) -> int:
    return self.samples // self.hop

  @property
  def _wanted_frames(self):
    """Of features: more on either side."""
    return self.frames + 2 * self.config.margin_frames

  def specs(self, batch_size: int) -> Batch:
    """Types and shapes of a batch of so many crops."""
    labels = self.samples // self.labels.frame_samples if self.labels else 0
    return Batch(
      *(
        tf.TensorSpec([batch_size, *shape], dtype)
        for shape, dtype in (
          ([self.samples], tf.int32),
          ([self._wanted_frames, self.config.local_channels], tf.float32),
          ([labels], tf.int32),
          ([self.config.conditioning.global_channels], tf.float32),
        )
      )
    )

  def at_random(
    self, example: Example, seed: int | tf.Tensor, n: tf.Tensor
  ) -> Batch:
    """Crop n of a stream: where it begins depends on the seed and n alone."""
    past = self.past_samples // self.hop
    latest = tf.shape(example.features)[0] - (self.frames - past)
    # The frame of the utterance that follows the past.
    start = tf.random.stateless_uniform(
      [],
      tf.stack([tf.constant(seed, tf.int64), n]),
      0,
      tf.maximum(latest, 0) + 1,
      tf.int32,
    )
    levels = tf.pad(self._levels(example), [[self.past_samples, 0]])
    features = tf.pad(
      self._with_margin(example),
      [[past, 0], [0, 0]],
      constant_values=self.config.silence,
    )
    crop = self._cut(example, levels, features, start, start - past)
    channels = self.config.conditioning.global_channels
    return crop._replace(global_=tf.ensure_shape(crop.global_, [channels]))

  def in_order(self, example: Example) -> list[Batch]:
    """Consecutive crops of a whole utterance; what is left over is dropped."""
    last = max(len(example.features) - self.frames, 0)
    levels, features = self._levels(example), self._with_margin(example)
    return [
      self._cut(example, levels, features, start, start)
      for start in range(0, last + 1, self.frames)
    ]

  def _levels(self, example):
    """Of the utterance: as networks that speak see it, or as it is heard.

    A classifier, for which labels are, listens. Pre-emphasis is that of the
    whole utterance: a crop begins with what the sample before it left.
    """
    if self.labels:
      return example.levels
    return pre_emphasise(example.levels, self.config.audio.preemphasis)

  def _with_margin(self, example):
    config = self.config
    return pad_margin(
      example.features[None], config.silence, config.margin_frames
    )[0]

  def _cut(self, example, levels, features, start, labelled_from):
    """One crop that begins at frame `start` of levels and features.

    Labels count from frame `labelled_from` of the utterance.
    """
    levels = levels[start * self.hop : start * self.hop + self.samples]
    levels = tf.pad(levels, [[0, self.samples - tf.shape(levels)[0]]])
    wanted = self._wanted_frames
    features = features[start : start + wanted]
    # Silence where the utterance is over.
    features = tf.pad(
      features,
      [[0, wanted - tf.shape(features)[0]], [0, 0]],
      constant_values=self.config.silence,
    )
    labels = tf.zeros([0], tf.int32)
    if self.labels:
      labels = self.labels.of(example, labelled_from * self.hop, self.samples)
    return Batch(
      tf.ensure_shape(tf.cast(levels, tf.int32), [self.samples]),
      tf.ensure_shape(features, [wanted, self.config.local_channels]),
      labels,
      example.global_,
    )
