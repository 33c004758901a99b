"""Recordings in, a served voice out: flags and dispatch.

python train_main.py                       # the bundled corpus, preset tiny
python train_main.py --preset=small --data_dir=recordings --workdir=runs/voice
python train_main.py --mode=generate --workdir=runs/voice --input=a.wav
python train_main.py --mode=speak --workdir=runs/voice --text='Good morning.'
"""

import dataclasses
import os
import pathlib
import re
import sys

# TensorFlow's start-up remarks would bury the first line a user should read.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from absl import app, flags, logging
from ml_collections import config_flags
import tensorflow as tf

from data.conditioning import inputs
from data.preparing import runners
from modes import (
  drawing,
  elsewhere,
  importing,
  judging,
  learning,
  runs,
  speaking,
)
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.choices import LINGUISTIC
from wavenet_tf.configuration.config import check_fields, Config
from wavenet_tf.configuration.errors import reason, UserError
from wavenet_tf.configuration.files import path_of
from wavenet_tf.learning import allocator
from wavenet_tf.learning.dividing import replicas
from wavenet_tf.learning.interruption import Interrupted

_MODES = (
  'all',
  'prepare',
  'train_prosody',
  'train_teacher',
  'train_student',
  'train_classifier',
  'generate',
  'speak',
  'evaluate',
  'figures',
  'export',
  'export_gradients',
  'import_weights',
  'import',
)

_MODES_OF_WORKERS = 'train_teacher', 'train_student', 'train_classifier'


def define_flags(values: flags.FlagValues, argv: list[str]) -> None:
  """The flags of a command.

  Args:
    values: where they are defined; `flags.FLAGS`, or those of one call.
    argv: of the command: a field of the configuration that it names becomes a
      flag.
  """
  here = {'flag_values': values}
  flags.DEFINE_enum(
    'mode',
    'all',
    _MODES,
    'What to do; `all` prepares, trains, exports and evaluates in order; it '
    'trains prosody only where text is told, and a classifier only where the '
    'perceptual loss listens with it.',
    **here,
  )
  flags.DEFINE_string(
    'workdir',
    'runs/demo',
    'Folder of the run; it and all other paths may be gs:// and the like.',
    **here,
  )
  flags.DEFINE_enum(
    'preset',
    None,
    list(presets.PRESETS),
    'Configuration of a new run (default: tiny).',
    **here,
  )
  flags.DEFINE_string(
    'data_dir',
    None,
    'Folder of recordings of a new run (default: the bundled corpus).',
    **here,
  )
  flags.DEFINE_string(
    'init_from',
    None,
    'Folder of a run or of voices/ whose weights a new run begins with; its '
    'configuration is the default, its sizes must be the same.',
    **here,
  )
  flags.DEFINE_enum(
    'distribute',
    replicas.NONE,
    replicas.KINDS,
    'Training: the devices that share each batch; multi_worker is this command '
    'on every machine that TF_CONFIG lists, with one --workdir that all see.',
    **here,
  )
  flags.DEFINE_list(
    'data_service',
    [],
    'Training: grpc://host:port of tf.data services that read and cut the '
    'recordings, each a dispatcher with one worker (docs/scale.md).',
    **here,
  )
  flags.DEFINE_enum(
    'runner',
    runners.SIMPLE,
    runners.KINDS,
    'prepare, all, generate: who works at recordings; simple is this process, '
    'the others are Apache Beam (docs/scale.md). All leave the same files.',
    **here,
  )
  flags.DEFINE_list(
    'beam_options',
    [],
    'Options of Beam without dashes, such as '
    'direct_num_workers=4,direct_running_mode=multi_processing.',
    **here,
  )
  flags.DEFINE_boolean(
    'verify',
    False,
    'Compares every shard with its hash, those too that are unchanged since '
    'they were compared.',
    **here,
  )
  flags.DEFINE_string(
    'compare_workdir',
    None,
    'figures: a run with another output, whose predictions are set beside.',
    **here,
  )
  _define_flags_of_elsewhere(here)
  _define_flags_of_speech(here)
  _define_fields(here, argv)


def _define_flags_of_elsewhere(here):
  """What comes from other code, and what goes to it."""
  flags.DEFINE_enum(
    'from', importing.ORIGINS[0], importing.ORIGINS, 'import: by which.', **here
  )
  flags.DEFINE_string(
    'checkpoint',
    None,
    'import: its .pth file, or the arrays of its state_dict as .npz.',
    **here,
  )
  flags.DEFINE_enum(
    'format',
    elsewhere.SAVED_MODEL,
    elsewhere.FORMATS,
    'export: as what; all but a SavedModel are a chunk of the student.',
    **here,
  )
  flags.DEFINE_string(
    'hparams',
    None,
    'import: its hyper-parameters (default: hparams.json beside it).',
    **here,
  )


def _define_flags_of_speech(here):
  """What to say, by whom, and where to write it."""
  flags.DEFINE_enum(
    'model',
    'student',
    ['teacher', 'student'],
    'generate, speak: which model speaks.',
    **here,
  )
  flags.DEFINE_string(
    'input',
    None,
    'generate: an audio file, or a folder, or a .npy file where features are '
    'given; import_weights: a .npz file.',
    **here,
  )
  flags.DEFINE_integer(
    'rows',
    1,
    'generate: how many recordings of a folder are spoken at once; more than '
    'one pays on a GPU (docs/scale.md).',
    lower_bound=1,
    **here,
  )
  flags.DEFINE_string('text', '', 'speak: what to say.', **here)
  flags.DEFINE_string('labels', None, 'speak: a label file to say.', **here)
  flags.DEFINE_float(
    'seconds',
    0.0,
    'generate: how long to go on, where nothing local is told.',
    lower_bound=0.0,
    **here,
  )
  flags.DEFINE_string(
    'speaker', '', 'generate, speak: a speaker of the recordings.', **here
  )
  flags.DEFINE_list(
    'tags', [], 'generate, speak: tags of the recordings.', **here
  )
  flags.DEFINE_string('vector', None, 'generate, speak: a .npy file.', **here)
  flags.DEFINE_string(
    'output',
    None,
    'generate, speak: a .wav file, or a folder (default: '
    '<workdir>/samples/<model>).',
    **here,
  )
  flags.DEFINE_integer(
    'seed',
    0,
    'generate, speak: the same seed gives the same audio.',
    lower_bound=0,
    upper_bound=2**31 - 1,
    **here,
  )


def _define_fields(here, argv):
  """`--config.teacher.cycles` and the like, as far as `argv` names them."""
  try:
    check_fields(
      re.findall(r'^--?(?:no)?config\.([\w.]+)', '\n'.join(argv), re.M)
    )
  except UserError as error:
    sys.exit(f'--config.{error}')
  config_flags.DEFINE_config_dataclass(
    'config',
    Config(),
    'Overrides a field of the preset: --config.teacher.cycles=3. The fields '
    'are those of wavenet_tf/configuration/, the values of presets.py; what '
    'is shown here as default belongs to no preset.',
    sys_argv=argv,
    **here,
  )


def everything(
  run: runs.Run,
  data_dir: str | None,
  init_from: pathlib.Path | None = None,
  runner: runners.Runner = runners.HERE,
) -> None:
  """All that a SavedModel and its report need."""
  run = learning.prepare(run, data_dir, init_from, runner)
  has_text = run.config.conditioning.local == LINGUISTIC
  if has_text and not run.prosody_file.exists():
    learning.train_prosody(run)
  learning.train_teacher(run)
  distillation = run.config.distillation
  if run.config.student.flow_layers:
    if distillation.is_perceptual and not distillation.classifier_workdir:
      learning.train_classifier(run)
    learning.train_student(run)
    learning.export(run)
  else:
    print('Student and export: none, as student.flow_layers is ().')
  judging.evaluate(run)


def _request(values, runner=runners.HERE) -> speaking.Request:
  return speaking.Request(
    values.model,
    values.input,
    values.output,
    values.seed,
    inputs.Wish(
      labels=path_of(values.labels) if values.labels else None,
      text=values.text,
      seconds=values.seconds,
      speaker=values.speaker,
      tags=tuple(values.tags),
      vector=path_of(values.vector) if values.vector else None,
    ),
    values.rows,
    runner,
  )


def _run(values) -> None:
  init_from = path_of(values.init_from) if values.init_from else None
  if values.distribute == replicas.MULTI_WORKER and (
    values.mode not in _MODES_OF_WORKERS
  ):
    raise UserError(
      f'--distribute=multi_worker: found --mode={values.mode}, expected one of '
      f'{", ".join(_MODES_OF_WORKERS)}; all others are for one machine.'
    )
  overrides = config_flags.get_override_values(values['config'])
  if values.mode == 'import':
    importing.import_run(
      path_of(values.workdir), values.checkpoint, values.hparams, overrides
    )
    return
  runner = runners.Runner(values.runner, tuple(values.beam_options))
  runner.check()
  devices = replicas.replicas_of(values.distribute)
  run = runs.open_run(
    path_of(values.workdir),
    values.preset,
    overrides,
    values.mode,
    init_from,
  )
  run = dataclasses.replace(
    run,
    replicas=devices,
    data_services=tuple(values.data_service),
    verify_again=values.verify,
  )
  {
    'all': lambda run: everything(run, values.data_dir, init_from, runner),
    'prepare': lambda run: learning.prepare(
      run, values.data_dir, init_from, runner
    ),
    'train_prosody': learning.train_prosody,
    'train_teacher': learning.train_teacher,
    'train_student': learning.train_student,
    'train_classifier': learning.train_classifier,
    'generate': lambda run: speaking.generate(run, _request(values, runner)),
    'speak': lambda run: speaking.speak(run, _request(values)),
    'evaluate': judging.evaluate,
    'figures': lambda run: drawing.figures(run, values.compare_workdir),
    'export': lambda run: elsewhere.export_as(run, values.format),
    'export_gradients': elsewhere.export_gradients,
    'import_weights': lambda run: elsewhere.import_weights(run, values.input),
  }[values.mode](run)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> int:
  """One command; what goes wrong is a sentence on standard error.

  Args:
    argv: what is left of the command once its flags are parsed.
    values: of the flags.

  Returns:
    The exit status.
  """
  # What follows is meant for people; TensorFlow's notes on its work are not.
  logging.set_verbosity(logging.WARNING)
  tf.get_logger().setLevel('ERROR')
  if len(argv) > 1:
    raise app.UsageError(f'Not a flag: {argv[1]!r}.')
  allocator.keep_freed()
  try:
    _run(values)
  except (Interrupted, UserError) as error:
    print(f'\n{error}', file=sys.stderr)
    return 130 if isinstance(error, Interrupted) else 1
  except (OSError, tf.errors.OpError) as error:
    print(f'\n{_system_error(error, values.workdir)}', file=sys.stderr)
    return 1
  except KeyboardInterrupt:
    print('\nStopped; the same command continues.', file=sys.stderr)
    return 130
  return 0


def _system_error(error, workdir) -> str:
  """Disk full, no permission and the like, in one sentence."""
  if isinstance(error, OSError):
    return (
      f'{error.filename or workdir}: {error.strerror}; check the '
      'permissions and the free space there.'
    )
  if isinstance(error, tf.errors.ResourceExhaustedError):
    return (
      f'{workdir}: {reason(error)}; free some space and run the same command '
      'again.'
    )
  return f'{workdir}: {reason(error)}.'


if __name__ == '__main__':
  define_flags(flags.FLAGS, sys.argv)
  app.run(main)
