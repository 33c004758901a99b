"""Pictures of audio: its histograms, its predictions, and noise on its way."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import matplotlib

matplotlib.use('Agg')  # No display is needed, or looked for.

# pylint: disable=g-import-not-at-top,wrong-import-position
from matplotlib import pyplot as plt
import numpy as np
import tensorflow as tf

from wavenet_tf import audio, distributions, flows
from wavenet_tf.config import AudioConfig, Config, MARGIN_FRAMES
from wavenet_tf.layers import Conditioning

# pylint: enable=g-import-not-at-top,wrong-import-position

_AMPLITUDES = 401
# Densities below the highest by more powers of ten are black.
_DECADES = 4.0
_DECIBELS = 70.0


class Histograms(NamedTuple):
  """Counts of samples in as many equal bins of [-1, 1), `[levels]` each."""

  plain: np.ndarray
  companded: np.ndarray


def histograms(recordings: Iterable, levels: int = 256) -> Histograms:
  """Of 16-bit levels `[T]` before and after mu-law companding."""
  plain, companded = np.zeros((2, levels), int)
  for recording in recordings:
    recording = np.asarray(recording, int)
    bins = (recording + audio.LEVELS // 2) * levels // audio.LEVELS
    plain += np.bincount(bins, minlength=levels)
    codes = audio.mu_law_encode(audio.waveform_from_levels(recording), levels)
    companded += np.bincount(codes.numpy(), minlength=levels)
  return Histograms(plain, companded)


def entropy_bits(counts) -> float:
  """Of the shares that counts are of their sum."""
  shares = counts[counts > 0] / counts.sum()
  return float(-np.sum(shares * np.log2(shares)))


def mu_law_histograms(counts: Histograms):
  """Why the softmax of 1609.03499 sec. 2.2 speaks of companded samples."""
  figure, rows = plt.subplots(1, 2, figsize=(11, 4.5), layout='constrained')
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


class Stretch(NamedTuple):
  """Some tens of milliseconds of an utterance, and what leads up to them.

  Attributes:
    levels: int16 `[T]`, whole frames; the stretch is their end.
    conditioning: for these frames.
    samples: length of the stretch.
    start: its first sample in the utterance.
  """

  levels: np.ndarray
  conditioning: Conditioning
  samples: int
  start: int


def loudest_stretch(
  example, config: Config, milliseconds: float, past_samples: int
) -> Stretch:
  """The loudest stretch of an utterance, after `past_samples` at least.

  Args:
    example: with `levels`, `features` and `global_`.
    config: of the run.
    milliseconds: its length, about; it ends with a frame.
    past_samples: that lead up to it, where the utterance has them.
  """
  hop = config.audio.hop_samples
  unit = hop
  if config.context.cycles:
    unit = np.lcm(hop, config.context.pool_samples)
  frames = len(example.levels) // hop
  samples = round(milliseconds * config.audio.sample_rate_hz / 1000)
  samples = min(samples, frames * hop)
  energy = np.cumsum(np.square(example.levels.astype(float)))
  least = min(frames * hop, past_samples + samples)
  ends = np.arange(-(-least // hop), frames + 1) * hop
  before = np.maximum(ends - samples - 1, 0)
  end = int(ends[np.argmax(energy[ends - 1] - energy[before])])
  length = -(-(past_samples + samples) // unit) * unit
  length = max(min(length, end // unit * unit), min(unit, end))
  start = end - length
  padded = audio.pad_margin(tf.constant(example.features[None]), config.silence)
  window = padded[:, start // hop : end // hop + 2 * MARGIN_FRAMES]
  return Stretch(
    example.levels[start:end],
    Conditioning.of(window, tf.constant(example.global_[None])),
    min(samples, length),
    end - min(samples, length),
  )


def densities(teacher, parameters, amplitudes) -> np.ndarray:
  """Predicted density per unit of amplitude, `[A, T]`.

  Args:
    teacher: whose output gave them.
    parameters: `[T, P]`.
    amplitudes: `[A]`.
  """
  output = teacher.output_kind
  amplitudes = tf.constant(amplitudes, tf.float32)
  if isinstance(output, distributions.MuLawSoftmax):
    codes = audio.mu_law_encode(amplitudes, output.levels)
    edges = audio.mu_law_decode(
      tf.range(output.levels + 1, dtype=tf.float32) - 0.5, output.levels
    )
    probabilities = tf.nn.softmax(tf.cast(parameters, tf.float32))
    found = tf.gather(probabilities / (edges[1:] - edges[:-1]), codes, axis=1)
    return tf.transpose(found).numpy()
  return tf.exp(
    output.log_density(parameters[None], amplitudes[:, None])
  ).numpy()


def predictions(runs: Sequence[tuple]):
  """Predicted distributions over time under the waveform, a column a run.

  Args:
    runs: of (teacher, config, `Stretch`).
  """
  figure, grid = plt.subplots(
    2, len(runs), squeeze=False, sharex='col', layout='constrained',
    figsize=(4 + 7 * len(runs), 7.5), height_ratios=(1, 2.4),
  )  # fmt: skip
  for column, (teacher, config, stretch) in zip(grid.T, runs):
    _draw_prediction(figure, column, teacher, config, stretch)
  return figure


def _draw_prediction(figure, column, teacher, config, stretch):
  output = teacher.output_kind
  waveform = output.waveform(stretch.levels[None])
  parameters = teacher(waveform, stretch.conditioning)[0, -stretch.samples :]
  levels = stretch.levels[-stretch.samples :]
  nats = -np.mean(output.log_prob(parameters, levels))
  shown = audio.waveform_from_levels(levels).numpy()
  limit = 1.4 * np.abs(shown).max() + 1e-4
  amplitudes = np.linspace(-limit, limit, _AMPLITUDES)
  image = np.log10(densities(teacher, parameters, amplitudes) + 1e-30)
  rate = config.audio.sample_rate_hz
  times = 1000 * (stretch.start + np.arange(stretch.samples)) / rate
  name, unit = 'mu-law softmax', 'mu-law code'
  if not isinstance(output, distributions.MuLawSoftmax):
    name = config.teacher.output.replace('_', ' ')
    unit = f'{config.teacher.bits}-bit sample'
  column[0].plot(times, shown, color='black', linewidth=0.9)
  column[0].set(
    title=f'{name}: {distributions.bits(nats):.2f} bits per {unit} here',
    ylabel='amplitude', ylim=(-limit, limit),
  )  # fmt: skip
  column[0].grid(alpha=0.3)
  highest = np.percentile(image.max(0), 95)
  drawn = column[1].imshow(
    image, origin='lower', aspect='auto', cmap='magma',
    extent=(times[0], times[-1], -limit, limit), interpolation='nearest',
    vmin=highest - _DECADES, vmax=highest,
  )  # fmt: skip
  column[1].plot(
    times, shown, color='cyan', linewidth=0.7, label='what was said'
  )
  column[1].set(xlabel='time in the utterance, ms', ylabel='amplitude')
  column[1].legend(loc='upper right')
  figure.colorbar(
    drawn, ax=column[1], label='log10 of the predicted density'
  )  # fmt: skip


def flow_steps(student, conditioning: Conditioning, samples: int, seed):
  """Noise and the waveform after each flow, float32 `[T]` each."""
  z = student.family.standard_noise([1, samples], seed)
  output = flows.identity(z)
  steps = [z]
  for flow in student.flows(conditioning):
    output = flows.extend(output, *flow.function.whole(output.waveform))
    steps.append(output.waveform)
  return [step[0].numpy() for step in steps]


def flow_pictures(steps: Sequence, recording, base: str, settings: AudioConfig):
  """Waveform and spectrogram, a row a step, and the recording's below.

  Args:
    steps: from `flow_steps`.
    recording: float32 `[T]`, what conditions them.
    base: name of the noise.
    settings: rate, window and hop.
  """
  names = [f'{base} noise z', *(f'flow {i + 1}' for i in range(len(steps) - 1))]
  if len(names) > 1:
    names[-1] += ': speech'
  rows = [*zip(names, steps), ('recording', recording)]
  figure, grid = plt.subplots(
    len(rows), 2, sharex=True, figsize=(11, 2.1 * len(rows)),
    layout='constrained',
  )  # fmt: skip
  for axes, (name, waveform) in zip(grid, rows):
    drawn = _draw_step(axes, name, waveform, settings)
  for axes in grid[-1]:
    axes.set_xlabel('seconds')
  figure.colorbar(drawn, ax=grid[:, 1], label='dB below the loudest of each')
  return figure


def _draw_step(axes, name, waveform, settings):
  rate = settings.sample_rate_hz
  seconds = len(waveform) / rate
  axes[0].plot(np.arange(len(waveform)) / rate, waveform, linewidth=0.4)
  axes[0].set_title(
    f'{name}: standard deviation {np.std(waveform):.3g}', fontsize='medium'
  )
  limit = 1.05 * np.abs(waveform).max() + 1e-6
  axes[0].set(ylabel='amplitude', ylim=(-limit, limit))
  axes[0].grid(alpha=0.3)
  magnitude = audio.stft_magnitude(
    tf.constant(waveform[None], tf.float32),
    settings.window_samples,
    max(1, settings.window_samples // 4),
  )[0].numpy()
  decibels = 20 * np.log10(magnitude / magnitude.max() + 1e-9)
  drawn = axes[1].imshow(
    decibels.T, origin='lower', aspect='auto',
    extent=(0, seconds, 0, rate / 2000), vmin=-_DECIBELS, vmax=0,
  )  # fmt: skip
  axes[1].set_ylabel('kHz')
  return drawn
