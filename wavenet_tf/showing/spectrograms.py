"""Waveforms and their spectrograms as pictures."""

from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.signal import spectra

DECIBELS_PER_NEPER = 20.0 / np.log(10.0)
_LOWEST_DB = -100.0


def spectrogram_figure(
  waveforms: dict[str, np.ndarray], audio_config: AudioConfig
) -> Figure:
  """Waveform and log-mel spectrogram of each, one column each, equal axes."""
  figure = Figure(figsize=(5 * len(waveforms), 5), layout='constrained')
  axes = figure.subplots(
    2,
    len(waveforms),
    squeeze=False,
    sharex=True,
    sharey='row',
    height_ratios=(1, 2),
  )
  for column, (name, waveform) in zip(axes.T, waveforms.items()):
    seconds = len(waveform) / audio_config.sample_rate_hz
    column[0].plot(
      np.linspace(0, seconds, len(waveform)), waveform, linewidth=0.3
    )
    column[0].set_title(name)
    mel = (
      spectra.log_mel(tf.constant(waveform[None], tf.float32), audio_config)[
        0
      ].numpy()
      * DECIBELS_PER_NEPER
    )
    image = column[1].imshow(
      mel.T,
      origin='lower',
      aspect='auto',
      extent=(0, seconds, 0, audio_config.mel_bins),
      vmin=_LOWEST_DB,
      vmax=0,
    )
    column[1].set_xlabel('seconds')
  axes[0, 0].set_ylabel('amplitude')
  axes[1, 0].set_ylabel('mel band')
  figure.colorbar(image, ax=axes[1, -1], label='dB')
  return figure
