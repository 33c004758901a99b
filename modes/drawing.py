"""Figures of the argument, drawn from a run."""

import sys

from data.shards.splits import TRAIN
from modes.runs import other_run, Run
from wavenet_tf.configuration.errors import UserError
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
    compared = other_run(run, compare_workdir, '--compare_workdir', 'teacher')
    other = _source(compared, example.name)
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


def _source(run, name):
  """A run's teacher, and the utterance of that name as that run hears it."""
  for example in run.validation(sys.maxsize):
    if example.name == name:
      return figures_lib.Source(run.teacher(), run.config, example)
  raise UserError(
    f'--compare_workdir: {run.workdir} does not validate on {name}; compare '
    'runs on the same recordings and the same data.split.'
  )
