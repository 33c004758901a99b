"""Histograms of samples, before and after mu-law companding."""

from collections.abc import Iterable
from typing import NamedTuple

from matplotlib.figure import Figure
import numpy as np

from wavenet_tf.signal import quantization


class Histograms(NamedTuple):
  """Counts of samples in as many equal bins of [-1, 1), `[levels]` each."""

  plain: np.ndarray
  companded: np.ndarray


def histograms(recordings: Iterable, levels: int = 256) -> Histograms:
  """Of 16-bit levels `[T]` before and after mu-law companding."""
  plain, companded = np.zeros((2, levels), int)
  for recording in recordings:
    recording = np.asarray(recording, int)
    bins = (
      (recording + quantization.LEVELS // 2) * levels // quantization.LEVELS
    )
    plain += np.bincount(bins, minlength=levels)
    codes = quantization.mu_law_encode(
      quantization.waveform_from_levels(recording), levels
    )
    companded += np.bincount(codes.numpy(), minlength=levels)
  return Histograms(plain, companded)


def entropy_bits(counts: np.ndarray) -> float:
  """Of the shares that counts are of their sum."""
  shares = counts[counts > 0] / counts.sum()
  return float(-np.sum(shares * np.log2(shares)))


def mu_law_histograms(counts: Histograms) -> Figure:
  """Why the softmax of 1609.03499 sec. 2.2 speaks of companded samples."""
  figure = Figure(figsize=(11, 4.5), layout='constrained')
  rows = figure.subplots(1, 2)
  levels = len(counts.plain)
  titles = 'equal steps of amplitude', 'after mu-law companding'
  for axes, title, found in zip(rows, titles, counts):
    share = 100 * found / found.sum()
    axes.bar(np.arange(levels), share, width=1.0, color='C0')
    used = int(np.sum(found > 0))
    axes.set(
      title=f'{title}\n{used} of {levels} codes occur; entropy '
      f'{entropy_bits(found):.2f} of {np.log2(levels):.0f} bits',
      xlabel='code',
      ylabel='share of samples, %',
      xlim=(-0.5, levels - 0.5),
      ylim=(0, 1.05 * share.max()),
    )
    axes.grid(alpha=0.3)
  figure.suptitle(f'{counts.plain.sum():,} samples of the corpus')
  return figure
