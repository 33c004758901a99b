"""LiteRT files whose weights are 8-bit integers, in a quarter of the space.

LiteRT's own quantization also rounds what the weights multiply, or, with
float16, every constant; a running phase survives neither. So the file itself is
edited: weights in int8, expanded to float32 once, when the file is loaded.
"""

from collections.abc import Collection

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

# Smaller kernels save nothing.
_LEAST_SIZE = 1024
# Of `DEQUANTIZE`: the one that has a scale for each output channel.
_VERSION = 5


def with_8_bit_kernels(
  content: bytes, kept: Collection[tuple[int, int]] = ()
) -> bytes:
  """Kernels of matrix products in int8, each output with its scale.

  A kernel W `[outputs, inputs]` becomes round(W / s), s = max |W| / 127 over
  the inputs of an output.

  Args:
    content: of a `.tflite` file of one graph, in float32.
    kept: shapes of kernels that stay float32.
  """
  model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
  (graph,) = model.subgraphs
  kernels = {
    index: np.frombuffer(data, np.float32).reshape(shape)
    for index, shape, data in _constant_kernels(model, graph)
    if np.prod(shape) >= _LEAST_SIZE and shape not in kept
  }
  code = schema.OperatorCodeT()
  code.builtinCode = schema.BuiltinOperator.DEQUANTIZE
  code.deprecatedBuiltinCode = code.builtinCode
  code.version = _VERSION
  model.operatorCodes.append(code)
  expanding = []
  for index, kernel in kernels.items():
    tensor = graph.tensors[index]
    scale = np.abs(kernel).max(1, keepdims=True) / 127.0
    scale = np.where(scale, scale, 1.0)
    rounded = np.round(kernel / scale).astype(np.int8)
    model.buffers[tensor.buffer].data = rounded.ravel().view(np.uint8)
    graph.tensors.append(_stored(tensor, scale))
    tensor.buffer = 0  # Which is empty: the tensor is computed now.
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs = [len(graph.tensors) - 1]
    operator.outputs = [index]
    expanding.append(operator)
  graph.operators = [*expanding, *graph.operators]
  return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _constant_kernels(model, graph):
  """-> index, shape and bytes of each kernel that is stored in the file."""
  product = schema.BuiltinOperator.FULLY_CONNECTED
  indices = {
    operator.inputs[1]
    for operator in graph.operators
    if model.operatorCodes[operator.opcodeIndex].builtinCode == product
  }
  for index in sorted(indices):
    tensor = graph.tensors[index]
    data = model.buffers[tensor.buffer].data
    if data is not None:
      yield index, tuple(map(int, tensor.shape)), bytes(data)


def _stored(tensor, scale):
  """An int8 tensor in the place of a float32 one."""
  stored = schema.TensorT()
  stored.name = tensor.name + b'/int8'
  stored.shape = tensor.shape
  stored.type = schema.TensorType.INT8
  stored.buffer = tensor.buffer
  stored.quantization = schema.QuantizationParametersT()
  stored.quantization.scale = scale.ravel().astype(np.float32)
  stored.quantization.zeroPoint = np.zeros(scale.size, np.int64)
  stored.quantization.quantizedDimension = 0
  return stored
