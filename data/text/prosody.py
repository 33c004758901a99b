"""How long, how high: phone durations and log F0 from linguistic features.

1609.03499 takes both from models of their own (sec. 3.2). These are small:
gradient-boosted trees (`trees.py`), three of them. Durations are predicted as
log seconds from the answers of each phone's label; log F0 and voicing frame by
frame from all linguistic features. `data/shards/prosody_training.py` trains
them, in seconds, on the alignment of the training split.
"""

from collections.abc import Sequence
import io
import json
import pathlib

import numpy as np

from data.text import pitch
from data.text.labels import TimedLabel, UNITS_PER_SECOND
from data.text.linguistic import LinguisticFeatures
from data.text.trees import Trees
from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.configuration.errors import reason, UserError
from wavenet_tf.configuration.files import NO_ARRAYS, write_bytes

_SHORTEST_SECONDS = 0.005


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
    write_bytes(path, buffer.getvalue())

  @classmethod
  def load(cls, path: pathlib.Path) -> 'Prosody':
    """Reads what `save` wrote.

    Raises:
      UserError: if there is no such file, or it is no such file.
    """
    if not path.is_file():
      raise UserError(f'{path} does not exist; run --mode=train_prosody first.')
    try:
      with np.load(io.BytesIO(path.read_bytes())) as saved:
        arrays = {name: saved[name] for name in saved.files}
      header = json.loads(str(arrays.pop('header')))
    except NO_ARRAYS as error:
      raise UserError(
        f'{path}: is not a prosody file ({reason(error)}); run '
        '--mode=train_prosody.'
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
