"""`train_main.py` as a user runs it, in miniature, for end-to-end tests."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import numpy as np
import tensorflow as tf

from tests.support.miniature import miniature
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.config import flatten

ROOT = pathlib.Path(__file__).parents[2]
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
  preset = flatten(presets.preset('tiny'))
  return [
    f'--config.{name}={value}'
    for name, value in flatten(config).items()
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
  seen += process.communicate(timeout=120)[1]
  assert process.returncode == 130, seen
  assert b'the same command continues' in seen


def refused(workdir, *flags, words):
  done = run(workdir, *flags, expect=1)
  assert 'Traceback' not in done.stderr, done.stderr
  for word in words:
    assert word in done.stderr, done.stderr
  return done


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
