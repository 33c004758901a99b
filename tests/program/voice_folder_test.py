"""A voice without its training: kept, in the box, and a start for others."""

import pathlib
import shutil

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tests.support import program, trained_run
from tests.support.recordings import write_corpus
from tests.support.variants import PITCH
from wavenet_tf.configuration.saved_config import load_config
from wavenet_tf.learning.checkpoints import load_average
from wavenet_tf.networks.teacher import build_teacher
from wavenet_tf.signal import resampling, spectra
from wavenet_tf.voice import load_run

ROOT = pathlib.Path(__file__).parents[2]
KATHLEEN = ROOT / 'voices' / 'kathleen'
SENTENCE = ROOT / 'data/sample/wavs/sample-08.flac'
HALF = 2.0**-11  # Of a float16's relative rounding error.


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('trained') / 'run'
  trained_run.make(workdir, **PITCH)
  return workdir


@pytest.fixture(scope='module')
def kept(trained):
  folder = trained.parent / 'kept'
  load_run(trained).save(folder)
  return folder


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  folder = tmp_path_factory.mktemp('corpus')
  write_corpus(folder)
  return folder


def size_of(folder):
  return sum(path.stat().st_size for path in folder.rglob('*'))


def test_a_voice_is_kept_in_half_precision(trained, kept):
  whole, half = load_run(trained), load_run(kept)
  assert half.config == whole.config
  assert size_of(kept / 'teacher') < size_of(trained / 'teacher') / 5
  for model in 'teacher', 'student':
    pairs = zip(
      getattr(whole, model).variables,
      getattr(half, model).variables,
      strict=True,
    )
    for expected, found in pairs:
      assert found.dtype == 'float32'
      np.testing.assert_allclose(found, expected, rtol=HALF, atol=1e-7)
  mel = np.random.default_rng(0).normal(-5, 2, [9, 8]).astype(np.float32)
  assert half.speak(mel).shape == whole.speak(mel).shape


def test_what_is_kept_cannot_be_trained(kept, corpus, tmp_path):
  program.run(
    tmp_path, '--mode=prepare', f'--init_from={kept}', f'--data_dir={corpus}'
  )
  for name in 'ckpt-0.index', 'ckpt-0.data-00000-of-00001':
    (tmp_path / 'teacher' / name).write_bytes(
      (kept / 'teacher' / name).read_bytes()
    )
  program.refused(
    tmp_path,
    '--mode=train_teacher',
    words=['holds a voice without its training', '--init_from'],
  )


def test_a_run_begins_with_the_weights_of_another(kept, corpus, tmp_path):
  program.run(
    tmp_path,
    '--mode=prepare',
    f'--init_from={kept}',
    f'--data_dir={corpus}',
    '--config.train_teacher.steps=3',
  )
  config = load_config(tmp_path / 'config.json')
  assert config.teacher == load_config(kept / 'config.json').teacher
  assert config.train_teacher.steps == 3
  begun, given = load_run(tmp_path), load_run(kept)
  for model in 'teacher', 'student':
    pairs = zip(
      getattr(begun, model).variables,
      getattr(given, model).variables,
      strict=True,
    )
    for found, expected in pairs:
      np.testing.assert_array_equal(found, expected)
  program.run(tmp_path, '--mode=train_teacher')
  after = load_average(build_teacher(config), tmp_path / 'teacher')
  moved = [
    float(tf.reduce_max(tf.abs(a - b)))
    for a, b in zip(after.variables, given.teacher.variables, strict=True)
  ]
  assert 0 < max(moved) < 0.1
  # The command that began the run goes on with its own weights.
  program.run(tmp_path, '--mode=prepare', f'--init_from={kept}')
  again = load_average(build_teacher(config), tmp_path / 'teacher')
  for found, expected in zip(again.variables, after.variables, strict=True):
    np.testing.assert_array_equal(found, expected)
  program.refused(
    tmp_path,
    '--mode=prepare',
    f'--init_from={KATHLEEN}',
    words=['--init_from', 'is a run already'],
  )
  program.refused(
    tmp_path,
    '--mode=train_teacher',
    f'--init_from={kept}',
    words=['--init_from', 'is a run already'],
  )


@pytest.mark.parametrize(
  'flags, words',
  [
    (
      [
        '--config.audio.hop_samples=40',
        '--config.conditioning.upsample_factors=(5,8)',
      ],
      ['audio.hop_samples: found 40', 'trained with 20'],
    ),
    (['--config.teacher.cycles=1'], ['teacher.cycles: found 1']),
    (['--config.student.phase_harmonics=1'], ['student.phase_harmonics']),
    (['--init_from=/nowhere'], ['/nowhere/config.json does not exist']),
  ],
)
def test_another_front_end_or_size_is_refused(
  kept, corpus, tmp_path, flags, words
):
  program.refused(
    tmp_path / 'new',
    '--mode=prepare',
    f'--data_dir={corpus}',
    f'--init_from={kept}',
    *flags,
    words=words,
  )
  assert not (tmp_path / 'new').exists()


def test_the_voice_in_the_box_is_small():
  assert size_of(KATHLEEN / 'teacher') + size_of(KATHLEEN / 'student') < 7e6
  voice = load_run(KATHLEEN)
  assert voice.config.preset == 'voice' and voice.config.audio.mel_bins == 80
  variables = [*voice.teacher.variables, *voice.student.variables]
  assert all(np.isfinite(x).all() for x in variables)


def test_the_voice_in_the_box_copies_a_recording_of_another_rate(tmp_path):
  """A copy is nearer to its recording than to that played backwards."""
  voice = load_run(KATHLEEN)
  waveform, rate_hz = soundfile.read(SENTENCE)
  rate = 8000  # The voice's own is 22,050 Hz.
  waveform = resampling.resampled(waveform[: 2 * rate_hz], rate_hz, rate)
  soundfile.write(tmp_path / 'a.wav', waveform, rate)
  program.run(
    KATHLEEN,
    '--mode=generate',
    f'--input={tmp_path / "a.wav"}',
    f'--output={tmp_path / "copy.wav"}',
  )
  copy, copy_rate = soundfile.read(tmp_path / 'copy.wav')
  model_rate = voice.config.audio.sample_rate_hz
  assert copy_rate == model_rate and abs(len(copy) - 2 * model_rate) <= 3
  recording = resampling.resampled(waveform, rate, model_rate)
  wanted, found = (
    spectra.log_mel(np.float32(x[None, : len(copy)]), voice.config.audio)[0]
    for x in (recording, copy)
  )

  def distance(a, b):
    """Of what lies below 2 kHz, where there is sound at 8 kHz as well."""
    return np.sqrt(np.mean((a[:, :40] - b[:, :40]) ** 2))

  assert distance(wanted, found) < 0.6 * distance(wanted[::-1], found)


@pytest.mark.large
def test_the_voice_in_the_box_is_served_and_its_teacher_speaks(tmp_path):
  """Of a copy of its folder: no data, no shards, no report."""
  for name in 'teacher', 'student':
    (tmp_path / name).symlink_to(KATHLEEN / name)
  shutil.copy(KATHLEEN / 'config.json', tmp_path)
  waveform, rate = soundfile.read(SENTENCE)
  soundfile.write(tmp_path / 'a.wav', waveform[: rate // 2], rate)
  program.run(
    tmp_path,
    '--mode=generate',
    '--model=teacher',
    f'--input={tmp_path / "a.wav"}',
    f'--output={tmp_path / "copy.wav"}',
  )
  assert soundfile.info(tmp_path / 'copy.wav').duration == pytest.approx(0.5)
  assert np.std(soundfile.read(tmp_path / 'copy.wav')[0]) > 1e-3
  program.run(tmp_path, '--mode=export')  # Compares with what it loads again.
  assert (tmp_path / 'export' / '1' / 'saved_model.pb').is_file()


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
