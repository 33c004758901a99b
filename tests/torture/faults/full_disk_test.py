"""A disk that is full at one write of a run after the other."""

import contextlib
import os
import pathlib
import shutil
import subprocess

import pytest

from tests.support.program import flags_of_miniature
from tests.support.recordings import write_corpus
from tests.torture.amounts import amount, LONG
from tests.torture.faults import processes

pytestmark = pytest.mark.medium

# By mode, in order: KB that become free from one try to the next.
_MODES = {'prepare': amount(128, 16), 'train_teacher': amount(512, 64)}
if LONG:
  _MODES |= {'train_student': 64, 'export': 64, 'generate': 8, 'evaluate': 64}
_DISK_MEGABYTES = 48
_SECONDS = 300


@contextlib.contextmanager
def small_disk(folder):
  """A file system of its own in memory, where that is permitted."""
  folder.mkdir()
  mount = ['mount', '-t', 'tmpfs', '-o', f'size={_DISK_MEGABYTES}m', 'tmpfs']
  try:
    done = subprocess.run([*mount, str(folder)], capture_output=True)
  except FileNotFoundError:
    done = None
  if done is None or done.returncode:
    pytest.skip('a file system may not be mounted here')
  try:
    yield folder
  finally:
    subprocess.run(['umount', str(folder)], check=True)


class Ballast:
  """A file that leaves so much of a disk free."""

  def __init__(self, disk: pathlib.Path):
    self._path = disk / 'ballast'

  def leave(self, bytes_free):
    self._path.unlink(missing_ok=True)
    there = shutil.disk_usage(self._path.parent).free
    with self._path.open('wb') as file:
      os.posix_fallocate(file.fileno(), 0, max(1, there - bytes_free))


def _tries(disk, log, step, *flags):
  """Runs a command with ever more room; the sentences of its failures."""
  ballast, sentences, free = Ballast(disk), [], 0
  while True:
    ballast.leave(free)
    before = log.stat().st_size if log.exists() else 0
    process = processes.start(log, disk / 'run', *flags)
    process.join(_SECONDS)
    assert process.exitcode is not None, f'{flags}: hangs, {free} bytes free'
    said = log.read_bytes()[before:].decode()
    if process.exitcode == 0:
      return sentences
    assert process.exitcode == 1, (process.exitcode, free, said)
    assert 'Traceback' not in said, (free, said)
    sentence = said.strip().splitlines()[-1]
    assert str(disk) in sentence, (free, said)
    assert sentence.endswith('.'), (free, said)
    assert not list(disk.rglob('*.partial*')), (free, said)
    sentences.append(sentence)
    free += 1024 * step


def test_full_at_every_write(tmp_path):
  """One sentence a time, nothing half-written; with room, the run goes on."""
  corpus, log = write_corpus(tmp_path / 'corpus'), tmp_path / 'log'
  flags = [*flags_of_miniature(), '--config.train_teacher.jit_compile=False']
  flags += ['--config.train_student.jit_compile=False']
  whole, out = tmp_path / 'whole', tmp_path / 'out'
  with small_disk(tmp_path / 'disk') as disk:
    by_mode = {
      'prepare': [f'--data_dir={corpus}', *flags],
      'generate': [f'--input={corpus}', f'--output={disk / "out"}'],
    }
    for mode, step in _MODES.items():
      more = by_mode.get(mode, [])
      # The same without a limit, to compare with.
      other = [f.replace(f'{disk / "out"}', str(out)) for f in more]
      process = processes.start(log, whole, f'--mode={mode}', *other)
      process.join(_SECONDS)
      assert process.exitcode == 0, log.read_text()
      sentences = _tries(disk, log, step, f'--mode={mode}', *more)
      print(f'\n{mode}: refused {len(sentences)} times, then done')
      assert sentences, mode
    _same_files(whole, disk / 'run', 'data/*', '*/ckpt-*', 'config.json')
    if LONG:
      _same_files(whole, disk / 'run', 'export/*/variables/*data*')
      _same_files(out, disk / 'out', '*.wav')


def _same_files(expected, found, *patterns):
  for pattern in patterns:
    names = {p.relative_to(expected) for p in expected.glob(pattern)}
    assert names, pattern
    assert names == {p.relative_to(found) for p in found.glob(pattern)}
    for name in names:
      assert (expected / name).read_bytes() == (found / name).read_bytes(), name


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
