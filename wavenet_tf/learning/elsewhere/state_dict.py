"""Weights of PyTorch models by name: a `.pth` checkpoint, or a `.npz` of it."""

from collections.abc import Mapping
import importlib
import pathlib

import numpy as np

from wavenet_tf.configuration.errors import reason, UserError
from wavenet_tf.learning.elsewhere import weight_file

# What PyTorch has called the two parts of a normalized weight, g and v.
_NORMALIZED = (
  ('weight_g', 'weight_v'),
  (
    'parametrizations.weight.original0',
    'parametrizations.weight.original1',
  ),
)


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
  """The arrays of a checkpoint by name.

  Args:
    path: a `.npz` file of arrays, which needs no PyTorch, or what `torch.save`
      wrote: a state dict, or a dictionary with one under `state_dict`. It is
      read as data alone; no code in it runs.

  Raises:
    UserError: if it is neither, or PyTorch is wanted and not there.
  """
  if path.suffix == '.npz':
    return weight_file.read(path)
  if not path.is_file():
    raise UserError(f'{path} does not exist; name a .pth or .npz file.')
  try:
    # Not a package of this project's: who comes from there has it.
    torch = importlib.import_module('torch')
  except ImportError as error:
    raise UserError(
      f'{path}: needs PyTorch to be read, which is not installed; install it '
      '(pip install torch), or write the arrays of its state_dict where it is, '
      'by numpy.savez, and name that .npz file.'
    ) from error
  try:
    content = torch.load(path, map_location='cpu', weights_only=True)
    state = content.get('state_dict', content)
    return {name: array.numpy() for name, array in state.items()}
  # Whatever PyTorch raises here, the file is not one of its checkpoints.
  except Exception as error:
    raise UserError(
      f'{path}: is not a checkpoint of PyTorch that can be read '
      f'({reason(error)[:200]}); name what torch.save wrote of a state_dict.'
    ) from error


class StateDict:
  """A state dict from which weights are taken, each once.

  Weight normalization, w = g v / |v| with a norm for each output, is folded in.

  Args:
    path: of the file, for the sentences of errors.
    arrays: by name.
  """

  def __init__(self, path: pathlib.Path, arrays: Mapping[str, np.ndarray]):
    self._path = path
    self._left = dict(arrays)

  def take(self, name: str, *shape: int) -> np.ndarray:
    """An array, float64.

    Raises:
      UserError: if it is not there, or of another shape.
    """
    if name not in self._left:
      raise UserError(
        f'{self._path}: has no {name}, which a model of these '
        'hyper-parameters has; name its own --hparams.'
      )
    array = self._left.pop(name)
    if array.shape != shape or array.dtype.kind != 'f':
      raise UserError(
        f'{self._path}: {name}: found {array.dtype} {list(array.shape)}, '
        f'expected floats {list(shape)}, as the hyper-parameters say; name '
        'its own --hparams.'
      )
    if not np.isfinite(array).all():
      raise UserError(
        f'{self._path}: {name}: found numbers that are not finite; take an '
        'earlier checkpoint.'
      )
    return array.astype(np.float64)

  def weight(self, layer: str, *shape: int) -> np.ndarray:
    """`<layer>.weight`, float64 `shape`, outputs first."""
    for names in _NORMALIZED:
      g, v = (f'{layer}.{name}' for name in names)
      if g in self._left:
        ones = [1] * (len(shape) - 1)
        g, v = self.take(g, shape[0], *ones), self.take(v, *shape)
        axes = tuple(range(1, len(shape)))
        return g * v / np.sqrt(np.sum(v**2, axes, keepdims=True))
    return self.take(f'{layer}.weight', *shape)

  def bias(self, layer: str, size: int) -> np.ndarray:
    """`<layer>.bias`, float64 `[size]`."""
    return self.take(f'{layer}.bias', size)

  def check_empty(self) -> None:
    """Raises `UserError` where something was not taken."""
    if self._left:
      raise UserError(
        f'{self._path}: {", ".join(list(self._left)[:3])}: not known in a '
        'model of these hyper-parameters; name its own --hparams, or another '
        'checkpoint.'
      )
