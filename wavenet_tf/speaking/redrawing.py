"""A chunk that is louder than its mel says is drawn again.

An autoregressive network that hears its own samples can fall into loud noise
that ends with the next pause ("collapsed speech", 1804.11055). It says a chunk
then that is louder, over all frequencies, than the log-mel that it was told.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.signal import spectra
from wavenet_tf.signal.noise import fold_in
from wavenet_tf.speaking.chunks import Chunk

# Log-mels below this, noise at about -70 dBFS, count as this: what is told to
# be silent and is nearly so is not too loud.
_QUIET_LOG_MEL = -9.0


class Redrawing:
  """Draws the chunks of utterances, each again while it is too loud.

  A chunk is judged by the frames whose windows end within it; they reach back
  into what was said before. So it is judged as soon as it is drawn, alike in
  streams and in whole files, and what is kept is a function of the seed and of
  what was told. The next draw has the next seed; after `evaluate.redraw_tries`
  of them, the least loud one is kept. Each row of a batch is judged and drawn
  again by itself.

  Args:
    draw: (features with margins, global vector, seed, state) -> `Chunk`. Its
      states have `heard`, the end of what was said, `[B, samples_before]`.
    config: of the run; for the front end and `evaluate`.
  """

  def __init__(self, draw: Callable, config: Config):
    self._draw = draw
    self._config = config

  def __call__(
    self,
    features: tf.Tensor,
    global_: tf.Tensor | None,
    seed: tf.Tensor,
    state: NamedTuple,
    frames: int | tf.Tensor,
  ) -> tuple[Chunk, tf.Tensor]:
    """The next chunk, and how often it was drawn again, int32 `[B]`.

    Args:
      features: of the chunk, with margins, as `draw` takes them.
      global_: as `draw` takes it.
      seed: of the first draw.
      state: before the chunk.
      frames: that are left of the utterance, or of each, `[B]`; what follows
        it is not judged.
    """
    settings = self._config.evaluate
    margin = self._config.margin_frames
    asked = features[:, margin:-margin]
    of_rows = None
    if len(tf.convert_to_tensor(frames).shape):
      of_rows = frames
    else:
      asked = asked[:, :frames]

    def draw(seed):
      chunk = self._draw(features, global_, seed, state)
      heard = tf.concat([state.heard, chunk.waveform], 1)
      return chunk, excess(heard, asked, self._config.audio, of_rows)

    def goes_on(attempt, kept, least, redraws):
      del kept, redraws
      too_loud = tf.reduce_any(least > settings.redraw_excess)
      return (attempt <= settings.redraw_tries) & too_loud

    def draw_again(attempt, kept, least, redraws):
      too_loud = least > settings.redraw_excess
      again, louder = draw(fold_in(seed, attempt))
      better = too_loud & (louder < least)
      return (
        attempt + 1,
        _choose(better, again, kept),
        tf.where(better, louder, least),
        redraws + tf.cast(too_loud, tf.int32),
      )

    first, least = draw(seed)
    none = tf.zeros_like(least, tf.int32)
    _, kept, _, redraws = tf.while_loop(
      goes_on, draw_again, (tf.constant(1), first, least, none)
    )
    return kept, redraws


def excess(
  waveform: tf.Tensor,
  asked: tf.Tensor,
  audio: AudioConfig,
  frames: tf.Tensor | None = None,
) -> tf.Tensor:
  """How much louder than asked for a waveform is in its worst frame, nepers.

    max_f mean_b (max(m_fb, q) - max(a_fb, q)),

  m the log-mel of the waveform, a the one asked for, q what is quiet.

  Args:
    waveform: float32 `[B, N]`, which begins with what the first window reaches
      back to, `spectra.samples_before`.
    asked: log-mels `[B, frames, mel_bins]`, of which those count whose windows
      end within the waveform.
    audio: the front end.
    frames: int32 `[B]`, of each row those that count, where not all do.

  Returns:
    float32 `[B]`; minus infinity where no frame counts.
  """
  mel = spectra.log_mel_within(waveform, audio)
  both = tf.minimum(tf.shape(mel)[1], tf.shape(asked)[1])
  louder = tf.maximum(mel[:, :both], _QUIET_LOG_MEL) - tf.maximum(
    asked[:, :both], _QUIET_LOG_MEL
  )
  louder = tf.reduce_mean(louder, -1)
  if frames is not None:
    counts = tf.range(both)[None] < frames[:, None]
    louder = tf.where(counts, louder, -np.inf)
  return tf.reduce_max(louder, -1)


def _choose(rows, ours, others):
  """Of two chunks, row by row: ours where `rows` `[B]` says so."""

  def choose(a, b):
    return tf.where(tf.reshape(rows, [-1] + [1] * (len(a.shape) - 1)), a, b)

  return tf.nest.map_structure(choose, ours, others)
