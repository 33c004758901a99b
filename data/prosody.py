"""How long, how high: phone durations and log F0 from linguistic features.

1609.03499 takes both from models of their own (sec. 3.2). These are small:
gradient-boosted trees (`trees.py`), three of them, trained in seconds on the
alignment of the training split. Durations are learned as log seconds from the
answers of each phone's label; log F0 and voicing frame by frame from all
linguistic features.
"""

from collections.abc import Sequence
import io
import json
import pathlib
from typing import NamedTuple
import zipfile

import numpy as np

from data import pitch, shards
from data.labels import TimedLabel, UNITS_PER_SECOND
from data.linguistic import LinguisticFeatures, POSITION_NAMES
from data.trees import Trees
from wavenet_tf import config as config_lib
from wavenet_tf.config import AudioConfig, LINGUISTIC, UserError

# What reading a file of arrays raises where it is none.
_NO_ARRAYS = (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile)
# A larger corpus is thinned evenly; a phone has about ten frames.
_MOST_FRAMES, _FRAMES_PER_PHONE = 200_000, 10
_SHORTEST_SECONDS = 0.005
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


class Prosody:
  """Trained models and the features they speak in.

  Attributes:
    linguistic: the question set and its scaling.
    audio: rate and hop of the frames.
    models: `Trees` by name: 'duration', and 'log_f0' and 'voicing' where the
      corpus was prepared with log F0.

  Example:
    prosody = Prosody.load(workdir / 'prosody.npz')
    features = prosody.predict([label.context for label in labels])
  """

  def __init__(
    self,
    linguistic: LinguisticFeatures,
    audio: AudioConfig,
    models: dict[str, Trees],
  ):
    self.linguistic = linguistic
    self.audio = audio
    self.models = models

  def predict(self, contexts: Sequence[str]) -> np.ndarray:
    """Local conditioning for labels, as preparation would have stored it.

    Args:
      contexts: full-context labels of one utterance, in order.

    Returns:
      float32 `[frames, channels]` in [0, 1].
    """
    labels = self.timed(contexts)
    step = self.audio.hop_samples / self.audio.sample_rate_hz
    frames = max(1, round(labels[-1].end / UNITS_PER_SECOND / step))
    return self.with_pitch(self.linguistic.frames(labels, frames, self.audio))

  def timed(self, contexts: Sequence[str]) -> list[TimedLabel]:
    """Labels with predicted times."""
    answers = self.linguistic.questions.answers(contexts)
    seconds = self._seconds(self.linguistic.scale(answers))
    ends = np.round(np.cumsum(seconds) * UNITS_PER_SECOND).astype(int)
    starts = np.r_[0, ends[:-1]]
    return [
      TimedLabel(int(start), int(end), context, context)
      for start, end, context in zip(starts, ends, contexts)
    ]

  def with_pitch(self, frames: np.ndarray) -> np.ndarray:
    """Linguistic features -> the same, and log F0 and voicing where known."""
    if 'log_f0' not in self.models:
      return frames
    found = pitch.Pitch(
      self.models['log_f0'].predict(frames),
      self.models['voicing'].predict(frames) > 0.5,
    )
    return np.concatenate([frames, pitch.features(found)], 1)

  def save(self, path: pathlib.Path) -> None:
    """Writes the whole file or none."""
    header = {
      'linguistic': self.linguistic.to_dictionary(),
      'hop_samples': self.audio.hop_samples,
      'sample_rate_hz': self.audio.sample_rate_hz,
    }
    arrays = {
      f'{name}.{field}': array
      for name, trees in self.models.items()
      for field, array in trees._asdict().items()
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, header=json.dumps(header), **arrays)
    config_lib.write_bytes(path, buffer.getvalue())

  @classmethod
  def load(cls, path: pathlib.Path) -> 'Prosody':
    """Reads what `save` wrote.

    Raises:
      UserError: if there is no such file, or it is no such file.
    """
    if not path.is_file():
      raise UserError(f'{path} does not exist; run --mode=train_prosody first.')
    try:
      with np.load(path) as saved:
        arrays = {name: saved[name] for name in saved.files}
      header = json.loads(str(arrays.pop('header')))
    except _NO_ARRAYS as error:
      raise UserError(
        f'{path}: is not a prosody file ({error}); run --mode=train_prosody.'
      ) from error
    names = dict.fromkeys(name.split('.')[0] for name in arrays)
    return cls(
      LinguisticFeatures.from_dictionary(header.pop('linguistic')),
      AudioConfig(**header),
      {
        name: Trees(*(arrays[f'{name}.{field}'] for field in Trees._fields))
        for name in names
      },
    )

  def _seconds(self, answers):
    log_seconds = self.models['duration'].predict(answers)
    return np.maximum(np.exp(log_seconds), _SHORTEST_SECONDS)


def train(folder: pathlib.Path, manifest: shards.Manifest) -> Prosody:
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
  audio = AudioConfig(made_with['sample_rate_hz'], made_with['hop_samples'])
  data = _examples(folder, manifest, shards.TRAIN, linguistic, audio)
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
  prosody: Prosody, folder: pathlib.Path, manifest: shards.Manifest
) -> ProsodyErrors:
  """Errors on the validation split; durations there are the recordings'."""
  data = _examples(
    folder, manifest, shards.VALIDATION, prosody.linguistic, prosody.audio
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
  for example in shards.read_examples(folder, manifest, split):
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
