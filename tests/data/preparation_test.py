"""Preparation in parts: the same shards however it is done, and stopped."""

import os
import pathlib
import sys

import numpy as np
import pytest

from data.preparing import preparation
from data.recordings import decoding
from data.shards.manifest import read_manifest
from data.shards.records import read_examples
from data.shards.splits import TRAIN, VALIDATION
from tests.support.miniature import miniature
from tests.support.program import refused
from tests.support.recordings import speech_like, write, write_corpus
from wavenet_tf.configuration.errors import UserError

_RECORDINGS, _SECONDS = 12, 16.0


def asked(**overrides):
  """Of a shard of a megabyte of files, four recordings of 16 bits at 8 kHz."""
  return miniature(data__shard_megabytes=1, **overrides)


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  folder = tmp_path_factory.mktemp('long') / 'corpus'
  for i in range(_RECORDINGS):
    write(folder / f'{i:02d}.wav', speech_like(_SECONDS, seed=i))
  (folder / '05.wav').write_bytes(b'no audio')
  return folder


@pytest.fixture(scope='module')
def whole(corpus):
  """Bytes by name of file, of a preparation that nobody disturbed."""
  output = corpus.parent / 'data'
  preparation.prepare(asked(), corpus, output)
  return contents(output)


def contents(folder):
  return {path.name: path.read_bytes() for path in folder.iterdir()}


def prepared(corpus, output, **overrides):
  preparation.prepare(asked(**overrides), corpus, output)
  left = {path.name for path in output.parent.iterdir()}
  assert left == {output.name}
  return contents(output)


@pytest.fixture
def decoded(monkeypatch):
  """Names of the recordings decoded since it was cleared, in order."""
  names, load = [], decoding.load

  def noted(path, rate):
    names.append(path.name)
    return load(path, rate)

  monkeypatch.setattr(decoding, 'load', noted)
  return names


def test_shards_are_those_of_parts_in_order(corpus, whole):
  config, folder = asked(), corpus.parent / 'data'
  manifest = read_manifest(folder, config.audio)
  by_split = {
    split: [shard['file'] for shard in manifest.shards
            if shard['split'] == split]
    for split in (TRAIN, VALIDATION)
  }  # fmt: skip
  assert len(by_split[TRAIN]) > 2
  for split, files in by_split.items():
    assert files == [f'{split}-{i:05d}.tfrecord' for i in range(len(files))]
    names = [example.name for example in read_examples(folder, manifest, split)]
    assert names == sorted(names) == [
      u['name'] for u in manifest.of_split(split)
    ]  # fmt: skip
  names = [u['name'] for u in manifest.utterances]
  assert names == sorted(names) and len(names) == _RECORDINGS - 1
  assert {'manifest.json', *by_split[TRAIN], *by_split[VALIDATION]} == set(
    whole
  )


@pytest.mark.parametrize('workers', [1, 5])
def test_threads_change_nothing(workers, corpus, whole, tmp_path):
  assert prepared(corpus, tmp_path / 'data', data__workers=workers) == whole


def test_a_corpus_of_one_part_a_side_has_one_shard_a_side(tmp_path):
  """As it had before there were parts."""
  small = write_corpus(tmp_path / 'corpus', 5)
  manifest = preparation.prepare(miniature(), small, tmp_path / 'data')
  assert [s['file'] for s in manifest.shards] == [
    'train-00000.tfrecord', 'validation-00000.tfrecord',
  ]  # fmt: skip


class Stopped(Exception):
  """What stops a preparation."""


def stop(*args, **kwargs):
  raise Stopped


def test_what_was_done_stays_done(corpus, whole, tmp_path, decoded):
  """Stopped at every third recording, it goes on to the same bytes."""
  load, times = decoding.load, 0

  def stops(path, rate):
    if len(decoded) == stops.after:
      raise Stopped
    return load(path, rate)

  before = []
  for stops.after in 4, 7:
    with pytest.MonkeyPatch.context() as patch:
      patch.setattr(decoding, 'load', stops)
      with pytest.raises(Stopped):
        preparation.prepare(asked(data__workers=1), corpus, tmp_path / 'data')
      times += 1
    assert not (tmp_path / 'data').exists()
    (unfinished,) = tmp_path.iterdir()
    assert not list(unfinished.glob('*.partial'))
    before += decoded
    decoded.clear()
  assert prepared(corpus, tmp_path / 'data') == whole
  # A part that was being worked at is begun anew, no other is.
  again = set(before) & set(decoded)
  assert len(set(decoded)) < _RECORDINGS and len(again) <= 4 * times
  assert set(before) | set(decoded) == {f'{i:02d}.wav' for i in range(12)}


@pytest.mark.parametrize(
  'where', ['a name', 'the manifest', 'the folder', 'cleaning']
)
def test_stopped_at_the_end(where, corpus, whole, tmp_path, decoded):
  """Between the last part and the name of the folder, nothing is lost."""
  with pytest.MonkeyPatch.context() as patch:
    if where == 'the manifest':
      patch.setattr(preparation, 'write_manifest', stop)
    elif where == 'the folder':
      patch.setattr(pathlib.Path, 'rename', stop)
    elif where == 'cleaning':
      patch.setattr(pathlib.Path, 'unlink', stop)
    else:
      replace = pathlib.Path.replace

      def stops(path, target):
        if 'train-00002.tfrecord' in str(target):
          raise Stopped
        return replace(path, target)

      patch.setattr(pathlib.Path, 'replace', stops)
    with pytest.raises(Stopped):
      preparation.prepare(asked(), corpus, tmp_path / 'data')
  assert len(set(decoded)) == _RECORDINGS
  decoded.clear()
  assert prepared(corpus, tmp_path / 'data') == whole
  assert not decoded


@pytest.mark.parametrize('change', ['recording', 'configuration'])
def test_what_was_done_for_another_corpus_is_done_anew(
  change, corpus, tmp_path, decoded
):
  copy = tmp_path / 'corpus'
  copy.mkdir()
  for path in corpus.iterdir():
    (copy / path.name).write_bytes(path.read_bytes())
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(preparation, 'write_manifest', stop)
    with pytest.raises(Stopped):
      preparation.prepare(asked(), copy, tmp_path / 'data')
  config = asked()
  if change == 'recording':
    write(copy / '00.wav', speech_like(_SECONDS, seed=99))
  else:
    config = asked(data__loudness_dbfs=-20.0)
  decoded.clear()
  manifest = preparation.prepare(config, copy, tmp_path / 'data')
  assert len(set(decoded)) == _RECORDINGS
  assert {p.name for p in tmp_path.iterdir()} == {'corpus', 'data'}
  first = next(read_examples(tmp_path / 'data', manifest, TRAIN))
  expected = decoding.load(copy / first.name, 8000)
  assert (change == 'recording') == np.array_equal(first.levels, expected)


def test_a_time_alone_is_a_change(corpus, tmp_path):
  """Nobody reads recordings to see whether they are the same."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(preparation, 'write_manifest', stop)
    for _ in range(2):
      with pytest.raises(Stopped):
        preparation.prepare(asked(), corpus, tmp_path / 'data')
      (found,) = tmp_path.iterdir()
      names = {found.name}
    os.utime(corpus / '03.wav')
    with pytest.raises(Stopped):
      preparation.prepare(asked(), corpus, tmp_path / 'data')
  (found,) = tmp_path.iterdir()
  assert found.name not in names


def test_too_many_bad_files_of_many_wait_to_be_allowed(
  corpus, whole, tmp_path, decoded
):
  config = asked(data__max_bad_share=0.05)
  with pytest.raises(UserError, match=r'1 of 12 .*max_bad_share.*05\.wav'):
    preparation.prepare(config, corpus, tmp_path / 'data')
  decoded.clear()
  assert prepared(corpus, tmp_path / 'data', data__max_bad_share=0.1) == whole
  assert not decoded


def test_beam_that_is_not_installed_is_named(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'apache_beam', None)
  refused(
    tmp_path / 'run', '--mode=prepare', '--runner=DirectRunner',
    words=['--runner', 'pip install -r requirements-beam.txt'],
  )  # fmt: skip
  assert not list(tmp_path.iterdir())


def test_a_corpus_that_makes_no_data_leaves_nothing(tmp_path):
  write_corpus(tmp_path / 'corpus', 3)
  config = miniature(conditioning__globals=('speaker',))
  with pytest.raises(UserError, match=r'conditioning\.globals'):
    preparation.prepare(config, tmp_path / 'corpus', tmp_path / 'data')
  assert [path.name for path in tmp_path.iterdir()] == ['corpus']


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
