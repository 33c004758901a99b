"""A chunk that is louder than its mel says is drawn again.

An autoregressive network that hears its own samples can fall into loud noise
that ends with the next pause ("collapsed speech", 1804.11055). It says a chunk
then that is louder, over all frequencies, than the log-mel that it was told.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.corpus import AudioConfig, MARGIN_FRAMES
from wavenet_tf.signal import spectra
from wavenet_tf.speaking.chunks import Chunk

# Log-mels below this, noise at about -70 dBFS, count as this: what is told to
# be silent and is nearly so is not too loud.
_QUIET_LOG_MEL = -9.0


class Redrawing:
  """Draws the chunks of one utterance, each again while it is too loud.

  A chunk is judged by the frames whose windows end within it; they reach back
  into what was said before. So it is judged as soon as it is drawn, alike in
  streams and in whole files, and what is kept is a function of the seed and of
  what was told. The next draw has the next seed; after `evaluate.redraw_tries`
  of them, the least loud one is kept. Each row of a batch is judged and drawn
  again by itself.

  Args:
    draw: (features with margins, global vector, seed, state) -> `Chunk`.
    config: of the run; for the front end and `evaluate`.
    batch: rows.
  """

  def __init__(self, draw: Callable, config: Config, batch: int):
    self._draw = draw
    self._config = config
    self._past = tf.zeros([batch, spectra.samples_before(config.audio)])

  def __call__(
    self,
    features: tf.Tensor,
    global_: tf.Tensor | None,
    seed: tf.Tensor,
    state: NamedTuple,
    frames: int,
  ) -> tuple[Chunk, int]:
    """The next chunk, and how many draws of a row it took beyond the first.

    Args:
      features: of the chunk, with margins, as `draw` takes them.
      global_: as `draw` takes it.
      seed: of the first draw.
      state: before the chunk.
      frames: that are left of the utterance; what follows it is not judged.
    """
    settings, redraws = self._config.evaluate, 0
    kept = self._draw(features, global_, seed, state)
    least = self._excess(kept, features, frames)
    for attempt in range(1, settings.redraw_tries + 1):
      too_loud = least > settings.redraw_excess
      count = int(tf.reduce_sum(tf.cast(too_loud, tf.int32)))
      if not count:
        break
      redraws += count
      next_seed = tf.random.experimental.stateless_fold_in(seed, attempt)
      again = self._draw(features, global_, next_seed, state)
      excess = self._excess(again, features, frames)
      better = too_loud & (excess < least)
      kept = _choose(better, again, kept)
      least = tf.where(better, excess, least)
    heard = tf.concat([self._past, kept.waveform], 1)
    self._past = heard[:, heard.shape[1] - self._past.shape[1] :]
    return kept, redraws

  def _excess(self, chunk, features, frames):
    waveform = tf.concat([self._past, chunk.waveform], 1)
    asked = features[:, MARGIN_FRAMES:-MARGIN_FRAMES][:, :frames]
    return excess(waveform, asked, self._config.audio)


def excess(
  waveform: tf.Tensor, asked: tf.Tensor, audio: AudioConfig
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

  Returns:
    float32 `[B]`; minus infinity where no frame counts.
  """
  mel = spectra.log_mel_within(waveform, audio)
  frames = min(mel.shape[1], asked.shape[1])
  louder = tf.maximum(mel[:, :frames], _QUIET_LOG_MEL) - tf.maximum(
    asked[:, :frames], _QUIET_LOG_MEL
  )
  return tf.reduce_max(tf.reduce_mean(louder, -1), -1)


def _choose(rows, ours, others):
  """Of two chunks, row by row: ours where `rows` `[B]` says so."""

  def choose(a, b):
    if a is None:
      return None
    return tf.where(tf.reshape(rows, [-1] + [1] * (len(a.shape) - 1)), a, b)

  return tf.nest.map_structure(choose, ours, others)
