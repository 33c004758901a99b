"""The typed configuration: all sections, and what follows from several.

A `Config` is plain data. Every value that follows from another one is a
property here or in its section and nowhere else. `presets.py` makes
configurations, `validation/` checks them.
"""

from collections.abc import Iterable
import copy
import dataclasses
import difflib

from wavenet_tf.configuration.choices import GIVEN, MEL
from wavenet_tf.configuration.corpus import (
  AudioConfig,
  ConditioningConfig,
  DataConfig,
)
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.learning import (
  DistillationConfig,
  EvaluationConfig,
  ExportConfig,
  TrainingConfig,
)
from wavenet_tf.configuration.networks import (
  ClassifierConfig,
  ContextConfig,
  StudentConfig,
  TeacherConfig,
)


@dataclasses.dataclass(kw_only=True)
class Config:
  """Everything that defines a run; saved as `<workdir>/config.json`."""

  preset: str = 'tiny'
  audio: AudioConfig = dataclasses.field(default_factory=AudioConfig)
  data: DataConfig = dataclasses.field(default_factory=DataConfig)
  conditioning: ConditioningConfig = dataclasses.field(
    default_factory=ConditioningConfig
  )
  teacher: TeacherConfig = dataclasses.field(default_factory=TeacherConfig)
  context: ContextConfig = dataclasses.field(default_factory=ContextConfig)
  student: StudentConfig = dataclasses.field(default_factory=StudentConfig)
  classifier: ClassifierConfig = dataclasses.field(
    default_factory=ClassifierConfig
  )
  train_teacher: TrainingConfig = dataclasses.field(
    default_factory=TrainingConfig
  )
  train_student: TrainingConfig = dataclasses.field(
    default_factory=TrainingConfig
  )
  train_classifier: TrainingConfig = dataclasses.field(
    default_factory=TrainingConfig
  )
  distillation: DistillationConfig = dataclasses.field(
    default_factory=DistillationConfig
  )
  evaluate: EvaluationConfig = dataclasses.field(
    default_factory=EvaluationConfig
  )
  export: ExportConfig = dataclasses.field(default_factory=ExportConfig)

  @property
  def local_channels(self) -> int:
    """Features of a frame; 0 without local conditioning."""
    if self.conditioning.local in (MEL, GIVEN):
      return self.audio.mel_bins
    return self.conditioning.linguistic_channels

  @property
  def feature_range(self) -> tuple[float, float]:
    """Least and usual greatest feature value."""
    if self.conditioning.local == MEL:
      return self.audio.log_mel_floor, 0.0
    if self.conditioning.local == GIVEN:
      return -1.0, 1.0
    return 0.0, 1.0

  @property
  def silence(self) -> float:
    """What pads features before, after and beyond an utterance."""
    if self.conditioning.local == GIVEN:
      return 0.0  # Whatever they are, no frame of them is zero throughout.
    return self.feature_range[0]

  @property
  def margin_frames(self) -> int:
    """Frames of features that accompany a chunk on either side."""
    return self.conditioning.margin_frames

  @property
  def most_frames(self) -> int:
    """Of a row of a request to what `export` writes."""
    samples = self.export.most_seconds * self.audio.sample_rate_hz
    return int(samples // self.audio.hop_samples)

  @property
  def teacher_samples(self) -> int:
    """Samples at the end of a crop that the teacher is trained on."""
    return self.context.teacher_samples or self.train_teacher.crop_samples


def override(config: Config, values: dict[str, object]) -> Config:
  """A copy of `config` with dotted fields (`'teacher.cycles'`) replaced.

  Raises:
    UserError: if there is no such field.
  """
  config = copy.deepcopy(config)
  check_fields(values)
  for path, value in values.items():
    *sections, field = path.split('.')
    holder = config
    for section in sections:
      holder = getattr(holder, section)
    setattr(holder, field, value)
  return config


def check_fields(paths: Iterable[str]) -> None:
  """Raises `UserError` for a dotted name that no field has."""
  fields = flatten(Config())
  for path in paths:
    if path not in fields:
      (nearest,) = difflib.get_close_matches(path, fields, 1, cutoff=0.0)
      raise UserError(
        f'{path}: no field of the configuration, expected one of those in '
        f'wavenet_tf/configuration/, such as {nearest}.'
      )


def flatten(config: Config) -> dict[str, object]:
  """All fields by dotted name, in the order of their definition."""
  flat = {}
  for section, fields in dataclasses.asdict(config).items():
    if isinstance(fields, dict):
      flat.update({f'{section}.{name}': v for name, v in fields.items()})
    else:
      flat[section] = fields
  return flat
