"""SIGKILL at random moments: the same command continues, to the same bits."""

import itertools
import re
import time

import numpy as np
import pytest
import tensorflow as tf

from data.shards.manifest import MANIFEST, read_manifest
from tests.support.program import flags_of_miniature
from tests.support.recordings import write_corpus
from tests.torture.amounts import amount, LONG
from tests.torture.faults import processes
from wavenet_tf.configuration.saved_config import load_config
from wavenet_tf.learning import checkpoints

pytestmark = pytest.mark.medium

_KILLS = amount(3, 50)
# Of one command in a row; then it may end.
_MOST_IN_A_ROW = amount(2, 6)
_STEPS, _EVERY = amount(12, 40), 4
_SECONDS = 600
_TRAINED = ('teacher', 'student')


def _commands(corpus):
  """By mode, in order."""
  flags = [*flags_of_miniature(), f'--data_dir={corpus}']
  for name in _TRAINED:
    flags += [
      f'--config.train_{name}.steps={_STEPS}',
      f'--config.train_{name}.checkpoint_every_steps={_EVERY}',
      f'--config.train_{name}.jit_compile=False',
    ]
  modes = ('train_teacher', 'train_student', 'export')
  if not LONG:
    modes = modes[:1]
  return {'prepare': flags} | {mode: [] for mode in modes}


def test_killed_at_random_moments(tmp_path):
  generator = np.random.default_rng(15)
  commands = _commands(write_corpus(tmp_path / 'corpus'))
  whole, durations = tmp_path / 'whole', {}
  for mode, flags in commands.items():
    start = time.monotonic()
    _finish(tmp_path / 'log', whole, mode, flags)
    durations[mode] = time.monotonic() - start
  kills = dict.fromkeys(commands, 0)
  for round_ in itertools.count():
    workdir = tmp_path / f'run_{round_}'
    for mode, flags in commands.items():
      for _ in range(_MOST_IN_A_ROW):
        if sum(kills.values()) == _KILLS:
          break
        log = tmp_path / 'log_of_one'
        log.unlink(missing_ok=True)
        before = _newest_steps(workdir)
        process = processes.start(log, workdir, f'--mode={mode}', *flags)
        if generator.random() < 0.5:
          time.sleep(generator.uniform(0, durations[mode]))
        else:
          _wait_for_a_temporary_name(workdir, process, durations[mode])
        process.kill()
        process.join()
        if process.exitcode == 0:
          break  # It was quicker.
        kills[mode] += 1
        _check_what_is_left(workdir, log, before)
      _finish(tmp_path / 'log', workdir, mode, flags)
    _check_same(whole, workdir)
    if sum(kills.values()) == _KILLS:
      break
  print(f'\nkilled: {kills}, runs: {round_ + 1}')


def _finish(log, workdir, mode, flags):
  process = processes.start(log, workdir, f'--mode={mode}', *flags)
  process.join(_SECONDS)
  assert process.exitcode == 0, log.read_text()[-3000:]


def _wait_for_a_temporary_name(workdir, process, seconds):
  """Until something is being written, which may be never."""
  before, end = _partial(workdir), time.monotonic() + seconds
  while time.monotonic() < end and process.is_alive():
    if _partial(workdir) - before:
      return
    time.sleep(0.001)


def _partial(workdir):
  """Files with a temporary name, and when they were written last."""
  try:
    found = [p for p in workdir.rglob('*') if '.partial' in p.name]
    return {(path, path.stat().st_mtime_ns) for path in found}
  except OSError:  # What was being listed got another name.
    return set()


def _newest_steps(workdir):
  return {name: checkpoints.newest_step(workdir / name) for name in _TRAINED}


def _check_what_is_left(workdir, log, before):
  """Whole files alone have the names of whole ones; no step but the last."""
  said = log.read_text(errors='replace') if log.exists() else ''
  for name, step in _newest_steps(workdir).items():
    seen = re.findall(rf'{name}: .*?(\d+)/{_STEPS}', said)
    done = max([before[name], *map(int, seen)])
    assert before[name] <= step and done - step <= _EVERY, (name, done, step)
    for index in (workdir / name).glob('ckpt-*.index'):
      _read_checkpoint(index.with_suffix(''))
  if (workdir / 'config.json').exists():
    audio = load_config(workdir / 'config.json').audio
    read_manifest(workdir / 'data', audio)
  if (workdir / 'data').exists():
    assert (workdir / 'data' / MANIFEST).exists()
  for version in (workdir / 'export').glob('[0-9]*'):
    if version.name.isdigit():
      tf.saved_model.load(str(version))


def _read_checkpoint(prefix):
  reader = tf.train.load_checkpoint(str(prefix))
  names = reader.get_variable_to_shape_map()
  return {name: reader.get_tensor(name) for name in names}


def _check_same(whole, workdir):
  """Bit for bit what the uninterrupted run left."""
  for name in _TRAINED if LONG else _TRAINED[:1]:
    expected, found = (
      _read_checkpoint(folder / name / f'ckpt-{_STEPS}')
      for folder in (whole, workdir)
    )
    assert expected.keys() == found.keys()
    for tensor, value in expected.items():
      np.testing.assert_array_equal(found[tensor], value, tensor)
  # One that was killed when it was done is followed by another version.
  for pattern in ('data/*', 'config.json', 'export/1/variables/*data*'):
    expected = {p.relative_to(whole) for p in whole.glob(pattern)}
    assert expected == {p.relative_to(workdir) for p in workdir.glob(pattern)}
    for file in expected:
      assert (workdir / file).read_bytes() == (whole / file).read_bytes(), file
  assert not _partial(workdir)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
