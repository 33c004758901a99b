"""The noise of generation, drawn from the parameters of one plain pass."""

import tensorflow as tf

from wavenet_tf.probability.sampling import Sampling


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
