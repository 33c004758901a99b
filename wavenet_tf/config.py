"""The typed configuration: its fields, derived values, and its file.

A `Config` is plain data. Every value that follows from another one is a
property here and nowhere else. `presets.py` makes configurations,
`validation.py` checks them.
"""

import copy
import dataclasses
import json
import math
import pathlib
import typing

MU_LAW = 'mu_law'
LOGISTIC_MIXTURE = 'logistic_mixture'
GAUSSIAN_MIXTURE = 'gaussian_mixture'
OUTPUTS = (MU_LAW, LOGISTIC_MIXTURE, GAUSSIAN_MIXTURE)
LOGISTIC = 'logistic'
GAUSSIAN = 'gaussian'
BASES = (LOGISTIC, GAUSSIAN)
SAMPLED = 'sampled'
CLOSED_FORM = 'closed_form'
DIVERGENCES = (SAMPLED, CLOSED_FORM)
POWER = 'power'
MAGNITUDE = 'magnitude'
LOG = 'log'
POWER_FEATURES = (POWER, MAGNITUDE, LOG)
INPUTS = ('scalar', 'one_hot')
# What a recording can be labelled with, as a whole or segment by segment.
PHONES = 'phones'
SPEAKERS = 'speakers'
LABEL_KINDS = (PHONES, 'words', SPEAKERS)
TRANSPOSED = 'transposed'
UPSAMPLERS = (TRANSPOSED, 'repeat')
# What the frames that condition a network hold.
MEL = 'mel'
LINGUISTIC = 'linguistic'
NONE = 'none'
LOCAL_KINDS = (MEL, LINGUISTIC, NONE)
# What a whole utterance can be conditioned on.
SPEAKER = 'speaker'
TAGS = 'tags'
VECTOR = 'vector'
GLOBAL_KINDS = (SPEAKER, TAGS, VECTOR)
# How utterances are chosen for validation.
SPLITS = ('random', 'speaker', 'index', 'speaker_and_index')
GATED = 'gated'
RELU = 'relu'
ACTIVATIONS = (GATED, RELU)
# Operands of the matrix products of stacks; all else is float32.
FLOAT32 = 'float32'
BFLOAT16 = 'bfloat16'
PRODUCT_DTYPES = (FLOAT32, BFLOAT16)
EVERYWHERE = 'everywhere'
FULL_CONTEXT = 'full_context'
SCORES = (EVERYWHERE, FULL_CONTEXT)

# Frames of conditioning that accompany a chunk on either side, so that its
# upsampling sees its neighbours (`upsampling.ConditioningUpsampler`).
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
  # One of SPLITS: utterances at random; whole speakers; the same indices of
  # every speaker; or both, leaving out what shares only one of them.
  split: str = 'random'
  # Speakers that a split by speakers keeps for validation.
  held_out_speakers: int = 1
  # Recordings are brought to this RMS level, as those of many speakers who were
  # recorded at different ones; 0 keeps their own.
  loudness_dbfs: float = 0.0
  # A longer recording is cut into pieces of this length; 0 keeps it whole.
  piece_seconds: float = 0.0
  # HTS questions on full-context labels; empty: `questions.hed` of the corpus.
  question_file: str = ''
  # Tags of recordings; empty: `tags.csv` of the corpus, if it has one.
  tags_file: str = ''
  # More bad files than this share of all files stop the preparation.
  max_bad_share: float = 0.1
  min_seconds: float = 0.3
  # A recording whose loudest sample stays below this is silence.
  silence_dbfs: float = -60.0
  shard_megabytes: int = 128
  workers: int = 2
  # Utterances wait in a buffer of this size to be shuffled.
  shuffle_megabytes: int = 512


@dataclasses.dataclass
class ConditioningConfig:
  """What the audio depends on, and the upsampler of it (`upsampling.py`)."""

  # One of LOCAL_KINDS.
  local: str = MEL
  # Whether linguistic features bring log F0 and voicing ("L+F").
  log_f0: bool = True
  # Any of GLOBAL_KINDS, in the order in which their vectors are joined.
  globals: tuple[str, ...] = ()
  # Width of the learned embedding of the joined global vector.
  embedding_channels: int = 16
  # Found by `prepare` in the corpus, not set by hand.
  linguistic_channels: int = 0
  global_channels: int = 0
  upsampler: str = 'transposed'
  upsample_factors: tuple[int, ...] = (16, 16)
  channels: int = 32

  @property
  def upsampler_reach_frames(self) -> int:
    """Frames to either side of its own that upsampled conditioning sees."""
    reach = 0
    if self.upsampler == TRANSPOSED:
      # Each stage sees one neighbour at its own rate; the first has the lowest.
      for factor in reversed(self.upsample_factors):
        reach = math.ceil(reach / factor) + 1
    return reach + 1


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
  # 'gated' units, or 'relu', for the comparison of 1609.03499 sec. 2.3.
  activation: str = GATED
  input: str = 'scalar'
  # Which samples of a crop count: 'everywhere', or those whose receptive
  # field lies within the crop ('full_context').
  score: str = EVERYWHERE
  output: str = LOGISTIC_MIXTURE
  mu_law_levels: int = 256
  # A mixture of one component is a single logistic or Gaussian.
  mixture_components: int = 10
  # A mixture's samples lie on a grid of 2^bits levels, 8 to 16.
  bits: int = 16
  # Whether a mixture gives the mass of a level, or a density.
  discretized: bool = True
  # The amplitude that is one inside the network: its scalar input is divided
  # by it, its mixture locations are multiplied by it. About the loudness of
  # the recordings; larger and small errors of a location cost large gradients.
  signal_unit: float = 0.05
  # Floor of the mixture's log-scales; waveforms lie in [-1, 1).
  min_log_scale: float = -11.0
  # One of PRODUCT_DTYPES; bfloat16 is faster where the processor has it.
  product_dtype: str = FLOAT32

  @property
  def mixture_family(self) -> str:
    return GAUSSIAN if self.output == GAUSSIAN_MIXTURE else LOGISTIC

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
class ContextConfig:
  """The teacher's context stack (1609.03499 sec. 2.6; `context.py`)."""

  # 0: no context stack.
  cycles: int = 0
  layers_per_cycle: int = 6
  kernel_size: int = 2
  residual_channels: int = 32
  gate_channels: int = 32
  # It takes one step for so many samples.
  pool_samples: int = 80
  # What it tells the teacher.
  channels: int = 32
  # In training, the teacher itself hears only so many samples at the end of a
  # crop, the context stack all of it; 0: both hear all.
  teacher_samples: int = 0

  @property
  def dilations(self) -> tuple[int, ...]:
    return _dilations(
      self.cycles * self.layers_per_cycle, self.layers_per_cycle
    )

  @property
  def receptive_field_samples(self) -> int:
    """Samples before a context frame that it can see; 0 without a stack."""
    if not self.cycles:
      return 0
    frames = 1 + (self.kernel_size - 1) * (sum(self.dilations) + 1)
    return self.pool_samples * frames


@dataclasses.dataclass
class StudentConfig:
  """The chain of inverse autoregressive flows (1711.10433 sec. 3)."""

  # The white noise that the flows turn into speech.
  base: str = LOGISTIC
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
  # One of PRODUCT_DTYPES.
  product_dtype: str = FLOAT32

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
class ClassifierConfig:
  """The classifier of raw audio (1609.03499 sec. 3.4; `classifier.py`)."""

  # One of LABEL_KINDS.
  labels: str = 'phones'
  cycles: int = 2
  layers_per_cycle: int = 10
  kernel_size: int = 2
  residual_channels: int = 32
  gate_channels: int = 32
  skip_channels: int = 64
  # The waveform's amplitude that is one inside the network.
  signal_unit: float = 0.05
  # Activations are averaged over frames of this length (the paper's 10 ms).
  frame_milliseconds: float = 10.0
  frame_channels: int = 64
  # Convolutions over frames; the first reaches one frame to either side, each
  # further one `frame_dilation_growth` times as many as the one before.
  frame_layers: int = 3
  frame_dilation_growth: int = 1
  # Share of a frame's features that training leaves out, layer by layer.
  dropout: float = 0.0
  # Training hears a crop at another level, and at another speed (and so pitch
  # and vocal tract), by up to so much.
  gain_decibels: float = 0.0
  speed_share: float = 0.0
  # Of the nats per sample beside the frames' cross-entropy; 0: one loss only.
  next_sample_weight: float = 0.1

  @property
  def dilations(self) -> tuple[int, ...]:
    return _dilations(
      self.cycles * self.layers_per_cycle, self.layers_per_cycle
    )

  @property
  def receptive_field_samples(self) -> int:
    """Samples before t that the gates at t can see."""
    return 1 + (self.kernel_size - 1) * (sum(self.dilations) + 1)

  @property
  def frame_dilations(self) -> tuple[int, ...]:
    return tuple(
      self.frame_dilation_growth**i for i in range(self.frame_layers)
    )

  @property
  def frame_reach(self) -> int:
    """Frames to either side that the class of a frame can see."""
    return sum(self.frame_dilations)

  def frame_samples(self, sample_rate_hz: int) -> int:
    return round(self.frame_milliseconds * sample_rate_hz / 1000)


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
  """Terms of the student's loss (1711.10433 sec. 4), each with a weight.

  A term of weight 0 is not computed.
  """

  divergence_weight: float = 1.0
  # 'sampled' draws from the student's logistic at every step (1711.10433);
  # 'closed_form' needs a Gaussian pair (1807.07281).
  divergence: str = SAMPLED
  draws_per_step: int = 8
  # Of (ln s_teacher - ln s_student)^2 beside the closed form (1807.07281).
  regularization_weight: float = 4.0
  power_weight: float = 1.0
  # phi(x): 'power' |STFT|^2 is the paper's; 'magnitude'; 'log' magnitude.
  power_feature: str = POWER
  # One STFT per window length, each with a hop of a quarter of it.
  power_window_samples: tuple[int, ...] = (512,)
  # Whether phi is averaged over time before the distance.
  power_average_over_time: bool = False
  # Whether the distance is divided by the recording's own energy of phi.
  power_relative: bool = False
  # Weights of the bands that these frequencies separate, one more than them.
  power_band_edges_hz: tuple[float, ...] = ()
  power_band_weights: tuple[float, ...] = (1.0,)
  # Of the perceptual loss: style (Gram matrices) and feature reconstruction.
  style_weight: float = 0.0
  feature_weight: float = 0.0
  # The run whose classifier they listen with; empty: this run's.
  classifier_workdir: str = ''
  # gamma, the weight of the divergence from the teacher under another
  # conditioning, which is subtracted; the paper's is 0.3. The other is that of
  # the row before in the batch: where both are told the same (one speaker and
  # no features), that row's divergence is subtracted from itself.
  contrastive_weight: float = 0.0

  @property
  def is_perceptual(self) -> bool:
    return bool(self.style_weight or self.feature_weight)


@dataclasses.dataclass
class EvaluationConfig:
  """What `evaluate` and `generate` compute, and in chunks of which length."""

  # Validation utterances that are scored; the first of them are copied.
  utterances: int = 64
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

  @property
  def local_channels(self) -> int:
    """Features of a frame; 0 without local conditioning."""
    if self.conditioning.local == MEL:
      return self.audio.mel_bins
    return self.conditioning.linguistic_channels

  @property
  def feature_range(self) -> tuple[float, float]:
    """Least and usual greatest feature value; the least one is silence."""
    if self.conditioning.local == MEL:
      return self.audio.log_mel_floor, 0.0
    return 0.0, 1.0

  @property
  def silence(self) -> float:
    """What pads features before, after and beyond an utterance."""
    return self.feature_range[0]

  @property
  def teacher_samples(self) -> int:
    """Samples at the end of a crop that the teacher is trained on."""
    return self.context.teacher_samples or self.train_teacher.crop_samples


def _dilations(layers: int, layers_per_cycle: int) -> tuple[int, ...]:
  """1, 2, 4, ... doubling within a cycle, whatever the kernel size."""
  return tuple(2 ** (layer % layers_per_cycle) for layer in range(layers))


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
  except (ValueError, TypeError, AttributeError) as error:
    raise UserError(
      f'{path}: not a configuration of this version ({error}); use another '
      '--workdir.'
    ) from error


def _from_dict(cls, values, where):
  """Rebuilds nested dataclasses; JSON lists become tuples."""
  known = typing.get_type_hints(cls)
  if values.keys() != known.keys():
    odd = sorted(values.keys() ^ known.keys())
    raise ValueError(f'unknown or missing: {where}{odd[0]}')
  fields = {}
  for name, value in values.items():
    if dataclasses.is_dataclass(known[name]):
      fields[name] = _from_dict(known[name], value, f'{where}{name}.')
      continue
    value = tuple(value) if isinstance(value, list) else value
    expected = typing.get_origin(known[name]) or known[name]
    if not isinstance(value, (int, float) if expected is float else expected):
      raise ValueError(f'{where}{name} is {value!r}')
    fields[name] = value
  return cls(**fields)


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a whole file or none."""
  write_bytes(path, text.encode())


def write_bytes(path: pathlib.Path, content: bytes) -> None:
  """Writes to a temporary name, then renames it; cleans up when it cannot."""
  partial = path.with_name(path.name + '.partial')
  try:
    partial.write_bytes(content)
    partial.replace(path)
  except OSError as error:
    partial.unlink(missing_ok=True)
    raise OSError(error.errno, error.strerror, str(path)) from error
