"""A function of tensors as StableHLO, which XLA compiles without TensorFlow.

The result is a portable artifact (https://openxla.org/stablehlo/compatibility):
its reader may be of another and of a much later version than its writer.
"""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import os
import tempfile
from typing import NamedTuple

import tensorflow as tf
from tensorflow.compiler.mlir.stablehlo import stablehlo
from tensorflow.compiler.mlir.tensorflow_to_stablehlo.python import (
  pywrap_tensorflow_to_stablehlo as tensorflow_to_stablehlo,
)

# Of the StableHLO that is written: of 2024, so that readers need not be newer.
_VERSION = '1.0.0'


class Lowered(NamedTuple):
  """A function as StableHLO.

  Attributes:
    module: the portable artifact; its function is `main`.
    results: what `main` returns: nested as the function returned it, described
      by `tf.TensorSpec`. Dictionaries are in the order of their sorted keys.
  """

  module: bytes
  results: tuple


def lower(function: Callable, arguments: Sequence[tf.TensorSpec]) -> Lowered:
  """Lowers a pure function for arguments of the given types and shapes.

  Args:
    function: of tensors; reads no variables.
    arguments: in the order of `main`; every shape is known.

  Raises:
    ValueError: if the function reads what is not among its arguments.
  """
  # Where XLA compiles, the slope of a branch keeps tensors; elsewhere optional
  # ones, of which StableHLO has none.
  compiled = tf.function(function, jit_compile=True, autograph=False)
  concrete = compiled.get_concrete_function(*arguments)
  if concrete.captured_inputs:
    raise ValueError(
      f'{function} reads what is no argument: {concrete.captured_inputs}'
    )
  module = tf.mlir.experimental.convert_function(concrete, pass_pipeline='')
  with _removed_temporary_files():
    lowered = tensorflow_to_stablehlo.tensorflow_module_to_stablehlo(module, '')
  # The name depends on the release of TensorFlow.
  serialize = getattr(
    stablehlo,
    'serialize_portable_artifact_str',
    getattr(stablehlo, 'serialize_portable_artifact', None),
  )
  results = tf.nest.map_structure(
    lambda x: tf.TensorSpec(x.shape, x.dtype), concrete.structured_outputs
  )
  return Lowered(serialize(lowered, _VERSION), results)


@contextlib.contextmanager
def _removed_temporary_files() -> Iterator[None]:
  """TensorFlow leaves the module that it converts in $TMPDIR."""
  before = os.environ.get('TMPDIR')
  with tempfile.TemporaryDirectory() as folder:
    os.environ['TMPDIR'] = folder
    try:
      yield
    finally:
      if before is None:
        del os.environ['TMPDIR']
      else:
        os.environ['TMPDIR'] = before
