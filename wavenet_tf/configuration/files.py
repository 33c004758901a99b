"""Where files are; written whole or not at all; how damaged ones show."""

import contextlib
import copyreg
import os
import pathlib
import re
import shutil
import tokenize
import zipfile
import zlib

import tensorflow as tf

from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.remote.paths import RemotePath

_URL = re.compile(r'([A-Za-z][A-Za-z0-9+.-]*)://')
# What `numpy.load` raises, and reading the arrays it promised, where a file is
# damaged: it parses Python, and unpacks what a zip file says it holds.
NO_ARRAYS = (
  ValueError,
  KeyError,
  TypeError,
  OSError,
  EOFError,
  SyntaxError,
  RuntimeError,
  MemoryError,
  OverflowError,
  tokenize.TokenError,
  zipfile.BadZipFile,
  zlib.error,
)


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
  known = _schemes(url[1])
  if url[1] not in known:
    raise UserError(
      f'{os.fspath(first)}: TensorFlow knows no file system {url[1]!r} here, '
      f'expected a folder of this machine or one of {", ".join(known)}; '
      'install tensorflow-io for more (docs/scale.md), or copy the files.'
    )
  return RemotePath(first, *more)


# Another process, which unpickles one, must know its file system, too.
copyreg.pickle(RemotePath, lambda path: (path_of, (str(path),)))


def _schemes(wanted):
  """Those of TensorFlow; where it lacks one, those of tensorflow-io, too."""
  known = tf.io.gfile.get_registered_schemes()
  if wanted not in known:
    with contextlib.suppress(ImportError):
      import tensorflow_io  # noqa: F401

      known = tf.io.gfile.get_registered_schemes()
  return sorted(set(known) - {''})


def remove_tree(folder: pathlib.Path) -> None:
  """Removes a folder with all that it holds, as far as it can."""
  if isinstance(folder, RemotePath):
    folder.remove_tree()
  else:
    shutil.rmtree(folder, ignore_errors=True)


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a whole file or none."""
  write_bytes(path, text.encode())


def write_bytes(path: pathlib.Path, content: bytes) -> None:
  """Writes to a temporary name, then renames it; cleans up when it cannot."""
  partial = path.with_name(path.name + '.partial')
  try:
    partial.write_bytes(content)
    partial.replace(path)
  except OSError as error:
    partial.unlink(missing_ok=True)
    raise OSError(error.errno, error.strerror, str(path)) from error
