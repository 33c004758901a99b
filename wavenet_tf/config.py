"""The typed configuration: fields, presets, derived values, and their checks.

A `Config` is plain data. Every value that follows from another one is a
property here and nowhere else; `validate` checks the whole once and raises a
`UserError` that names the field, what was found and the fix.
"""

import copy
import dataclasses
import json
import math
import os
import pathlib
import typing

MU_LAW = 'mu_law'
LOGISTIC_MIXTURE = 'logistic_mixture'
OUTPUTS = (MU_LAW, LOGISTIC_MIXTURE)
INPUTS = ('scalar', 'one_hot')
UPSAMPLERS = ('transposed', 'repeat')

# Fields that an existing run may change without becoming another run: how long
# and how often, what to listen to; never what is learned or from which data.
RESUMABLE_FIELDS = frozenset(
  {
    'train_teacher.steps',
    'train_teacher.checkpoint_every_steps',
    'train_teacher.summary_every_steps',
    'train_student.steps',
    'train_student.checkpoint_every_steps',
    'train_student.summary_every_steps',
    'evaluate.audio_utterances',
    'evaluate.audio_seconds',
    'evaluate.temperature',
    'evaluate.chunk_frames',
    'data.workers',
  }
)

# Frames of conditioning that accompany a chunk on either side, so that its
# upsampling sees its neighbours (`layers.ConditioningUpsampler`).
MARGIN_FRAMES = 3


class UserError(Exception):
  """Something the user gave cannot be used; the text is one clear sentence."""


@dataclasses.dataclass
class AudioConfig:
  """The waveform and its log-mel front end (`audio.py`)."""

  sample_rate_hz: int = 22050
  hop_samples: int = 256
  window_samples: int = 1024
  mel_bins: int = 80
  mel_min_hz: float = 0.0
  mel_max_hz: float = 8000.0
  # Magnitudes below this are raised to it before the logarithm.
  mel_floor: float = 1e-5

  @property
  def log_mel_floor(self) -> float:
    return math.log(self.mel_floor)


@dataclasses.dataclass
class DataConfig:
  """How a folder of recordings becomes shards (`data/`)."""

  validation_share: float = 0.1
  seed: int = 0
  # More bad files than this share of all files stop the preparation.
  max_bad_share: float = 0.1
  min_seconds: float = 0.3
  # A recording whose loudest sample stays below this is silence.
  silence_dbfs: float = -60.0
  shard_megabytes: int = 128
  workers: int = 2
  shuffle_utterances: int = 512


@dataclasses.dataclass
class ConditioningConfig:
  """The upsampler from frame rate to audio rate (`layers.py`)."""

  upsampler: str = 'transposed'
  upsample_factors: tuple[int, ...] = (16, 16)
  channels: int = 32


@dataclasses.dataclass
class TeacherConfig:
  """The autoregressive WaveNet (1609.03499; sizes of 1711.10433)."""

  cycles: int = 2
  layers_per_cycle: int = 10
  kernel_size: int = 2
  residual_channels: int = 64
  # Outputs of a gated unit: half of the papers' "gate units".
  gate_channels: int = 64
  skip_channels: int = 128
  input: str = 'scalar'
  output: str = LOGISTIC_MIXTURE
  # Mu-law levels; the logistic mixture always covers 16-bit levels.
  mu_law_levels: int = 256
  mixture_components: int = 10
  # The amplitude that is one inside the network: its scalar input is divided
  # by it, its mixture locations are multiplied by it. About the loudness of
  # the recordings; larger and small errors of a location cost large gradients.
  signal_unit: float = 0.05
  # Floor of the mixture's log-scales; waveforms lie in [-1, 1).
  min_log_scale: float = -11.0

  @property
  def dilations(self) -> tuple[int, ...]:
    return _dilations(
      self.cycles * self.layers_per_cycle, self.layers_per_cycle
    )

  @property
  def receptive_field_samples(self) -> int:
    """Samples before t that parameters at t can see (1609.03499 sec. 2.1)."""
    # The entrance convolution adds kernel_size - 1 to the dilated stack.
    return 1 + (self.kernel_size - 1) * (sum(self.dilations) + 1)


@dataclasses.dataclass
class StudentConfig:
  """The chain of inverse autoregressive flows (1711.10433 sec. 3)."""

  # Layers of each flow. Empty: this run has no student.
  flow_layers: tuple[int, ...] = (10, 10, 10, 10)
  layers_per_cycle: int = 10
  kernel_size: int = 2
  residual_channels: int = 64
  gate_channels: int = 32
  # The chain starts with total location 0 and this total scale.
  initial_scale: float = 0.05
  # Floor and ceiling of every flow's log-scale.
  min_log_scale: float = -7.0
  max_log_scale: float = 3.0

  def dilations(self, flow: int) -> tuple[int, ...]:
    return _dilations(self.flow_layers[flow], self.layers_per_cycle)

  @property
  def receptive_field_samples(self) -> int:
    """Noise samples before t that sample t of the waveform depends on."""
    return sum(
      1 + (self.kernel_size - 1) * (sum(self.dilations(i)) + 1)
      for i in range(len(self.flow_layers))
    )


@dataclasses.dataclass
class TrainingConfig:
  """One training run: Adam, its schedule, and how often to look."""

  steps: int = 1000
  batch_size: int = 4
  crop_samples: int = 8192
  learning_rate: float = 1e-3
  warmup_steps: int = 100
  # The cosine schedule ends at this share of `learning_rate`; 1 is constant.
  final_learning_rate_share: float = 0.1
  clip_norm: float = 100.0
  average_decay: float = 0.999
  # This many steps in a row without a finite gradient end the run.
  max_bad_steps: int = 20
  checkpoint_every_steps: int = 500
  summary_every_steps: int = 100
  seed: int = 0
  jit_compile: bool = True


@dataclasses.dataclass
class DistillationConfig:
  """Weights and estimators of the student's loss (1711.10433 sec. 4)."""

  # Draws of x_t from the student's closed per-step logistic.
  draws_per_step: int = 8
  power_weight: float = 1.0
  power_window_samples: int = 512
  power_hop_samples: int = 128
  # phi(x) = |STFT(x)|^exponent; 2 is the paper's power.
  power_exponent: float = 1.0
  power_average_over_time: bool = False


@dataclasses.dataclass
class EvaluationConfig:
  """What `evaluate` and `generate` compute, and in chunks of which length."""

  audio_utterances: int = 3
  # Generated copies are cut to this length; 0 keeps whole utterances.
  audio_seconds: float = 4.0
  temperature: float = 1.0
  chunk_frames: int = 16
  seed: int = 0


@dataclasses.dataclass
class Config:
  """Everything that defines a run; saved as `<workdir>/config.json`."""

  preset: str = 'tiny'
  audio: AudioConfig = dataclasses.field(default_factory=AudioConfig)
  data: DataConfig = dataclasses.field(default_factory=DataConfig)
  conditioning: ConditioningConfig = dataclasses.field(
    default_factory=ConditioningConfig
  )
  teacher: TeacherConfig = dataclasses.field(default_factory=TeacherConfig)
  student: StudentConfig = dataclasses.field(default_factory=StudentConfig)
  train_teacher: TrainingConfig = dataclasses.field(
    default_factory=TrainingConfig
  )
  train_student: TrainingConfig = dataclasses.field(
    default_factory=TrainingConfig
  )
  distillation: DistillationConfig = dataclasses.field(
    default_factory=DistillationConfig
  )
  evaluate: EvaluationConfig = dataclasses.field(
    default_factory=EvaluationConfig
  )


def _dilations(layers: int, layers_per_cycle: int) -> tuple[int, ...]:
  """1, 2, 4, ... doubling within a cycle, whatever the kernel size."""
  return tuple(2 ** (layer % layers_per_cycle) for layer in range(layers))


def _tiny() -> Config:
  """Minutes on a laptop: 8 kHz, the demo on the bundled corpus."""
  return Config(
    preset='tiny',
    audio=AudioConfig(
      sample_rate_hz=8000,
      hop_samples=80,
      window_samples=320,
      mel_bins=40,
      mel_max_hz=4000.0,
    ),
    conditioning=ConditioningConfig(upsample_factors=(8, 10), channels=24),
    teacher=TeacherConfig(
      cycles=2,
      layers_per_cycle=7,
      residual_channels=32,
      gate_channels=32,
      skip_channels=64,
      mixture_components=5,
    ),
    student=StudentConfig(
      flow_layers=(7, 7),
      layers_per_cycle=7,
      residual_channels=32,
      gate_channels=32,
    ),
    train_teacher=TrainingConfig(
      steps=1500,
      batch_size=4,
      crop_samples=3200,
      learning_rate=4e-3,
      average_decay=0.99,
      final_learning_rate_share=0.02,
    ),
    train_student=TrainingConfig(
      steps=900,
      batch_size=4,
      crop_samples=3200,
      learning_rate=2e-3,
      average_decay=0.99,
      final_learning_rate_share=0.02,
    ),
    distillation=DistillationConfig(
      power_window_samples=256, power_hop_samples=64
    ),
    evaluate=EvaluationConfig(audio_utterances=2, audio_seconds=3.0),
  )


def _small() -> Config:
  """About an hour and a half on two cores: 22 kHz, a real voice."""
  return Config(
    preset='small',
    train_teacher=TrainingConfig(
      steps=4500,
      batch_size=2,
      crop_samples=7168,
      learning_rate=2e-3,
      final_learning_rate_share=0.02,
    ),
    train_student=TrainingConfig(
      steps=3000,
      batch_size=2,
      crop_samples=7168,
      learning_rate=1e-3,
      final_learning_rate_share=0.02,
    ),
  )


def _wavenet_2016() -> Config:
  """The first paper's network; no student, as its output is a softmax.

  Channel and layer counts are those its first author gave after publication.
  """
  return Config(
    preset='wavenet_2016',
    audio=AudioConfig(sample_rate_hz=16000, hop_samples=80, window_samples=640),
    conditioning=ConditioningConfig(upsample_factors=(8, 10), channels=80),
    teacher=TeacherConfig(
      cycles=3,
      residual_channels=512,
      gate_channels=256,
      skip_channels=256,
      input='one_hot',
      output=MU_LAW,
    ),
    student=StudentConfig(flow_layers=()),
    train_teacher=TrainingConfig(
      steps=1_000_000,
      batch_size=8,
      crop_samples=16000,
      learning_rate=2e-4,
      final_learning_rate_share=1.0,
      average_decay=0.9999,
      checkpoint_every_steps=2000,
      summary_every_steps=500,
    ),
  )


def _parallel_wavenet_2017() -> Config:
  """The second paper's teacher and student, 24 kHz, 16 bit."""
  training = TrainingConfig(
    steps=1_000_000,
    batch_size=32,
    crop_samples=7680,
    learning_rate=2e-4,
    final_learning_rate_share=1.0,
    average_decay=0.9999,
    checkpoint_every_steps=2000,
    summary_every_steps=500,
  )
  return Config(
    preset='parallel_wavenet_2017',
    audio=AudioConfig(
      sample_rate_hz=24000,
      hop_samples=240,
      window_samples=960,
      mel_max_hz=12000.0,
    ),
    conditioning=ConditioningConfig(upsample_factors=(15, 16), channels=80),
    teacher=TeacherConfig(
      cycles=3,
      kernel_size=3,
      residual_channels=512,
      gate_channels=256,
      skip_channels=256,
    ),
    student=StudentConfig(
      flow_layers=(10, 10, 10, 30),
      kernel_size=3,
      residual_channels=64,
      gate_channels=32,
    ),
    train_teacher=training,
    train_student=dataclasses.replace(training),
    distillation=DistillationConfig(
      power_exponent=2.0, power_average_over_time=True
    ),
  )


PRESETS = {
  'tiny': _tiny,
  'small': _small,
  'wavenet_2016': _wavenet_2016,
  'parallel_wavenet_2017': _parallel_wavenet_2017,
}


def preset(name: str) -> Config:
  """A fresh, valid `Config` by its name in `PRESETS`."""
  if name not in PRESETS:
    raise UserError(
      f'preset: found {name!r}, expected one of {", ".join(PRESETS)}.'
    )
  return PRESETS[name]()


def override(config: Config, values: dict[str, object]) -> Config:
  """A copy of `config` with dotted fields (`'teacher.cycles'`) replaced."""
  config = copy.deepcopy(config)
  for path, value in values.items():
    *sections, field = path.split('.')
    holder = config
    for section in sections:
      holder = getattr(holder, section)
    setattr(holder, field, value)
  return config


def flatten(config: Config) -> dict[str, object]:
  """All fields by dotted name, in the order of their definition."""
  flat = {}
  for section, fields in dataclasses.asdict(config).items():
    if isinstance(fields, dict):
      flat.update({f'{section}.{name}': v for name, v in fields.items()})
    else:
      flat[section] = fields
  return flat


def save(config: Config, path: pathlib.Path) -> None:
  """Writes JSON to a temporary name, then renames it."""
  write_text(path, json.dumps(dataclasses.asdict(config), indent=2) + '\n')


def load(path: pathlib.Path) -> Config:
  """Reads what `save` wrote; a field of another version is an error."""
  try:
    return _from_dict(Config, json.loads(path.read_text('utf-8')), '')
  except (json.JSONDecodeError, TypeError, AttributeError) as error:
    raise UserError(
      f'{path}: not a configuration of this version ({error}); '
      'use another --workdir.'
    ) from error


def _from_dict(cls, values, where):
  """Rebuilds nested dataclasses; JSON lists become tuples."""
  known = typing.get_type_hints(cls)
  for name in values:
    if name not in known:
      raise UserError(
        f'config.json: unknown field {where}{name}; it was '
        'written by another version, use another --workdir.'
      )
  fields = {}
  for name, value in values.items():
    if dataclasses.is_dataclass(known[name]):
      value = _from_dict(known[name], value, f'{where}{name}.')
    elif isinstance(value, list):
      value = tuple(value)
    fields[name] = value
  return cls(**fields)


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a whole file or none: to a temporary name, then a rename."""
  partial = path.with_name(path.name + '.partial')
  partial.write_text(text, 'utf-8')
  os.replace(partial, path)


def validate(config: Config) -> Config:
  """Checks every field and every relation; returns `config` unchanged.

  Raises:
    UserError: naming the field, what was found, and what would do.
  """
  _check_audio(config.audio)
  _check_data(config.data)
  _check_choice(
    'conditioning.upsampler', config.conditioning.upsampler, UPSAMPLERS
  )
  _check_conditioning(config)
  _check_teacher(config.teacher)
  _check_student(config)
  _check_training(
    'train_teacher',
    config.train_teacher,
    config,
    config.teacher.receptive_field_samples,
  )
  if config.student.flow_layers:
    _check_training(
      'train_student',
      config.train_student,
      config,
      config.teacher.receptive_field_samples,
    )
    _check_distillation(config)
  _check_positive('evaluate', config.evaluate, 'chunk_frames', 'temperature')
  return config


def _fail(field, found, expected):
  raise UserError(f'{field}: found {found}, expected {expected}.')


def _check_choice(field, value, choices):
  if value not in choices:
    _fail(field, repr(value), 'one of ' + ', '.join(choices))


def _check_positive(section, fields, *names):
  for name in names:
    if getattr(fields, name) <= 0:
      _fail(f'{section}.{name}', getattr(fields, name), 'a number above 0')


def _check_share(field, value):
  if not 0 <= value < 1:
    _fail(field, value, 'a share in [0, 1)')


def _check_audio(audio):
  _check_positive(
    'audio',
    audio,
    'sample_rate_hz',
    'hop_samples',
    'window_samples',
    'mel_bins',
    'mel_floor',
  )
  if audio.window_samples < audio.hop_samples:
    _fail(
      'audio.window_samples',
      audio.window_samples,
      f'at least audio.hop_samples = {audio.hop_samples}',
    )
  if not 0 <= audio.mel_min_hz < audio.mel_max_hz:
    _fail(
      'audio.mel_min_hz',
      audio.mel_min_hz,
      f'at least 0 and below audio.mel_max_hz = {audio.mel_max_hz}',
    )
  if audio.mel_max_hz > audio.sample_rate_hz / 2:
    _fail(
      'audio.mel_max_hz',
      audio.mel_max_hz,
      f'at most half of audio.sample_rate_hz, {audio.sample_rate_hz / 2:g}',
    )


def _check_data(data):
  if not 0 < data.validation_share < 1:
    _fail('data.validation_share', data.validation_share, 'between 0 and 1')
  _check_share('data.max_bad_share', data.max_bad_share)
  _check_positive(
    'data',
    data,
    'min_seconds',
    'shard_megabytes',
    'workers',
    'shuffle_utterances',
  )


def _check_conditioning(config):
  factors = config.conditioning.upsample_factors
  _check_positive('conditioning', config.conditioning, 'channels')
  if math.prod(factors) != config.audio.hop_samples:
    _fail(
      'conditioning.upsample_factors',
      f'{factors}, whose product is {math.prod(factors)}',
      'factors whose product is audio.hop_samples = '
      f'{config.audio.hop_samples}',
    )


def _check_teacher(teacher):
  _check_positive(
    'teacher',
    teacher,
    'cycles',
    'layers_per_cycle',
    'residual_channels',
    'gate_channels',
    'skip_channels',
    'mixture_components',
    'signal_unit',
  )
  if teacher.kernel_size < 2:
    _fail('teacher.kernel_size', teacher.kernel_size, '2 or more')
  _check_choice('teacher.input', teacher.input, INPUTS)
  _check_choice('teacher.output', teacher.output, OUTPUTS)
  if teacher.input == 'one_hot' and teacher.output != MU_LAW:
    _fail(
      'teacher.input',
      "'one_hot' with teacher.output='logistic_mixture'",
      "'scalar', since 65,536 levels have no one-hot code here",
    )
  if teacher.mu_law_levels < 2:
    _fail('teacher.mu_law_levels', teacher.mu_law_levels, '2 or more')


def _check_student(config):
  student = config.student
  if not student.flow_layers:
    return
  if min(student.flow_layers) < 1:
    _fail('student.flow_layers', student.flow_layers, 'layer counts above 0')
  _check_positive(
    'student',
    student,
    'layers_per_cycle',
    'residual_channels',
    'gate_channels',
    'initial_scale',
  )
  if student.kernel_size < 2:
    _fail('student.kernel_size', student.kernel_size, '2 or more')
  if config.teacher.output != LOGISTIC_MIXTURE:
    _fail(
      'teacher.output',
      repr(config.teacher.output),
      "'logistic_mixture', as distillation differentiates the teacher's "
      'density; set student.flow_layers=() to train a teacher only',
    )


def _check_training(section, training, config, receptive_field):
  _check_positive(
    section,
    training,
    'steps',
    'batch_size',
    'crop_samples',
    'learning_rate',
    'clip_norm',
    'max_bad_steps',
    'checkpoint_every_steps',
    'summary_every_steps',
  )
  _check_share(f'{section}.average_decay', training.average_decay)
  hop = config.audio.hop_samples
  if training.crop_samples % hop:
    nearest = hop * max(1, round(training.crop_samples / hop))
    _fail(
      f'{section}.crop_samples',
      training.crop_samples,
      f'a multiple of audio.hop_samples = {hop}, such as {nearest}',
    )
  if training.crop_samples < receptive_field:
    _fail(
      f'{section}.crop_samples',
      training.crop_samples,
      f"at least the teacher's receptive field, {receptive_field} samples; "
      'lengthen the crop, or lower teacher.cycles or '
      'teacher.layers_per_cycle',
    )


def _check_distillation(config):
  distillation = config.distillation
  _check_positive(
    'distillation',
    distillation,
    'draws_per_step',
    'power_window_samples',
    'power_hop_samples',
    'power_exponent',
  )
  if distillation.power_window_samples > config.train_student.crop_samples:
    _fail(
      'distillation.power_window_samples',
      distillation.power_window_samples,
      'at most train_student.crop_samples = '
      f'{config.train_student.crop_samples}',
    )


def check_same_run(saved: Config, asked: Config, workdir) -> None:
  """Raises `UserError` where `asked` would make another run of `workdir`."""
  before, after = flatten(saved), flatten(asked)
  for field, value in after.items():
    if before[field] != value and field not in RESUMABLE_FIELDS:
      raise UserError(
        f'{field}: found {value}, but {workdir} was made with '
        f'{before[field]}; use that value, or another --workdir.'
      )
