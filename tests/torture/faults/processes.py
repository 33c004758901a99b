"""Processes that begin with everything imported, to be killed at will.

A server process imports the program once and forks: a command then starts in
a third of a second, and dies as any process does.
"""

import multiprocessing
from multiprocessing import forkserver
import os
import pathlib
import sys
from unittest import mock

from absl import flags as absl_flags

from tests.support.compilation import without_xla
from tests.support.program import ROOT


def context():
  """Of `multiprocessing`, whose processes have imported the program."""
  found = multiprocessing.get_context('forkserver')
  found.set_forkserver_preload(['train_main', __name__])
  with mock.patch.dict(os.environ, PYTHONPATH=str(ROOT)):
    forkserver.ensure_running()
  return found


def start(log: pathlib.Path, workdir: pathlib.Path, *flags: str):
  """A command of `train_main.py`; what it prints is appended to `log`."""
  argv = ['train_main.py', f'--workdir={workdir}', *flags]
  process = context().Process(target=_command, args=(log, argv))
  process.start()
  return process


def _command(log, argv):
  import train_main

  with log.open('ab') as file:
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
  values = absl_flags.FlagValues()
  train_main.define_flags(values, argv)
  with without_xla():  # Which takes longest, and writes nothing.
    sys.exit(train_main.main(values(argv), values))
