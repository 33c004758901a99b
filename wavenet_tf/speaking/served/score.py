"""How likely a teacher finds recordings, in a graph: bits per sample."""

import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.teacher import Teacher
from wavenet_tf.probability.outputs import bits
from wavenet_tf.signal.emphasis import pre_emphasise
from wavenet_tf.signal.quantization import levels_from_waveform
from wavenet_tf.speaking.served.refusals import Field, refuse_unless, text
from wavenet_tf.speaking.served.rows import map_rows
from wavenet_tf.speaking.served.signature import (
  EXAMPLE_FRAMES,
  Fields,
  Signature,
)


class ServedScore:
  """What `judging.likelihood` finds, of waveforms, in stock operations.

  The 16-bit levels of a recording pass in chunks that hand their state on, one
  row after the other, so that memory grows with the audio itself alone.

  Args:
    teacher: with its final weights.
    config: of the run; for the hop, pre-emphasis and `evaluate.chunk_frames`.
  """

  def __init__(self, teacher: Teacher, config: Config):
    self._teacher = teacher
    self._config = config

  def score(
    self,
    audio: tf.Tensor,
    features: tf.Tensor,
    global_: tf.Tensor | None = None,
  ) -> dict[str, tf.Tensor]:
    """The mean of -log2 P(x_t | x_<t, h) over the samples of each row.

    Args:
      audio: float32 `[B, T]` in [-1, 1], rounded to 16 bits here.
      features: float32 `[B, ceil(T / hop), C]`.
      global_: float32 `[B, channels]`, where the teacher has it.

    Returns:
      `bits` float32 `[B]`.
    """
    levels = pre_emphasise(
      levels_from_waveform(audio), self._config.audio.preemphasis
    )
    nats = map_rows(
      self._nats, levels, features, global_, dtype=tf.float64, parallel=1
    )
    samples = tf.cast(tf.shape(audio)[1], tf.float64)
    return {'bits': tf.cast(bits(nats / samples), tf.float32)}

  def _nats(self, levels, features, global_):
    """-ln P of the levels `[1, T]`, a float64 scalar."""
    frames, margin = (
      self._config.evaluate.chunk_frames,
      self._config.margin_frames,
    )
    size = frames * self._config.audio.hop_samples
    samples = tf.shape(levels)[1]
    chunks = (samples - 1) // size + 1
    levels = tf.pad(levels, [[0, 0], [0, chunks * size - samples]])
    after = chunks * frames - tf.shape(features)[1] + margin
    features = tf.pad(
      features,
      [[0, 0], [margin, after], [0, 0]],
      constant_values=self._config.silence,
    )

    def score_chunk(chunk, nats, state):
      start = chunk * size
      window = features[:, chunk * frames :][:, : frames + 2 * margin]
      told = tf.ensure_shape(
        window, [1, frames + 2 * margin, features.shape[-1]]
      )
      log_prob, state = self._teacher.log_prob(
        tf.ensure_shape(levels[:, start : start + size], [1, size]),
        Conditioning.of(told, global_),
        state,
      )
      of_recording = tf.range(start, start + size) < samples
      log_prob = tf.where(of_recording, tf.cast(log_prob[0], tf.float64), 0.0)
      return chunk + 1, nats - tf.reduce_sum(log_prob), state

    _, nats, _ = tf.while_loop(
      lambda chunk, *_: chunk < chunks,
      score_chunk,
      (0, tf.constant(0.0, tf.float64), self._teacher.initial_state(1)),
      parallel_iterations=1,
    )
    return nats


def score_signature(served: ServedScore, fields: Fields) -> Signature:
  config, name = fields.config, fields.name
  hop = config.audio.hop_samples

  def refusals(given):
    found = tf.shape(given[name])[1]
    wanted = (tf.shape(given['audio'])[1] - 1) // hop + 1
    return [
      refuse_unless(
        tf.equal(found, wanted), name, text(found, ' frames'),
        text(wanted, f', one for each {hop} samples of audio'),
      )
    ]  # fmt: skip

  return Signature(
    (
      Field(
        'audio', ('samples',), least=-1.0, most=1.0,
        most_steps=config.most_frames * hop, example=EXAMPLE_FRAMES * hop,
      ),
      fields.features(),
      *fields.global_,
    ),
    lambda given: served.score(
      given['audio'], given[name], given.get('global_vector')
    ),
    refusals,
  )  # fmt: skip
