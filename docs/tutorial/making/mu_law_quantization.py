"""Pictures and sounds of the chapter on mu-law quantisation."""

import functools
import glob

from matplotlib.figure import Figure
import numpy as np
import soundfile

from docs.tutorial.example import QUIETER, recording, RECORDINGS, Sound
from wavenet_tf.probability.discretized import quantize
from wavenet_tf.showing.figures.histograms import (
  histograms,
  mu_law_histograms,
)
from wavenet_tf.signal import quantization

# What is lost is played so much louder: 18 dB.
_LOUDER = 8.0
_FEW = 16


def mu_law(waveform: np.ndarray, levels: int = 256) -> np.ndarray:
  """What is left of a waveform after companding to so many codes."""
  codes = quantization.mu_law_encode(waveform, levels)
  return quantization.mu_law_decode(codes, levels).numpy()


def plain(waveform: np.ndarray, levels: int = 256) -> np.ndarray:
  """What is left of it with as many equal steps."""
  return quantize(waveform, levels).numpy()


def noise_ratio(waveform: np.ndarray, kept: np.ndarray) -> float:
  """How far what is lost lies below what is there, dB."""
  lost = quantization.rms_dbfs(waveform - kept)
  return quantization.rms_dbfs(waveform) - lost


def before_and_after() -> Figure:
  """Codes that all bundled recordings use, as loud as the voice is used to."""
  names = sorted(glob.glob(RECORDINGS.replace('{:02d}', '*')))
  waveforms = (soundfile.read(name, dtype='float32')[0] for name in names)
  return mu_law_histograms(
    histograms(
      quantization.levels_from_waveform(QUIETER * waveform)
      for waveform in waveforms
    )
  )


def steps() -> Figure:
  """Where the steps are: 16 of each kind, and how wide 256 of them are."""
  figure = Figure(figsize=(11, 3.8), layout='constrained')
  stairs, widths = figure.subplots(1, 2)
  waveform = np.linspace(-1, 1, 4001, dtype=np.float32)
  stairs.plot(waveform, waveform, color='0.7', linewidth=0.8)
  for name, color, kept in (
    ('equal steps', 'C0', plain),
    ('mu-law', 'C1', mu_law),
  ):
    stairs.plot(waveform, kept(waveform, _FEW), color=color, label=name)
  stairs.set(
    title=f'{_FEW} levels', xlabel='amplitude', ylabel='what is kept of it'
  )
  centres = quantization.mu_law_decode(np.arange(256)).numpy()[128:]
  middle = (centres[1:] + centres[:-1]) / 2
  widths.loglog(middle, np.diff(centres), color='C1', label='mu-law, 256')
  for bits in 8, 12, 16:
    widths.axhline(2.0 / 2**bits, color='C0', linewidth=bits / 8)
    widths.text(middle[0], 2.2 / 2**bits, f'{bits} bits, equal steps')
  widths.set(title='256 levels', xlabel='amplitude', ylabel='width of a step')
  for axes in stairs, widths:
    axes.grid(alpha=0.3)
    axes.legend(loc='upper left' if axes is stairs else 'center right')
  return figure


def noise_by_loudness() -> Figure:
  """Noise against loudness: a sentence, louder and quieter."""
  waveform, _ = recording()
  figure = Figure(figsize=(8, 4), layout='constrained')
  axes = figure.subplots()
  loudness = quantization.rms_dbfs(waveform)
  highest = -20 * np.log10(np.abs(waveform).max()) - 0.1
  gains = np.linspace(-50, highest, 40)
  for label, style, kept in (
    ('mu-law, 256 levels', 'C1-', mu_law),
    ('8 bits, equal steps', 'C0-', plain),
    ('12 bits, equal steps', 'C0--', functools.partial(plain, levels=2**12)),
  ):
    ratios = []
    for gain in gains:
      scaled = np.float32(10 ** (gain / 20)) * waveform
      ratios.append(noise_ratio(scaled, kept(scaled)))
    axes.plot(loudness + gains, ratios, style, label=label)
  axes.axvline(loudness, color='0.5', linestyle=':')
  axes.text(loudness + 0.5, 1, 'as the voice hears it', color='0.4')
  axes.set(
    title='noise of quantisation, of one sentence at many loudnesses',
    xlabel='loudness of the sentence, dBFS',
    ylabel='noise below the sentence, dB',
    ylim=(0, None),
  )
  axes.grid(alpha=0.3)
  axes.legend()
  return figure


def kept(quantize_, levels: int) -> Sound:
  waveform, rate_hz = recording()
  return Sound(quantize_(waveform, levels), rate_hz)


def lost(quantize_) -> Sound:
  """What 8 bits leave out, louder."""
  waveform, rate_hz = recording()
  return Sound(_LOUDER * (waveform - quantize_(waveform)), rate_hz)


PICTURES = {
  'before_and_after.png': before_and_after,
  'steps.png': steps,
  'noise_by_loudness.png': noise_by_loudness,
}
SOUNDS = {
  'mu_law_8_bits': functools.partial(kept, mu_law, 256),
  'plain_8_bits': functools.partial(kept, plain, 256),
  'mu_law_8_bits_lost': functools.partial(lost, mu_law),
  'plain_8_bits_lost': functools.partial(lost, plain),
  'mu_law_4_bits': functools.partial(kept, mu_law, _FEW),
  'plain_4_bits': functools.partial(kept, plain, _FEW),
}
