"""What the audio depends on, as a network is given it and as it hears it."""

import dataclasses
from typing import NamedTuple

import tensorflow as tf


class Conditioning(NamedTuple):
  """What the audio depends on.

  Attributes:
    local: float32 `[B, frames + 2 margin_frames, channels]` at frame rate,
      or None. The margin on either side lets a chunk see its neighbours.
    global_: float32 `[B, channels]`, or None.
  """

  local: tf.Tensor | None = None
  global_: tf.Tensor | None = None

  @classmethod
  def of(
    cls, features: tf.Tensor, global_: tf.Tensor | None = None
  ) -> 'Conditioning':
    """Of arrays in which no channel at all means: not conditioned on it."""
    return cls(
      features if features.shape[-1] else None,
      None if global_ is None or not global_.shape[-1] else global_,
    )

  def rolled(self) -> 'Conditioning':
    """Each row gets the conditioning of the row before it."""
    return Conditioning(
      *(None if x is None else tf.roll(x, 1, 0) for x in self)
    )


@dataclasses.dataclass(frozen=True)
class Encoded:
  """`Conditioning` as a network hears it (`upsampling.ConditioningEncoder`).

  Layers take it by name: Keras allows nothing but tensors by position.

  Attributes:
    local: float32 `[B, T / hold, C]`, or None.
    global_: float32 `[B, E]`, or None.
    hold: samples that each row of `local` is for; 1 is audio rate, and where
      `local` is None.
  """

  local: tf.Tensor | None = None
  global_: tf.Tensor | None = None
  hold: int = 1

  def beside(self, local: tf.Tensor) -> 'Encoded':
    """With further local channels `[B, T, .]`; all are at audio rate then."""
    if self.local is not None:
      local = tf.concat([self.at_audio_rate(self.local), local], -1)
    return Encoded(local, self.global_)

  def at_audio_rate(self, rows: tf.Tensor) -> tf.Tensor:
    """Rows `[B, T / hold, .]` -> `[B, T, .]`."""
    return tf.repeat(rows, self.hold, axis=1) if self.hold > 1 else rows


UNCONDITIONED = Encoded()
