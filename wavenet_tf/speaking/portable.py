"""A student for machines without TensorFlow: as LiteRT, as StableHLO.

Both hold one function, `chunk`, of fixed shapes, with the weights inside: the
next `NOISE_BLOCK_FRAMES` frames of one utterance, from features with their
margins, noise, and the state that the chunk before left. Who calls it draws the
noise, standard noise of `student.base` times `evaluate.noise_factor`: every
machine has a generator of its own.
"""

import enum
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from wavenet_tf.configuration.config import Config
from wavenet_tf.learning.elsewhere import stablehlo
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.student import Student
from wavenet_tf.signal import emphasis
from wavenet_tf.speaking.synthesis import NOISE_BLOCK_FRAMES


class Precision(enum.Enum):
  """Of the weights in a LiteRT file; activations are float32 in any case."""

  FLOAT32 = 'float32'
  INT8 = 'int8'


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
    arguments: of `chunk`, in order.
    results: of `chunk`, in order.

  Example:
    ```python
    portable = PortableStudent(student, config)
    path.write_bytes(portable.litert(Precision.INT8))
    ```
  """

  def __init__(self, student: Student, config: Config):
    self._student = student
    self._preemphasis = config.audio.preemphasis
    # Numbers, so that a trace has them as constants and captures nothing.
    self._weights = [(v, v.numpy()) for v in student.variables]
    state = student.initial_state(1)
    self._state = state.flows, emphasis.initial_memory(1)
    samples = NOISE_BLOCK_FRAMES * config.audio.hop_samples
    frames = NOISE_BLOCK_FRAMES + 2 * config.margin_frames
    size = sum(x.shape.num_elements() for x in tf.nest.flatten(self._state))
    state = _argument('state', [1, size], 'what the chunk before left; zeros')
    phase = _argument('phase', [1], 'of F0, from the chunk before; 0', tf.int32)
    self.arguments = [
      _argument('noise', [1, samples], 'standard noise'),
      _argument(
        'features',
        [1, frames, config.local_channels],
        'of the chunk, and of the margin on either side',
      ),
      _argument(
        'global',
        [1, config.conditioning.global_channels],
        'what is told of the utterance as a whole',
      ),
      state,
      phase,
    ]
    if not config.local_channels:
      del self.arguments[1]
    if not config.conditioning.global_channels:
      self.arguments = [a for a in self.arguments if a.spec.name != 'global']
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
        Conditioning(told.get('features'), told.get('global')),
        state,
      )
      audio, memory = emphasis.de_emphasise_chunk(
        output.waveform, self._preemphasis, memory
      )
    parts = tf.nest.flatten((state.flows, memory))
    return {
      'audio': tf.clip_by_value(audio, -1.0, 1.0),
      'state': tf.concat([tf.reshape(x, [1, -1]) for x in parts], 1),
      'phase': state.phase,
    }

  def litert(self, precision: Precision = Precision.FLOAT32) -> bytes:
    """A `.tflite` file: a signature `chunk`, of LiteRT's own operations."""
    module = tf.Module()
    module.chunk = tf.function(
      lambda *given: self.chunk(*given),
      [a.spec for a in self.arguments],
      autograph=False,
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
      [module.chunk.get_concrete_function()], module
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision is Precision.INT8:
      # Weights apart from what multiplies by them, which is float32.
      converter.optimizations = [tf.lite.Optimize.DEFAULT]
      converter.target_spec.supported_types = [tf.float16]
    content = converter.convert()
    return content if precision is Precision.FLOAT32 else _in_8_bits(content)

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


def _in_8_bits(content: bytes) -> bytes:
  """Matrices in float16, apart -> in int8, with a scale for each output.

  LiteRT's own quantization also rounds what is multiplied by them, and of a
  chain of flows little is left then.
  """
  model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
  (graph,) = model.subgraphs
  for tensor in graph.tensors:
    data = model.buffers[tensor.buffer].data
    if data is None or len(tensor.shape) < 2:
      continue
    if tensor.type != schema.TensorType.FLOAT16:
      continue
    matrix = np.asarray(data).view(np.float16).astype(np.float32)
    matrix = matrix.reshape(tensor.shape[0], -1)
    scale = np.maximum(np.max(np.abs(matrix), 1, keepdims=True), 1e-12) / 127.0
    rounded = np.round(matrix / scale).astype(np.int8)
    model.buffers[tensor.buffer].data = rounded.ravel().view(np.uint8)
    tensor.type = schema.TensorType.INT8
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = scale.ravel()
    tensor.quantization.zeroPoint = np.zeros(len(matrix), np.int64)
    tensor.quantization.quantizedDimension = 0
  return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _argument(name, shape, meaning, dtype=tf.float32):
  return Argument(tf.TensorSpec(shape, dtype, name), meaning)
