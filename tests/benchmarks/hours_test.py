"""Preparation of many hours, measured on a minute."""

import re
import subprocess
import sys

import pytest

from tests.support.project_imports import ROOT

pytestmark = pytest.mark.large


def test_hours_are_prepared_and_verified():
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'benchmarks.hours', '--preset=tiny'),
      *('--hours=0.02', '--interrupted=0'),
    ],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert done.returncode == 0, done.stderr
  said = done.stdout
  assert re.search(r'0\.02 h: .* x real time a core, at most \d+ MiB', said)
  assert re.search(r'2 MB, verified in [\d.]+ s, then [\d.]+ s', said)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
