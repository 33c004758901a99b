"""Recordings in, a served voice out: flags and dispatch, one function a mode.

python train_main.py                       # the bundled corpus, preset tiny
python train_main.py --preset=small --data_dir=recordings --workdir=runs/voice
python train_main.py --mode=generate --workdir=runs/voice --input=a.wav
"""

import dataclasses
import functools
import itertools
import json
import os
import pathlib
import random
import sys

# TensorFlow's start-up remarks would bury the first line a user should read.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

# pylint: disable=g-import-not-at-top,wrong-import-position
from absl import app, flags, logging
from ml_collections import config_flags
import tensorflow as tf

from data import copies, dataset, decoding, preparation, shards
from wavenet_tf import (
  audio,
  baseline,
  diagnosis,
  evaluation,
  health,
  objectives,
  presets,
  report,
  sampling,
  speaker_recognition,
  training,
  validation,
)
from wavenet_tf import classifier as classifier_lib
from wavenet_tf import config as config_lib
from wavenet_tf import export as export_lib
from wavenet_tf import figures as figures_lib
from wavenet_tf import student as student_lib
from wavenet_tf import teacher as teacher_lib
from wavenet_tf.config import Config, UserError

# pylint: enable=g-import-not-at-top,wrong-import-position

_SAMPLE_CORPUS = pathlib.Path(__file__).parent / 'data' / 'sample'
_MODES_OF_A_NEW_RUN = ('all', 'prepare')
# Overrides of the other modes hold for one command.
_MODES_THAT_SHAPE_A_RUN = (
  'all',
  'prepare',
  'train_teacher',
  'train_student',
  'train_classifier',
)

FLAGS = flags.FLAGS
flags.DEFINE_enum(
  'mode',
  'all',
  [
    'all',
    'prepare',
    'train_teacher',
    'train_student',
    'train_classifier',
    'generate',
    'evaluate',
    'figures',
    'export',
  ],
  'What to do; `all` does everything but `generate` in order, and trains a '
  'classifier only where the perceptual loss listens with it.',
)
flags.DEFINE_string('workdir', 'runs/demo', 'Folder of the run.')
flags.DEFINE_enum(
  'preset',
  None,
  list(presets.PRESETS),
  'Configuration of a new run (default: tiny).',
)
flags.DEFINE_string(
  'data_dir',
  None,
  'Folder of recordings of a new run (default: the bundled corpus).',
)
flags.DEFINE_enum(
  'model', 'student', ['teacher', 'student'], 'generate: which model speaks.'
)
flags.DEFINE_string('input', None, 'generate: an audio file, or a folder.')
flags.DEFINE_string(
  'output',
  None,
  'generate: a .wav file, or a folder (default: <workdir>/samples/<model>).',
)
flags.DEFINE_string(
  'compare_workdir',
  None,
  'figures: a run with another output, whose predictions are set beside.',
)
flags.DEFINE_integer(
  'seed',
  0,
  'generate: the same seed gives the same audio.',
  lower_bound=0,
  upper_bound=2**31 - 1,
)


def _define_config_flags() -> None:
  try:
    config_flags.DEFINE_config_dataclass(
      'config',
      Config(),
      'Overrides a field of the preset: --config.teacher.cycles=3. The fields '
      'are those of wavenet_tf/config.py, the values of presets.py; what is '
      'shown here as default belongs to no preset.',
    )
  except KeyError as error:  # Raised here for a field that does not exist.
    sys.exit(
      f'--config: {error.args[0]}; the fields are those of '
      'wavenet_tf/config.py.'
    )


_define_config_flags()


@dataclasses.dataclass(frozen=True)
class Run:
  """What every mode is given."""

  config: Config
  workdir: pathlib.Path
  saved: Config  # What the folder was made with, before this command.

  @property
  def data(self) -> pathlib.Path:
    return self.workdir / 'data'

  @functools.cached_property
  def manifest(self) -> shards.Manifest:
    return shards.read_manifest(self.data, self.config.audio)

  def validation(self, count: int, every: int = 1) -> list[shards.Example]:
    examples = shards.read_examples(self.data, self.manifest, shards.VALIDATION)
    return list(itertools.islice(examples, 0, count * every, every))

  def spread(self, split: str, count: int) -> list[shards.Example]:
    """About `count` examples at most, from all over a split."""
    every = -(-len(self.manifest.of_split(split)) // count)
    examples = shards.read_examples(self.data, self.manifest, split)
    return list(itertools.islice(examples, 0, None, every))

  def teacher(self) -> teacher_lib.Teacher:
    return training.load_average(
      teacher_lib.build_teacher(self.config), self.workdir / 'teacher'
    )

  def student(self) -> student_lib.Student:
    return training.load_average(
      student_lib.build_student(self.config), self.workdir / 'student'
    )

  @property
  def classes_path(self) -> pathlib.Path:
    """The names of the classifier's classes, kept beside its weights."""
    return self.workdir / 'classifier' / 'classes.json'

  def classifier(self) -> classifier_lib.Classifier:
    classes = []
    if self.classes_path.exists():
      classes = json.loads(self.classes_path.read_text('utf-8'))
    return training.load_average(
      classifier_lib.build_classifier(self.config, max(1, len(classes))),
      self.workdir / 'classifier',
    )

  def listener(self):
    """The frozen classifier of the perceptual loss, or None without one."""
    settings = self.config.distillation
    if not settings.is_perceptual:
      return None
    if not settings.classifier_workdir:
      if not self.classes_path.exists():
        raise UserError(
          'distillation.style_weight, feature_weight: a perceptual loss needs '
          f'a classifier, and {self.workdir} has none; run '
          '--mode=train_classifier there first, or name a run that has one by '
          'distillation.classifier_workdir.'
        )
      return self.classifier()
    field = 'distillation.classifier_workdir'
    workdir = pathlib.Path(settings.classifier_workdir)
    path = workdir / 'config.json'
    if not path.exists():
      raise UserError(
        f'{field}: {path} does not exist; name the --workdir in which '
        '--mode=train_classifier was run.'
      )
    config = config_lib.load(path)
    rates = [c.audio.sample_rate_hz for c in (self.config, config)]
    if rates[0] != rates[1]:
      raise UserError(
        f'{field}: the classifier in {workdir} listens at {rates[1]} Hz, '
        f'expected audio.sample_rate_hz = {rates[0]}; train one at that rate.'
      )
    return Run(config, workdir, config).classifier()


def prepare(run: Run) -> None:
  """Recordings -> shards and manifest; nothing to do if they are there."""
  if (run.data / shards.MANIFEST).exists():
    manifest = run.manifest
    folder = manifest.corpus['folder']
    if FLAGS.data_dir and str(pathlib.Path(FLAGS.data_dir).resolve()) != folder:
      raise UserError(
        f'--data_dir: found {FLAGS.data_dir}, but {run.workdir} '
        f'was prepared from {folder}; use another --workdir.'
      )
  else:
    data_dir = pathlib.Path(FLAGS.data_dir or _SAMPLE_CORPUS)
    manifest = preparation.prepare(run.config, data_dir, run.data)
    config_lib.save(run.config, run.workdir / 'config.json')
  print(
    f'Data: {len(manifest.of_split(shards.TRAIN))} training and '
    f'{len(manifest.of_split(shards.VALIDATION))} validation utterances, '
    f'{manifest.corpus["seconds"]:.0f} s at '
    f'{run.config.audio.sample_rate_hz} Hz, {len(manifest.rejected)} '
    'files left out.'
  )


def train_teacher(run: Run) -> None:
  """Maximum likelihood on crops of the recordings."""
  sizes = run.config.teacher
  field = sizes.receptive_field_samples
  print(
    f'Teacher: receptive field {field} samples, '
    f'{1000 * field / run.config.audio.sample_rate_hz:.0f} ms.'
  )
  if (
    run.config.train_teacher.steps != run.saved.train_teacher.steps
    and (run.workdir / 'student').exists()
  ):
    raise UserError(
      f'train_teacher.steps: found {run.config.train_teacher.steps}, but '
      f'{run.workdir / "student"} was distilled from a teacher of '
      f'{run.saved.train_teacher.steps} steps; remove that folder first, '
      'or use another --workdir.'
    )
  _seed_initial_weights(run.config.train_teacher)
  teacher = teacher_lib.build_teacher(run.config)
  generate = sampling.Generator(teacher, run.config)
  objective = objectives.teacher_objective(teacher)
  _train(run, 'teacher', teacher, objective, generate)


def train_student(run: Run) -> None:
  """Density distillation from the average of the teacher's weights."""
  if not run.config.student.flow_layers:
    raise UserError(
      'student.flow_layers: found (), so this run has no '
      'student; give its flows, such as (10,10,10,30).'
    )
  teacher = run.teacher()
  student = _untrained_student(run, teacher)
  synthesize = sampling.Synthesizer(student, run.config)
  _train(
    run,
    'student',
    student,
    objectives.student_objective(
      teacher,
      student,
      run.config.distillation,
      run.config.audio.sample_rate_hz,
      run.listener(),
    ),
    synthesize,
    _health_watch(run, teacher, student),
  )


def _health_watch(run, teacher, student):
  """-> step -> the student's health, into TensorBoard and as warnings."""
  config = run.config
  batches = dataset.validation_batches(
    run.validation(health.CROPS),
    config,
    config.train_student.crop_samples,
  )
  measure = health.measurer(teacher, student, batches, config)

  def watch(step):
    measurement = measure()
    health.write_summaries(measurement, step)
    for warning in diagnosis.warnings(measurement.health):
      logging.warning('Student at step %d: %s', step, warning)

  return watch


def train_classifier(run: Run) -> None:
  """Frames of raw audio -> the labels that the corpus brings."""
  sizes, settings = run.config.classifier, run.config.train_classifier
  validation.validate_classifier(run.config)
  if (
    settings.steps != run.saved.train_classifier.steps
    and run.config.distillation.is_perceptual
    and (run.workdir / 'student').exists()
  ):
    raise UserError(
      f'train_classifier.steps: found {settings.steps}, but '
      f'{run.workdir / "student"} listened with a classifier of '
      f'{run.saved.train_classifier.steps} steps; remove that folder first, '
      'or use another --workdir.'
    )
  rate = run.config.audio.sample_rate_hz
  classes = run.manifest.vocabularies[sizes.labels]
  if len(classes) < 2:
    raise UserError(
      f'classifier.labels: found {sizes.labels!r}, of which '
      f'{run.manifest.corpus["folder"]} has {len(classes)}, expected at least '
      'two to tell apart; add labels (README, "Labels") and prepare a new '
      '--workdir, or choose another kind.'
    )
  print(
    f'Classifier: {len(classes)} {sizes.labels}, receptive field '
    f'{1000 * sizes.receptive_field_samples / rate:.0f} ms and '
    f'{sizes.frame_reach} frames of {sizes.frame_milliseconds:g} ms to '
    'either side.'
  )
  _seed_initial_weights(settings)
  classifier = classifier_lib.build_classifier(run.config, len(classes))
  run.classes_path.parent.mkdir(exist_ok=True)
  config_lib.write_text(run.classes_path, json.dumps(classes) + '\n')
  objective = objectives.classifier_objective(
    classifier, sizes.next_sample_weight
  )
  _train(
    run,
    'classifier',
    classifier,
    objective,
    label_kind=sizes.labels,
    frame_samples=classifier.frame_samples,
  )
  measured = _measure_classifier(run)
  print(report.table(report.classifier_rows(measured)))


def _measure_classifier(run):
  """Accuracies on validation utterances, and what log-mels alone reach."""
  config = run.config
  kind = config.classifier.labels
  frame_samples = config.classifier.frame_samples(config.audio.sample_rate_hz)

  def labels_of(example):
    return dataset.frame_labels(
      example, 0, len(example.levels), kind, frame_samples
    ).numpy()

  examples = run.spread(shards.VALIDATION, config.evaluate.utterances)
  labels = [labels_of(e) for e in examples]
  measured = evaluation.classifier_accuracy(
    run.classifier(), config, examples, labels
  )
  learned = run.spread(shards.TRAIN, baseline.MOST_RECORDINGS)
  measured['baseline'] = baseline.measure(
    config,
    [baseline.Recording(e.levels, labels_of(e)) for e in learned],
    [baseline.Recording(e.levels, found) for e, found in zip(examples, labels)],
  )
  return measured


def _untrained_student(run, teacher):
  """The student that training starts from."""
  _seed_initial_weights(run.config.train_student)
  student = student_lib.build_student(run.config)
  # The teacher's encoder already hears what matters.
  student.encoder.set_weights(teacher.encoder.get_weights())
  return student


def _seed_initial_weights(settings):
  """Keras draws the seeds of its initializers from Python's generator.

  `keras.utils.set_random_seed` would also change TensorFlow's global seed, on
  which the order of the data must not depend.
  """
  random.seed(settings.seed)


def _train(run, name, model, objective, synthesize=None, watch=None, **labels):
  """Trains one model; each checkpoint is also a sound in TensorBoard.

  Args:
    run: of this command.
    name: of the model's folder and of its section of the configuration.
    model: whose variables exist.
    objective: (batch, seed) -> (loss, metrics).
    synthesize: (features, seed) -> waveform, or None where nothing speaks.
    watch: called with the step after the sound of each checkpoint, or None.
    **labels: of the batches, see `dataset.training_batches`.
  """
  settings = getattr(run.config, f'train_{name}')
  # An interrupted run goes on with what was asked for now.
  config_lib.save(run.config, run.workdir / 'config.json')
  trainer = training.Trainer(model, objective, settings, run.workdir / name)
  trainer.restore()
  if trainer.steps_done >= settings.steps:
    print(f'{name.capitalize()}: {trainer.steps_done} steps done.')
    return
  manifest = run.manifest
  batches = dataset.training_batches(
    run.data,
    manifest,
    run.config,
    batch_size=settings.batch_size,
    crop_samples=settings.crop_samples,
    shuffle_megabytes=run.config.data.shuffle_megabytes,
    seed=settings.seed,
    start_step=trainer.steps_done,
    **labels,
  )
  if synthesize is None:
    trainer.run(batches)
    return
  example = _shortened(run, run.validation(1)[0], seconds=1.0)

  def listen(step):
    waveform = synthesize(
      tf.constant(example.features[None]),
      (0, step),
      tf.constant(example.global_[None]),
    )[0]
    report.write_tensorboard_audio(
      {'recording': _waveform(example), name: waveform[: len(example.levels)]},
      run.config.audio,
      step,
    )
    if watch is not None:
      watch(step)

  trainer.run(batches, listen)


def generate(run: Run) -> None:
  """Copy synthesis: log-mel of the input, waveform out."""
  output = FLAGS.output or run.workdir / 'samples' / FLAGS.model
  targets = copies.targets(FLAGS.input, pathlib.Path(output))
  synthesize = _synthesizer(run, FLAGS.model)
  rate = run.config.audio.sample_rate_hz
  bad = []
  for source, target in targets.items():
    try:
      levels = copies.load(source, run.config.audio)
    except UserError as error:
      print(error, file=sys.stderr)
      bad.append(source)
      continue
    waveform = audio.waveform_from_levels(levels[None])
    features = audio.log_mel(waveform, run.config.audio)
    speech = synthesize(features, (FLAGS.seed, 0))[0, : len(levels)]
    target.parent.mkdir(parents=True, exist_ok=True)
    decoding.write_wav(target, speech, rate)
    print(
      f'{target}: {len(speech) / rate:.2f} s, {audio.rms_dbfs(speech):.1f} '
      f'dBFS (input {audio.rms_dbfs(waveform[0].numpy()):.1f} dBFS).'
    )
  if bad:
    raise UserError(
      f'--input: {len(bad)} of {len(targets)} recordings were not copied.'
    )


def evaluate(run: Run) -> None:
  """Numbers, WAVs, spectrograms and the report."""
  config = run.config
  examples = run.validation(config.evaluate.utterances)
  names = {example.name for example in examples}
  teacher = run.teacher()
  has_student = bool(config.student.flow_layers)
  models = evaluation.Models(
    teacher,
    run.student() if has_student else None,
    _untrained_student(run, teacher) if has_student else None,
    run.listener() if has_student else None,
  )
  results = evaluation.measure(
    config,
    models,
    examples,
    dataset.validation_batches(
      examples, config, config.train_student.crop_samples
    )
    if has_student
    else [],
    sum(
      u['flac_bytes']
      for u in run.manifest.of_split(shards.VALIDATION)
      if u['name'] in names
    ),
  )
  chosen = [
    _shortened(run, example, config.evaluate.audio_seconds)
    for example in examples[: config.evaluate.audio_utterances]
  ]
  copied = evaluation.copies(config, models, chosen)
  results.update(copied.results)
  if any((run.workdir / 'classifier').glob('ckpt-*.index')):
    results['classifier'] = _measure_classifier(run)
  results['speaker_recognition'] = speaker_recognition.recognise(
    teacher,
    config,
    run.spread(shards.VALIDATION, config.evaluate.utterances),
    run.manifest.features['global_names'],
  )
  pictures, sounds = _write_samples(run, copied.waveforms)
  rows = report.rows(results, run.workdir)
  report.write(run.workdir / 'report', results, rows, pictures, sounds)
  print(report.table(rows))


def export(run: Run) -> None:
  """A new version of the SavedModel."""
  if not run.config.student.flow_layers:
    raise UserError(
      'student.flow_layers: found (), so there is no student to '
      'export; give its flows and train it.'
    )
  path = export_lib.export(run.student(), run.config, run.workdir / 'export')
  print(f'SavedModel: {path}')


def figures(run: Run) -> None:
  """Figures of the argument, drawn from this run."""
  has_student = any((run.workdir / 'student').glob('ckpt-*.index'))
  if not has_student:
    print(f'{run.workdir} has no trained student: its flows are not drawn.')
  example = run.validation(1)[0]
  other = None
  if FLAGS.compare_workdir:
    other = _figure_source(_compared_run(run), example.name)
  recordings = run.spread(shards.TRAIN, baseline.MOST_RECORDINGS)
  folder = run.workdir / 'figures'
  pictures = figures_lib.draw(
    folder,
    _figure_source(run, example.name),
    (recording.levels for recording in recordings),
    run.student() if has_student else None,
    other,
  )
  print(f'{len(pictures)} figures: {folder / "index.html"}')


def _compared_run(run):
  workdir = pathlib.Path(FLAGS.compare_workdir)
  path = workdir / 'config.json'
  if not path.exists():
    raise UserError(
      f'--compare_workdir: {path} does not exist; name the --workdir of a run '
      'with a trained teacher.'
    )
  config = config_lib.load(path)
  rates = [c.audio.sample_rate_hz for c in (run.config, config)]
  if rates[0] != rates[1]:
    raise UserError(
      f'--compare_workdir: {workdir} is at {rates[1]} Hz, expected {rates[0]} '
      'as in --workdir; compare runs on the same recordings.'
    )
  return Run(config, workdir, config)


def _figure_source(run, name):
  """A run's teacher, and the utterance of that name as that run hears it."""
  for example in run.validation(sys.maxsize):
    if example.name == name:
      return figures_lib.Source(run.teacher(), run.config, example)
  raise UserError(
    f'--compare_workdir: {run.workdir} does not validate on {name}; compare '
    'runs on the same recordings and the same data.split.'
  )


def everything(run: Run) -> None:
  prepare(run)
  train_teacher(run)
  distillation = run.config.distillation
  if run.config.student.flow_layers:
    if distillation.is_perceptual and not distillation.classifier_workdir:
      train_classifier(run)
    train_student(run)
    export(run)
  else:
    print('Student and export: none, as student.flow_layers is ().')
  evaluate(run)


def _synthesizer(run, name):
  if name == 'teacher':
    return sampling.Generator(run.teacher(), run.config)
  if not run.config.student.flow_layers:
    raise UserError(
      '--model: found student, but this run has none '
      '(student.flow_layers is ()); use --model=teacher.'
    )
  return sampling.Synthesizer(run.student(), run.config)


def _waveform(example):
  return audio.waveform_from_levels(example.levels).numpy()


def _shortened(run, example, seconds):
  """The first seconds of an example, in whole chunks; 0 keeps all of it."""
  chunk = run.config.evaluate.chunk_frames
  hop = run.config.audio.hop_samples
  rate = run.config.audio.sample_rate_hz
  if not seconds:
    return example
  frames = max(1, round(seconds * rate / (hop * chunk))) * chunk
  return example._replace(
    levels=example.levels[: frames * hop], features=example.features[:frames]
  )


def _write_samples(run, waveforms):
  folder = run.workdir / 'samples'
  folder.mkdir(exist_ok=True)
  pictures, sounds = [], []
  for name, by_voice in waveforms.items():
    stem = pathlib.PurePath(name).with_suffix('').as_posix().replace('/', '_')
    for voice, waveform in by_voice.items():
      sounds.append(folder / f'{stem}_{voice}.wav')
      decoding.write_wav(sounds[-1], waveform, run.config.audio.sample_rate_hz)
    pictures.append(folder / f'{stem}.png')
    report.save_spectrograms(pictures[-1], by_voice, run.config.audio)
  return pictures, sounds


_MODES = {
  'all': everything,
  'prepare': prepare,
  'train_teacher': train_teacher,
  'train_student': train_student,
  'train_classifier': train_classifier,
  'generate': generate,
  'evaluate': evaluate,
  'figures': figures,
  'export': export,
}


def _open_run(workdir: pathlib.Path) -> Run:
  """The run of a folder, or a new one; its configuration is checked."""
  overrides = config_flags.get_override_values(FLAGS['config'])
  path = workdir / 'config.json'
  if not path.exists():
    if FLAGS.mode not in _MODES_OF_A_NEW_RUN:
      raise UserError(
        f'--workdir: {path} does not exist; run --mode=prepare '
        'or --mode=all first.'
      )
    config = config_lib.override(
      presets.preset(FLAGS.preset or 'tiny'), overrides
    )
    validation.validate(config)
    return Run(config, workdir, config)
  saved = config_lib.load(path)
  base = presets.preset(FLAGS.preset) if FLAGS.preset else saved
  asked = config_lib.override(base, overrides)
  validation.check_same_run(saved, asked, workdir)
  validation.validate(asked)
  return Run(asked, workdir, saved)


def _run() -> None:
  run = _open_run(pathlib.Path(FLAGS.workdir))
  _MODES[FLAGS.mode](run)
  if FLAGS.mode in _MODES_THAT_SHAPE_A_RUN:
    config_lib.save(run.config, run.workdir / 'config.json')


def main(argv):
  # What follows is meant for people; TensorFlow's notes on its work are not.
  logging.set_verbosity(logging.WARNING)
  tf.get_logger().setLevel('ERROR')
  if len(argv) > 1:
    raise app.UsageError(f'Not a flag: {argv[1]!r}.')
  try:
    _run()
  except (training.Interrupted, UserError) as error:
    print(f'\n{error}', file=sys.stderr)
    return 130 if isinstance(error, training.Interrupted) else 1
  except (OSError, tf.errors.OpError) as error:
    print(f'\n{_system_error(error)}', file=sys.stderr)
    return 1
  except KeyboardInterrupt:
    print('\nStopped; the same command continues.', file=sys.stderr)
    return 130
  return 0


def _system_error(error) -> str:
  """Disk full, no permission and the like, in one sentence."""
  if isinstance(error, OSError):
    return (
      f'{error.filename or FLAGS.workdir}: {error.strerror}; check the '
      'permissions and the free space there.'
    )
  return f'{FLAGS.workdir}: {error.message.splitlines()[0]}'


if __name__ == '__main__':
  app.run(main)
