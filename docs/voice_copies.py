"""Copies of a recording beside it: the picture of voices/kathleen.

python -m docs.voice_copies a.wav      # writes docs/voice_copies.png

The columns are the recording, the copies of it by student and teacher of
voices/kathleen, and Griffin-Lim of the same log-mel, which needs no network.
"""

import pathlib
import sys

from matplotlib.figure import Figure
import numpy as np
import soundfile

from wavenet_tf.showing.spectrograms import spectrogram_figure
from wavenet_tf.signal import inversion, resampling
from wavenet_tf.voice import load_run, Voice

_HERE = pathlib.Path(__file__).parent
_VOICE = _HERE.parent / 'voices' / 'kathleen'


def copies(
  voice: Voice, waveform: np.ndarray, rate_hz: int
) -> dict[str, np.ndarray]:
  """The recording and its copies by name, floats `[T]` at the voice's rate.

  Args:
    voice: with a student.
    waveform: floats `[T]` in [-1, 1], of one channel.
    rate_hz: of it.
  """
  audio = voice.config.audio
  recording = resampling.resampled(waveform, rate_hz, audio.sample_rate_hz)
  mel = voice.features(waveform, rate_hz)
  magnitude = inversion.magnitudes(mel, audio)
  return {
    'recording': recording,
    'student': voice.speak(mel, model='student'),
    'teacher': voice.speak(mel, model='teacher'),
    'Griffin-Lim': inversion.griffin_lim(magnitude, audio, seed=(0, 0)),
  }


def picture(voice: Voice, waveform: np.ndarray, rate_hz: int) -> Figure:
  """Waveforms and log-mels of `copies`, whose arguments it takes."""
  spoken = copies(voice, waveform, rate_hz)
  samples = min(len(x) for x in spoken.values())
  figure = spectrogram_figure(
    {name: x[:samples] for name, x in spoken.items()}, voice.config.audio
  )
  figure.set_size_inches(12, 4.2)
  return figure


def main(path: str) -> None:
  """Writes the picture of a recording."""
  waveform, rate_hz = soundfile.read(path)
  picture(load_run(_VOICE), waveform, rate_hz).savefig(
    _HERE / 'voice_copies.png', dpi=66
  )


if __name__ == '__main__':
  main(sys.argv[1])
