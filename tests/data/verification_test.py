"""Shards are compared with their hashes once, and again where they changed."""

import json
import os

import pytest

from data.preparing import preparation
from data.shards import verification
from data.shards.manifest import read_manifest
from tests.support.miniature import miniature
from tests.support.program import refused, run
from tests.support.recordings import write_corpus
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import write_text

_LONG_AGO_NS = 10**18


@pytest.fixture
def folder(tmp_path):
  preparation.prepare(
    miniature(), write_corpus(tmp_path / 'corpus', 4), tmp_path / 'data'
  )
  for path in (tmp_path / 'data').iterdir():
    os.utime(path, ns=(_LONG_AGO_NS, _LONG_AGO_NS))
  return tmp_path / 'data'


@pytest.fixture
def compared(monkeypatch):
  """Names of the shards that were read since it was cleared."""
  names, sha256 = [], verification.sha256

  def noted(path):
    names.append(path.name)
    return sha256(path)

  monkeypatch.setattr(verification, 'sha256', noted)
  return names


def read(folder, **how):
  return read_manifest(folder, miniature().audio, **how)


def test_unchanged_shards_are_compared_once_and_on_request(folder, compared):
  first = read(folder)
  assert len(compared) == len(first.shards) == 2
  assert read(folder) == first
  assert len(compared) == 2
  assert read(folder, again=True) == first
  assert len(compared) == 4


def flip(path, stat):
  content = bytearray(path.read_bytes())
  content[20] ^= 1
  path.write_bytes(content)


def cut(path, stat):
  path.write_bytes(path.read_bytes()[:-1])
  os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # Another size alone.


@pytest.mark.parametrize('change', [flip, cut])
def test_a_shard_that_changed_since_is_found(change, folder, compared):
  shard = folder / read(folder).shards[0]['file']
  whole, stat = shard.read_bytes(), shard.stat()
  change(shard, stat)
  for _ in range(2):
    with pytest.raises(UserError, match=f'{shard.name} differs'):
      read(folder)
  shard.write_bytes(whole)
  compared.clear()
  read(folder)
  assert compared == [shard.name]


def test_what_changed_a_moment_ago_is_compared_the_next_time(folder, compared):
  """A clock that ticks every few milliseconds does not show two changes."""
  shard = folder / read(folder).shards[0]['file']
  shard.touch()
  compared.clear()
  for times in 1, 2:
    read(folder)
    assert compared == [shard.name] * times


def test_a_file_system_that_tells_no_time_is_not_believed(folder, compared):
  for path in folder.iterdir():
    os.utime(path, ns=(0, 0))
  assert read(folder) == read(folder)
  assert len(compared) == 4
  assert not verification.memory_of(folder).exists()


@pytest.mark.parametrize(
  'text', ['', '[]', '{"train-00000.tfrecord": 3}', '\0\0', '{"a": [1, 2]}']
)
def test_a_memory_that_is_damaged_is_none(text, folder, compared):
  first = read(folder)
  write_text(verification.memory_of(folder), text)
  compared.clear()
  assert read(folder) == first
  assert len(compared) == 2


def test_a_memory_of_other_shards_is_none(folder, compared):
  """A folder that was prepared anew, with the same sizes and times."""
  read(folder)
  memory = verification.memory_of(folder)
  found = json.loads(memory.read_text())
  for seen in found.values():
    seen[2] = 'another'
  write_text(memory, json.dumps(found))
  compared.clear()
  read(folder)
  assert len(compared) == 2


def test_a_memory_that_cannot_be_written(folder, compared):
  verification.memory_of(folder).mkdir()
  assert read(folder) == read(folder)
  assert len(compared) == 4


def test_a_flag_asks_for_it(folder, compared):
  flags = [f'--data_dir={folder.parent / "corpus"}', '--mode=prepare']
  flags += ['--preset=tiny', '--config.data.min_seconds=0.1']
  workdir = folder.parent / 'run'
  run(workdir, *flags)
  for path in (workdir / 'data').iterdir():
    os.utime(path, ns=(_LONG_AGO_NS, _LONG_AGO_NS))
  compared.clear()
  for flag, count in ((), 2), ((), 2), (('--verify',), 4):
    run(workdir, '--mode=prepare', *flag)
    assert len(compared) == count
  shard = workdir / 'data' / 'train-00000.tfrecord'
  shard.write_bytes(shard.read_bytes()[:-9])
  refused(workdir, '--mode=prepare', words=['train-00000.tfrecord differs'])


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
