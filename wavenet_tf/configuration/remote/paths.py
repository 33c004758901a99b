"""Paths of file systems that TensorFlow knows: `gs://bucket/run` and the like.

They are `pathlib.Path`s, so that all other code knows one kind of path; what
they do goes through `tf.io.gfile`, and fails with the `OSError` of a disk.
"""

from collections.abc import Iterator
import contextlib
import errno
import fnmatch
import io
import os
import pathlib
from typing import IO, NamedTuple

import tensorflow as tf

from wavenet_tf.configuration.remote.buffers import RawFile

_ERRNO = {
  tf.errors.NotFoundError: errno.ENOENT,
  tf.errors.AlreadyExistsError: errno.EEXIST,
  tf.errors.PermissionDeniedError: errno.EACCES,
  tf.errors.UnauthenticatedError: errno.EACCES,
  tf.errors.ResourceExhaustedError: errno.ENOSPC,
}
# These say that a folder is complete: they come last where it is moved.
_LAST_FILES = 'manifest.json', 'saved_model.pb'
_BUFFER_BYTES = 2**20


class Status(NamedTuple):
  """What is known of a file beyond this machine, by the names of `os.stat`."""

  st_size: int
  st_mtime_ns: int


class RemotePath(pathlib.PosixPath):
  """A path with a scheme; made by `files.path_of`.

  Of `pathlib.Path` it does what is below, and refuses the rest as a file that
  is not there. Folders come about with their files where a file system has
  none, and `rename` of a folder is that of its files, one by one.
  """

  def __str__(self):
    # Two slashes in a row are one for pathlib.
    return super().__str__().replace(':/', '://', 1)

  def __fspath__(self):
    return str(self)

  def relative_to(self, *other: str | os.PathLike) -> pathlib.PurePosixPath:
    return pathlib.PurePosixPath(*super().relative_to(*other).parts)

  def absolute(self) -> 'RemotePath':
    return self

  def resolve(self, strict: bool = False) -> 'RemotePath':
    del strict
    return self

  @property
  def _in_memory(self):
    """There TensorFlow takes the first letters of a name for one."""
    return self.parts[0] == 'ram:' and len(self.parts) > 2

  # What is there.

  def exists(self, **options: bool) -> bool:
    del options
    with self._as_on_a_disk():
      if not tf.io.gfile.exists(str(self)):
        return False
    return not self._in_memory or self in self.parent.iterdir()

  def is_dir(self, **options: bool) -> bool:
    del options
    with self._as_on_a_disk():
      return tf.io.gfile.isdir(str(self)) and self.exists()

  def is_file(self, **options: bool) -> bool:
    del options
    with contextlib.suppress(FileNotFoundError), self._as_on_a_disk():
      return not tf.io.gfile.stat(str(self)).is_directory
    return False

  def stat(self, **options: bool) -> Status:
    del options
    with self._as_on_a_disk():
      found = tf.io.gfile.stat(str(self))
    return Status(found.length, found.mtime_nsec)

  def iterdir(self) -> Iterator['RemotePath']:
    with self._as_on_a_disk():
      # An object store ends the names of folders with a slash.
      found = [self / n.rstrip('/') for n in tf.io.gfile.listdir(str(self))]
    if self._in_memory:
      if not self.exists():
        raise self._error(errno.ENOENT)
      found = [path for path in found if tf.io.gfile.exists(str(path))]
    return iter(found)

  def glob(self, pattern: str, **options: bool) -> Iterator['RemotePath']:
    """By the names in this folder; a pattern has no slash."""
    del options
    if self.is_dir():
      yield from _matching(self.iterdir(), pattern)

  def rglob(self, pattern: str, **options: bool) -> Iterator['RemotePath']:
    del options
    yield from self.glob(pattern)
    for folder in self.glob('*'):
      yield from folder.rglob(pattern)

  # Reading and writing.

  def open(
    self,
    mode: str = 'r',
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
  ) -> IO:
    del buffering
    if mode.strip('bt') not in ('r', 'w'):
      raise self._error(errno.EINVAL, f'cannot be opened as {mode!r}')
    if 'r' in mode:
      if not self.is_file():  # Now, not when it is read.
        raise self._error(errno.EISDIR if self.exists() else errno.ENOENT)
      file = io.BufferedReader(self._raw('r'), _BUFFER_BYTES)
    else:
      if self._in_memory:
        self.unlink(missing_ok=True)  # TensorFlow would add to it.
      file = io.BufferedWriter(self._raw('w'), _BUFFER_BYTES)
    if 'b' in mode:
      return file
    return io.TextIOWrapper(file, encoding or 'utf-8', errors, newline)

  def read_bytes(self) -> bytes:
    with self._as_on_a_disk(), tf.io.gfile.GFile(str(self), 'rb') as file:
      return file.read()

  def read_text(
    self,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
  ) -> str:
    with self.open('r', -1, encoding, errors, newline) as file:
      return file.read()

  def write_bytes(self, data: bytes) -> int:
    with self.open('wb') as file:
      return file.write(data)

  # Names.

  def mkdir(
    self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False
  ) -> None:
    """With its parents: they need not be there where folders are names."""
    del mode, parents
    if self.exists() and not (exist_ok and self.is_dir()):
      raise self._error(errno.EEXIST)
    with self._as_on_a_disk():
      tf.io.gfile.makedirs(str(self))

  def unlink(self, missing_ok: bool = False) -> None:
    try:
      with self._as_on_a_disk():
        tf.io.gfile.remove(str(self))
    except FileNotFoundError:
      if not missing_ok:
        raise

  def replace(self, target: str | os.PathLike) -> 'RemotePath':
    """Moves a file, at once where the file system can."""
    with self._as_on_a_disk():
      tf.io.gfile.rename(str(self), os.fspath(target), overwrite=True)
    return RemotePath(target)

  def rename(self, target: str | os.PathLike) -> 'RemotePath':
    """Moves a file or a folder; what says that it is complete comes last."""
    target = RemotePath(target)
    if not self.is_dir():
      return self.replace(target)
    files = [path for path in self.rglob('*') if path.is_file()]
    for file in sorted(files, key=lambda file: file.name in _LAST_FILES):
      moved = target / file.relative_to(self)
      moved.parent.mkdir(exist_ok=True)
      file.replace(moved)
    self.remove_tree()
    return target

  def remove_tree(self) -> None:
    """Removes a folder with all that it holds, as far as it can."""
    with contextlib.suppress(tf.errors.OpError):
      tf.io.gfile.rmtree(str(self))

  def _raw(self, mode):
    return RawFile(str(self), mode, self._as_on_a_disk)

  @contextlib.contextmanager
  def _as_on_a_disk(self):
    """Errors of TensorFlow become those of a system that names the file."""
    try:
      yield
    except tf.errors.OpError as error:
      number = _ERRNO.get(type(error))
      raise self._error(number, error.message.split('\n')[0]) from error

  def _error(self, number, said=''):
    """In the words of the system where it has some."""
    said = os.strerror(number) if number else said
    return OSError(number or errno.EIO, said, str(self))


def _matching(paths, pattern):
  return (p for p in paths if fnmatch.fnmatchcase(p.name, pattern))
