"""Copies of a folder: the same whatever the batch, and continued."""

import os
import shutil

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from modes import copying, speaking
from modes.copying import Speaker
from modes.runs import Run
from tests.support.miniature import (
  miniature,
  random_student,
  random_teacher,
  randomize,
)
from tests.support.program import refused, run
from tests.support.recordings import features_of, speech_like, write
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.configuration.saved_config import save_config
from wavenet_tf.learning import checkpoints
from wavenet_tf.signal.noise import fold_in
from wavenet_tf.speaking import redrawing
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.synthesis import Synthesizer

pytestmark = pytest.mark.usefixtures('uncompiled')
# 0.11, 0.13 and so on of a second: some share a bucket of 64 frames, 0.16 s.
LENGTHS = {'e': 0.11, 'b': 0.13, 'c': 0.19, 'a': 0.12, 'd': 0.31}


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('run')
  config = miniature(evaluate__redraw_excess=0.5, evaluate__redraw_tries=1)
  save_config(config, folder / 'config.json')
  for name, model in (
    ('teacher', random_teacher(config)),
    ('student', random_student(config)),
  ):
    checkpoints.save_start(model, folder / name, 3)
  return folder


@pytest.fixture(scope='module')
def speakers():
  """By voice; what is traced once serves all tests."""
  return {}


@pytest.fixture
def kept(speakers, monkeypatch):
  def of(run, voice):
    if voice not in speakers:
      speakers[voice] = Speaker(run, voice)
    return speakers[voice]

  monkeypatch.setattr(copying, 'Speaker', of)
  monkeypatch.setattr(speaking, 'Speaker', of)


class Hum:
  """What speaks at once: noise by the seed, as loud as its mel says."""

  def __init__(self, model, config):
    del model
    self.redraws, self._config = 0, config

  def __call__(self, features, seed, global_, frames=None):
    del global_, frames
    shape = len(features), features.shape[1] * self._config.audio.hop_samples
    noise = np.random.default_rng(np.ravel(seed)[:2]).uniform(-1, 1, shape[1])
    loudness = np.exp(features.mean((1, 2)) / 10)[:, None]
    return (
      self._config.evaluate.noise_factor
      * np.tile(noise, [shape[0], 1])
      * (loudness / 3)
    )


@pytest.fixture
def humming(monkeypatch):
  monkeypatch.setattr(copying, 'Synthesizer', Hum)
  monkeypatch.setattr(Run, 'student', lambda run: None)


def write_inputs(folder, names='abcde'):
  for name in names:
    write(folder / f'{name}.wav', speech_like(LENGTHS[name], seed=ord(name)))
    os.utime(folder / f'{name}.wav', (10**9, 10**9))
  return folder


def copy(workdir, source, output, *flags):
  said = run(
    workdir, '--mode=generate', f'--input={source}', f'--output={output}',
    *flags,
  )  # fmt: skip
  return said.stdout


def contents(folder):
  return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
  'model,names,others',
  [('teacher', 'ab', ['b']), ('student', 'abcde', ['ad', 'ecb'])],
)
def test_copies_do_not_depend_on_each_other(
  model, names, others, workdir, tmp_path, kept
):
  """To the bit, of batches of three, of which some are not full."""
  flags = f'--model={model}', '--rows=3'
  source = write_inputs(tmp_path / 'all', names)
  copy(workdir, source, tmp_path / 'out', *flags)
  whole = contents(tmp_path / 'out')
  for name in names:
    frames = soundfile.info(tmp_path / 'out' / f'{name}.wav').frames
    assert frames == int(8000 * LENGTHS[name])
  for some in others:
    source = write_inputs(tmp_path / some, some)
    copy(workdir, source, tmp_path / f'out_{some}', *flags)
    for name, content in contents(tmp_path / f'out_{some}').items():
      assert content == whole[name], (some, name)


def test_a_student_says_alone_what_it_says_beside(workdir, tmp_path, kept):
  """Up to rounding, which tips a level here and there."""
  source = write_inputs(tmp_path / 'in')
  copy(workdir, source, tmp_path / 'one')
  copy(workdir, source, tmp_path / 'three', '--rows=3')
  for name in LENGTHS:
    alone, beside = (
      soundfile.read(tmp_path / f / f'{name}.wav', dtype='int16')[0].astype(int)
      for f in ('one', 'three')
    )
    assert np.abs(alone - beside).max() <= 1
    single = tmp_path / 'single.wav'
    copy(workdir, source / f'{name}.wav', single)
    assert single.read_bytes() == (tmp_path / 'one' / single.name.replace(
      'single', name)).read_bytes()  # fmt: skip


@pytest.mark.parametrize('make', [
  lambda config: Generator(random_teacher(config), config, jit_compile=False),
  lambda config: Synthesizer(random_student(config), config),
], ids=['teacher', 'student'])  # fmt: skip
def test_a_row_with_a_seed_has_the_noise_that_it_has_alone(make):
  config = miniature()
  speak, features = make(config), features_of(config, 8, 3)
  seeds = [(5, 0), (6, 1), (5, 0)]
  together = speak(features, seeds)
  for i, seed in enumerate(seeds):
    same = np.abs(together[i] - speak(features[i : i + 1], seed)[0]) < 1e-4
    assert same.mean() > 0.9
  assert np.abs(together[0] - together[1]).max() > 0.01


def test_seeds_of_rows_are_folded_row_by_row():
  seeds = tf.constant([[1, 2], [3, 4]])
  expected = [fold_in(seed, 7) for seed in seeds]
  np.testing.assert_array_equal(fold_in(seeds, 7), expected)


def test_frames_after_the_end_of_a_row_are_not_judged():
  config = miniature()
  asked = features_of(config, 12, 2, mean=-9.0, deviation=0.1)
  waveform = np.random.default_rng(0).normal(0, 0.1, [2, 400])
  waveform[:, :200] = 0.0
  waveform = waveform.astype(np.float32)
  short = redrawing.excess(waveform, asked[:, :4], config.audio)
  whole = redrawing.excess(waveform, asked, config.audio)
  found = redrawing.excess(
    waveform, asked, config.audio, np.array([4, 12], np.int32)
  )
  np.testing.assert_allclose(found, [short[0], whole[1]], rtol=1e-5)
  assert whole[1] > short[1] + 0.1
  none = redrawing.excess(waveform, asked, config.audio, np.array([-3, 0]))
  assert (none.numpy() == -np.inf).all()
  assert MARGIN_FRAMES  # Of windows, which are judged without.


@pytest.mark.parametrize('rows', [1, 2])
def test_copies_are_continued(rows, workdir, tmp_path, monkeypatch, humming):
  source, flags = write_inputs(tmp_path / 'in'), [f'--rows={rows}']
  copy(workdir, source, tmp_path / 'whole', *flags)
  some, calls = Speaker.some, []

  def stops(self, asked):
    calls.append(len(asked))
    if len(calls) == 3:
      raise KeyboardInterrupt
    some(self, asked)

  out = tmp_path / 'out'
  with monkeypatch.context() as patch:
    patch.setattr(Speaker, 'some', stops)
    run(
      workdir, '--mode=generate', f'--input={source}', f'--output={out}',
      *flags, expect=130,
    )  # fmt: skip
  done = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
  assert 0 < len(done) == sum(calls[:2]) < len(LENGTHS)
  said = copy(workdir, source, out, *flags)
  assert f'{len(done)} of 5 copies are there already' in said
  assert contents(out) == contents(tmp_path / 'whole')
  for name, time in done.items():
    assert (out / name).stat().st_mtime_ns == time
  assert '5 of 5 copies are there already' in copy(workdir, source, out, *flags)


def test_copies_of_another_request_are_made_anew(workdir, tmp_path, humming):
  source, out = write_inputs(tmp_path / 'in', 'ab'), tmp_path / 'out'
  copy(workdir, source, out)
  first = contents(out)
  for flags in ['--seed=1'], ['--config.evaluate.noise_factor=0.5']:
    assert 'already' not in copy(workdir, source, out, *flags)
    assert contents(out)['a.wav'] != first['a.wav']
    assert 'already' not in copy(workdir, source, out)
    assert contents(out) == first
  # The same weights elsewhere; then others, in files of equal sizes and times.
  there = shutil.copytree(workdir, tmp_path / 'run')
  newest = there / 'student' / 'ckpt-3.index'
  newest.touch()
  assert '2 of 2 copies' in copy(there, source, out)
  times = {f: f.stat().st_mtime_ns for f in (there / 'student').iterdir()}
  retrained = randomize(random_student(miniature()), seed=1)
  checkpoints.save_start(retrained, there / 'student', 3)
  for path, time in times.items():
    os.utime(path, ns=(time, time))
  assert 'already' not in copy(there, source, out)


def test_a_copy_of_a_changed_recording_is_made_anew(workdir, tmp_path, humming):
  source, out = write_inputs(tmp_path / 'in', 'ab'), tmp_path / 'out'
  copy(workdir, source, out)
  first = contents(out)
  write(source / 'a.wav', speech_like(0.2))
  assert '1 of 2 copies' in copy(workdir, source, out)
  assert contents(out)['b.wav'] == first['b.wav']
  assert soundfile.info(out / 'a.wav').frames == 1600


def test_a_single_copy_is_none_of_those_of_a_folder(workdir, tmp_path, humming):
  source, out = write_inputs(tmp_path / 'in', 'ab'), tmp_path / 'out'
  copy(workdir, source, out)
  first = contents(out)
  copy(workdir, source / 'a.wav', out, '--seed=9')
  assert contents(out)['a.wav'] != first['a.wav']
  copy(workdir, source, out)
  assert contents(out) == first


def test_what_cannot_be_copied_is_tried_again(workdir, tmp_path, humming):
  source, out = write_inputs(tmp_path / 'in', 'abc'), tmp_path / 'out'
  (source / 'b.wav').write_text('text')
  for _ in range(2):
    refused(
      workdir, '--mode=generate', f'--input={source}', f'--output={out}',
      '--rows=2', words=['b.wav: is not audio', '1 of 3 recordings'],
    )  # fmt: skip
    assert set(contents(out)) == {'a.wav', 'c.wav'}
  write_inputs(source, 'b')
  assert '2 of 3 copies' in copy(workdir, source, out, '--rows=2')


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
