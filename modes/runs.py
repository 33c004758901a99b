"""A run: a folder with its configuration, its data and its models."""

from collections.abc import Callable
import dataclasses
import functools
import itertools
import json
import pathlib
import random

from data.conditioning.extractor import FeatureExtractor
from data.shards.example import Example
from data.shards.manifest import Manifest, read_manifest
from data.shards.records import read_examples
from data.shards.splits import VALIDATION
from wavenet_tf import loading
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.choices import GIVEN, LINGUISTIC, MEL
from wavenet_tf.configuration.config import Config, flatten, override
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of
from wavenet_tf.configuration.learning import TrainingConfig
from wavenet_tf.configuration.saved_config import load_config, save_config
from wavenet_tf.configuration.validation import existing_run, validate
from wavenet_tf.learning import checkpoints, objectives
from wavenet_tf.learning.dividing.replicas import ALONE, Replicas
from wavenet_tf.networks import classifier as classifier_lib
from wavenet_tf.networks import student as student_lib
from wavenet_tf.networks import teacher as teacher_lib

_MODES_OF_A_NEW_RUN = ('all', 'prepare')
# Says where a run's first weights are from: `--init_from`.
BEGUN_FROM = 'begun_from.txt'
# What `prepare` finds in a corpus.
COUNTED_FIELDS = (
  'conditioning.linguistic_channels',
  'conditioning.global_channels',
)


@dataclasses.dataclass(frozen=True)
class Run:
  """What every mode is given."""

  config: Config
  workdir: pathlib.Path
  saved: Config  # What the folder was made with, before this command.
  replicas: Replicas = ALONE  # Which train; the chief of several writes.
  data_services: tuple[str, ...] = ()  # Which make batches; none: this one.
  verify_again: bool = False  # Shards that are unchanged since, too.

  @property
  def data(self) -> pathlib.Path:
    return self.workdir / 'data'

  @functools.cached_property
  def manifest(self) -> Manifest:
    """Of the data, every shard of which is verified."""
    return self._manifest(verify=True)

  @functools.cached_property
  def told(self) -> FeatureExtractor:
    """What the models of this run are told beside the waveform.

    A log-mel alone is made without knowing the recordings of the training, and
    so are features that are given.
    """
    asked = self.config.conditioning
    if asked.local == GIVEN:
      # No corpus names its speakers: they are numbers from 0.
      speakers = [str(i) for i in range(asked.global_channels)]
      return FeatureExtractor(
        self.config, {'speakers': speakers}, asked.global_channels, None
      )
    if asked.local == MEL and not asked.globals and not self.data.exists():
      return FeatureExtractor(self.config, {}, 0, None)
    return FeatureExtractor.from_manifest(
      self._manifest(verify=False), self.config
    )

  def _manifest(self, verify):
    manifest = read_manifest(
      self.data, self.config.audio, verify=verify, again=self.verify_again
    )
    FeatureExtractor.from_manifest(manifest, self.config)
    return manifest

  @property
  def prosody_file(self) -> pathlib.Path:
    return self.workdir / 'prosody.npz'

  def validation(self, count: int, every: int = 1) -> list[Example]:
    examples = read_examples(self.data, self.manifest, VALIDATION, every)
    return list(itertools.islice(examples, count))

  def spread(self, split: str, count: int) -> list[Example]:
    """At most `count` examples, from all over a split."""
    every = -(-len(self.manifest.of_split(split)) // count)
    return list(read_examples(self.data, self.manifest, split, every))

  def teacher(self) -> teacher_lib.Teacher:
    return loading.load_teacher(self.config, self.workdir)

  def student(self) -> student_lib.Student:
    if not self.config.student.flow_layers:
      raise UserError(
        'student.flow_layers: found (), so this run has no student; give its '
        'flows and train it, or use --model=teacher.'
      )
    return loading.load_student(self.config, self.workdir)

  def untrained_student(
    self, teacher: teacher_lib.Teacher
  ) -> student_lib.Student:
    """The student that training starts from."""
    self.seed_initial_weights(self.config.train_student)
    student = student_lib.build_student(self.config)
    # The teacher's encoder already hears what matters.
    student.encoder.set_weights(teacher.encoder.get_weights())
    return student

  def seed_initial_weights(self, settings: TrainingConfig) -> None:
    """Keras draws the seeds of its initializers from Python's generator.

    `keras.utils.set_random_seed` would also change TensorFlow's global seed, on
    which the order of the data must not depend.
    """
    random.seed(settings.seed)

  def with_found(self, manifest: Manifest) -> 'Run':
    """The same, with the channels that a corpus brings its models."""
    local = manifest.local_channels
    if self.config.conditioning.local != LINGUISTIC:
      local = 0
    found = dict(zip(COUNTED_FIELDS, (local, manifest.global_channels)))
    return dataclasses.replace(
      self,
      config=override(self.config, found),
      saved=override(self.saved, found),
    )

  def save(self) -> None:
    if self.replicas.is_chief:
      save_config(self.config, self.workdir / 'config.json')

  @property
  def classes_path(self) -> pathlib.Path:
    """The names of the classifier's classes, kept beside its weights."""
    return self.workdir / 'classifier' / 'classes.json'

  def classes(self) -> list[str]:
    """The names of the classifier's classes; none where none was trained.

    Raises:
      UserError: if their file is damaged.
    """
    path = self.classes_path
    if not path.exists():
      return []
    try:
      found = json.loads(path.read_text('utf-8'))
    except ValueError as error:
      found = error
    if isinstance(found, list) and all(isinstance(x, str) for x in found):
      return found
    raise UserError(
      f'{path}: found {str(found)[:60]!r}, expected a list of names; run '
      '--mode=train_classifier, which writes it again.'
    )

  def classifier(self) -> classifier_lib.Classifier:
    return checkpoints.load_average(
      classifier_lib.build_classifier(self.config, max(1, len(self.classes()))),
      self.workdir / 'classifier',
    )

  def listener(self) -> classifier_lib.Classifier | None:
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
    other = other_run(self, settings.classifier_workdir, field, 'classifier')
    return other.classifier()

  def student_objective(
    self,
    teacher: teacher_lib.Teacher,
    student: student_lib.Student,
    listener: classifier_lib.Classifier | None,
  ) -> Callable:
    """What the student minimizes, see `objectives.student_objective`."""
    return objectives.student_objective(
      teacher,
      student,
      self.config.distillation,
      self.config.audio.sample_rate_hz,
      listener,
      self.config.audio.preemphasis,
    )


def other_run(run: Run, workdir: str, field: str, model: str) -> Run:
  """A run whose model works on this one's recordings, too.

  Args:
    run: this one.
    workdir: of the other.
    field: the field or flag that names it.
    model: what is wanted of it: 'teacher' or 'classifier'.

  Raises:
    UserError: if the folder holds no run, or one at another sample rate.
  """
  path = path_of(workdir, 'config.json')
  if not path.exists():
    raise UserError(
      f'{field}: {path} does not exist; name the --workdir of a run with a '
      f'trained {model} (--mode=train_{model}).'
    )
  config = load_config(path)
  found, expected = (c.audio.sample_rate_hz for c in (config, run.config))
  if found != expected:
    raise UserError(
      f'{field}: {workdir} is at {found} Hz, expected {expected} Hz '
      '(audio.sample_rate_hz), as in --workdir; name a run at that rate.'
    )
  return Run(config, path.parent, config)


def open_run(
  workdir: pathlib.Path,
  preset: str | None,
  overrides: dict,
  mode: str,
  init_from: pathlib.Path | None = None,
) -> Run:
  """The run of a folder, or a new one; its configuration is checked.

  Args:
    workdir: of the run.
    preset: by name; None: that of the run, of `init_from`, or `tiny`.
    overrides: of fields, by dotted name.
    mode: most of them need a run that was prepared.
    init_from: the folder of a run whose weights a new one begins with.

  Raises:
    UserError: if the configuration makes no sense, or another run.
  """
  for field in COUNTED_FIELDS:
    if field in overrides:
      raise UserError(
        f'{field}: found {overrides[field]}, but preparation counts it in the '
        'corpus; leave it out.'
      )
  path = workdir / 'config.json'
  if not path.exists():
    if mode not in _MODES_OF_A_NEW_RUN:
      raise UserError(
        f'--workdir: {path} does not exist; run --mode=prepare '
        'or --mode=all first.'
      )
    base = presets.preset(preset or 'tiny')
    if init_from is not None and preset is None:
      base = loading.load_config_of(init_from)
    config = override(base, overrides)
    validate.validate(config)
    return Run(config, workdir, config)
  if init_from is not None and not _goes_on(workdir, init_from, mode):
    raise UserError(
      f'--init_from: found {init_from}, but {workdir} is a run already, which '
      'goes on with its own weights; leave it out, or use a new --workdir.'
    )
  saved = load_config(path)
  base = saved
  if preset:
    flat = flatten(saved)
    base = override(
      presets.preset(preset), {field: flat[field] for field in COUNTED_FIELDS}
    )
  asked = override(base, overrides)
  existing_run.check_same_run(saved, asked, workdir)
  validate.validate(asked)
  return Run(asked, workdir, saved)


def _goes_on(workdir, init_from, mode):
  """Whether the command that began a run is given once more."""
  path = workdir / BEGUN_FROM
  begun = path.read_text('utf-8') if path.exists() else None
  return mode in _MODES_OF_A_NEW_RUN and begun == str(init_from.resolve())
