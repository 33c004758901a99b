"""Noise on its way to speech, flow by flow."""

from collections.abc import Sequence

from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.student import Student
from wavenet_tf.probability import flows
from wavenet_tf.signal import spectra
from wavenet_tf.signal.emphasis import de_emphasise

_DECIBELS = 70.0


def flow_steps(
  student: Student, conditioning: Conditioning, samples: int, seed: tf.Tensor
) -> list[np.ndarray]:
  """Noise and the waveform after each flow, float32 `[T]` each."""
  z = student.family.standard_noise([1, samples], seed)
  output = flows.identity(z)
  steps = [z]
  for flow in student.flows(conditioning):
    output = flows.extend(output, *flow.function.whole(output.waveform))
    steps.append(output.waveform)
  return [step[0].numpy() for step in steps]


def flow_pictures(
  steps: Sequence, recording: np.ndarray, base: str, settings: AudioConfig
) -> Figure:
  """Waveform and spectrogram, a row a step, and the recording's below.

  Args:
    steps: from `flow_steps`.
    recording: float32 `[T]`, what conditions them.
    base: name of the noise.
    settings: rate, window, hop and pre-emphasis.
  """
  names = [f'{base} noise z', *(f'flow {i + 1}' for i in range(len(steps) - 1))]
  if len(names) > 1:
    names[-1] += ': speech'
  rows = [*zip(names, steps), ('recording', recording)]
  if settings.preemphasis:
    last = tf.constant(steps[-1][None])
    heard = de_emphasise(last, settings.preemphasis)[0].numpy()
    rows.insert(-1, ('speech without pre-emphasis', heard))
  figure = Figure(figsize=(11, 2.1 * len(rows)), layout='constrained')
  grid = figure.subplots(len(rows), 2, sharex=True)
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
  magnitude = spectra.stft_magnitude(
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
