"""Other outputs, losses and networks than the default's, end to end."""

import json
import os
import re
import shutil
import signal

import pytest

from modes import learning
from tests.support.compilation import without_xla
from tests.support.program import (
  assert_same_variables,
  flags_of_miniature,
  refused,
  results_of,
  run,
  STEPS,
)
from tests.support.recordings import speech_like, write

pytestmark = pytest.mark.large


def write_words(folder):
  for word in 'low', 'high':
    for i in range(4):
      levels = speech_like(0.5, seed=i + 20 * (word == 'high'))
      write(folder / f'{word}_voice_{i}.wav', levels)
  return folder


@pytest.fixture(scope='module')
def recognised(tmp_path_factory):
  """A softmax teacher's run without a student, and a trained classifier."""
  root = tmp_path_factory.mktemp('recognised')
  corpus = write_words(root / 'corpus')
  flags = [f for f in flags_of_miniature() if 'student.flow_layers' not in f]
  words = [
    '--mode=train_classifier',
    '--config.classifier.labels=words',
    '--config.train_classifier.checkpoint_every_steps=4',
    f'--config.train_classifier.steps={STEPS}',
  ]
  with without_xla():
    for name in 'whole', 'parts':
      run(
        root / name, *flags, f'--data_dir={corpus}', '--mode=prepare',
        '--config.teacher.output=mu_law', '--config.student.flow_layers=()',
      )  # fmt: skip
    output = run(root / 'whole', *words).stdout
  return root, words, output


def interrupted(batches):
  """Ctrl-C while the third step is taken."""
  for step, batch in enumerate(batches, 1):
    if step == 3:
      os.kill(os.getpid(), signal.SIGINT)
    yield batch


def test_the_classifier_learns_resumes_and_is_measured(
  recognised, monkeypatch, uncompiled
):
  root, words, output = recognised
  assert 'Classifier: 2 words' in output
  assert re.search(r'classifier clips +\d+\.\d % of 1 words', output)
  classes = root / 'whole' / 'classifier' / 'classes.json'
  assert json.loads(classes.read_text()) == ['high', 'low']
  training_batches = learning.training_batches
  with monkeypatch.context() as patch:
    patch.setattr(
      learning,
      'training_batches',
      lambda *a, **k: interrupted(training_batches(*a, **k)),
    )
    done = run(root / 'parts', *words, expect=130)
  assert 'Stopped after step 3 of 6' in done.stderr
  # The run keeps what was asked for.
  run(root / 'parts', '--mode=train_classifier')
  assert_same_variables(
    root / 'whole' / 'classifier', root / 'parts' / 'classifier'
  )


def test_a_softmax_teacher_goes_through_without_a_student(
  recognised, uncompiled
):
  """And the report has what the classifier learned before."""
  root, _, _ = recognised
  workdir = root / 'whole'
  output = run(workdir).stdout
  assert 'bits per mu-law code' in output
  assert 'Student and export: none' in output
  assert not (workdir / 'export').exists()
  refused(
    workdir, '--mode=export', '--config.export.teacher=False',
    words=['export.teacher', 'nothing else to export'],
  )  # fmt: skip
  refused(
    workdir, '--mode=generate', f'--input={root / "corpus"}',
    words=['--model=teacher'],
  )  # fmt: skip
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


def test_a_gaussian_pair_goes_through_with_all_losses(tmp_path, uncompiled):
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


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
