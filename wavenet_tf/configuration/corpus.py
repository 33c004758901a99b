"""Sections about recordings: the waveform, the corpus, what is told of it."""

import dataclasses
import math

from wavenet_tf.configuration.choices import MEL, REPEAT

# Frames of conditioning that accompany a chunk on either side at least, so that
# its upsampling sees its neighbours (`networks/conditioning/upsampling.py`).
MARGIN_FRAMES = 3
# Where the pitch of a voice is looked for.
LOWEST_F0_HZ, HIGHEST_F0_HZ = 60.0, 600.0


@dataclasses.dataclass(kw_only=True)
class AudioConfig:
  """The waveform and its log-mel front end (`signal/spectra.py`)."""

  sample_rate_hz: int = 22050
  # Networks see x_t - a x_{t-1} of a recording x, with this a, and x is made of
  # what they say (`signal/emphasis.py`); 0: they see and say x.
  preemphasis: float = 0.0
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


@dataclasses.dataclass(kw_only=True)
class DataConfig:
  """How a folder of recordings becomes shards (`data/shards/`)."""

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
  # Recordings lose what lies below this frequency: hum, and the rumble of
  # microphones; 0 keeps all.
  highpass_hz: float = 0.0
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


@dataclasses.dataclass(kw_only=True)
class ConditioningConfig:
  """What the audio depends on, and its upsampler.

  See `networks/conditioning/upsampling.py`.
  """

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
  # One of UPSAMPLERS.
  upsampler: str = 'transposed'
  # Frames to either side that the first product of the upsampler sees.
  context_frames: int = 1
  upsample_factors: tuple[int, ...] = (16, 16)
  channels: int = 32

  @property
  def upsampler_reach_frames(self) -> int:
    """Frames to either side of its own that upsampled conditioning sees."""
    reach = 0
    if self.upsampler != REPEAT:
      # Each stage sees one neighbour at its own rate; the first has the lowest.
      for factor in reversed(self.upsample_factors):
        reach = math.ceil(reach / factor) + 1
    return reach + self.context_frames

  @property
  def margin_frames(self) -> int:
    """Frames that accompany a chunk on either side."""
    return max(MARGIN_FRAMES, self.upsampler_reach_frames)
