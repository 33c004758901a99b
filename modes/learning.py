"""Preparation and training: recordings -> data -> models -> SavedModel."""

import json
import pathlib

from absl import logging
import tensorflow as tf

from data.preparing import preparation
from data.preparing.runners import HERE, Runner
from data.shards import prosody_training
from data.shards.batches import training_batches, validation_batches
from data.shards.crops import Crops, FrameLabels
from data.shards.manifest import MANIFEST
from data.shards.splits import TRAIN, VALIDATION
from modes import beginning
from modes.judging import measure_classifier, shortened
from modes.pitch import starting_student
from modes.runs import Run
from wavenet_tf.configuration.choices import LINGUISTIC, NONE
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of, write_text
from wavenet_tf.configuration.validation.networks import validate_classifier
from wavenet_tf.judging.health import diagnosis, measurement
from wavenet_tf.judging.perception import instruments
from wavenet_tf.judging.perception.comparison import Listener
from wavenet_tf.judging.perception.gating import WHOLE
from wavenet_tf.learning import objectives
from wavenet_tf.learning.trainer import Trainer
from wavenet_tf.networks import classifier as classifier_lib
from wavenet_tf.networks import teacher as teacher_lib
from wavenet_tf.showing import tables, tensorboard
from wavenet_tf.signal import quantization
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.served import export as export_lib
from wavenet_tf.speaking.synthesis import Synthesizer

_SAMPLE_CORPUS = pathlib.Path(__file__).parents[1] / 'data' / 'sample'


def prepare(
  run: Run,
  data_dir: str | None,
  init_from: pathlib.Path | None = None,
  runner: Runner = HERE,
) -> Run:
  """Recordings -> shards and manifest; nothing to do if they are there.

  Args:
    run: old or new.
    data_dir: the recordings; None: those of the run, or the bundled ones.
    init_from: the folder of a run whose weights a new one begins with.
    runner: who prepares.

  Returns:
    The run, with what its models need to know of the corpus.
  """
  if (run.data / MANIFEST).exists():
    manifest = run.manifest
    folder = manifest.corpus['folder']
    if data_dir and str(path_of(data_dir).resolve()) != folder:
      raise UserError(
        f'--data_dir: found {data_dir}, but {run.workdir} '
        f'was prepared from {folder}; use another --workdir.'
      )
  else:
    if init_from is not None:
      beginning.check_start(run, init_from)
    source = path_of(data_dir or _SAMPLE_CORPUS)
    manifest = preparation.prepare(run.config, source, run.data, runner)
    # A run that is there is a run that was prepared.
  run = run.with_found(manifest)
  if init_from is not None and not (run.workdir / 'config.json').exists():
    beginning.start_from(run, init_from)
  run.save()
  print(
    f'Data: {len(manifest.of_split(TRAIN))} training and '
    f'{len(manifest.of_split(VALIDATION))} validation utterances, '
    f'{manifest.corpus["seconds"]:.0f} s at '
    f'{run.config.audio.sample_rate_hz} Hz, {len(manifest.rejected)} '
    'files left out.'
  )
  return run


def train_prosody(run: Run) -> None:
  """Models of durations and pitch, from the corpus' own alignment."""
  if run.config.conditioning.local != LINGUISTIC:
    raise UserError(
      f'conditioning.local: found {run.config.conditioning.local!r}, of which '
      f'no prosody is predicted, expected {LINGUISTIC!r}; prepare a new '
      '--workdir with that.'
    )
  trained = prosody_training.train(run.data, run.manifest)
  trained.save(run.prosody_file)
  errors = prosody_training.evaluate(trained, run.data, run.manifest)
  line = (
    f'Prosody: durations of {errors.phones} phones within '
    f'{errors.duration_ms:.0f} ms RMS (spread {errors.duration_spread_ms:.0f} '
    'ms)'
  )
  if run.config.conditioning.log_f0:
    line += (
      f', log F0 of {errors.frames} frames within '
      f'{errors.log_f0_semitones:.1f} semitones RMS (spread '
      f'{errors.log_f0_spread_semitones:.1f}), voicing '
      f'{100 * errors.voicing_accuracy:.0f} % right'
    )
  print(f'{line}.')


def train_teacher(run: Run) -> None:
  """Maximum likelihood on crops of the recordings."""
  _print_receptive_field(run, 'Teacher', run.config.teacher)
  if run.config.context.cycles:
    _print_receptive_field(run, 'Context stack', run.config.context)
  steps, before = (c.train_teacher.steps for c in (run.config, run.saved))
  if steps != before and (run.workdir / 'student').exists():
    raise UserError(
      f'train_teacher.steps: found {steps}, but {run.workdir / "student"} was '
      f'distilled from a teacher of {before} steps; remove that folder first, '
      'or use another --workdir.'
    )
  run.seed_initial_weights(run.config.train_teacher)
  teacher = teacher_lib.build_teacher(run.config)
  generate = Generator(teacher, run.config)
  objective = objectives.teacher_objective(teacher)
  # What the context stack hears before the teacher's part of a crop.
  past = run.config.train_teacher.crop_samples - run.config.teacher_samples
  _train(run, 'teacher', teacher, objective, generate, past_samples=past)


def _print_receptive_field(run, name, sizes):
  field = sizes.receptive_field_samples
  print(
    f'{name}: receptive field {field:,} samples, '
    f'{1000 * field / run.config.audio.sample_rate_hz:.0f} ms.'
  )


def train_student(run: Run) -> None:
  """Density distillation from the average of the teacher's weights."""
  if not run.config.student.flow_layers:
    raise UserError(
      'student.flow_layers: found (), so this run has no '
      'student; give its flows, such as (10,10,10,30).'
    )
  _print_receptive_field(run, 'Student', run.config.student)
  teacher = run.teacher()
  student = starting_student(run, teacher)
  listener = run.listener()
  _train(
    run,
    'student',
    student,
    run.student_objective(teacher, student, listener),
    Synthesizer(student, run.config),
    _health_watch(run, teacher, student),
    frozen=[model for model in (teacher, listener) if model],
  )


def _health_watch(run, teacher, student):
  """-> step -> the student's health, into TensorBoard and as warnings."""
  config = run.config
  batches = validation_batches(
    run.validation(measurement.CROPS),
    Crops(config, config.train_student.crop_samples),
  )
  measure = measurement.measurer(teacher, student, batches, config)

  def watch(step):
    measured = measure()
    tensorboard.write_health(measured, step)
    for warning in diagnosis.warnings(measured.health):
      logging.warning('Student at step %d: %s', step, warning)

  return watch


def train_classifier(run: Run) -> None:
  """Frames of raw audio -> the labels that the corpus brings."""
  sizes, settings = run.config.classifier, run.config.train_classifier
  validate_classifier(run.config)
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
  classes = run.manifest.vocabularies[sizes.labels]
  if len(classes) < 2:
    raise UserError(
      f'classifier.labels: found {sizes.labels!r}, of which '
      f'{run.manifest.corpus["folder"]} has {len(classes)}, expected at least '
      'two to tell apart; add labels (docs/conditioning.md) and prepare a new '
      '--workdir, or choose another kind.'
    )
  _print_receptive_field(run, 'Classifier', sizes)
  print(
    f'Classifier: {len(classes)} {sizes.labels}, each frame heard with '
    f'{sizes.frame_reach} frames of {sizes.frame_milliseconds:g} ms to '
    'either side.'
  )
  run.seed_initial_weights(settings)
  classifier = classifier_lib.build_classifier(run.config, len(classes))
  if run.replicas.is_chief:
    run.classes_path.parent.mkdir(exist_ok=True)
    write_text(run.classes_path, json.dumps(classes) + '\n')
  objective = objectives.classifier_objective(
    classifier, sizes.next_sample_weight
  )
  labels = FrameLabels(sizes.labels, classifier.frame_samples)
  _train(run, 'classifier', classifier, objective, labels=labels)
  if run.replicas.is_chief:
    print(tables.table(tables.classifier_rows(measure_classifier(run))))


def _train(
  run, name, model, objective, synthesize=None, watch=None, frozen=(), **crops
):
  """Trains one model; each checkpoint is also a sound in TensorBoard.

  Args:
    run: of this command.
    name: of the model's folder and of its section of the configuration.
    model: whose variables exist.
    objective: (batch, seed, part) -> (loss, metrics).
    synthesize: (features, seed) -> waveform, or None where nothing speaks.
    watch: called with the step after the sound of each checkpoint, or None.
    frozen: other models that the objective reads.
    **crops: see `crops.Crops`.
  """
  settings = getattr(run.config, f'train_{name}')
  # A command that the data refuses leaves the run as it was.
  manifest = run.manifest
  # An interrupted run goes on with what was asked for now.
  run.save()
  trainer = Trainer(
    model, objective, settings, run.workdir / name, run.replicas, frozen
  )
  trainer.restore()
  if trainer.steps_done >= settings.steps:
    print(f'{name.capitalize()}: {trainer.steps_done} steps done.')
    return
  batches = training_batches(
    run.data,
    manifest,
    Crops(run.config, settings.crop_samples, **crops),
    batch_size=settings.batch_size,
    seed=settings.seed,
    start_step=trainer.steps_done,
    services=run.data_services,
  )
  if synthesize is None:
    trainer.run(batches)
    return
  example = shortened(run, run.validation(1)[0], seconds=1.0)
  recording = quantization.waveform_from_levels(example.levels).numpy()
  compare = Listener(recording, run.config.audio, instruments.installed())

  def listen(step):
    waveform = synthesize(
      tf.constant(example.features[None]),
      (0, step),
      tf.constant(example.global_[None]),
    )[0][: len(recording)]
    tensorboard.write_audio(
      {'recording': recording, name: waveform}, run.config.audio, step
    )
    if run.config.conditioning.local != NONE:
      tensorboard.write_perception(compare(waveform)[WHOLE], step)
    if watch is not None:
      watch(step)

  trainer.run(batches, listen)


def export(run: Run) -> None:
  """A new version of the SavedModel."""
  config = run.config
  student = run.student() if config.student.flow_layers else None
  teacher = run.teacher() if config.export.teacher else None
  if not student and not teacher:
    raise UserError(
      'export.teacher: found False, expected True, as student.flow_layers is '
      '(), so that there is nothing else to export.'
    )
  path = export_lib.export(student, config, run.workdir / 'export', teacher)
  print(f'SavedModel: {path}')
  if config.data.highpass_hz or config.data.loudness_dbfs:
    print(
      'Its signature `features` hears recordings as they are: clean them first '
      '(data.highpass_hz, data.loudness_dbfs), or take `Voice.features`.'
    )
