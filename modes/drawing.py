"""Figures of the argument, drawn from a run."""

import pathlib
import sys

from data.shards.splits import TRAIN
from modes.runs import Run
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.saved_config import load_config
from wavenet_tf.learning.checkpoints import has_checkpoint
from wavenet_tf.showing.figures import pages as figures_lib

# Recordings whose samples are counted.
_MOST_RECORDINGS = 5_000


def figures(run: Run, compare_workdir: str | None) -> None:
  """Draws `<workdir>/figures`.

  Args:
    run: with a trained teacher.
    compare_workdir: a run with another output, whose predictions are set
      beside this one's, or None.
  """
  has_student = has_checkpoint(run.workdir / 'student')
  if not has_student:
    print(f'{run.workdir} has no trained student: its flows are not drawn.')
  example = run.validation(1)[0]
  other = None
  if compare_workdir:
    other = _source(_compared_run(run, compare_workdir), example.name)
  recordings = run.spread(TRAIN, _MOST_RECORDINGS)
  folder = run.workdir / 'figures'
  pictures = figures_lib.draw(
    folder,
    _source(run, example.name),
    (recording.levels for recording in recordings),
    run.student() if has_student else None,
    other,
  )
  print(f'{len(pictures)} figures: {folder / "index.html"}')


def _compared_run(run, compare_workdir):
  workdir = pathlib.Path(compare_workdir)
  path = workdir / 'config.json'
  if not path.exists():
    raise UserError(
      f'--compare_workdir: {path} does not exist; name the --workdir of a run '
      'with a trained teacher.'
    )
  config = load_config(path)
  rates = [c.audio.sample_rate_hz for c in (run.config, config)]
  if rates[0] != rates[1]:
    raise UserError(
      f'--compare_workdir: {workdir} is at {rates[1]} Hz, expected {rates[0]} '
      'as in --workdir; compare runs on the same recordings.'
    )
  return Run(config, workdir, config)


def _source(run, name):
  """A run's teacher, and the utterance of that name as that run hears it."""
  for example in run.validation(sys.maxsize):
    if example.name == name:
      return figures_lib.Source(run.teacher(), run.config, example)
  raise UserError(
    f'--compare_workdir: {run.workdir} does not validate on {name}; compare '
    'runs on the same recordings and the same data.split.'
  )
