"""Files that are written whole or not at all; how damaged ones show."""

import pathlib
import tokenize
import zipfile
import zlib

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
