"""The estimator of pitch is trained once, before the student, and then kept."""

import os
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from modes import learning, pitch, runs
from tests.support.compilation import without_xla
from tests.support.miniature import miniature
from tests.support.program import assert_same_variables, variables
from tests.support.recordings import write_corpus
from tests.support.variants import PITCH
from wavenet_tf.learning.checkpoints import load_average
from wavenet_tf.learning.interruption import Interrupted
from wavenet_tf.networks.student import build_student

pytestmark = pytest.mark.large
STEPS, STOPPED_AFTER = 4, 2
LINE = 'Pitch from the log-mel: half of the frames within '


def interrupted(batches):
  """Ctrl-C while a step is taken."""
  for step, batch in enumerate(batches, 1):
    if step == STOPPED_AFTER:
      os.kill(os.getpid(), signal.SIGINT)
    yield batch


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """Two runs of one teacher, the second of them stopped, and their prints."""
  root = tmp_path_factory.mktemp('pitch')
  config = miniature(
    **PITCH,
    teacher__cycles=1,
    student__flow_layers=(2,),
    train_teacher__steps=1,
    train_student__steps=STEPS,
    evaluate__audio_seconds=0.1,
  )
  printed = []
  with without_xla(), pytest.MonkeyPatch.context() as patch:
    patch.setattr(pitch, '_STEPS', 5)
    patch.setattr('builtins.print', lambda *a, **k: printed.append(str(a[0])))
    patch.setattr(learning.tensorboard, 'write_audio', lambda *_: None)
    whole = runs.Run(config, root / 'whole', config)
    whole = learning.prepare(whole, str(write_corpus(root / 'corpus')))
    learning.train_teacher(whole)
    shutil.copytree(root / 'whole', root / 'parts')
    parts = runs.Run(whole.config, root / 'parts', whole.config)
    learning.train_student(whole)
    batches = learning.training_batches
    with patch.context() as once:
      once.setattr(
        learning,
        'training_batches',
        lambda *a, **k: interrupted(batches(*a, **k)),
      )
      with pytest.raises(Interrupted, match=f'after step {STOPPED_AFTER} of'):
        learning.train_student(parts)
    stopped = variables(root / 'parts' / 'student')
    before = len(printed)
    learning.train_student(parts)
  return whole, parts, stopped, (printed[:before], printed[before:])


def test_it_is_trained_once_for_each_run_and_says_how_well(trained):
  first, again = trained[3]
  assert [line.startswith(LINE) for line in first].count(True) == 2
  assert not any(LINE in line for line in again)


def test_a_stopped_run_goes_on_bit_for_bit(trained):
  whole, parts, *_ = trained
  assert_same_variables(whole.workdir / 'student', parts.workdir / 'student')


def test_distillation_leaves_it_as_it_was(trained):
  """Its weights and Adam's moments; those of the flows move."""
  whole, _, stopped, _ = trained
  after = variables(whole.workdir / 'student')
  own = [name for name in after if name.startswith('weights/student/pitch/')]
  assert len(own) == 6
  for name in own:
    np.testing.assert_array_equal(after[name], stopped[name])
    for moment in 'first_moment', 'second_moment':
      assert not after[name.replace('weights', moment, 1)].any()
  others = [
    name for name in after if name.startswith('weights/') and name not in own
  ]
  assert any(np.any(after[name] != stopped[name]) for name in others)


def test_what_speaks_has_it_too(trained):
  """The average of what does not move is what it is, up to rounding."""
  whole, *_ = trained
  student = load_average(build_student(whole.config), whole.workdir / 'student')
  after = variables(whole.workdir / 'student')
  for variable in student.pitch.variables:
    expected = after[f'weights/{variable.path}']
    np.testing.assert_allclose(variable, expected, rtol=1e-5, atol=1e-7)
  untrained = build_student(whole.config)
  moved = [
    float(tf.reduce_max(tf.abs(tf.constant(a) - tf.constant(b))))
    for a, b in zip(student.pitch.variables, untrained.pitch.variables)
  ]
  assert max(moved) > 1e-3


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
