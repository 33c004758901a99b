"""Files of TensorFlow's as Python's own buffers read and write them."""

from collections.abc import Callable
import io

import tensorflow as tf


class RawFile(io.RawIOBase):
  """The bytes of a file, without a buffer.

  Args:
    name: with its scheme.
    mode: 'r' or 'w'.
    as_on_a_disk: a context in which errors become those of Python.
  """

  def __init__(self, name: str, mode: str, as_on_a_disk: Callable):
    self._mode, self._as_on_a_disk = mode, as_on_a_disk
    self._file = tf.io.gfile.GFile(name, f'{mode}b')

  def readable(self) -> bool:
    return self._mode == 'r'

  def writable(self) -> bool:
    return self._mode == 'w'

  def seekable(self) -> bool:
    return self._mode == 'r'

  def readinto(self, buffer: bytearray) -> int:
    with self._as_on_a_disk():
      content = self._file.read(len(buffer))
    buffer[: len(content)] = content
    return len(content)

  def write(self, buffer: bytes) -> int:
    with self._as_on_a_disk():
      self._file.write(bytes(buffer))
    return len(buffer)

  def seek(self, offset: int, whence: int = 0) -> int:
    with self._as_on_a_disk():
      self._file.seek(offset, whence)
      return self._file.tell()

  def tell(self) -> int:
    return self._file.tell()

  def close(self) -> None:
    if not self.closed:
      super().close()
      with self._as_on_a_disk():
        self._file.close()
