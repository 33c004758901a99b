"""Models of durations and pitch, trained on a prepared corpus."""

import pathlib
from typing import NamedTuple

import numpy as np

from data.shards.manifest import Manifest
from data.shards.records import read_examples
from data.shards.splits import TRAIN, VALIDATION
from data.text import pitch
from data.text.linguistic import LinguisticFeatures, POSITION_NAMES
from data.text.prosody import Prosody
from data.text.trees import Trees
from wavenet_tf.configuration.choices import LINGUISTIC
from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.configuration.errors import UserError

# A larger corpus is thinned evenly; a phone has about ten frames.
_MOST_FRAMES, _FRAMES_PER_PHONE = 200_000, 10
_SEMITONE = np.log(2.0) / 12.0


class ProsodyErrors(NamedTuple):
  """How far predictions are from recordings, and from a constant.

  Attributes:
    duration_ms: RMS error of phone durations in milliseconds.
    duration_spread_ms: their standard deviation.
    log_f0_semitones: RMS error where there is voice; nan without log
      F0 or voice.
    log_f0_spread_semitones: its standard deviation.
    voicing_accuracy: share of frames.
    phones, frames: how many were compared.
  """

  duration_ms: float
  duration_spread_ms: float
  log_f0_semitones: float
  log_f0_spread_semitones: float
  voicing_accuracy: float
  phones: int
  frames: int


def train(folder: pathlib.Path, manifest: Manifest) -> Prosody:
  """Trains on the training split of a prepared corpus.

  Args:
    folder: of its shards.
    manifest: of that folder, with linguistic features.

  Raises:
    UserError: if the corpus was prepared without linguistic features, or has
      nothing to learn from.
  """
  if manifest.features['local'] != LINGUISTIC:
    raise UserError(
      f'{folder}: was prepared with conditioning.local = '
      f'{manifest.features["local"]!r}, expected linguistic, from which '
      'durations and pitch are predicted; prepare it so in a new --workdir.'
    )
  linguistic = LinguisticFeatures.from_dictionary(manifest.features)
  made_with = manifest.corpus['audio']
  audio = AudioConfig(
    sample_rate_hz=made_with['sample_rate_hz'],
    hop_samples=made_with['hop_samples'],
  )
  data = _examples(folder, manifest, TRAIN, linguistic, audio)
  if not len(data.seconds):
    raise UserError(
      f'{folder}: its training recordings have no phone that is as long as a '
      'frame, which durations are learned from; check their label files, or '
      'lower audio.hop_samples in a new --workdir.'
    )
  models = {'duration': Trees.fit(data.answers, np.log(data.seconds))}
  if data.pitch is not None:
    voiced = data.pitch.voiced
    if not voiced.any():
      raise UserError(
        f'{folder}: no frame of its training recordings is voiced, expected '
        'speech, from whose pitch log F0 is learned; check the recordings, or '
        'prepare a new --workdir with conditioning.log_f0=False.'
      )
    models['log_f0'] = Trees.fit(data.frames[voiced], data.pitch.log_f0[voiced])
    models['voicing'] = Trees.fit(data.frames, voiced.astype(np.float64))
  return Prosody(linguistic, audio, models)


def evaluate(
  prosody: Prosody, folder: pathlib.Path, manifest: Manifest
) -> ProsodyErrors:
  """Errors on the validation split; durations there are the recordings'."""
  data = _examples(
    folder, manifest, VALIDATION, prosody.linguistic, prosody.audio
  )
  seconds = prosody._seconds(data.answers)
  f0, spread, voicing = np.nan, np.nan, np.nan
  if data.pitch is not None:
    found = pitch.from_features(prosody.with_pitch(data.frames)[:, -2:])
    voiced = data.pitch.voiced
    if voiced.any():
      f0 = _rms((found.log_f0 - data.pitch.log_f0)[voiced]) / _SEMITONE
      spread = data.pitch.log_f0[voiced].std() / _SEMITONE
    voicing = np.mean(found.voiced == voiced)
  return ProsodyErrors(
    1000.0 * _rms(seconds - data.seconds),
    1000.0 * data.seconds.std(),
    float(f0),
    float(spread),
    float(voicing),
    len(data.seconds),
    len(data.frames),
  )


class _Examples(NamedTuple):
  answers: np.ndarray  # [phones, questions], scaled.
  seconds: np.ndarray  # [phones]
  frames: np.ndarray  # [frames, channels], linguistic alone.
  pitch: pitch.Pitch | None


def _examples(folder, manifest, split, linguistic, audio):
  """Phones at their middle frames; one between two frames is left out."""
  channels = len(linguistic.names)
  samples = sum(u['samples'] for u in manifest.of_split(split))
  every = -(-samples // (audio.hop_samples * _MOST_FRAMES))
  frames, phones = [], []
  for example in read_examples(folder, manifest, split):
    ends, ids = example.segments['phones']
    starts, ends = np.r_[0, ends[:-1]][ids >= 0], ends[ids >= 0]
    middles = (starts + ends) // 2 // audio.hop_samples
    centres = (middles + 0.5) * audio.hop_samples
    middles = middles[(starts <= centres) & (centres < ends)]
    middles = middles[:: max(1, every // _FRAMES_PER_PHONE)]
    frames.append(example.features[::every])
    phones.append(example.features[middles, :channels])
  frames, phones = np.concatenate(frames), np.concatenate(phones)
  log_seconds = linguistic.unscale(phones)[:, -1]
  has_pitch = frames.shape[1] > channels
  return _Examples(
    phones[:, : -len(POSITION_NAMES)],
    np.exp(log_seconds),
    frames[:, :channels],
    pitch.from_features(frames[:, channels:]) if has_pitch else None,
  )


def _rms(errors):
  return float(np.sqrt(np.mean(np.square(errors))))
