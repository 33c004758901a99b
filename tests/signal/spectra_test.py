"""Laws of the front end: magnitudes and log-mels."""

import numpy as np
import pytest
import tensorflow as tf

from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.signal import spectra
from wavenet_tf.signal.framing import frame_count

AUDIO = AudioConfig(
  sample_rate_hz=8000,
  hop_samples=80,
  window_samples=320,
  mel_bins=20,
  mel_max_hz=4000.0,
)


def test_stft_of_a_full_scale_sine_peaks_at_one():
  sine = np.sin(2 * np.pi * 1000 / 8000 * np.arange(4096))
  magnitude = spectra.stft_magnitude(
    tf.constant(sine[None], tf.float32), 512, 128
  )
  assert np.max(magnitude) == pytest.approx(1.0, rel=2e-2)


def test_stft_magnitude_has_a_gradient_in_silence():
  silence = tf.Variable(tf.zeros([1, 1024]))
  with tf.GradientTape() as tape:
    total = tf.reduce_sum(spectra.stft_magnitude(silence, 256, 64))
  assert np.isfinite(tape.gradient(total, silence).numpy()).all()


def log_mel_reference(x, config):
  """NumPy in float64, frame by frame."""
  hop, window = config.hop_samples, config.window_samples
  frames = -(-len(x) // hop)
  before = (window - hop) // 2
  padded = np.zeros(frames * hop + window)
  padded[before : before + len(x)] = x
  fft = 1 << (window - 1).bit_length()
  hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
  spectra = (
    np.stack(
      [
        np.abs(np.fft.rfft(padded[f * hop : f * hop + window] * hann, fft))
        for f in range(frames)
      ]
    )
    * 4
    / window
  )

  def mel(hz):
    return 1127.0 * np.log1p(hz / 700.0)

  centres = np.linspace(
    mel(config.mel_min_hz), mel(config.mel_max_hz), config.mel_bins + 2
  )
  bins = mel(np.arange(fft // 2 + 1) * config.sample_rate_hz / fft)[:, None]
  rising = (bins - centres[:-2]) / np.diff(centres)[:-1]
  falling = (centres[2:] - bins) / np.diff(centres)[1:]
  filters = np.maximum(0, np.minimum(rising, falling))
  filters[0] = 0
  return np.log(np.maximum(spectra @ filters, config.mel_floor))


@pytest.mark.parametrize('samples', [79, 80, 81, 1000, 1600])
def test_log_mel_agrees_with_numpy(samples):
  x = np.random.default_rng(samples).normal(0, 0.1, samples)
  features = spectra.log_mel(tf.constant(x[None], tf.float32), AUDIO)[0]
  reference = log_mel_reference(x, AUDIO)
  assert features.shape == (frame_count(samples, 80), 20)
  np.testing.assert_allclose(features, reference, atol=2e-3)


def test_log_mel_of_silence_is_the_floor():
  features = spectra.log_mel(tf.zeros([2, 800]), AUDIO)
  np.testing.assert_allclose(features, AUDIO.log_mel_floor, rtol=1e-6)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
