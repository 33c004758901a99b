"""A student for machines without TensorFlow: as LiteRT, as StableHLO.

Both hold one function, `chunk`, of fixed shapes, with the weights inside: the
next `NOISE_BLOCK_FRAMES` frames of one utterance, from features with their
margins, noise, and the state that the chunk before left. Who calls it draws the
noise, standard noise of `student.base` times `evaluate.noise_factor`: every
machine has a generator of its own.
"""

import tempfile
from typing import NamedTuple

import keras
import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.learning.elsewhere import stablehlo
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.student import Student
from wavenet_tf.signal import emphasis
from wavenet_tf.speaking.eight_bits import with_8_bit_kernels
from wavenet_tf.speaking.synthesis import NOISE_BLOCK_FRAMES


class Argument(NamedTuple):
  """What `chunk` takes, or returns: a name, a type and what it is."""

  spec: tf.TensorSpec
  meaning: str

  @property
  def described(self) -> dict:
    return {
      'name': self.spec.name,
      'type': self.spec.dtype.name,
      'shape': list(self.spec.shape),
      'is': self.meaning,
    }


class PortableStudent:
  """`chunk` of a student, of tensors alone.

  Args:
    student: with its final weights.
    config: of the run.

  Attributes:
    arguments: of `chunk`, in order; those of no channels are left out.
    results: of `chunk`, in order.

  Example:
    ```python
    portable = PortableStudent(student, config)
    path.write_bytes(portable.litert())
    ```
  """

  def __init__(self, student: Student, config: Config):
    self._student = student
    self._config = config
    # Numbers, so that a trace has them as constants and captures nothing.
    self._weights = [(v, v.numpy()) for v in student.variables]
    state = student.initial_state(1)
    self._state = state.flows, emphasis.initial_memory(1)
    samples = NOISE_BLOCK_FRAMES * config.audio.hop_samples
    frames = NOISE_BLOCK_FRAMES + 2 * config.margin_frames
    size = sum(x.shape.num_elements() for x in tf.nest.flatten(self._state))
    state = _argument('state', [1, size], 'what the chunk before left; zeros')
    phase = _argument('phase', [1], 'of F0, from the chunk before; 0', tf.int32)
    every = (
      _argument('noise', [1, samples], 'standard noise times the factor'),
      _argument(
        'features',
        [1, frames, config.local_channels],
        'of the chunk, and of the margin on either side',
      ),
      _argument(
        'global_vector',
        [1, config.conditioning.global_channels],
        'what is told of the utterance as a whole',
      ),
      state,
      phase,
    )
    self.arguments = [a for a in every if a.spec.shape[-1]]
    audio = _argument('audio', [1, samples], 'the waveform, in [-1, 1]')
    self.results = [audio, state, phase]

  def chunk(self, *given: tf.Tensor) -> dict[str, tf.Tensor]:
    """`results` by name, of `arguments` in their order."""
    names = [a.spec.name for a in self.arguments]
    told = dict(zip(names, given, strict=True))
    stand_ins = [(v, tf.constant(x)) for v, x in self._weights]
    with keras.StatelessScope(state_mapping=stand_ins):
      flows, memory = self._unpacked(told['state'])
      state = self._student.initial_state(1)._replace(
        flows=flows, phase=told['phase']
      )
      output, state = self._student.chunk(
        told['noise'],
        Conditioning(told.get('features'), told.get('global_vector')),
        state,
      )
      audio, memory = emphasis.de_emphasise_chunk(
        output.waveform, self._config.audio.preemphasis, memory
      )
    parts = tf.nest.flatten((state.flows, memory))
    return {
      'audio': tf.clip_by_value(audio, -1.0, 1.0),
      'state': tf.concat([tf.reshape(x, [1, -1]) for x in parts], 1),
      'phase': state.phase,
    }

  def described(self) -> dict:
    """What a caller has to know, as plain data."""
    config = self._config
    return {
      'sample_rate_hz': config.audio.sample_rate_hz,
      'hop_samples': config.audio.hop_samples,
      'chunk_frames': NOISE_BLOCK_FRAMES,
      'margin_frames': config.margin_frames,
      'silence': config.silence,
      'noise': config.student.base,
      'noise_factor': config.evaluate.noise_factor,
      'arguments': [a.described for a in self.arguments],
      'results': [r.described for r in self.results],
    }

  def litert(self) -> bytes:
    """A `.tflite` file: a signature `chunk`, of LiteRT's own operations."""
    module = tf.Module()
    module.chunk = tf.function(
      lambda *given: self.chunk(*given),
      [a.spec for a in self.arguments],
      autograph=False,
    )
    with tempfile.TemporaryDirectory() as folder:
      tf.saved_model.save(module, folder, {'chunk': module.chunk})
      return tf.lite.TFLiteConverter.from_saved_model(
        folder, signature_keys=['chunk']
      ).convert()

  def in_8_bits(self, litert: bytes) -> bytes:
    """Its `.tflite` file with weights in 8 bits, but for those that read F0.

    Of F0 a small error would make a running phase that runs away.
    """
    pitch = self._student.pitch
    kernels = [v.shape for v in pitch.weights] if pitch else []
    return with_8_bit_kernels(litert, [shape[::-1] for shape in kernels])

  def stablehlo(self) -> bytes:
    """A portable artifact whose function `main` is `chunk`."""

    def in_order(*given):
      found = self.chunk(*given)
      return tuple(found[r.spec.name] for r in self.results)

    specs = [tf.TensorSpec(a.spec.shape, a.spec.dtype) for a in self.arguments]
    return stablehlo.lower(in_order, specs).module

  def _unpacked(self, flat):
    parts = tf.nest.flatten(self._state)
    sizes = [x.shape.num_elements() for x in parts]
    return tf.nest.pack_sequence_as(
      self._state,
      [
        tf.reshape(x, part.shape)
        for x, part in zip(tf.split(flat, sizes, 1), parts, strict=True)
      ],
    )


def _argument(name, shape, meaning, dtype=tf.float32):
  return Argument(tf.TensorSpec(shape, dtype, name), meaning)
