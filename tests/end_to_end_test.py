"""The whole chain in miniature, through `train_main.py` as a user runs it."""

import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tests.support.program import (
  assert_same_variables,
  command,
  flags_of_miniature,
  interrupt,
  refused,
  results_of,
  run,
  STEPS,
)
from tests.support.recordings import speech_like, write, write_corpus


@pytest.fixture(scope='module')
def chain(tmp_path_factory):
  """One uninterrupted `--mode=all`."""
  root = tmp_path_factory.mktemp('chain')
  write_corpus(root / 'corpus')
  done = run(
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
    sounds[0], 'recording.wav', 'student.wav', 'teacher.wav'
  ]  # fmt: skip
  assert sounds[0].endswith('.png')
  assert (workdir / 'export' / '1' / 'saved_model.pb').is_file()
  for name in 'index.html', 'summary.txt', 'results.json':
    assert (workdir / 'report' / name).is_file()
  for word in 'bits per sample', 'real-time factor', 'SavedModel', 'flac -8':
    assert word in output


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


def test_all_again_has_nothing_left_to_train(chain):
  root, _ = chain
  output = run(root / 'whole').stdout
  assert f'Teacher: {STEPS} steps done.' in output
  assert f'Student: {STEPS} steps done.' in output
  assert (root / 'whole' / 'export' / '2').is_dir()


def test_ctrl_c_and_the_same_command_equal_an_uninterrupted_run(chain):
  """SIGINT at any step; all tensors of the checkpoint, bit for bit."""
  root, _ = chain
  told = f'--data_dir={root / "corpus"}', *flags_of_miniature()
  interrupt(root / 'parts', *told, at=rb'teacher: .*\| [1-5]/6')
  run(root / 'parts', *told, '--mode=train_teacher')
  assert_same_variables(root / 'whole' / 'teacher', root / 'parts' / 'teacher')


def speak(root, model, *flags):
  target = root / f'{model}.wav'
  source = root / 'corpus' / '0.wav'
  run(
    root / 'whole', '--mode=generate', f'--model={model}',
    f'--input={source}', f'--output={target}', *flags,
  )  # fmt: skip
  return target.read_bytes()


@pytest.mark.parametrize('model', ['teacher', 'student'])
def test_copy_synthesis_keeps_length_and_obeys_its_seed(model, chain):
  root, _ = chain
  first = speak(root, model, '--seed=1')
  assert soundfile.info(root / f'{model}.wav').frames == 8000
  assert first == speak(root, model, '--seed=1')
  assert first != speak(root, model, '--seed=2')


def test_copy_synthesis_of_a_folder(chain):
  root, _ = chain
  out = root / 'copies'
  run(
    root / 'whole', '--mode=generate', f'--input={root / "corpus"}',
    f'--output={out}',
  )  # fmt: skip
  assert sorted(p.name for p in out.iterdir()) == [f'{i}.wav' for i in range(6)]


# Bad input: one sentence on standard error, exit status 1, nothing new.


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


def test_a_recording_below_the_rate_of_the_checkpoint(chain, tmp_path):
  root, _ = chain
  path = write(tmp_path / 'low.wav', speech_like(), 4000)
  refused(
    root / 'whole', '--mode=generate', f'--input={path}',
    words=['low.wav', '4000 Hz', '8000 Hz'],
  )  # fmt: skip


def test_contradictory_configuration_makes_no_folder(tmp_path):
  refused(
    tmp_path / 'new', '--config.audio.hop_samples=90',
    words=['conditioning.upsample_factors', 'audio.hop_samples = 90'],
  )  # fmt: skip
  assert not (tmp_path / 'new').exists()


def test_an_unknown_field(tmp_path):
  refused(tmp_path / 'new', '--config.teacher.layer=3', words=['layer'])


def test_a_missing_corpus_makes_nothing(tmp_path):
  missing = tmp_path / 'nowhere'
  refused(tmp_path / 'new', f'--data_dir={missing}',
          words=[str(missing), 'does not exist'])  # fmt: skip
  assert not (tmp_path / 'new').exists()


def test_a_mode_that_needs_a_run(tmp_path):
  refused(tmp_path / 'new', '--mode=evaluate', words=['--mode=all'])
  assert not (tmp_path / 'new').exists()


def test_no_permission():
  refused(pathlib.Path('/proc/voice'), words=['/proc'])


def test_no_space(tmp_path):
  """A limit on the size of files stands in for a full disk."""
  corpus = write_corpus(tmp_path / 'corpus')
  done = subprocess.run(
    [
      'bash', '-c', 'ulimit -f 24; exec "$0" "$@"',
      *command(tmp_path / 'new', f'--data_dir={corpus}', '--mode=prepare'),
    ],
    capture_output=True, text=True, timeout=120,
  )  # fmt: skip
  assert done.returncode == 1, done.stderr
  assert 'Traceback' not in done.stderr
  assert str(tmp_path / 'new') in done.stderr
  assert not list(tmp_path.glob('new/*'))


@pytest.mark.parametrize('mode', ['generate', 'train_teacher'])
def test_no_space_later_on(mode, chain, tmp_path):
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
  done = subprocess.run(
    [
      'bash', '-c', 'ulimit -f 10; exec "$0" "$@"',
      *command(workdir, f'--mode={mode}', *flags),
    ],
    capture_output=True, text=True, timeout=120,
  )  # fmt: skip
  assert done.returncode == 1, done.stderr
  assert 'Traceback' not in done.stderr
  assert str(tmp_path) in done.stderr
  assert sorted(p.name for p in (workdir / 'teacher').glob('ckpt*')) == before
  assert not list(tmp_path.rglob('*.partial'))
  assert not list(tmp_path.glob('out/*'))


def test_generate_does_not_write_over_its_input(chain):
  root, _ = chain
  before = (root / 'corpus' / '0.wav').read_bytes()
  for flags in (
    [f'--input={root / "corpus"}', f'--output={root / "corpus"}'],
    [f'--input={root / "corpus/0.wav"}', f'--output={root / "corpus/0.wav"}'],
  ):
    refused(root / 'whole', '--mode=generate', *flags, words=['--output'])
  assert (root / 'corpus' / '0.wav').read_bytes() == before


def test_a_folder_with_a_bad_file_is_copied_but_for_that_file(chain, tmp_path):
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


def test_an_override_of_generate_holds_for_one_command(chain):
  root, _ = chain
  before = (root / 'whole' / 'config.json').read_bytes()
  speak(root, 'teacher', '--config.evaluate.temperature=0.5')
  assert (root / 'whole' / 'config.json').read_bytes() == before


def test_a_longer_teacher_under_an_old_student(chain):
  root, _ = chain
  refused(
    root / 'whole', '--config.train_teacher.steps=9',
    words=['train_teacher.steps', 'distilled from a teacher of 6 steps'],
  )  # fmt: skip


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
