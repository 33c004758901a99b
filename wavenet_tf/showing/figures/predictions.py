"""Predicted distributions under the waveform that came."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
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
  padded = pad_margin(tf.constant(example.features[None]), config.silence)
  window = padded[:, start // hop : end // hop + 2 * MARGIN_FRAMES]
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
  limit = 1.4 * np.abs(shown).max() + 1e-4
  amplitudes = np.linspace(-limit, limit, _AMPLITUDES)
  image = np.log10(densities(teacher, parameters, amplitudes) + 1e-30)
  rate = config.audio.sample_rate_hz
  times = 1000 * (stretch.start + np.arange(stretch.samples)) / rate
  seen = 'pre-emphasised ' if config.audio.preemphasis else ''
  name, unit = 'mu-law softmax', 'mu-law code'
  if not isinstance(output, MuLawSoftmax):
    name = config.teacher.output.replace('_', ' ')
    unit = f'{config.teacher.bits}-bit sample'
  column[0].plot(times, shown, color='black', linewidth=0.9)
  column[0].set(
    title=f'{name}: {bits(nats):.2f} bits per {seen}{unit} here',
    ylabel=f'{seen}amplitude', ylim=(-limit, limit),
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
  column[1].set(xlabel='time in the utterance, ms', ylabel=f'{seen}amplitude')
  column[1].legend(loc='upper right')
  figure.colorbar(
    drawn, ax=column[1], label='log10 of the predicted density'
  )  # fmt: skip
