"""The noise of generation, drawn from the parameters of one plain pass."""

import tensorflow as tf

from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.probability.sampling import Sampling
from wavenet_tf.signal import emphasis
from wavenet_tf.signal.framing import pad_margin
from wavenet_tf.speaking.synthesis import NOISE_BLOCK_FRAMES, Synthesizer


def replayed(teacher, settings, waveform, told, seed, temperature=1.0):
  """What the noise of generation draws from one plain pass."""
  samples = settings.evaluate.chunk_frames * settings.audio.hop_samples
  noise = [
    teacher.output_kind.noise(
      [samples, waveform.shape[0]],
      tf.random.experimental.stateless_fold_in(tf.constant(seed), i),
    )
    for i in range(waveform.shape[1] // samples)
  ]
  return teacher.output_kind.sample(
    teacher(tf.constant(waveform), told),
    tf.transpose(tf.concat(noise, 0), [1, 0, 2]),
    Sampling(temperature),
  ).numpy()


def one_pass(student, config, features, seeds, global_=None):
  """What a student says of whole utterances, without chunks and state.

  Noise is that of the blocks of a `Synthesizer`, seeds `[B, 2]` a row.
  """
  samples = features.shape[1] * config.audio.hop_samples
  blocks = -(-features.shape[1] // NOISE_BLOCK_FRAMES)
  speaker = Synthesizer(student, config, jit_compile=False)
  z = speaker.noise(seeds, tf.range(blocks))[:, :samples]
  told = Conditioning.of(pad_margin(features, config.silence), global_)
  heard = emphasis.de_emphasise(
    student(z, told).waveform, config.audio.preemphasis
  )
  return tf.clip_by_value(heard, -1.0, 1.0)
