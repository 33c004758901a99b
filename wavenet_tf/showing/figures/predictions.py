"""Predicted distributions under the waveform that came."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.teacher import Teacher
from wavenet_tf.probability.outputs import bits, MuLawSoftmax
from wavenet_tf.signal import quantization
from wavenet_tf.signal.emphasis import pre_emphasise
from wavenet_tf.signal.framing import pad_margin

_AMPLITUDES = 401
# Densities below the highest by more powers of ten are black.
_DECADES = 4.0


class Stretch(NamedTuple):
  """Some tens of milliseconds of an utterance, and what leads up to them.

  Attributes:
    levels: int `[T]`, whole frames, as networks see them; the stretch is
      their end.
    conditioning: for these frames.
    samples: length of the stretch.
    start: its first sample in the utterance.
  """

  levels: np.ndarray
  conditioning: Conditioning
  samples: int
  start: int


def loudest_stretch(
  example: Any, config: Config, milliseconds: float, past_samples: int
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
  margin = config.margin_frames
  padded = pad_margin(
    tf.constant(example.features[None]), config.silence, margin
  )
  window = padded[:, start // hop : end // hop + 2 * margin]
  seen = pre_emphasise(example.levels, config.audio.preemphasis)
  return Stretch(
    np.asarray(seen[start:end]),
    Conditioning.of(window, tf.constant(example.global_[None])),
    min(samples, length),
    end - min(samples, length),
  )


def densities(
  teacher: Teacher, parameters: tf.Tensor, amplitudes: np.ndarray
) -> np.ndarray:
  """Predicted density per unit of amplitude, `[A, T]`.

  Args:
    teacher: whose output gave them.
    parameters: `[T, P]`.
    amplitudes: `[A]`.
  """
  output = teacher.output_kind
  amplitudes = tf.constant(amplitudes, tf.float32)
  if isinstance(output, MuLawSoftmax):
    codes = quantization.mu_law_encode(amplitudes, output.levels)
    edges = quantization.mu_law_decode(
      tf.range(output.levels + 1, dtype=tf.float32) - 0.5, output.levels
    )
    probabilities = tf.nn.softmax(tf.cast(parameters, tf.float32))
    found = tf.gather(probabilities / (edges[1:] - edges[:-1]), codes, axis=1)
    return tf.transpose(found).numpy()
  return tf.exp(
    output.log_density(parameters[None], amplitudes[:, None])
  ).numpy()


def predictions(runs: Sequence[tuple]) -> Figure:
  """Predicted distributions over time under the waveform, a column a run.

  Args:
    runs: of (teacher, config, `Stretch`).
  """
  figure = Figure(figsize=(4 + 7 * len(runs), 7.5), layout='constrained')
  grid = figure.subplots(
    2, len(runs), squeeze=False, sharex='col', height_ratios=(1, 2.4)
  )
  for column, (teacher, config, stretch) in zip(grid.T, runs):
    _draw_prediction(figure, column, teacher, config, stretch)
  return figure


def _draw_prediction(figure, column, teacher, config, stretch):
  output = teacher.output_kind
  waveform = output.waveform(stretch.levels[None])
  parameters = teacher(waveform, stretch.conditioning)[0, -stretch.samples :]
  levels = stretch.levels[-stretch.samples :]
  nats = -np.mean(output.log_prob(parameters, levels))
  shown = quantization.waveform_from_levels(levels).numpy()
  amplitudes = amplitudes_around(shown)
  rate = config.audio.sample_rate_hz
  seen = 'pre-emphasised ' if config.audio.preemphasis else ''
  name, unit = 'mu-law softmax', 'mu-law code'
  if not isinstance(output, MuLawSoftmax):
    name = config.teacher.output.replace('_', ' ')
    unit = f'{config.teacher.bits}-bit sample'
  draw_densities(
    figure,
    column,
    1000 * (stretch.start + np.arange(stretch.samples)) / rate,
    shown,
    amplitudes,
    densities(teacher, parameters, amplitudes),
  )
  column[0].set_title(f'{name}: {bits(nats):.2f} bits per {seen}{unit} here')
  column[1].set_xlabel('time in the utterance, ms')
  for axes in column:
    axes.set_ylabel(f'{seen}amplitude')


def amplitudes_around(waveform: np.ndarray) -> np.ndarray:
  """Where to draw densities, `[A]`: a little further than samples reach."""
  limit = 1.4 * np.abs(waveform).max() + 1e-4
  return np.linspace(-limit, limit, _AMPLITUDES)


def draw_densities(
  figure: Figure,
  column: Sequence,
  times: np.ndarray,
  waveform: np.ndarray,
  amplitudes: np.ndarray,
  found: np.ndarray,
) -> None:
  """A waveform, and below it what was predicted before each sample.

  Args:
    figure: of the axes.
    column: two axes.
    times: `[T]`.
    waveform: `[T]`, what came.
    amplitudes: `[A]`, evenly spaced.
    found: densities at these, `[A, T]`.
  """
  ends = amplitudes[0], amplitudes[-1]
  column[0].plot(times, waveform, color='black', linewidth=0.9)
  column[0].set(ylim=ends)
  column[0].grid(alpha=0.3)
  image = np.log10(found + 1e-30)
  highest = np.percentile(image.max(0), 95)
  drawn = column[1].imshow(
    image, origin='lower', aspect='auto', cmap='magma',
    extent=(times[0], times[-1], *ends), interpolation='nearest',
    vmin=highest - _DECADES, vmax=highest,
  )  # fmt: skip
  column[1].plot(
    times, waveform, color='cyan', linewidth=0.7, label='what was said'
  )
  column[1].legend(loc='upper right')
  figure.colorbar(
    drawn, ax=column[1], label='log10 of the predicted density'
  )  # fmt: skip
