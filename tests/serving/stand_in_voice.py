"""A SavedModel with the signatures of an export, and a sum for a network.

A sample says of which frames and numbers it was made, so a client that sends
another window, seed, state or phase than it should is heard at once.
"""

import pathlib

import numpy as np
import tensorflow as tf

RATE_HZ, HOP, MELS = 8000, 20, 8
CHUNK, CONTEXT, MARGIN, TEACHER_CHUNK = 8, 16, 3, 4
MOST_FRAMES = 600
SILENCE = -11.5
LIMITS = {
  'sample_rate_hz': RATE_HZ, 'hop_samples': HOP, 'chunk_frames': CHUNK,
  'context_frames': CONTEXT, 'margin_frames': MARGIN,
  'most_frames': MOST_FRAMES, 'most_rows': 4,
  'teacher_chunk_frames': TEACHER_CHUNK, 'state_size': 1,
  'teacher_state_size': 5,
}  # fmt: skip
MEL_LIMITS = {'silence': SILENCE, 'mel_min_hz': 0.0, 'mel_max_hz': 4000.0}


def _specs(**shapes):
  return {
    name: tf.TensorSpec(
      shape,
      tf.float32
      if name in ('mel', 'audio', 'state', 'global_vector')
      else tf.int32,
      name,
    )
    for name, shape in shapes.items()
  }


def padded(mel: tf.Tensor, after: int = MARGIN) -> tf.Tensor:
  return tf.pad(mel, [[0, 0], [MARGIN, after], [0, 0]], constant_values=SILENCE)


def audio(windows, first, phase, seed, global_vector):
  """`[B, F + 2 MARGIN, MELS]` and what else is heard -> `[B, F HOP]`."""
  frames = tf.shape(windows)[1] - 2 * MARGIN
  heard = tf.add_n([
    (i + 1.0) * windows[:, i : i + frames] for i in range(2 * MARGIN + 1)
  ])  # fmt: skip
  position = tf.cast(tf.range(frames)[None] + first[:, None], tf.float32)
  turned = tf.cast(tf.range(frames)[None] + phase[:, None], tf.float32)
  told = tf.cast(seed[:, :1], tf.float32) + tf.reduce_sum(
    global_vector, 1, keepdims=True
  )
  value = tf.sin(
    tf.reduce_mean(heard, 2) / 50 + 0.4 * position + 0.7 * turned + told
  )
  return tf.reshape(tf.repeat(value, HOP, 1), [tf.shape(value)[0], -1])


class StandInVoice(tf.Module):
  """The signatures that a client uses."""

  @tf.function(autograph=False)
  def serving_default(self, mel, seed, global_vector):
    tf.debugging.assert_less_equal(
      tf.shape(mel)[1], MOST_FRAMES, 'mel: found too many frames.'
    )
    zeros = tf.zeros([tf.shape(mel)[0]], tf.int32)
    return {'audio': audio(padded(mel), zeros, zeros, seed, global_vector)}

  @tf.function(autograph=False)
  def features(self, audio):
    samples = tf.shape(audio)[1]
    check = tf.debugging.Assert(
      samples <= MOST_FRAMES * HOP,
      ['audio: found too many samples, expected fewer.'],
    )
    with tf.control_dependencies([check]):
      audio = tf.pad(audio, [[0, 0], [0, -samples % HOP]])
    frames = tf.reshape(audio, [tf.shape(audio)[0], -1, HOP])
    return {'mel': tf.math.log(tf.abs(frames[:, :, :MELS]) + 1e-5)}

  @tf.function(autograph=False)
  def stream(self, mel, seed, first_frame, frames, phase, global_vector):
    first, count = first_frame[0], frames[0]
    skip = tf.minimum(first, CONTEXT)
    tf.debugging.assert_equal(first % CHUNK, 0)
    window = padded(mel, 2 * MARGIN)[:, skip : skip + count + 2 * MARGIN]
    return {
      'audio': audio(window, first_frame, phase, seed, global_vector),
      'phase': phase + frames,
    }

  @tf.function(autograph=False)
  def teacher(self, mel, seed, first_frame, frames_left, state, global_vector):
    """A sign for each chunk, which the state counts, and another at the end."""
    said = audio(mel, first_frame, first_frame, seed, global_vector)
    sign = tf.cast(1 - 2 * (tf.cast(state[:, :1], tf.int32) % 2), tf.float32)
    last = tf.cast(frames_left[:, None] <= TEACHER_CHUNK, tf.float32)
    return {
      'audio': said * sign * (1 - 0.5 * last),
      'state': state + 1.0,
      'redraws': tf.zeros_like(first_frame),
    }

  @tf.function(autograph=False)
  def limits(self, rows):
    told = {name: tf.zeros_like(rows) + v for name, v in LIMITS.items()}
    return told | {
      name: tf.cast(tf.zeros_like(rows), tf.float32) + value
      for name, value in MEL_LIMITS.items()
    }


def save(path: pathlib.Path, global_channels: int = 2) -> None:
  """Writes a version."""
  voice = StandInVoice()
  mel, seed = [None, None, MELS], [None, 2]
  rows = {'global_vector': [None, global_channels]}
  specs = {
    'serving_default': _specs(mel=mel, seed=seed, **rows),
    'features': _specs(audio=[None, None]),
    'stream': _specs(mel=mel, seed=seed, first_frame=[None], frames=[None],
                     phase=[None], **rows),
    'teacher': _specs(mel=[None, TEACHER_CHUNK + 2 * MARGIN, MELS], seed=seed,
                      first_frame=[None], frames_left=[None], state=[None, 5],
                      **rows),
    'limits': _specs(rows=[None]),
  }  # fmt: skip
  tf.saved_model.save(
    voice,
    str(path),
    {
      name: getattr(voice, name).get_concrete_function(**inputs)
      for name, inputs in specs.items()
    },
  )


def expected(
  mel: np.ndarray, by: str, seed: int, global_vector: list[float]
) -> np.ndarray:
  """What the voice says to `[F, MELS]`, as one piece."""
  zeros = tf.zeros([1], tf.int32)
  said = audio(
    padded(tf.constant(mel[None])),
    zeros,
    zeros,
    tf.constant([[seed, 0]]),
    tf.constant([global_vector], tf.float32),
  )[0].numpy()
  if by == 'teacher':
    frame = np.arange(len(said)) // HOP
    said = said * np.where(frame // TEACHER_CHUNK % 2, -1, 1)
    last = (len(mel) - 1) // TEACHER_CHUNK
    said = said * np.where(frame // TEACHER_CHUNK == last, 0.5, 1)
  return said.astype(np.float32)
