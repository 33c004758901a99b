"""What happens to files: bits flip, parts are cut, grow, change places."""

import numpy as np


def mutated(blob: bytes, generator: np.random.Generator) -> bytes:
  """A blob that differs from the given one as a damaged file does."""
  while True:
    changed = bytearray(blob)
    for _ in range(generator.choice([1, 1, 1, 2, 5])):
      changed = _MUTATIONS[generator.integers(len(_MUTATIONS))](
        changed, generator
      )
    if changed != blob:
      return bytes(changed)


def _at(blob, generator):
  """A place; headers, at the beginning, are hit as often as all the rest."""
  end = len(blob) if generator.random() < 0.5 else min(len(blob), 128)
  return int(generator.integers(max(1, end)))


def _part(blob, generator):
  start = _at(blob, generator)
  length = 1 + int(generator.integers(1, 1 + max(1, len(blob) // 4)))
  return slice(start, start + length)


def _flip(blob, generator):
  if blob:
    blob[_at(blob, generator)] ^= 1 << int(generator.integers(8))
  return blob


def _overwrite(blob, generator):
  if blob:
    blob[_at(blob, generator)] = int(generator.integers(256))
  return blob


def _extreme(blob, generator):
  """A number of a header becomes the least or the greatest."""
  start, length = _at(blob, generator), int(generator.choice([2, 4, 8]))
  blob[start : start + length] = bytes([generator.choice([0, 255])]) * length
  return blob


def _cut(blob, generator):
  return blob[: _at(blob, generator)]


def _append(blob, generator):
  if generator.random() < 0.5:
    return blob + blob[_part(blob, generator)]
  return blob + generator.bytes(int(generator.integers(1, 64)))


def _repeat(blob, generator):
  start = _at(blob, generator)
  return blob[:start] + blob[_part(blob, generator)] + blob[start:]


def _remove(blob, generator):
  del blob[_part(blob, generator)]
  return blob


def _swap(blob, generator):
  a, b, c = sorted(_at(blob, generator) for _ in range(3))
  return blob[:a] + blob[b:c] + blob[a:b] + blob[c:]


def _digit(blob, generator):
  """Of text: another number, another mark; of anything else, a byte."""
  places = [i for i, byte in enumerate(blob) if chr(byte) in '0123456789']
  if places:
    place = places[int(generator.integers(len(places)))]
    marks = b'0123456789-.eN"[]{},;\n\t\x00 '
    blob[place] = marks[int(generator.integers(len(marks)))]
  return blob


_MUTATIONS = (
  _flip,
  _overwrite,
  _extreme,
  _cut,
  _append,
  _repeat,
  _remove,
  _swap,
  _digit,
)
