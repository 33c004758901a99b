"""Log-mel spectrograms as pictures, one above the other."""

from collections.abc import Mapping

from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.signal import spectra

DECIBELS_PER_NEPER = 20.0 / np.log(10.0)
_LOWEST_DB = -100.0
_MARKED_HZ = (125, 250, 500, 1000, 2000, 4000, 8000, 16000)


def spectrogram_figure(
  waveforms: Mapping[str, np.ndarray], audio: AudioConfig
) -> Figure:
  """The log-mel of each, one row each, on one scale of seconds, Hz and dB.

  Args:
    waveforms: float `[T]` in [-1, 1], by title.
    audio: rate and front end.
  """
  figure = Figure(
    figsize=(10, 0.5 + 1.7 * len(waveforms)), layout='constrained'
  )
  rows = figure.subplots(len(waveforms), 1, squeeze=False, sharex=True)[:, 0]
  for axes, (title, waveform) in zip(rows, waveforms.items()):
    mel = spectra.log_mel(tf.constant(waveform[None], tf.float32), audio)[0]
    image = axes.imshow(
      mel.numpy().T * DECIBELS_PER_NEPER,
      origin='lower',
      aspect='auto',
      extent=(0, len(waveform) / audio.sample_rate_hz, 0, audio.mel_bins),
      vmin=_LOWEST_DB,
      vmax=0,
    )
    axes.set_title(title, loc='left', fontsize='medium')
    _mark_hz(axes, audio)
  rows[-1].set_xlabel('seconds')
  figure.colorbar(image, ax=list(rows), label='dB')
  return figure


def _mark_hz(axes, audio):
  """Bins are equally wide in mels."""
  low, high = _mels(audio.mel_min_hz), _mels(audio.mel_max_hz)
  marked = [
    hz for hz in _MARKED_HZ if audio.mel_min_hz <= hz <= audio.mel_max_hz
  ]
  at = [(_mels(hz) - low) / (high - low) * audio.mel_bins for hz in marked]
  axes.set_yticks(at, [f'{hz:,}' for hz in marked], fontsize='x-small')
  axes.set_ylabel('Hz')


def _mels(hz):
  """HTK's scale, as `tf.signal.linear_to_mel_weight_matrix` has it."""
  return 1127.0 * np.log1p(hz / 700.0)
