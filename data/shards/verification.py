"""Shards are compared with their hashes once; what is unchanged is believed.

`<workdir>/data.verified.json` holds, beside the folder of a prepared corpus, by
the name of each shard its size, the time it was last changed and the SHA-256
that it had then. A shard of another size or time is read again. The file is of
one machine and one place; without it all shards are read.
"""

import concurrent.futures
import contextlib
import hashlib
import json
import pathlib
import time
from typing import NamedTuple

from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import write_text

# A file may change twice between two ticks of a file system's clock: one that
# changed this lately is not believed the next time.
_SETTLED_NS = 2 * 10**9
_THREADS = 4


class _Seen(NamedTuple):
  size: int
  changed_ns: int
  sha256: str


def memory_of(folder: pathlib.Path) -> pathlib.Path:
  """The file that remembers which shards of a folder were compared."""
  return folder.with_name(f'{folder.name}.verified.json')


def verify_shards(
  folder: pathlib.Path, shards: list[dict], *, again: bool = False
) -> None:
  """Holds every shard to its hash, those that changed since by reading them.

  Args:
    folder: of the shards.
    shards: of the manifest, dictionaries with `file` and `sha256`.
    again: reads all of them.

  Raises:
    UserError: if a shard is missing or differs from its hash.
  """
  remembered = {} if again else _remembered(memory_of(folder))
  with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
    seen = list(
      pool.map(
        lambda shard: _verify(
          folder / shard['file'],
          shard['sha256'],
          remembered.get(shard['file']),
        ),
        shards,
      )
    )
  settled = time.time_ns() - _SETTLED_NS
  found = {
    shard['file']: one
    for shard, one in zip(shards, seen)
    if 0 < one.changed_ns < settled  # Some file systems tell no time.
  }
  if found != remembered:
    # Whoever may not write there, or has no room, compares the next time.
    with contextlib.suppress(OSError):
      write_text(memory_of(folder), json.dumps(found, indent=1) + '\n')


def _verify(path, digest, remembered):
  try:
    status = path.stat()
  except (FileNotFoundError, NotADirectoryError, ValueError) as error:
    raise UserError(
      f'{path} is missing; run --mode=prepare in a new --workdir.'
    ) from error
  seen = _Seen(status.st_size, status.st_mtime_ns, digest)
  if seen != remembered and sha256(path) != digest:
    raise UserError(
      f'{path} differs from the file that was prepared (its '
      'SHA-256 is not the one in the manifest); run '
      '--mode=prepare in a new --workdir.'
    )
  return seen


def _remembered(path):
  """By name of a shard; nothing where the file is not there, or damaged."""
  try:
    found = json.loads(path.read_text('utf-8'))
    return {name: _Seen(*seen) for name, seen in found.items()}
  except (OSError, ValueError, TypeError, AttributeError):
    return {}


def sha256(path: pathlib.Path) -> str:
  """Of a whole file, hexadecimal."""
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()
