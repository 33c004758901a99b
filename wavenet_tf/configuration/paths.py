"""Where files are: on a disk, or in a file system that TensorFlow knows.

`gs://bucket/run`, `hdfs://host/run` and the like are `pathlib.Path`s, too, so
that all other code knows one kind of path; what they do goes through
`tf.io.gfile` and fails with the `OSError` of a disk.
"""

from collections.abc import Iterator
import contextlib
import errno
import fnmatch
import functools
import io
import os
import pathlib
import re
import shutil
from typing import NamedTuple

import tensorflow as tf

from wavenet_tf.configuration.errors import reason, UserError

_URL = re.compile(r'([A-Za-z][A-Za-z0-9+.-]*)://')
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


def path_of(first: str | os.PathLike, *more: str) -> pathlib.Path:
  """The path of a name, local or with a scheme such as `gs://`.

  Args:
    first: as a user gave it, or a path.
    *more: names below it.

  Raises:
    UserError: if TensorFlow knows no file system of that scheme.

  Example:
    ```python
    path_of('runs/voice', 'config.json')    # as pathlib.Path makes it
    path_of('gs://bucket/voice').exists()
    ```
  """
  url = _URL.match(os.fspath(first))
  if not url:
    return pathlib.Path(first, *more)
  known = _schemes()
  if url[1] not in known:
    raise UserError(
      f'{os.fspath(first)}: TensorFlow knows no file system {url[1]!r} here, '
      f'expected a folder of this machine or one of {", ".join(known)}; '
      'install tensorflow-io for more (docs/scale.md), or copy the files.'
    )
  return RemotePath(first, *more)


@functools.cache
def _schemes():
  """Those of TensorFlow, and those that tensorflow-io adds where it loads."""
  with contextlib.suppress(ImportError):
    import tensorflow_io  # noqa: F401
  return sorted(set(tf.io.gfile.get_registered_schemes()) - {''})


def remove_tree(folder: pathlib.Path) -> None:
  """Removes a folder with all that it holds, as far as it can."""
  if isinstance(folder, RemotePath):
    with contextlib.suppress(tf.errors.OpError):
      tf.io.gfile.rmtree(str(folder))
  else:
    shutil.rmtree(folder, ignore_errors=True)


class Status(NamedTuple):
  """What is known of a file beyond this machine, by the names of `os.stat`."""

  st_size: int
  st_mtime_ns: int


class RemotePath(pathlib.PosixPath):
  """A path with a scheme; made by `path_of`.

  Of `pathlib.Path` it does what is below, and refuses the rest as a file that
  is not there. Folders come about with their files where a file system has
  none, and `rename` of a folder is that of its files, one by one.
  """

  def __str__(self):
    # Two slashes in a row are one for pathlib.
    return super().__str__().replace(':/', '://', 1)

  def __fspath__(self):
    return str(self)

  def relative_to(self, *other) -> pathlib.PurePosixPath:
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

  def exists(self, **options) -> bool:
    del options
    with self._as_on_a_disk():
      if not tf.io.gfile.exists(str(self)):
        return False
    return not self._in_memory or self in self.parent.iterdir()

  def is_dir(self, **options) -> bool:
    del options
    with self._as_on_a_disk():
      return tf.io.gfile.isdir(str(self)) and self.exists()

  def is_file(self, **options) -> bool:
    del options
    with contextlib.suppress(FileNotFoundError), self._as_on_a_disk():
      return not tf.io.gfile.stat(str(self)).is_directory
    return False

  def stat(self, **options) -> Status:
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

  def glob(self, pattern: str, **options) -> Iterator['RemotePath']:
    """By the names in this folder; a pattern has no slash."""
    del options
    if self.is_dir():
      yield from _matching(self.iterdir(), pattern)

  def rglob(self, pattern: str, **options) -> Iterator['RemotePath']:
    del options
    yield from self.glob(pattern)
    for folder in self.glob('*'):
      yield from folder.rglob(pattern)

  # Reading and writing.

  def open(
    self, mode='r', buffering=-1, encoding=None, errors=None, newline=None
  ):
    del buffering
    if mode.strip('bt') not in ('r', 'w'):
      raise self._error(errno.EINVAL, f'cannot be opened as {mode!r}')
    raw = _Raw(self, mode.strip('bt'))
    make = io.BufferedReader if raw.readable() else io.BufferedWriter
    file = make(raw, _BUFFER_BYTES)
    if 'b' in mode:
      return file
    return io.TextIOWrapper(file, encoding or 'utf-8', errors, newline)

  def read_bytes(self) -> bytes:
    with self._as_on_a_disk(), tf.io.gfile.GFile(str(self), 'rb') as file:
      return file.read()

  def read_text(self, encoding=None, errors=None, newline=None) -> str:
    with self.open('r', -1, encoding, errors, newline) as file:
      return file.read()

  def write_bytes(self, data: bytes) -> int:
    with self.open('wb') as file:
      return file.write(data)

  # Names.

  def mkdir(self, mode=0o777, parents=False, exist_ok=False) -> None:
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
    remove_tree(self)
    return target

  @contextlib.contextmanager
  def _as_on_a_disk(self):
    """Errors of TensorFlow become those of a system that names the file."""
    try:
      yield
    except tf.errors.OpError as error:
      number = _ERRNO.get(type(error))
      raise self._error(number, reason(error)) from error

  def _error(self, number, said=''):
    """In the words of the system where it has some."""
    said = os.strerror(number) if number else said
    return OSError(number or errno.EIO, said, str(self))


def _matching(paths, pattern):
  return (p for p in paths if fnmatch.fnmatchcase(p.name, pattern))


class _Raw(io.RawIOBase):
  """Bytes of a file, for Python's own buffers."""

  def __init__(self, path, mode):
    self._path, self._mode = path, mode
    if mode == 'r' and not path.is_file():  # Now, not when it is read.
      raise path._error(errno.EISDIR if path.exists() else errno.ENOENT)
    if mode == 'w' and path._in_memory:
      path.unlink(missing_ok=True)  # TensorFlow would add to it.
    self._file = tf.io.gfile.GFile(str(path), f'{mode}b')

  def readable(self):
    return self._mode == 'r'

  def writable(self):
    return self._mode == 'w'

  def seekable(self):
    return self._mode == 'r'

  def readinto(self, buffer):
    with self._path._as_on_a_disk():
      content = self._file.read(len(buffer))
    buffer[: len(content)] = content
    return len(content)

  def write(self, buffer):
    with self._path._as_on_a_disk():
      self._file.write(bytes(buffer))
    return len(buffer)

  def seek(self, offset, whence=0):
    with self._path._as_on_a_disk():
      self._file.seek(offset, whence)
      return self._file.tell()

  def tell(self):
    return self._file.tell()

  def close(self):
    if not self.closed:
      super().close()
      with self._path._as_on_a_disk():
        self._file.close()
