"""The whole chain in miniature, through `train_main.py` as a user runs it."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

from conftest import miniature
from data_test import speech_like, write, write_corpus
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from wavenet_tf import config as config_lib
from wavenet_tf import presets

ROOT = pathlib.Path(__file__).parents[1]
STEPS = 6


def flags_of_miniature():
  """The differences of `miniature()` from its preset, as flags."""
  config = miniature(
    train_teacher__steps=STEPS,
    train_student__steps=STEPS,
    train_teacher__checkpoint_every_steps=4,
    train_student__checkpoint_every_steps=4,
    evaluate__audio_utterances=1,
    evaluate__audio_seconds=0.2,
  )
  preset = config_lib.flatten(presets.preset('tiny'))
  return [
    f'--config.{name}={value}'
    for name, value in config_lib.flatten(config).items()
    if preset[name] != value
  ]


def command(workdir, *flags):
  return [
    sys.executable, str(ROOT / 'train_main.py'), f'--workdir={workdir}', *flags
  ]  # fmt: skip


def run(workdir, *flags, expect=0):
  """Runs to the end, somewhere else than in the project."""
  done = subprocess.run(
    command(workdir, *flags), cwd=workdir.parent, capture_output=True,
    text=True, timeout=300,
  )  # fmt: skip
  assert done.returncode == expect, done.stdout + done.stderr
  return done


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
  results = json.loads((root / 'whole/report/results.json').read_text())
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


def variables(folder):
  reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
  return {
    name: reader.get_tensor(name)
    for name in reader.get_variable_to_shape_map()
    if 'save_counter' not in name and 'OBJECT_GRAPH' not in name
  }


def test_ctrl_c_and_the_same_command_equal_an_uninterrupted_run(chain):
  """SIGINT at any step; all tensors of the checkpoint, bit for bit."""
  root, _ = chain
  arguments = command(
    root / 'parts', f'--data_dir={root / "corpus"}', *flags_of_miniature()
  )
  process = subprocess.Popen(
    arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, bufsize=0
  )
  seen = b''
  while not re.search(rb'teacher: .*\| [1-5]/6', seen):
    chunk = os.read(process.stderr.fileno(), 4096)
    assert chunk, seen
    seen += chunk
  process.send_signal(signal.SIGINT)
  seen += process.communicate(timeout=120)[1]
  assert process.returncode == 130, seen
  assert b'the same command continues' in seen
  run(
    root / 'parts', f'--data_dir={root / "corpus"}', *flags_of_miniature(),
    '--mode=train_teacher',
  )  # fmt: skip
  whole = variables(root / 'whole' / 'teacher')
  parts = variables(root / 'parts' / 'teacher')
  assert whole.keys() == parts.keys()
  for name, value in whole.items():
    np.testing.assert_array_equal(value, parts[name], err_msg=name)


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


def test_a_softmax_teacher_goes_through_without_a_student(chain):
  root, _ = chain
  flags = [f for f in flags_of_miniature() if 'student.flow_layers' not in f]
  output = run(
    root / 'softmax', f'--data_dir={root / "corpus"}', *flags,
    '--config.teacher.output=mu_law', '--config.student.flow_layers=()',
  ).stdout  # fmt: skip
  assert 'bits per mu-law code' in output
  assert 'Student and export: none' in output
  assert not (root / 'softmax' / 'export').exists()
  refused(
    root / 'softmax', '--mode=export',
    words=['student.flow_layers', 'no student to export'],
  )  # fmt: skip
  refused(
    root / 'softmax', '--mode=generate', f'--input={root / "corpus"}',
    words=['--model=teacher'],
  )  # fmt: skip


def results_of(workdir):
  return json.loads((workdir / 'report' / 'results.json').read_text())


def test_a_gaussian_pair_goes_through_in_closed_form(chain):
  root, _ = chain
  run(
    root / 'gaussian', f'--data_dir={root / "corpus"}', *flags_of_miniature(),
    '--config.teacher.output=gaussian_mixture',
    '--config.teacher.mixture_components=1',
    '--config.teacher.discretized=False',
    '--config.student.base=gaussian',
    '--config.distillation.divergence=closed_form',
  )  # fmt: skip
  assert results_of(root / 'gaussian')['student_at_end']['kl'] >= 0
  assert (root / 'gaussian' / 'export' / '1' / 'saved_model.pb').is_file()


def test_all_losses_go_through_with_a_classifier_of_their_own(tmp_path):
  """`all` trains it first, as the perceptual loss listens with it."""
  corpus = write_words(tmp_path / 'corpus')
  workdir = tmp_path / 'run'
  output = run(
    workdir, f'--data_dir={corpus}', *flags_of_miniature(),
    '--config.teacher.bits=8',
    '--config.classifier.labels=words',
    f'--config.train_classifier.steps={STEPS}',
    '--config.distillation.style_weight=1.0',
    '--config.distillation.feature_weight=1.0',
    '--config.distillation.contrastive_weight=0.3',
    '--config.distillation.power_window_samples=(64,128)',
    '--config.distillation.power_band_edges_hz=(1000.0,)',
    '--config.distillation.power_band_weights=(1.0,0.5)',
  ).stdout  # fmt: skip
  assert output.index('Classifier: 2 words') < output.index('student KL')
  metrics = results_of(workdir)['student_at_end']
  assert {'kl', 'power_loss', 'style_loss', 'feature_loss'} <= set(metrics)
  shutil.rmtree(workdir / 'student')
  refused(
    workdir, '--mode=train_student',
    f'--config.distillation.classifier_workdir={tmp_path / "nowhere"}',
    words=['distillation.classifier_workdir', 'nowhere', 'train_classifier'],
  )  # fmt: skip


# The classifier, on recordings whose names are words.


def write_words(folder):
  for word in 'low', 'high':
    for i in range(4):
      levels = speech_like(0.5, seed=i + 20 * (word == 'high'))
      write(folder / f'{word}_voice_{i}.wav', levels)
  return folder


@pytest.fixture(scope='module')
def recognised(tmp_path_factory):
  """`prepare`, then `train_classifier` at once."""
  root = tmp_path_factory.mktemp('recognised')
  corpus = write_words(root / 'corpus')
  flags = [f for f in flags_of_miniature() if 'student.flow_layers' not in f]
  for name in 'whole', 'parts':
    run(
      root / name, *flags, '--config.student.flow_layers=()',
      f'--data_dir={corpus}', '--mode=prepare',
    )  # fmt: skip
  words = [
    '--mode=train_classifier',
    '--config.classifier.labels=words',
    '--config.train_classifier.checkpoint_every_steps=4',
  ]
  done = run(root / 'whole', *words, '--config.train_classifier.steps=6')
  return root, words, done.stdout


def test_the_classifier_learns_resumes_and_is_measured(recognised):
  root, words, output = recognised
  assert 'Classifier: 2 words' in output
  assert re.search(r'classifier clips +\d+\.\d % of 1 words', output)
  classes = root / 'whole' / 'classifier' / 'classes.json'
  assert json.loads(classes.read_text()) == ['high', 'low']
  # The cosine reaches as far as the steps that were asked for.
  arguments = command(
    root / 'parts', *words, '--config.train_classifier.steps=6'
  )
  process = subprocess.Popen(
    arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, bufsize=0
  )
  seen = b''
  while not re.search(rb'classifier: .*\| [1-5]/6', seen):
    chunk = os.read(process.stderr.fileno(), 4096)
    assert chunk, seen
    seen += chunk
  process.send_signal(signal.SIGINT)
  seen += process.communicate(timeout=120)[1]
  assert process.returncode == 130, seen
  # The run keeps what was asked for.
  run(root / 'parts', '--mode=train_classifier')
  whole = variables(root / 'whole' / 'classifier')
  parts = variables(root / 'parts' / 'classifier')
  assert whole.keys() == parts.keys()
  for name, value in whole.items():
    np.testing.assert_array_equal(value, parts[name], err_msg=name)


def test_evaluate_reports_a_trained_classifier(recognised):
  root, _, _ = recognised
  workdir = root / 'whole'
  run(workdir, '--mode=train_teacher')
  output = run(workdir, '--mode=evaluate').stdout
  assert 'classifier frames' in output
  results = json.loads((workdir / 'report' / 'results.json').read_text())
  measured = results['classifier']
  assert measured['labels'] == 'words'
  for unit in 'frame', 'clip':
    assert 0 <= measured[f'{unit}_accuracy'] <= 1
    assert 0 < measured[f'{unit}_majority_share'] <= 1


def test_a_corpus_without_the_labels_asked_for(recognised, chain):
  refused(
    recognised[0] / 'whole', '--config.classifier.labels=phones',
    '--mode=train_classifier', words=['classifier.labels', 'made with words'],
  )  # fmt: skip
  workdir = chain[0] / 'whole'
  refused(
    workdir, '--mode=train_classifier',
    words=["classifier.labels: found 'phones'", 'has 0, expected at least two'],
  )  # fmt: skip
  assert not (workdir / 'classifier').exists()


# Bad input: one sentence on standard error, exit status 1, nothing new.


def refused(workdir, *flags, words):
  done = run(workdir, *flags, expect=1)
  assert 'Traceback' not in done.stderr
  for word in words:
    assert word in done.stderr
  return done


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
