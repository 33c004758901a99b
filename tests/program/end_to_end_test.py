"""The whole chain in miniature, as a user runs it, and what may follow it."""

import re
import shutil

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tests.support.program import (
  assert_same_variables,
  flags_of_miniature,
  interrupt,
  no_space,
  refused,
  results_of,
  run,
  run_process,
  STEPS,
)
from tests.support.recordings import speech_like, write, write_corpus
import train_main

pytestmark = pytest.mark.medium
SHORT = 2437


@pytest.fixture(scope='module')
def chain(tmp_path_factory):
  """One uninterrupted `--mode=all`, and a recording to copy."""
  root = tmp_path_factory.mktemp('chain')
  write_corpus(root / 'corpus')
  write(root / 'short.wav', speech_like()[:SHORT])
  done = run_process(
    root / 'whole', f'--data_dir={root / "corpus"}', *flags_of_miniature()
  )
  return root, done.stdout


def test_all_leaves_checkpoints_sounds_report_and_model(chain):
  root, output = chain
  workdir = root / 'whole'
  for model in 'teacher', 'student':
    newest = tf.train.latest_checkpoint(str(workdir / model))
    assert newest.endswith(f'ckpt-{STEPS}')
    assert list((workdir / model).glob('events.*'))
  sounds = sorted(p.name for p in (workdir / 'samples').iterdir())
  assert [re.sub(r'^\d_', '', name) for name in sounds] == [
    sounds[0], 'griffin_lim.wav', 'random_phase.wav', 'recording.wav',
    'student.wav', 'teacher.wav', 'teacher_after_recording.wav',
  ]  # fmt: skip
  assert sounds[0].endswith('.png')
  assert (workdir / 'export' / '1' / 'saved_model.pb').is_file()
  for name in 'index.html', 'summary.txt', 'results.json':
    assert (workdir / 'report' / name).is_file()
  for word in 'bits per sample', 'real-time factor', 'SavedModel', 'flac -8':
    assert word in output
  for voice in 'Griffin-Lim', 'random phase', 'teacher, real past':
    assert re.search(rf'^{voice} .*\d$', output, re.M)


def test_results_are_numbers_that_agree_with_each_other(chain):
  root, output = chain
  results = results_of(root / 'whole')
  bits = results['teacher_bits_per_sample']
  assert 0 < bits < 20
  assert f'{bits:.3f} bits per sample' in output
  assert 0 < results['flac_bits_per_sample'] < 16
  for when in 'start', 'end':
    measured = results[f'student_at_{when}']
    assert measured['kl'] == pytest.approx(
      measured['cross_entropy'] - measured['entropy'], abs=1e-4
    )
  for voice in 'teacher', 'student':
    assert all(np.isfinite(v) for v in results[f'{voice}_audio'].values())


def test_all_again_has_nothing_left_to_train(chain, monkeypatch):
  """It exports and evaluates anew, as the first time did."""
  root, _ = chain
  again = []
  monkeypatch.setattr(train_main.learning, 'export', again.append)
  monkeypatch.setattr(train_main.judging, 'evaluate', again.append)
  output = run(root / 'whole').stdout
  assert f'Teacher: {STEPS} steps done.' in output
  assert f'Student: {STEPS} steps done.' in output
  assert [found.workdir for found in again] == [root / 'whole'] * 2


def test_ctrl_c_and_the_same_command_equal_an_uninterrupted_run(chain):
  """SIGINT at any step; all tensors of the checkpoint, bit for bit."""
  root, _ = chain
  told = f'--data_dir={root / "corpus"}', *flags_of_miniature()
  interrupt(root / 'parts', *told, at=rb'teacher: .*\| [1-5]/6')
  run(root / 'parts', *told, '--mode=train_teacher')
  assert_same_variables(root / 'whole' / 'teacher', root / 'parts' / 'teacher')


# What is generated.


def speak(root, model, *flags):
  target = root / f'{model}.wav'
  run(
    root / 'whole', '--mode=generate', f'--model={model}',
    f'--input={root / "short.wav"}', f'--output={target}', *flags,
  )  # fmt: skip
  return target.read_bytes()


@pytest.mark.parametrize('model', ['teacher', 'student'])
def test_copy_synthesis_keeps_length_and_obeys_its_seed(
  model, chain, uncompiled
):
  root, _ = chain
  first = speak(root, model, '--seed=1')
  assert soundfile.info(root / f'{model}.wav').frames == SHORT
  assert first == speak(root, model, '--seed=1')
  assert first != speak(root, model, '--seed=2')


def test_copy_synthesis_of_a_folder(chain, uncompiled):
  root, _ = chain
  out = root / 'copies'
  run(
    root / 'whole', '--mode=generate', f'--input={root / "corpus"}',
    f'--output={out}',
  )  # fmt: skip
  assert sorted(p.name for p in out.iterdir()) == [f'{i}.wav' for i in range(6)]


def test_an_override_of_generate_holds_for_one_command(chain, uncompiled):
  root, _ = chain
  before = (root / 'whole' / 'config.json').read_bytes()
  speak(root, 'teacher', '--config.evaluate.temperature=0.5')
  assert (root / 'whole' / 'config.json').read_bytes() == before


def test_a_folder_with_a_bad_file_is_copied_but_for_that_file(
  chain, tmp_path, uncompiled
):
  root, _ = chain
  write(tmp_path / 'in' / 'a.wav')
  (tmp_path / 'in' / 'broken.wav').write_text('text')
  write(tmp_path / 'in' / 'c.wav')
  refused(
    root / 'whole', '--mode=generate', f'--input={tmp_path / "in"}',
    f'--output={tmp_path / "out"}',
    words=['broken.wav: is not audio', '1 of 3 recordings'],
  )  # fmt: skip
  assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == [
    'a.wav', 'c.wav'
  ]  # fmt: skip


def test_generate_does_not_write_over_its_input(chain):
  root, _ = chain
  before = (root / 'corpus' / '0.wav').read_bytes()
  for flags in (
    [f'--input={root / "corpus"}', f'--output={root / "corpus"}'],
    [f'--input={root / "corpus/0.wav"}', f'--output={root / "corpus/0.wav"}'],
  ):
    refused(root / 'whole', '--mode=generate', *flags, words=['--output'])
  assert (root / 'corpus' / '0.wav').read_bytes() == before


# What a run refuses: one sentence on standard error, exit status 1.


def test_a_corpus_without_the_labels_asked_for(chain):
  workdir = chain[0] / 'whole'
  refused(
    workdir, '--mode=train_classifier',
    words=["classifier.labels: found 'phones'", 'has 0, expected at least two'],
  )  # fmt: skip
  assert not (workdir / 'classifier').exists()


def test_a_workdir_made_with_another_configuration(chain):
  root, _ = chain
  before = (root / 'whole' / 'config.json').read_bytes()
  refused(
    root / 'whole', '--config.teacher.cycles=3',
    words=['teacher.cycles: found 3', 'made with 2', 'another --workdir'],
  )  # fmt: skip
  assert (root / 'whole' / 'config.json').read_bytes() == before


def test_a_workdir_made_from_other_recordings(chain):
  root, _ = chain
  refused(root / 'whole', f'--data_dir={root}', words=['--data_dir', 'corpus'])


def test_a_recording_below_the_rate_of_the_checkpoint(chain, tmp_path, caplog):
  root, _ = chain
  path = write(tmp_path / 'low.wav', speech_like(), 4000)
  with caplog.at_level('WARNING'):
    run(root / 'whole', '--mode=generate', f'--input={path}')
  copy = soundfile.info(root / 'whole' / 'samples' / 'student' / 'low.wav')
  assert (copy.samplerate, copy.frames) == (8000, 16000)
  assert '4000 Hz' in caplog.text and 'nothing above 2000 Hz' in caplog.text


def test_a_longer_teacher_under_an_old_student(chain):
  root, _ = chain
  refused(
    root / 'whole', '--config.train_teacher.steps=9',
    words=['train_teacher.steps', 'distilled from a teacher of 6 steps'],
  )  # fmt: skip


@pytest.mark.parametrize(
  ('folder', 'words'),
  [
    ('', ['style_weight, feature_weight', 'has none', 'train_classifier']),
    ('nowhere', ['distillation.classifier_workdir', 'nowhere']),
  ],
)
def test_a_listener_that_is_not_there(folder, words, chain, tmp_path):
  workdir = tmp_path / 'run'
  shutil.copytree(
    chain[0] / 'whole', workdir, ignore=shutil.ignore_patterns('student')
  )
  refused(
    workdir, '--mode=train_student', '--config.distillation.style_weight=1.0',
    f'--config.distillation.classifier_workdir={folder}', words=words,
  )  # fmt: skip


@pytest.mark.parametrize('mode', ['generate', 'train_teacher'])
def test_no_space_later_on(mode, chain, tmp_path, uncompiled):
  """The run stays as it was; what could not be written leaves nothing."""
  root, _ = chain
  workdir = tmp_path / 'run'
  shutil.copytree(root / 'whole', workdir)
  flags = ['--config.train_teacher.steps=7']
  if mode == 'generate':
    flags = [f'--input={root / "corpus"}', f'--output={tmp_path / "out"}']
  else:
    shutil.rmtree(workdir / 'student')
  before = sorted(p.name for p in (workdir / 'teacher').glob('ckpt*'))
  with no_space(kilobytes=10):
    refused(workdir, f'--mode={mode}', *flags, words=[str(tmp_path)])
  assert sorted(p.name for p in (workdir / 'teacher').glob('ckpt*')) == before
  assert not list(tmp_path.rglob('*.partial'))
  assert not list(tmp_path.glob('out/*'))


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
