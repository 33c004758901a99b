"""Voices side by side: what each measure says of copies of the same features.

All voices are heard at one length, at one sample rate, beside the same
recordings; of each, several draws.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.judging.perception import gating, recognition, vocoder
from wavenet_tf.judging.perception.bursts import burst_seconds
from wavenet_tf.judging.perception.instruments import (
  Instruments,
  SAMPLE_RATE_HZ,
)
from wavenet_tf.judging.perception.intervals import Interval, interval
from wavenet_tf.signal import quantization, resampling

Measured = dict[str, dict[str, float]]  # By part, then by `Measure.key`.
_PCM_STEP = 1.0 / quantization.FULL_SCALE


class Utterance(NamedTuple):
  """A recording and what voices made of its features.

  Attributes:
    recorded: floats `[T]`, at the rate of the run.
    copied: by voice, floats `[draws, T]`.
    text: what is said in all of it; '' where that is not known.
  """

  recorded: np.ndarray
  copied: dict[str, np.ndarray]
  text: str = ''


class Listener:
  """Compares copies with one recording.

  Args:
    recorded: floats `[T]`, at the rate of the run.
    audio: the front end of the run.
    instruments: that are installed.

  Example:
    ```python
    listen = Listener(recorded, config.audio, instruments.installed())
    listen(copied)['speech']['mcd_db']
    ```
  """

  def __init__(
    self, recorded: np.ndarray, audio: AudioConfig, instruments: Instruments
  ):
    self._recorded = recorded
    self._audio = audio
    self._instruments = instruments
    self._reference = _heard(recorded, audio)
    self._speech = gating.speech_frames(self._reference, SAMPLE_RATE_HZ)
    if instruments.analyse:
      self._frames = instruments.analyse(self._reference)

  def __call__(self, copied: np.ndarray) -> Measured:
    """Of floats `[T]`; NaN where a part has nothing to be measured by."""
    heard = _heard(copied, self._audio)
    frames = self._instruments.analyse and self._instruments.analyse(heard)
    parts = {
      gating.WHOLE: np.ones_like(self._speech),
      gating.SPEECH: self._speech,
      gating.PAUSES: ~self._speech,
    }
    found = {
      part: self._of_part(heard, frames, inside)
      for part, inside in parts.items()
    }
    found[gating.WHOLE]['burst_seconds'] = burst_seconds(
      self._recorded, copied, self._audio
    )
    return found

  def _of_part(self, heard, frames, inside_frames):
    if not inside_frames.any():
      return {}
    inside = gating.samples_of(inside_frames, len(heard), SAMPLE_RATE_HZ)
    reference, instruments = self._reference, self._instruments
    spliced = gating.spliced(heard, reference, inside, SAMPLE_RATE_HZ)
    levels = [quantization.rms_dbfs(x[inside]) for x in (heard, reference)]
    found = {'level_db': levels[0] - levels[1]}
    if instruments.pesq:
      found['pesq_wb'] = float(instruments.pesq(reference, spliced))
    if instruments.stoi:
      found['stoi'] = float(instruments.stoi(reference, spliced))
    if instruments.analyse:
      found |= _of_frames(self._frames, frames, inside_frames)
    return found


def _heard(waveform, audio):
  """As a 16-bit file at the common rate."""
  heard = resampling.resampled(
    np.asarray(waveform, np.float64), audio.sample_rate_hz, SAMPLE_RATE_HZ
  )
  return np.round(np.clip(heard, -1, 1) / _PCM_STEP) * _PCM_STEP


def _of_frames(recorded, copied, inside):
  count = min(len(inside), len(recorded.f0_hz))
  inside = inside[:count]
  recorded, copied = (
    vocoder.Frames(x.f0_hz[:count][inside], x.cepstrum[:count][inside])
    for x in (recorded, copied)
  )
  cents = vocoder.pitch_errors_cents(recorded, copied)
  cents = cents[np.isfinite(cents)]
  return {
    'mcd_db': float(np.mean(vocoder.distortion_db(recorded, copied))),
    'f0_cents': float(np.sqrt(np.mean(cents**2))) if len(cents) else np.nan,
    'voicing_error_percent': float(
      100 * np.mean(vocoder.voicing_errors(recorded, copied))
    ),
  }


def compare(
  utterances: Sequence[Utterance], audio: AudioConfig, instruments: Instruments
) -> dict:
  """All voices of some utterances, as plain data for `results.json`.

  Word errors are those of the first draw: a recogniser takes longer than all
  other measures together.

  Returns:
    `utterances`, `seconds` and `draws`; `words`, those of a text that is
    known, where there is a recogniser; `not_measured`, by package, the
    measures that miss it; and `voices`: by voice and part, for every measure
    `mean`, `low` and `high` over utterances (bursts: of their sum), and
    `draws`, `[utterances][draws]`.
  """
  found: dict[str, list[list[Measured]]] = {}
  words = [recognition.words(utterance.text) for utterance in utterances]
  for utterance, said in zip(utterances, words):
    listen = Listener(utterance.recorded, audio, instruments)
    for voice, draws in utterance.copied.items():
      measured = [listen(x) for x in draws]
      if instruments.recognise and said:
        heard = instruments.recognise(_heard(draws[0], audio))
        wrong = recognition.errors(said, recognition.words(heard))
        measured[0][gating.WHOLE]['word_error_percent'] = (
          100 * wrong / len(said)
        )
      found.setdefault(voice, []).append(measured)
  counts = [len(said) for said in words]
  not_measured = {}
  for measure in instruments.missing:
    not_measured.setdefault(measure.package, []).append(measure.title)
  return {
    'utterances': len(utterances),
    'seconds': sum(len(u.recorded) for u in utterances) / audio.sample_rate_hz,
    'draws': max(len(x) for u in utterances for x in u.copied.values()),
    'words': sum(counts) if instruments.recognise else 0,
    'not_measured': not_measured,
    'voices': {
      voice: {
        part: _summary([[x[part] for x in row] for row in rows], counts)
        for part in gating.PARTS
      }
      for voice, rows in found.items()
    },
  }


def _summary(rows, word_counts):
  """`[utterances][draws]` of values by key -> by key, over utterances."""
  summary = {}
  for key in {key: None for row in rows for draw in row for key in draw}:
    draws = [[draw.get(key, np.nan) for draw in row] for row in rows]
    # Utterances differ, draws are the same one again.
    means = np.array([_mean(row) for row in draws])
    average = interval(
      means, word_counts if key == 'word_error_percent' else None
    )
    if key == 'burst_seconds':
      average = Interval(*(len(rows) * x for x in average))
    summary[key] = {
      **{name: _plain(x) for name, x in average._asdict().items()},
      'draws': [[_plain(x) for x in row] for row in draws],
    }
  return summary


def _mean(values):
  known = [x for x in values if np.isfinite(x)]
  return np.mean(known) if known else np.nan


def _plain(value):
  """JSON has no NaN."""
  return float(value) if np.isfinite(value) else None
