"""Other outputs, losses and networks than the default's, end to end."""

import json
import re
import shutil

import pytest

from tests.support.program import (
  assert_same_variables,
  flags_of_miniature,
  interrupt,
  refused,
  results_of,
  run,
  STEPS,
)
from tests.support.recordings import speech_like, write, write_corpus


def test_a_softmax_teacher_goes_through_without_a_student(tmp_path):
  corpus = write_corpus(tmp_path / 'corpus')
  flags = [f for f in flags_of_miniature() if 'student.flow_layers' not in f]
  output = run(
    tmp_path / 'softmax', f'--data_dir={corpus}', *flags,
    '--config.teacher.output=mu_law', '--config.student.flow_layers=()',
  ).stdout  # fmt: skip
  assert 'bits per mu-law code' in output
  assert 'Student and export: none' in output
  assert not (tmp_path / 'softmax' / 'export').exists()
  refused(
    tmp_path / 'softmax', '--mode=export',
    words=['student.flow_layers', 'no student to export'],
  )  # fmt: skip
  refused(
    tmp_path / 'softmax', '--mode=generate', f'--input={corpus}',
    words=['--model=teacher'],
  )  # fmt: skip


def write_words(folder):
  for word in 'low', 'high':
    for i in range(4):
      levels = speech_like(0.5, seed=i + 20 * (word == 'high'))
      write(folder / f'{word}_voice_{i}.wav', levels)
  return folder


def test_a_gaussian_pair_goes_through_with_all_losses(tmp_path):
  """`all` trains a classifier first, as the perceptual loss listens with it."""
  corpus = write_words(tmp_path / 'corpus')
  workdir = tmp_path / 'run'
  output = run(
    workdir, f'--data_dir={corpus}', *flags_of_miniature(),
    '--config.teacher.output=gaussian_mixture',
    '--config.teacher.mixture_components=1',
    '--config.teacher.discretized=False',
    '--config.student.base=gaussian',
    '--config.distillation.divergence=closed_form',
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
  assert {'power_loss', 'style_loss', 'feature_loss'} <= set(metrics)
  assert metrics['kl'] >= 0
  assert (workdir / 'export' / '1' / 'saved_model.pb').is_file()
  shutil.rmtree(workdir / 'student')
  refused(
    workdir, '--mode=train_student',
    f'--config.distillation.classifier_workdir={tmp_path / "nowhere"}',
    words=['distillation.classifier_workdir', 'nowhere', 'train_classifier'],
  )  # fmt: skip


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
  interrupt(
    root / 'parts', *words, '--config.train_classifier.steps=6',
    at=rb'classifier: .*\| [1-5]/6',
  )  # fmt: skip
  # The run keeps what was asked for.
  run(root / 'parts', '--mode=train_classifier')
  assert_same_variables(
    root / 'whole' / 'classifier', root / 'parts' / 'classifier'
  )


def test_evaluate_reports_a_trained_classifier(recognised):
  root, _, _ = recognised
  workdir = root / 'whole'
  run(workdir, '--mode=train_teacher')
  output = run(workdir, '--mode=evaluate').stdout
  assert 'classifier frames' in output
  measured = results_of(workdir)['classifier']
  assert measured['labels'] == 'words'
  for unit in 'frame', 'clip':
    assert 0 <= measured[f'{unit}_accuracy'] <= 1
    assert 0 < measured[f'{unit}_majority_share'] <= 1


def test_a_corpus_with_labels_of_another_kind(recognised):
  refused(
    recognised[0] / 'whole', '--config.classifier.labels=phones',
    '--mode=train_classifier', words=['classifier.labels', 'made with words'],
  )  # fmt: skip


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
