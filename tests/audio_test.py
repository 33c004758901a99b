"""Laws of the waveform's number systems and of the front end."""

import numpy as np
import pytest
import tensorflow as tf

from wavenet_tf import audio
from wavenet_tf.config import AudioConfig

AUDIO = AudioConfig(
  sample_rate_hz=8000,
  hop_samples=80,
  window_samples=320,
  mel_bins=20,
  mel_max_hz=4000.0,
)


def mu_law_reference(x, levels):
  """The paper's formula in float64, rounded to the nearest of the codes."""
  mu = levels - 1
  companded = np.sign(x) * np.log1p(mu * np.abs(x)) / np.log1p(mu)
  return np.floor((companded + 1) / 2 * mu + 0.5)


def test_levels_survive_the_waveform():
  levels = np.arange(-32768, 32768)
  waveform = audio.waveform_from_levels(levels)
  np.testing.assert_array_equal(audio.levels_from_waveform(waveform), levels)
  assert waveform.numpy().min() == -1.0
  assert waveform.numpy().max() < 1.0


def test_levels_clip_beyond_full_scale():
  np.testing.assert_array_equal(
    audio.levels_from_waveform(tf.constant([-1.5, 1.0, 2.0])),
    [-32768, 32767, 32767],
  )


@pytest.mark.parametrize('levels', [4, 256, 1024])
def test_mu_law_agrees_with_the_formula(levels):
  x = np.random.default_rng(0).uniform(-1, 1, 20000)
  difference = audio.mu_law_encode(
    x.astype(np.float32), levels
  ).numpy() - mu_law_reference(x.astype(np.float32).astype(np.float64), levels)
  # float32 may round the other way where float64 sits on an edge.
  assert np.abs(difference).max() <= 1
  assert np.mean(difference != 0) < 1e-3


@pytest.mark.parametrize('levels', [4, 256, 1024])
def test_every_mu_law_code_comes_back(levels):
  codes = np.arange(levels)
  waveform = audio.mu_law_decode(codes, levels)
  np.testing.assert_array_equal(audio.mu_law_encode(waveform, levels), codes)
  assert (np.diff(waveform) > 0).all()


def test_mu_law_of_the_extremes():
  np.testing.assert_array_equal(
    audio.mu_law_encode(tf.constant([-1.0, 0.0, 1.0, -2.0, 2.0])),
    [0, 128, 255, 0, 255],
  )


def test_stft_of_a_full_scale_sine_peaks_at_one():
  sine = np.sin(2 * np.pi * 1000 / 8000 * np.arange(4096))
  magnitude = audio.stft_magnitude(
    tf.constant(sine[None], tf.float32), 512, 128
  )
  assert np.max(magnitude) == pytest.approx(1.0, rel=2e-2)


def test_stft_magnitude_has_a_gradient_in_silence():
  silence = tf.Variable(tf.zeros([1, 1024]))
  with tf.GradientTape() as tape:
    total = tf.reduce_sum(audio.stft_magnitude(silence, 256, 64))
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
  features = audio.log_mel(tf.constant(x[None], tf.float32), AUDIO)[0]
  reference = log_mel_reference(x, AUDIO)
  assert features.shape == (audio.frame_count(samples, 80), 20)
  np.testing.assert_allclose(features, reference, atol=2e-3)


def test_log_mel_of_silence_is_the_floor():
  features = audio.log_mel(tf.zeros([2, 800]), AUDIO)
  np.testing.assert_allclose(features, AUDIO.log_mel_floor, rtol=1e-6)


def test_loudness_of_a_full_scale_sine():
  sine = np.sin(np.linspace(0, 200 * np.pi, 100000, endpoint=False))
  assert audio.rms_dbfs(sine) == pytest.approx(-3.0103, abs=1e-3)
  assert audio.rms_dbfs(np.zeros(10)) == -120.0


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
