"""`train_main.py` in miniature: in this process, or as a user runs it."""

import contextlib
import io
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
from typing import NamedTuple

from absl import flags as absl_flags
import numpy as np
import tensorflow as tf

from tests.support.miniature import miniature
import train_main
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.config import flatten

ROOT = pathlib.Path(__file__).parents[2]
STEPS = 6


def flags_of_miniature(**overrides):
  """The differences of `miniature(**overrides)` from its preset, as flags."""
  config = miniature(
    **{
      'train_teacher__steps': STEPS,
      'train_student__steps': STEPS,
      'evaluate__audio_utterances': 1,
      'evaluate__audio_seconds': 0.2,
    }
    | overrides
  )
  preset = flatten(presets.preset('tiny'))
  return [
    f'--config.{name}={value}'
    for name, value in flatten(config).items()
    if preset[name] != value
  ]


class Done(NamedTuple):
  """What a command left behind."""

  returncode: int
  stdout: str
  stderr: str


def run(workdir, *flags, expect=0) -> Done:
  """A command in this process, which saves the start of another."""
  argv = ['train_main.py', f'--workdir={workdir}', *flags]
  values = absl_flags.FlagValues()
  output, errors = io.StringIO(), io.StringIO()
  with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
    train_main.define_flags(values, argv)
    status = train_main.main(values(argv), values)
  done = Done(status, output.getvalue(), errors.getvalue())
  assert status == expect, done
  return done


def refused(workdir, *flags, words) -> Done:
  """One sentence that holds the words, and exit status 1."""
  done = run(workdir, *flags, expect=1)
  for word in words:
    assert word in done.stderr, done.stderr
  return done


@contextlib.contextmanager
def no_space(kilobytes):
  """A limit on the size of files stands in for a full disk."""
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * kilobytes, before[1]))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


# Real processes, each of which takes seconds to start.


def command(workdir, *flags):
  return [
    sys.executable, str(ROOT / 'train_main.py'), f'--workdir={workdir}', *flags
  ]  # fmt: skip


def run_process(workdir, *flags):
  """Runs to the end, somewhere else than in the project."""
  done = subprocess.run(
    command(workdir, *flags), cwd=workdir.parent, capture_output=True,
    text=True, timeout=600,
  )  # fmt: skip
  assert done.returncode == 0, done.stdout + done.stderr
  return done


def run_without_space(workdir, *flags, kilobytes):
  """As `no_space`, from the start of the process; it is refused."""
  done = subprocess.run(
    [
      'bash', '-c', f'ulimit -f {kilobytes}; exec "$0" "$@"',
      *command(workdir, *flags),
    ],
    capture_output=True, text=True, timeout=300,
  )  # fmt: skip
  assert done.returncode == 1, done.stderr
  assert 'Traceback' not in done.stderr
  return done


def interrupt(workdir, *flags, at):
  """Ctrl-C as soon as standard error matches the pattern `at`."""
  process = subprocess.Popen(
    command(workdir, *flags),
    stderr=subprocess.PIPE,
    stdout=subprocess.DEVNULL,
    bufsize=0,
  )
  seen = b''
  while not re.search(at, seen):
    chunk = os.read(process.stderr.fileno(), 4096)
    assert chunk, seen
    seen += chunk
  process.send_signal(signal.SIGINT)
  seen += process.communicate(timeout=300)[1]
  assert process.returncode == 130, seen
  assert b'the same command continues' in seen


# What is found afterwards.


def results_of(workdir):
  return json.loads((workdir / 'report' / 'results.json').read_text())


def variables(folder):
  reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
  return {
    name: reader.get_tensor(name)
    for name in reader.get_variable_to_shape_map()
    if 'save_counter' not in name and 'OBJECT_GRAPH' not in name
  }


def assert_same_variables(folder, other):
  """Of the last checkpoints of two folders, bit for bit."""
  expected, found = variables(folder), variables(other)
  assert expected.keys() == found.keys()
  for name, value in expected.items():
    np.testing.assert_array_equal(value, found[name], err_msg=name)
