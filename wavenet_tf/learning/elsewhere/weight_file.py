"""Weights by name in a `.npz` file, which NumPy reads without TensorFlow."""

from collections.abc import Mapping
import io
import pathlib

import numpy as np

from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import NO_ARRAYS, write_bytes


def write(path: pathlib.Path, weights: Mapping[str, np.ndarray]) -> None:
  """Writes weights in their order, whole or not at all.

  Args:
    path: of the file.
    weights: by path, such as `teacher/network/output/bias`.
  """
  content = io.BytesIO()
  np.savez(content, **weights)
  write_bytes(path, content.getvalue())


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
  """Reads all arrays of a file.

  Raises:
    UserError: if it is not there, or not a `.npz` file of arrays.
  """
  try:
    with np.load(io.BytesIO(path.read_bytes())) as arrays:
      found = dict(arrays)
    # Of a member that is no array, NumPy gives the bytes.
    if not all(isinstance(array, np.ndarray) for array in found.values()):
      raise ValueError('not all of it are arrays')
    return found
  except FileNotFoundError:
    raise UserError(
      f'{path} does not exist; name a .npz file of weights.'
    ) from None
  except NO_ARRAYS as error:
    raise UserError(
      f'{path}: is not a .npz file of arrays that can be read; write it by '
      'numpy.savez, a name and an array a weight.'
    ) from error
