"""A vector that describes a recording, `x.npy` beside `x.wav`; given frames."""

from collections.abc import Sequence
import io
import pathlib

import numpy as np

from data.recordings import decoding
from data.recordings.corpora import Utterance
from wavenet_tf.configuration.errors import reason, UserError
from wavenet_tf.configuration.files import NO_ARRAYS


def read(path: pathlib.Path) -> np.ndarray:
  """Reads a `.npy` file of finite numbers in one row.

  Raises:
    BadRecording: naming the file and what is wrong with it.
  """
  return _read(path, 1, 'one row of numbers')


def read_frames(path: pathlib.Path, channels: int) -> np.ndarray:
  """Reads a `.npy` file of features, float32 `[frames, channels]`.

  Raises:
    BadRecording: as `read`.
  """
  wanted = f'numbers of shape [frames, {channels}]'
  frames = _read(path, 2, wanted)
  if frames.shape[1] != channels or not len(frames):
    raise decoding.BadRecording(
      f'{path}: holds an array of shape {frames.shape}, expected {wanted}.'
    )
  return frames


def _read(path, axes, wanted):
  try:
    content = path.read_bytes()
  except OSError as error:
    raise decoding.BadRecording(
      f'{path}: cannot be read ({error.strerror}); put an array there.'
    ) from error
  try:
    vector = np.load(io.BytesIO(content), allow_pickle=False)
  except NO_ARRAYS as error:
    raise decoding.BadRecording(
      f'{path}: is no .npy file ({reason(error)}).'
    ) from error
  if not isinstance(vector, np.ndarray):
    raise decoding.BadRecording(f'{path}: is a .npz file, expected .npy.')
  if vector.ndim != axes or vector.dtype.kind not in 'fiu':
    raise decoding.BadRecording(
      f'{path}: holds {vector.dtype} of shape {vector.shape}, expected '
      f'{wanted}.'
    )
  with np.errstate(over='ignore'):
    vector = vector.astype(np.float32)
  if not np.isfinite(vector).all():
    raise decoding.BadRecording(f'{path}: holds numbers that are not finite.')
  return vector


def channels(utterances: Sequence[Utterance]) -> int:
  """The length of the vectors of a corpus: that of the first.

  Raises:
    UserError: if no recording has one.
  """
  for utterance in utterances:
    if utterance.vector_path.is_file():
      return len(read(utterance.vector_path))
  raise UserError(
    "conditioning.globals: asks for 'vector', but no recording has one, such "
    f'as {utterances[0].vector_path}; put them there, or leave it out.'
  )
