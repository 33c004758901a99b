"""A waveform from a log-mel without a network: what a voice has to beat.

A mel merges frequencies and has no phase. `magnitudes` finds a spectrum with
the same mel; `griffin_lim` looks for a phase that fits it, `random_phase` does
not, and so whispers. Both hear the very features that the networks are given.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.signal import spectra

ITERATIONS = 60
MOMENTUM = 0.99
# "Griffin-Lim" alone may mean anything, so results say which it was.
VARIANT = (
  f'fast Griffin-Lim (momentum {MOMENTUM}, random start, {ITERATIONS} '
  'iterations) of magnitudes by non-negative least squares'
)
# Of the accelerated projected gradient; the mel is met to 0.01 % by then.
_LEAST_SQUARES_STEPS = 200


def griffin_lim(
  magnitude: np.ndarray, audio: AudioConfig, seed: Sequence[int]
) -> np.ndarray:
  """Fast Griffin-Lim (Griffin and Lim 1984; Perraudin et al. 2013).

  P projects on the spectra of waveforms, STFT(ISTFT(.)). With s the
  magnitudes, a the momentum and t_0 = 0,

    t_n = P(s e^(i phase_(n-1))),
    phase_n = angle(t_n - a / (1 + a) t_(n-1)).

  Args:
    magnitude: float32 `[frames, bins]`, from `magnitudes`.
    audio: the front end of the log-mel.
    seed: integers; of the phase to begin with.

  Returns:
    float32 `[frames * hop]`.
  """
  size = tf.constant(magnitude, tf.complex64)
  spectrum = size * _random_phases(size.shape, seed)
  before = tf.zeros_like(spectrum)
  for _ in range(ITERATIONS):
    projected = _spectrum(_waveform(spectrum, audio), audio)
    moved = projected - MOMENTUM / (1 + MOMENTUM) * before
    spectrum = size * moved / tf.cast(tf.abs(moved) + 1e-16, tf.complex64)
    before = projected
  return _inner(_waveform(spectrum, audio), len(magnitude), audio)


def random_phase(
  magnitude: np.ndarray, audio: AudioConfig, seed: Sequence[int]
) -> np.ndarray:
  """The same with phases drawn at random; see `griffin_lim`."""
  size = tf.constant(magnitude, tf.complex64)
  spectrum = size * _random_phases(size.shape, seed)
  return _inner(_waveform(spectrum, audio), len(magnitude), audio)


def magnitudes(log_mel: np.ndarray, audio: AudioConfig) -> np.ndarray:
  """Spectra with this mel: argmin |s . filters - mel|^2 over s >= 0.

  Begins with the pseudo-inverse, clipped, and goes on by Nesterov's
  accelerated gradient, projected on s >= 0.

  Args:
    log_mel: float32 `[frames, mel_bins]`, as `spectra.log_mel` makes them.
    audio: the front end that made them.

  Returns:
    float32 `[frames, bins]`, in the scale of `spectra.stft_magnitude`.
  """
  filters = spectra.mel_filters(audio).numpy()
  mel = np.exp(log_mel)
  step = 1.0 / np.linalg.norm(filters, 2) ** 2
  found = ahead = np.maximum(mel @ np.linalg.pinv(filters), 0.0)
  for n in range(_LEAST_SQUARES_STEPS):
    gradient = (ahead @ filters - mel) @ filters.T
    before, found = found, np.maximum(ahead - step * gradient, 0.0)
    ahead = found + n / (n + 3) * (found - before)
  return found.astype(np.float32)


def _random_phases(shape, seed):
  turns = np.random.default_rng(seed).random(shape)
  return np.exp(2j * np.pi * turns).astype(np.complex64)


def _spectrum(waveform, audio):
  return tf.signal.stft(waveform, audio.window_samples, audio.hop_samples)


def _waveform(spectrum, audio):
  window, hop = audio.window_samples, audio.hop_samples
  return tf.signal.inverse_stft(
    spectrum, window, hop, window_fn=tf.signal.inverse_stft_window_fn(hop)
  )


def _inner(padded, frames, audio):
  """Without the silence that the front end puts around a recording."""
  before = spectra.samples_before(audio)
  waveform = padded[before : before + frames * audio.hop_samples].numpy()
  return waveform / spectra.magnitude_scale(audio.window_samples)
