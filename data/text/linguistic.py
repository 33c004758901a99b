"""Labels with times -> linguistic features, frame by frame (1609.03499 3.2).

The features of a frame are the answers of the label at its centre, where that
centre lies in the phone, and how long the phone lasts. All are scaled to
[0, 1]: numbers by their least and greatest value in the training split, the
same at generation; what lies beyond is clipped. A frame without a label is 0
throughout.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from data.text.labels import TimedLabel, UNITS_PER_SECOND
from data.text.questions import QuestionSet
from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.configuration.errors import UserError

POSITION_NAMES = (
  'position in phone, forward',
  'position in phone, backward',
  'ln phone duration',
)


class LinguisticFeatures:
  """A question set and the scaling of its answers.

  Attributes:
    questions: asked of every label.
    low, high: float64 `[channels]`, what becomes 0 and 1; the last three are
      those of `POSITION_NAMES`.

  Example:
    features = LinguisticFeatures.fit(questions, [labels])
    features.frames(labels, frames=200, audio=config.audio)  # [200, channels]
  """

  def __init__(
    self, questions: QuestionSet, low: Sequence[float], high: Sequence[float]
  ):
    self.questions = questions
    self.low = np.array(low, np.float64)
    self.high = np.array(high, np.float64)
    width = self.high - self.low
    self._width = np.where(width > 0, width, 1.0)

  @classmethod
  def fit(
    cls, questions: QuestionSet, files: Iterable[Sequence[TimedLabel]]
  ) -> 'LinguisticFeatures':
    """Finds the range of every number in the labels of some recordings.

    Raises:
      UserError: if the questions tell no label from another.
    """
    found = [ranges(questions, labels) for labels in files]
    return cls.from_ranges(
      questions,
      np.min([low for low, _ in found], 0),
      np.max([high for _, high in found], 0),
    )

  @classmethod
  def from_ranges(
    cls, questions: QuestionSet, low: np.ndarray, high: np.ndarray
  ) -> 'LinguisticFeatures':
    """Scaling by the `ranges` of some recordings, least and greatest.

    Raises:
      UserError: if the questions tell no label from another.
    """
    low, high = np.array(low, np.float64), np.array(high, np.float64)
    count = len(questions.questions)
    if not np.any(low[:count] < high[:count]):
      raise UserError(
        f'data.question_file: none of the {count} questions has different '
        'answers for different labels of the recordings, expected questions '
        'about their phones and contexts; name the question set that these '
        'labels were made for.'
      )
    low[:count][~questions.is_numeric] = 0.0
    high[:count][~questions.is_numeric] = 1.0
    return cls(
      questions,
      np.r_[low[:count], 0.0, 0.0, low[count]],
      np.r_[high[:count], 1.0, 1.0, high[count]],
    )

  @classmethod
  def from_dictionary(cls, saved: dict) -> 'LinguisticFeatures':
    """Inverse of `to_dictionary`."""
    questions = QuestionSet(saved['questions'])
    return cls(questions, saved['low'], saved['high'])

  def to_dictionary(self) -> dict:
    """What a manifest keeps."""
    return {
      'questions': self.questions.text,
      'low': self.low.tolist(),
      'high': self.high.tolist(),
    }

  @property
  def names(self) -> list[str]:
    return [*self.questions.names, *POSITION_NAMES]

  def frames(
    self, labels: Sequence[TimedLabel], frames: int, audio: AudioConfig
  ) -> np.ndarray:
    """Features at the centres of frames, float32 `[frames, channels]`.

    Frame f is centred on `(f + 1/2) hop`. After the last label, whose file may
    end a little before its recording, that label goes on.
    """
    step = audio.hop_samples / audio.sample_rate_hz * UNITS_PER_SECOND
    centres = (np.arange(frames) + 0.5) * step
    starts, ends = np.array([label[:2] for label in labels], np.float64).T
    index = np.minimum(np.searchsorted(ends, centres, 'right'), len(labels) - 1)
    forward = (centres - starts[index]) / (ends - starts)[index]
    forward = np.minimum(forward, 1.0)
    answers = self.questions.answers([label.context for label in labels])
    durations = np.array([log_seconds(label) for label in labels])
    raw = np.c_[answers[index], forward, 1.0 - forward, durations[index]]
    return np.where((forward >= 0)[:, None], self.scale(raw), 0.0).astype(
      np.float32
    )

  def scale(self, raw: np.ndarray) -> np.ndarray:
    """Raw `[..., N]`, the first N of all features -> [0, 1]."""
    count = raw.shape[-1]
    scaled = (raw - self.low[:count]) / self._width[:count]
    return np.clip(scaled, 0.0, 1.0)

  def unscale(self, scaled: np.ndarray) -> np.ndarray:
    """Inverse of `scale` within the range."""
    return self.low + scaled * (self.high - self.low)


def ranges(
  questions: QuestionSet, labels: Sequence[TimedLabel]
) -> tuple[np.ndarray, np.ndarray]:
  """The least and the greatest answer in one label file.

  Returns:
    Two of float64 `[questions + 1]`; the last is ln of a duration in seconds.
  """
  raw = np.c_[
    questions.answers([label.context for label in labels]),
    [log_seconds(label) for label in labels],
  ]
  return raw.min(0), raw.max(0)


def log_seconds(label: TimedLabel) -> float:
  return float(np.log((label.end - label.start) / UNITS_PER_SECOND))
