"""Runs of the release before, and older ones, do here what they did there.

They load, score, speak and go on. The rule is in the head of CHANGELOG.md.
"""

import re

import numpy as np
import pytest

from tests.golden import make

RUNS = sorted(path.parent for path in make.FOLDER.glob('*/*/expected.npz'))
# 0.3.0 drew a student's noise in blocks of another length.
EXEMPT = {'0.3.0': {'student_audio'}}


def check_audio(found, expected, name):
  """Where rounding tips a draw, an utterance goes on as another one."""
  assert found.shape == expected.shape
  same = np.abs(found - expected) < 1e-3
  assert same.mean() > 0.9, f'{name}: {same.mean():.0%} of the samples'


def check_numbers(found, expected, name):
  np.testing.assert_allclose(
    found, expected, rtol=2e-5, atol=1e-4, err_msg=name
  )


CHECKS = {
  'bits': check_numbers,
  'teacher_audio': check_audio,
  'teacher_losses': check_numbers,
  'student_waveform': check_numbers,
  'student_audio': check_audio,
  'student_losses': check_numbers,
  'classifier_losses': check_numbers,
}


@pytest.mark.parametrize(
  'folder', RUNS, ids=lambda folder: f'{folder.parent.name}-{folder.name}'
)
def test_a_run_of_a_release_does_what_it_did_there(folder):
  expected = dict(np.load(folder / 'expected.npz'))
  given = {field: expected.pop(field) for field in make.GIVEN}
  before = {path: path.read_bytes() for path in folder.rglob('*.*')}
  found = make.measure(folder, given)
  assert found.keys() == expected.keys()
  for name in found.keys() - EXEMPT.get(folder.parent.name, set()):
    CHECKS[name](found[name], expected[name], name)
  assert before == {path: path.read_bytes() for path in folder.rglob('*.*')}


def test_this_release_has_its_golden_runs():
  changes = (make.FOLDER.parents[1] / 'CHANGELOG.md').read_text('utf-8')
  newest = re.search(r'^## (.+)$', changes, re.MULTILINE)[1]
  assert {run.name for run in RUNS if run.parent.name == newest} == {*make.RUNS}


def test_golden_runs_are_never_made_anew():
  with pytest.raises(SystemExit, match='never made anew'):
    make.main('0.3.0')


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
