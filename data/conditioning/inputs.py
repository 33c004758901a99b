"""What a user asks for -> what a network is told: the input side of generation.

A wish is a recording to copy, labels or a text to speak, or so many seconds of
whatever comes; and who speaks, under which tags, with which vector.
"""

from collections.abc import Sequence
import math
import pathlib
from typing import NamedTuple

import numpy as np

from data.conditioning import vectors
from data.conditioning.extractor import FeatureExtractor
from data.recordings import copies
from data.recordings.corpora import Utterance
from data.text import front_end, labels
from data.text.prosody import Prosody
from wavenet_tf.configuration.choices import GIVEN, MEL, NONE
from wavenet_tf.configuration.errors import UserError


class Wish(NamedTuple):
  """What to generate; each field is a flag.

  Attributes:
    input: the recording to copy, or a `.npy` file of features where they are
      given; or None.
    labels: a label file to speak, or None.
    text: to speak, or ''.
    seconds: of audio without local conditioning; 0: not given.
    speaker: a name of the corpus, or ''.
    tags: names of the corpus.
    vector: a `.npy` file, or None.
  """

  input: Utterance | None = None
  labels: pathlib.Path | None = None
  text: str = ''
  seconds: float = 0.0
  speaker: str = ''
  tags: Sequence[str] = ()
  vector: pathlib.Path | None = None


class ModelInputs(NamedTuple):
  """Conditioning of one utterance.

  Attributes:
    features: float32 `[1, frames, local_channels]`.
    global_: float32 `[1, global_channels]`.
    samples: how many of the frames' samples the utterance lasts.
    levels: int16 `[samples]` of the recording that is copied, or None.
  """

  features: np.ndarray
  global_: np.ndarray
  samples: int
  levels: np.ndarray | None = None


def model_inputs(
  wish: Wish, told: FeatureExtractor, prosody_file: pathlib.Path
) -> ModelInputs:
  """Turns a wish into conditioning.

  Args:
    wish: what to generate.
    told: the conditioning of the run's corpus, from
      `FeatureExtractor.from_manifest`.
    prosody_file: read where durations or pitch have to be predicted.

  Raises:
    UserError: naming the flag that is missing, not used, or not usable.
  """
  check(wish, told)
  global_ = _global(wish, told)[None]
  config, levels = told.config.audio, None
  if wish.input and told.config.conditioning.local == GIVEN:
    features = vectors.read_frames(wish.input.path, told.config.local_channels)
    samples = len(features) * config.hop_samples
  elif wish.input:
    levels = copies.load(wish.input.path, told.config)
    features, samples = _of_recording(wish.input, levels, told), len(levels)
  elif wish.seconds:
    samples = round(wish.seconds * config.sample_rate_hz)
    features = told.local(np.zeros(samples, np.int16), None)
  else:
    features = _of_labels(wish, told, prosody_file)
    samples = len(features) * config.hop_samples
  return ModelInputs(features[None], global_, samples, levels)


def check(wish: Wish, told: FeatureExtractor) -> None:
  """What can be said of a wish before there is a model.

  Exactly one of the flags that say what is heard, one that is known here; a
  speaker, tags and a vector as this run is told them.

  Raises:
    UserError: naming the flags.
  """
  local = told.config.conditioning.local
  given = [
    name
    for name in ('input', 'labels', 'text', 'seconds')
    if getattr(wish, name)
  ]
  usable = {MEL: ('input',), GIVEN: ('input',), NONE: ('seconds',)}.get(
    local, ('text', 'labels', 'input')
  )
  wanted = ' or '.join(f'--{name}' for name in usable)
  if not given:
    raise UserError(
      f'{wanted} is missing: this run is conditioned on conditioning.local = '
      f'{local!r}; say by that flag what is to be heard.'
    )
  if len(given) > 1 or given[0] not in usable:
    raise UserError(
      f'{" and ".join(f"--{name}" for name in given)}: this run is '
      f'conditioned on conditioning.local = {local!r}; give {wanted}, and '
      'nothing else of --input, --labels, --text, --seconds.'
    )
  audio = told.config.audio
  shortest = audio.hop_samples / audio.sample_rate_hz
  if wish.seconds and not shortest <= wish.seconds < math.inf:
    raise UserError(
      f'--seconds: found {wish.seconds:g}, expected at least one frame, '
      f'{shortest:g} s; give a longer time.'
    )
  _global(wish, told)


def _global(wish, told):
  return told.global_(
    speaker=wish.speaker,
    tags=wish.tags,
    vector=vectors.read(wish.vector) if wish.vector else None,
  )


def _of_recording(utterance, levels, told):
  timed = None
  if told.linguistic:
    rate = told.config.audio.sample_rate_hz
    timed = labels.aligned(utterance, len(levels), rate)
    if timed is None:
      raise UserError(
        f'--input: {utterance.path} has no label file, which this run is '
        'conditioned on; put x.lab beside x.wav, or give --text.'
      )
  return told.local(levels, timed)


def _of_labels(wish, told, prosody_file):
  """Linguistic features; what only a recording tells is predicted."""
  if wish.labels:
    timed = _read_labels(wish.labels)
    step = told.config.audio.hop_samples / told.config.audio.sample_rate_hz
    frames = max(1, round(timed[-1].end / labels.UNITS_PER_SECOND / step))
    features = told.linguistic.frames(timed, frames, told.config.audio)
    if not told.has_pitch:
      return features
    return Prosody.load(prosody_file).with_pitch(features)
  timed = front_end.read_text(wish.text).labels
  _check_phones(timed, told.vocabularies['phones'])
  return Prosody.load(prosody_file).predict([t.context for t in timed])


def _read_labels(path):
  timed = labels.read_label_file(path)
  if not any(label.has_context for label in timed):
    raise UserError(
      f'--labels: {path} has phones without a context (the first is '
      f'{timed[0].context!r}), expected full-context labels such as '
      "'x^x-a+b=c@1_2/A:...', as the recordings have; align those, or give "
      '--text.'
    )
  return timed


def _check_phones(timed, known):
  """The labels of a corpus may have phones of another alphabet, or too few."""
  unknown = sorted({label.name for label in timed} - set(known))
  if unknown:
    raise UserError(
      f'--text: its phones {", ".join(unknown)} are not among those of the '
      f"recordings' labels ({', '.join(known)}); use words without them, or "
      'give --labels if those are not the phones of espeak-ng.'
    )
