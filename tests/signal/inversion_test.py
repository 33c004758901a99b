"""Waveforms from a log-mel without a network."""

import numpy as np
import pytest
import tensorflow as tf

from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.signal import inversion, resampling, spectra

AUDIO = AudioConfig(
  sample_rate_hz=16000, hop_samples=128, window_samples=512, mel_bins=60
)


def buzz(samples=16000):
  """Harmonics of 150 Hz that rise and fall, under a little noise."""
  time = np.arange(samples) / AUDIO.sample_rate_hz
  waves = sum(np.sin(2 * np.pi * 150 * k * time + k * k) for k in range(1, 20))
  noise = np.random.default_rng(0).normal(0, 1e-3, samples)
  return (0.03 * np.sin(np.pi * time) * waves + noise).astype(np.float32)


def log_mel(waveform):
  return spectra.log_mel(tf.constant(waveform[None]), AUDIO)[0].numpy()


def test_magnitudes_are_not_negative_and_have_the_mel():
  mel = log_mel(buzz())
  found = inversion.magnitudes(mel, AUDIO)
  assert found.shape == (125, 257) and found.min() >= 0
  again = found @ spectra.mel_filters(AUDIO).numpy()
  assert np.linalg.norm(again - np.exp(mel)) < 1e-3 * np.linalg.norm(
    np.exp(mel)
  )


def consistency(waveform, magnitude):
  """How far a waveform's own spectrum is from the one that was asked for."""
  window, hop = AUDIO.window_samples, AUDIO.hop_samples
  before = spectra.samples_before(AUDIO)
  padded = np.pad(waveform, [before, window - hop - before])
  found = spectra.stft_magnitude(padded[None], window, hop)[0].numpy()
  return np.linalg.norm(found - magnitude) / np.linalg.norm(magnitude)


def test_griffin_lim_finds_a_phase_that_fits_and_chance_does_not():
  magnitude = inversion.magnitudes(log_mel(buzz()), AUDIO)
  found = inversion.griffin_lim(magnitude, AUDIO, (0, 0))
  chance = inversion.random_phase(magnitude, AUDIO, (0, 0))
  assert len(found) == len(chance) == 16000
  assert consistency(found, magnitude) < 0.15
  assert consistency(chance, magnitude) > 0.4


def test_a_true_spectrum_comes_back_at_its_level_and_in_its_place():
  """Of whole magnitudes, not of a mel: only the phase has to be found."""
  recorded = buzz()
  window, hop = AUDIO.window_samples, AUDIO.hop_samples
  before = spectra.samples_before(AUDIO)
  padded = np.pad(recorded, [before, window - hop - before])
  magnitude = spectra.stft_magnitude(padded[None], window, hop)[0].numpy()
  found = inversion.griffin_lim(magnitude, AUDIO, (0, 0))
  assert np.sum(found**2) == pytest.approx(np.sum(recorded**2), rel=0.02)
  level = [
    np.convolve(x**2, np.ones(800) / 800, 'same') for x in (found, recorded)
  ]
  assert np.argmax(level[0]) == pytest.approx(np.argmax(level[1]), abs=400)


def test_random_phase_keeps_no_sample_and_most_of_the_envelope():
  recorded = buzz()
  magnitude = inversion.magnitudes(log_mel(recorded), AUDIO)
  a, b = (inversion.random_phase(magnitude, AUDIO, (0, i)) for i in (0, 1))
  assert abs(np.corrcoef(a, b)[0, 1]) < 0.2
  again = inversion.random_phase(magnitude, AUDIO, (0, 0))
  np.testing.assert_array_equal(a, again)
  # Frames that do not fit each other cancel, by 6 dB at a quarter's hop.
  ratio = np.sum(a**2) / np.sum(recorded**2)
  assert 0.1 < ratio < 0.6


def test_equal_rates_leave_a_waveform_as_it_is():
  recorded = buzz()
  assert resampling.resampled(recorded, 16000, 16000) is recorded
  there = resampling.resampled(recorded, 16000, 24000)
  assert len(there) == 24000
  back = resampling.resampled(there, 24000, 16000)
  np.testing.assert_allclose(back[200:-200], recorded[200:-200], atol=2e-3)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
