"""The benchmark: flags, and one fresh process for every table.

python -m benchmarks                        # every table
python -m benchmarks generation student     # some
python -m benchmarks --peer_dir=../wavenet_vocoder --json=speed.json
python -m benchmarks aot --aot_python=.venv-aot/bin/python
"""

import dataclasses
import math
import os
import pathlib
import sys

# TensorFlow's start-up remarks would bury the tables.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from absl import app, flags

from benchmarks.ahead import table as ahead
from benchmarks.ahead.names import PROGRAMS, TARGETS
from benchmarks.measuring import machine, printing, results
from benchmarks.peers import sources
from benchmarks.tables import pinned
from benchmarks.tables.settings import Settings
from wavenet_tf.configuration.errors import UserError

FLAGS = flags.FLAGS
flags.DEFINE_integer(
  'threads',
  None,
  'Cores of the process, to which it is pinned (default: what each table is '
  'about: 1 for generation, serving and input, 2 for training and '
  'distillation, first 1, then 2 for the student).',
  lower_bound=1,
)
flags.DEFINE_integer(
  'repeats', 5, 'Rounds that count, after one of warm-up.', lower_bound=1
)
flags.DEFINE_string(
  'json', 'benchmarks.json', "File for all figures; '' writes none."
)
flags.DEFINE_multi_string(
  'peer_dir',
  [],
  'Source folder of wavenet_vocoder, ParallelWaveGAN or ClariNet, to run in '
  'turns with ours; may be repeated.',
)
flags.DEFINE_string(
  'peer_python', sys.executable, 'Interpreter that has what the peers import.'
)
flags.DEFINE_list(
  'stream_seconds',
  ['1', '10'],
  'generation: lengths of audio whose cost per second is compared.',
)
flags.DEFINE_string(
  'aot_python', '', 'aot: interpreter that has requirements-aot.txt.'
)
flags.DEFINE_string('aot_preset', 'tiny', 'aot: whose functions are compiled.')
flags.DEFINE_multi_string(
  'aot_set',
  [],
  'aot: a field of the preset and its value, such as '
  'train_teacher.microbatches=4; may be repeated.',
)
flags.DEFINE_list('aot_programs', list(PROGRAMS), 'aot: which functions.')
flags.DEFINE_list('aot_targets', list(TARGETS), 'aot: for which devices.')
flags.DEFINE_integer(
  'aot_rows', 1, 'aot: utterances of a chunk.', lower_bound=1
)
flags.DEFINE_string(
  'aot_folder', '', 'aot: keeps all programs, compiled ones as text.'
)

# Compiles for other machines, and takes part only where it is named.
_AHEAD = 'aot'
# The usual numbers of threads of each table, in their order.
_TABLES = {
  'generation': (1,),
  'student': (1, 2),
  'serving': (1,),
  'training': (2,),
  'distillation': (2,),
  'input': (1,),
}
# What the input has to keep up with.
_STEPS = ('training', 'distillation')


def main(argv):
  names = argv[1:] or list(_TABLES)
  for name in names:
    if name not in (*_TABLES, _AHEAD):
      raise app.UsageError(
        f'Not a table: {name!r}; expected some of '
        f'{", ".join([*_TABLES, _AHEAD])}.'
      )
  try:
    _run(names)
  except UserError as error:
    print(f'\n{error}', file=sys.stderr)
    return 1
  return 0


def _run(names):
  """Measures one table after the other; prints and saves each at once."""
  settings = Settings(
    threads=0,
    repeats=FLAGS.repeats,
    sources=tuple(sources.recognise(pathlib.Path(d)) for d in FLAGS.peer_dir),
    peer_python=pathlib.Path(FLAGS.peer_python),
    stream_seconds=_stream_seconds(),
  )
  _check_json()
  about = machine.describe()
  print(f'{about["cpu"]}, {about["cores"]} cores, {about["system"]}')
  print(', '.join(f'{k} {v}' for k, v in about['packages'].items()))
  measured = []
  for name in _with_steps(names):
    for threads in (FLAGS.threads,) if FLAGS.threads else _TABLES[name]:
      found = pinned.measure(
        name,
        dataclasses.replace(settings, threads=threads),
        _training_rates(measured),
      )
      measured.append(found)
      print(f'\n{printing.text(found)}', flush=True)
      _save(about, measured)
  if _AHEAD in names:
    measured.append(ahead.measure(_compiled_ahead(), _say))
    _save(about, measured)


def _save(about, measured):
  if FLAGS.json:
    results.write(pathlib.Path(FLAGS.json), about, measured)


def _say(line):
  print(line, flush=True)


def _compiled_ahead() -> ahead.Request:
  return ahead.Request(
    python=pathlib.Path(FLAGS.aot_python or 'python'),
    preset=FLAGS.aot_preset,
    changes=tuple(FLAGS.aot_set),
    programs=tuple(FLAGS.aot_programs),
    targets=tuple(FLAGS.aot_targets),
    rows=FLAGS.aot_rows,
    folder=pathlib.Path(FLAGS.aot_folder) if FLAGS.aot_folder else None,
  )


def _stream_seconds() -> tuple[float, ...]:
  try:
    found = tuple(map(float, FLAGS.stream_seconds))
  except ValueError:
    found = ()
  if not found or not all(0 < seconds < math.inf for seconds in found):
    raise UserError(
      f'--stream_seconds: found {",".join(FLAGS.stream_seconds)}, expected '
      'numbers above 0, such as 1,10,60.'
    )
  return found


def _check_json() -> None:
  """Measuring takes long; that its result has no place is said before."""
  if not FLAGS.json:
    return
  path = pathlib.Path(FLAGS.json)
  if path.is_dir():
    raise UserError(
      f'--json: {path} is a folder, expected a file, such as '
      f'{path / "speed.json"}.'
    )
  if not os.access(path.parent, os.W_OK | os.X_OK):
    raise UserError(
      f'--json: the folder {path.parent} of {path.name} does not exist or '
      'cannot be written, expected one that can; make it, or name another.'
    )


def _with_steps(names):
  """The input is compared with training steps of the same run."""
  if 'input' in names and not set(_STEPS) & set(names):
    names = [*_STEPS, *names]
  return [name for name in _TABLES if name in names]


def _training_rates(measured) -> dict[str, float]:
  return {
    f'a step of {found.name}, {found.threads} threads, {figure.what}': (
      figure.samples_per_second
    )
    for found in measured
    if found.name in _STEPS
    for figure in found.figures
  }


if __name__ == '__main__':
  app.run(main)
