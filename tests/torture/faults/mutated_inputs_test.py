"""Damaged files of every kind are refused in a sentence, or read as they are.

Each reader works in a process of its own, since decoders may end theirs.
"""

import collections
import math
import pathlib
import traceback
import zlib

import numpy as np
import pytest

from data.preparing import preparation
from data.shards.manifest import MANIFEST, read_manifest
from data.shards.verification import sha256
from tests.support.miniature import miniature
from tests.support.recordings import speech_like, write, write_corpus
from tests.torture.amounts import amount
from tests.torture.faults import processes
from tests.torture.faults.mutations import mutated
from tests.torture.faults.readers import READERS
from wavenet_tf.configuration.errors import UserError

pytestmark = pytest.mark.medium

_INPUTS = amount(234, 10_000)
_PER_READER = -(-_INPUTS // len(READERS))
_SECONDS = 20.0  # For one input, on a machine that does other things, too.
_SECONDS_TO_START = 120.0


@pytest.mark.parametrize('name', READERS)
def test_mutated(name, tmp_path):
  wrong, counts, first = [], collections.Counter(), 0
  while first < _PER_READER:
    folder = tmp_path / str(first)
    folder.mkdir()
    ours, theirs = processes.context().Pipe()
    process = processes.context().Process(
      target=_read_mutants, args=(theirs, name, folder, first)
    )
    process.start()
    theirs.close()
    first = _follow(ours, process, first, counts, wrong)
  print(f'\n{name}: {dict(counts)}')
  assert not wrong, '\n'.join(wrong[:20])
  assert counts['refused'] + counts['read'] == _PER_READER


def _follow(connection, process, first, counts, wrong):
  """Counts until the process is done or dead; the next input to work at."""
  at, patience = first, _SECONDS_TO_START
  try:
    while at < _PER_READER:
      if not connection.poll(patience):
        wrong.append(f'input {at}: no answer within {patience} s')
        counts['hangs'] += 1
        return at + 1
      outcome, what = connection.recv()
      counts[outcome] += 1
      if outcome == 'wrong':
        wrong.append(f'input {at}: {what}')
      at, patience = at + 1, _SECONDS
    return at
  except EOFError:
    process.join()
    wrong.append(f'input {at}: the process died ({process.exitcode})')
    counts['crashes'] += 1
    return at + 1
  finally:
    process.kill()
    process.join()


def _read_mutants(connection, name, folder, first):
  reader = READERS[name]
  path = reader.make(folder)
  whole = path.read_bytes()
  original = reader.read(path)
  assert _equal(original, original)
  for n in range(first, _PER_READER):
    generator = np.random.default_rng([zlib.crc32(name.encode()), n])
    path.write_bytes(mutated(whole, generator))
    connection.send(_outcome(reader, path, original))
  connection.recv()  # Waits to be ended: what was sent is read first.


def _outcome(reader, path, original):
  try:
    found = reader.read(path)
  except UserError as error:
    sentence = str(error)
    named = str(path) in sentence or str(path.parent) in sentence
    if named and sentence.endswith(('.', ')')) and '\n' not in sentence:
      return 'refused', ''
    return 'wrong', f'no sentence that names the file: {sentence!r}'
  except BaseException as error:
    last = traceback.extract_tb(error.__traceback__)
    ours = [f for f in last if 'site-packages' not in f.filename][-1]
    return 'wrong', f'{error!r:.200} at {ours.filename}:{ours.lineno}'
  if not _finite(found):
    return 'wrong', 'read numbers that are not finite'
  if reader.has_checksum and not _equal(found, original):
    return 'wrong', 'read something else, despite a checksum'
  return 'read', ''


def _finite(value):
  if isinstance(value, dict):
    return all(map(_finite, value.values()))
  if isinstance(value, (list, tuple)):
    return all(map(_finite, value))
  if isinstance(value, np.ndarray):
    return value.dtype.kind not in 'fc' or bool(np.isfinite(value).all())
  return not isinstance(value, float) or math.isfinite(value)


def _equal(a, b):
  if isinstance(a, dict):
    return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
  if isinstance(a, (list, tuple)):
    return len(a) == len(b) and all(map(_equal, a, b))
  return bool(np.array_equal(a, b))


def test_a_shard_cut_at_every_byte_is_found(tmp_path):
  config = miniature()
  write(tmp_path / 'corpus' / 'a.wav', speech_like(0.4))
  write(tmp_path / 'corpus' / 'b.wav', speech_like(0.4, seed=1))
  data = tmp_path / 'data'
  preparation.prepare(config, tmp_path / 'corpus', data)
  shard = data / 'train-00000.tfrecord'
  whole = shard.read_bytes()
  every = amount(97, 1)
  for end in range(0, len(whole), every):
    shard.write_bytes(whole[:end])
    with pytest.raises(UserError, match='train-00000'):
      read_manifest(data, config.audio)
  shard.write_bytes(whole)
  assert read_manifest(data, config.audio).shards[0]['sha256'] == sha256(shard)


def test_prepare_counts_and_names_what_it_leaves_out(tmp_path):
  """Mutated recordings and labels among whole ones."""
  corpus, whole = tmp_path / 'corpus', 20
  count = amount(20, 300)
  write_corpus(corpus, whole)
  for n in range(count):
    suffix = ('.wav', '.flac', '.ogg', '.mp3')[n % 4]
    path = write(corpus / f'damaged_{n}{suffix}', speech_like(0.5, seed=n % 7))
    generator = np.random.default_rng([3, n])
    path.write_bytes(mutated(path.read_bytes(), generator))
  config = miniature(data__max_bad_share=0.99)
  manifest = preparation.prepare(config, corpus, tmp_path / 'data')
  kept = {u['name'] for u in manifest.utterances}
  left_out = {pathlib.Path(r['file']).name for r in manifest.rejected}
  assert kept | left_out == {p.name for p in corpus.iterdir()}
  assert len(kept) + len(left_out) == count + whole
  for rejected in manifest.rejected:
    assert rejected['file'] in rejected['reason']
  assert read_manifest(tmp_path / 'data', config.audio) == manifest
  assert (tmp_path / 'data' / MANIFEST).is_file()


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
