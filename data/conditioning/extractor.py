"""What a network is told beside the waveform: local features, a global vector.

Local (`conditioning.local`): a log-mel, linguistic features with or without log
F0, or nothing, all at frame rate. Global (`conditioning.globals`): who speaks
as one-hot, tags as multi-hot, a given vector, one after the other. Preparation
and generation call the same functions.
"""

from collections.abc import Sequence
import pathlib
from typing import Protocol

import numpy as np

from data.conditioning import vectors
from data.recordings import decoding
from data.recordings.corpora import Utterance
from data.text import labels, pitch
from data.text.linguistic import LinguisticFeatures
from data.text.questions import QuestionSet
from data.text.survey import check_usable, Survey
from wavenet_tf.configuration.choices import (
  LINGUISTIC,
  NONE,
  SPEAKER,
  TAGS,
  VECTOR,
)
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.signal import quantization, spectra
from wavenet_tf.signal.framing import frame_count

# The kind of label whose vocabulary a part of the global vector counts in.
_VOCABULARIES = {SPEAKER: 'speakers', TAGS: 'tags'}


class Prepared(Protocol):
  """What a `manifest.Manifest` says of conditioning."""

  @property
  def features(self) -> dict: ...
  @property
  def vocabularies(self) -> dict[str, list[str]]: ...


class FeatureExtractor:
  """The conditioning of one prepared corpus.

  Attributes:
    config: sections `audio`, `data` and `conditioning`.
    vocabularies: speakers and tags, sorted.
    vector_channels: of the given vector; 0 without.
    linguistic: None where `conditioning.local` is another.
  """

  def __init__(
    self,
    config: Config,
    vocabularies: dict[str, list[str]],
    vector_channels: int,
    linguistic: LinguisticFeatures | None,
  ):
    self.config = config
    self.vocabularies = vocabularies
    self.vector_channels = vector_channels
    self.linguistic = linguistic

  @classmethod
  def fit(
    cls,
    config: Config,
    data_dir: pathlib.Path,
    utterances: Sequence[Utterance],
    questions: QuestionSet | None,
    found: Survey,
  ) -> 'FeatureExtractor':
    """Finds vocabularies, sizes and scaling in a corpus.

    Args:
      config: sections `audio`, `data` and `conditioning`.
      data_dir: the corpus, for the sentence of an error.
      utterances: the corpus.
      questions: what labels are asked, where linguistic features are told.
      found: in the label files: phones of all of the corpus, answers of the
        training split, which scaling is found in.

    Raises:
      UserError: if the corpus lacks what `conditioning` asks for.
    """
    vocabularies = labels.vocabularies(utterances, found.phones)
    for part in config.conditioning.globals:
      if part in _VOCABULARIES and not vocabularies[_VOCABULARIES[part]]:
        raise UserError(
          f'conditioning.globals: asks for {part!r}, but no recording of '
          f'{data_dir} has any; leave it out, or name the files for it '
          '(0_george_12.wav, the folders of VCTK; data.tags_file).'
        )
    vector_channels = 0
    if VECTOR in config.conditioning.globals:
      vector_channels = vectors.channels(utterances)
    linguistic = None
    if config.conditioning.local == LINGUISTIC:
      check_usable(found, data_dir)
      linguistic = LinguisticFeatures.from_ranges(
        questions, found.low, found.high
      )
    return cls(config, vocabularies, vector_channels, linguistic)

  @classmethod
  def from_manifest(
    cls, manifest: Prepared, config: Config
  ) -> 'FeatureExtractor':
    """That of a prepared corpus.

    Args:
      manifest: of the corpus.
      config: of the run that uses it.

    Raises:
      UserError: if `config` asks for another than it was prepared with.
    """
    features = manifest.features
    for field in 'local', 'log_f0', 'globals':
      asked, made_with = getattr(config.conditioning, field), features[field]
      if asked != (tuple(made_with) if field == 'globals' else made_with):
        raise UserError(
          f'conditioning.{field}: found {asked!r}, but the recordings were '
          f'prepared with {made_with!r}; use that value, or prepare them in a '
          'new --workdir.'
        )
    linguistic = None
    if features['local'] == LINGUISTIC:
      linguistic = LinguisticFeatures.from_dictionary(features)
    return cls(
      config, manifest.vocabularies, features['vector_channels'], linguistic
    )

  def to_dictionary(self) -> dict:
    """The manifest's `features`."""
    return {
      'local': self.config.conditioning.local,
      'log_f0': self.config.conditioning.log_f0,
      'globals': list(self.config.conditioning.globals),
      'vector_channels': self.vector_channels,
      'local_names': self.local_names,
      'global_names': self.global_names,
      **(self.linguistic.to_dictionary() if self.linguistic else {}),
    }

  @property
  def has_pitch(self) -> bool:
    return self.linguistic is not None and self.config.conditioning.log_f0

  @property
  def local_names(self) -> list[str]:
    """One for each local channel."""
    if self.linguistic:
      found = pitch.FEATURE_NAMES if self.has_pitch else ()
      return [*self.linguistic.names, *found]
    if self.config.conditioning.local == NONE:
      return []
    return [f'log-mel {i}' for i in range(self.config.audio.mel_bins)]

  @property
  def global_names(self) -> list[str]:
    """One for each global channel."""
    names = []
    for part in self.config.conditioning.globals:
      found = range(self.vector_channels)
      if part in _VOCABULARIES:
        found = self.vocabularies[_VOCABULARIES[part]]
      names += [f'{part} {name}' for name in found]
    return names

  def local(
    self, levels: np.ndarray, timed: Sequence[labels.TimedLabel] | None
  ) -> np.ndarray:
    """Local features of a recording.

    Args:
      levels: int16 `[T]`.
      timed: its labels, for linguistic features.

    Returns:
      float32 `[ceil(T / hop), channels]`.
    """
    frames = frame_count(len(levels), self.config.audio.hop_samples)
    if self.linguistic:
      found = self.linguistic.frames(timed, frames, self.config.audio)
      if not self.has_pitch:
        return found
      contour = pitch.features(pitch.extract(levels, self.config.audio))
      return np.concatenate([found, contour], 1)
    if self.config.conditioning.local == NONE:
      return np.zeros((frames, 0), np.float32)
    waveform = quantization.waveform_from_levels(levels[None])
    return spectra.log_mel(waveform, self.config.audio)[0].numpy()

  def global_(
    self,
    *,
    speaker: str = '',
    tags: Sequence[str] = (),
    vector: np.ndarray | None = None,
  ) -> np.ndarray:
    """The global vector, float32 `[channels]`.

    Args:
      speaker: a name of the vocabulary.
      tags: names of the vocabulary; none is a set, too.
      vector: `[vector_channels]`.

    Raises:
      UserError: for a name outside the vocabulary, listing those in it, a
        vector of another size, or a part that is missing or not used.
    """
    given = {SPEAKER: speaker, TAGS: tags, VECTOR: vector}
    for part, value in given.items():
      asked = value is not None and len(value) > 0
      if asked and part not in self.config.conditioning.globals:
        raise UserError(
          f'--{part}: this run is not conditioned on it (conditioning.globals '
          f'is {self.config.conditioning.globals}); leave it out.'
        )
    encode = {
      SPEAKER: lambda: self._one_hot(speaker),
      TAGS: lambda: self._multi_hot(tags),
      VECTOR: lambda: self._given(vector),
    }
    parts = [encode[part]() for part in self.config.conditioning.globals]
    return np.concatenate([np.zeros(0), *parts]).astype(np.float32)

  def speaker_id(self, name: str) -> int:
    """Place of a speaker in the one-hot part of the global vector.

    Raises:
      UserError: for a speaker that the recordings do not have, listing those.
    """
    known = self.vocabularies['speakers']
    if name not in known:
      found = repr(name) if name else 'nothing'
      raise UserError(
        f'--speaker: found {found}, expected one of {", ".join(known)}.'
      )
    return known.index(name)

  def of_utterance(self, utterance: Utterance) -> np.ndarray:
    """The global vector of a recording.

    Raises:
      BadRecording: if it has no speaker, or no vector that fits.
    """
    asked = self.config.conditioning.globals
    if SPEAKER in asked and not utterance.speaker:
      raise decoding.BadRecording(
        f'{utterance.path}: has no speaker, which conditioning.globals asks '
        'for; name its file or folder for one, or remove it.'
      )
    vector = None
    if VECTOR in asked:
      vector = vectors.read(utterance.vector_path)
      if vector.shape != (self.vector_channels,):
        raise decoding.BadRecording(
          f'{utterance.vector_path}: holds {len(vector)} numbers, expected '
          f'{self.vector_channels}, as beside other recordings; mend or '
          'remove it.'
        )
    return self.global_(
      speaker=utterance.speaker if SPEAKER in asked else '',
      tags=utterance.tags if TAGS in asked else (),
      vector=vector,
    )

  def _one_hot(self, speaker):
    known = self.vocabularies['speakers']
    return np.eye(len(known))[self.speaker_id(speaker)]

  def _multi_hot(self, names):
    known = self.vocabularies['tags']
    for name in names:
      if name not in known:
        raise UserError(
          f'--tags: found {name!r}, expected some of {", ".join(known)}.'
        )
    return np.isin(known, list(names)).astype(float)

  def _given(self, vector):
    shape = None if vector is None else vector.shape
    if shape != (self.vector_channels,):
      found = 'nothing' if shape is None else f'an array of shape {shape}'
      raise UserError(
        f'--vector: found {found}, expected {self.vector_channels} numbers, as '
        'beside the recordings.'
      )
    return vector
