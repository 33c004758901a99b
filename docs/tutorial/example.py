"""What all chapters look at and listen to: the voice in the box, a sentence."""

import functools
import io
import sys
from typing import NamedTuple

from matplotlib.figure import Figure
import numpy as np
import scipy.signal
import soundfile
import tensorflow as tf

from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.signal import quantization
from wavenet_tf.signal.emphasis import pre_emphasise
from wavenet_tf.signal.framing import pad_margin
from wavenet_tf.voice import load_run, Voice

# From the root of a checkout.
VOICE = 'voices/kathleen'
RECORDINGS = 'data/sample/wavs/sample-{:02d}.flac'
# The voice learned from a reader who is so much quieter than the synthesizer,
# and in a room: digital silence, which it never heard, confuses it. Networks
# hear recordings so, and people hear all sounds as loud as the files.
QUIETER = 0.3
ROOM_DBFS = -60.0
_ROOM_COLOR = 0.97


class Heard(NamedTuple):
  """A recording as a teacher hears it.

  Attributes:
    levels: int32 `[1, T]`, 16-bit and pre-emphasised, whole frames.
    conditioning: of these frames.
  """

  levels: tf.Tensor
  conditioning: Conditioning


class Sound(NamedTuple):
  """Something to play: float `[T]` in [-1, 1]."""

  waveform: np.ndarray
  rate_hz: int


@functools.cache
def voice() -> Voice:
  return load_run(VOICE)


@functools.cache
def recording(number: int = 1) -> Sound:
  """A bundled sentence, as loud as the voice is used to, and in a room."""
  waveform, rate_hz = soundfile.read(RECORDINGS.format(number), dtype='float32')
  white = np.random.default_rng(number).normal(size=len(waveform))
  room = scipy.signal.lfilter([1.0], [1.0, -_ROOM_COLOR], white)
  room *= 10.0 ** (ROOM_DBFS / 20.0) / room.std()
  return Sound((QUIETER * waveform + room).astype(np.float32), rate_hz)


def as_played(waveform: np.ndarray) -> np.ndarray:
  """As loud as the file of the recording."""
  return np.clip(np.asarray(waveform) / QUIETER, -1.0, 1.0)


def as_heard(
  voice: Voice, waveform: np.ndarray, first: int = 0, last: int | None = None
) -> Heard:
  """Frames of a recording as the teacher of a voice hears them.

  Args:
    voice: conditioned on a log-mel alone.
    waveform: float `[T]` at the voice's rate.
    first: frame.
    last: frame, exclusive; None: the last whole one.
  """
  hop = voice.config.audio.hop_samples
  last = len(waveform) // hop if last is None else last
  levels = quantization.levels_from_waveform(waveform)
  levels = pre_emphasise(levels, voice.config.audio.preemphasis)
  mel = pad_margin(
    tf.constant(voice.features(waveform)[None]), voice.config.silence
  )
  return Heard(
    tf.cast(levels[None, first * hop : last * hop], tf.int32),
    Conditioning(mel[:, first : last + 2 * MARGIN_FRAMES]),
  )


def play(waveform: np.ndarray, rate_hz: int) -> None:
  """A player in a notebook; elsewhere nothing."""
  if 'IPython' in sys.modules:
    from IPython.display import Audio, display

    display(Audio(as_played(waveform), rate=rate_hz, normalize=False))


def show(figure: Figure) -> None:
  """A figure in a notebook; elsewhere nothing."""
  if 'IPython' in sys.modules:
    from IPython.display import display, Image

    picture = io.BytesIO()
    figure.savefig(picture, format='png')
    display(Image(picture.getvalue()))
