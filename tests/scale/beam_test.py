"""Beam's workers leave what this process leaves, byte for byte.

Its runner in Python, in this process: one worker, and two threads. Skipped
where requirements-beam.txt is not installed.
"""

import os
import sys

import pytest

from data.preparing import preparation
from data.preparing.runners import HERE, Runner, Unfinished
from data.recordings import decoding
from tests.support.miniature import miniature, random_student
from tests.support.program import refused, run
from tests.support.recordings import speech_like, write
from tests.support.rules import write_rules
from wavenet_tf.configuration.saved_config import save_config
from wavenet_tf.learning import checkpoints

beam = pytest.importorskip('apache_beam')

ONE = Runner('DirectRunner')
TWO = Runner(
  'DirectRunner',
  ('direct_num_workers=2', 'direct_running_mode=multi_threading'),
)


def asked(**overrides):
  return miniature(data__shard_megabytes=1, **overrides)


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  folder = tmp_path_factory.mktemp('beam') / 'corpus'
  for i in range(10):
    write(folder / f'{i}.wav', speech_like(16.0, seed=i))
  (folder / '5.wav').write_bytes(b'no audio')
  return folder


def contents(folder):
  return {path.name: path.read_bytes() for path in folder.iterdir()}


def prepared(config, corpus, output, runner):
  preparation.prepare(config, corpus, output, runner)
  assert {path.name for path in output.parent.iterdir()} == {output.name}
  return contents(output)


@pytest.fixture(scope='module')
def whole(corpus):
  output = corpus.parent / 'simple' / 'data'
  found = prepared(asked(), corpus, output, HERE)
  assert len(found) >= 5  # Shards of parts, and the manifest.
  return found


@pytest.mark.parametrize('runner', [ONE, TWO], ids=['one', 'two'])
def test_the_same_shards_and_manifest(runner, corpus, whole, tmp_path):
  assert prepared(asked(), corpus, tmp_path / 'data', runner) == whole


def test_the_same_scaling_of_labels(tmp_path):
  """Statistics of the corpus are gathered part by part, too."""
  corpus = write_rules(tmp_path / 'corpus')
  config = asked(conditioning__local='linguistic', data__min_seconds=0.1)
  found = [
    prepared(config, corpus, tmp_path / name / 'data', runner)
    for name, runner in (('here', HERE), ('beam', TWO))
  ]
  assert found[0] == found[1]


def test_a_worker_that_fails_and_a_command_that_goes_on(
  corpus, whole, tmp_path, monkeypatch
):
  load = decoding.load

  def fails(path, rate):
    if path.name == '7.wav':
      raise RuntimeError('the machine is gone')
    return load(path, rate)

  monkeypatch.setattr(decoding, 'load', fails)
  with pytest.raises(Unfinished, match=r'DirectRunner: .*the machine is gone'):
    preparation.prepare(asked(), corpus, tmp_path / 'data', ONE)
  names = []

  def noted(path, rate):
    names.append(path.name)
    return load(path, rate)

  monkeypatch.setattr(decoding, 'load', noted)
  assert prepared(asked(), corpus, tmp_path / 'data', HERE) == whole
  assert '7.wav' in names and len(set(names)) < 10


def test_the_same_copies(tmp_path, uncompiled):
  """Of a folder, by a student of random weights, two at once."""
  workdir, config = tmp_path / 'run', miniature()
  workdir.mkdir()
  save_config(config, workdir / 'config.json')
  checkpoints.save_start(random_student(config), workdir / 'student', 3)
  for i in range(3):
    write(tmp_path / 'in' / f'{i}.wav', speech_like(0.15 + 0.1 * i))
  outputs = []
  for name, flags in ('here', []), ('beam', ['--runner=DirectRunner']):
    run(
      workdir, '--mode=generate', f'--input={tmp_path / "in"}', '--rows=2',
      f'--output={tmp_path / name}', *flags,
    )  # fmt: skip
    outputs.append(contents(tmp_path / name))
  assert len(outputs[0]) == 3 and outputs[0] == outputs[1]


def test_options_that_nobody_reads(tmp_path):
  for flags, words in (
    (['--beam_options=direct_num_workers=2'], ['--beam_options', 'simple']),
    (
      ['--runner=DirectRunner', '--beam_options=direct_num_workers=many'],
      ['--beam_options', 'many'],
    ),
  ):
    refused(tmp_path / 'run', '--mode=prepare', *flags, words=words)
    assert not list(tmp_path.rglob('manifest.json'))


def test_the_environment_is_left_as_it_was(corpus, tmp_path):
  before = dict(os.environ), list(sys.path)
  prepared(asked(), corpus, tmp_path / 'data', ONE)
  assert (dict(os.environ), list(sys.path)) == before


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
