"""How a served voice speaks, piece after piece, as the signatures want it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from serving.asking import Asker, ServerError

# A student's first piece is short, so that the first sound comes soon; longer
# ones repeat less of what came before.
_LONGEST_PIECE_CHUNKS = 16


class Limits(NamedTuple):
  """What the signature `limits` of a model says; 0 of what it has not."""

  sample_rate_hz: int
  hop_samples: int
  chunk_frames: int
  context_frames: int
  margin_frames: int
  most_frames: int
  teacher_chunk_frames: int
  teacher_state_size: int
  silence: float
  mel_min_hz: float
  mel_max_hz: float


class Voice:
  """A voice on a server.

  Args:
    asker: of the server.

  Attributes:
    limits: of the model.

  Raises:
    ServerError: where the server does not answer, or its model is too old.

  Example:
    voice = Voice(Asker(GrpcServer('localhost:8500', 'wavenet', 60.0), 30.0))
    mel = voice.features(waveform)
    for piece in voice.speak('student', mel, seed=0):
      play(piece)
  """

  def __init__(self, asker: Asker):
    self._ask = asker.ask
    self._signatures = asker.inputs()
    self._inputs('limits')
    told = self._ask('limits', {'rows': np.zeros([1], np.int32)})
    self.limits = Limits(
      *(told[name][0].item() if name in told else 0 for name in Limits._fields)
    )

  def features(self, waveform: np.ndarray) -> np.ndarray:
    """float32 `[T]` at the model's rate, in [-1, 1] -> log-mel `[F, mels]`."""
    audio = waveform[None].astype(np.float32)
    return self._ask('features', {'audio': audio})['mel'][0]

  def speak(
    self,
    by: str,
    mel: np.ndarray,
    seed: int = 0,
    global_: Sequence[float] = (),
  ) -> Iterator[np.ndarray]:
    """Pieces of audio, float32 `[T]` in [-1, 1], as soon as each is spoken.

    Args:
      by: 'student' or 'teacher'.
      mel: float32 `[F, mels]`.
      seed: of the noise; the same seed gives the same audio.
      global_: `[channels]`, where the model has a global vector.

    Yields:
      `F * hop_samples` samples in all.

    Raises:
      ServerError: what the server said, in a sentence.
    """
    speak, signature = {
      'student': (self._student, 'stream'),
      'teacher': (self._teacher, 'teacher'),
    }[by]
    told = {'seed': np.array([[seed, 0]], np.int32)}
    if len(global_):
      told['global_vector'] = np.array([global_], np.float32)
    return speak(mel, told, self._inputs(signature))

  def _inputs(self, signature):
    if signature not in self._signatures:
      raise ServerError(
        f'The model has no signature `{signature}`: found '
        f'{", ".join(sorted(self._signatures))}. Export it again.'
      )
    return self._signatures[signature]

  def _student(self, mel, told, names):
    """By windows: any server that has the model may answer any of them."""
    limits = self.limits
    first, chunks, phase = 0, 1, 0
    while first < len(mel):
      frames = min(chunks * limits.chunk_frames, len(mel) - first)
      window = mel[
        max(0, first - limits.context_frames) : first
        + frames
        + limits.margin_frames
      ]
      inputs = told | {
        'mel': window[None],
        'first_frame': np.array([first], np.int32),
        'frames': np.array([frames], np.int32),
      }
      if 'phase' in names:
        inputs['phase'] = np.array([phase], np.int32)
      answer = self._ask('stream', inputs)
      yield answer['audio'][0]
      phase = answer['phase'][0] if 'phase' in names else 0
      first += frames
      chunks = min(2 * chunks, _LONGEST_PIECE_CHUNKS)

  def _teacher(self, mel, told, names):
    """By chunks, each with the state that the one before left."""
    del names
    limits = self.limits
    frames, margin = limits.teacher_chunk_frames, limits.margin_frames
    total = len(mel)
    mel = np.pad(
      mel,
      [(margin, margin + -total % frames), (0, 0)],
      constant_values=limits.silence,
    )
    state = np.zeros([1, limits.teacher_state_size], np.float32)
    for first in range(0, total, frames):
      answer = self._ask(
        'teacher',
        told
        | {
          'mel': mel[None, first : first + frames + 2 * margin],
          'first_frame': np.array([first], np.int32),
          'frames_left': np.array([total - first], np.int32),
          'state': state,
        },
      )
      state = answer['state']
      yield answer['audio'][0, : (total - first) * limits.hop_samples]
