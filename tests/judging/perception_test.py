"""Measures of a voice: laws of each, and packages that may be missing."""

import sys

import numpy as np
import pytest

from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.judging.perception import (
  gating,
  instruments,
  intervals,
  vocoder,
)
from wavenet_tf.judging.perception.bursts import burst_seconds, excess_db
from wavenet_tf.judging.perception.comparison import (
  compare,
  Listener,
  Utterance,
)
from wavenet_tf.judging.perception.instruments import Instruments
from wavenet_tf.judging.perception.intervals import interval
from wavenet_tf.judging.perception.recognition import errors, words

RATE = instruments.SAMPLE_RATE_HZ
AUDIO = AudioConfig(
  sample_rate_hz=RATE, hop_samples=200, window_samples=800, mel_bins=40
)
FAKES = Instruments(
  pesq=lambda recorded, copied: 4.0 - 100 * np.mean(abs(recorded - copied)),
  stoi=lambda recorded, copied: 1.0 - np.mean(abs(recorded - copied)),
  analyse=lambda waveform: vocoder.Frames(
    np.where(np.arange(len(waveform) // 80 + 1) < 150, 100.0, 0.0),
    np.repeat(waveform[: 80 * (len(waveform) // 80) : 80].max(), 25)
    * np.ones((len(waveform) // 80 + 1, 1)),
  ),
  recognise=lambda waveform: 'one two' if waveform.max() > 0.45 else 'one too',
)


def voice(pause_from=1.0, seconds=2.0, amplitude=0.5):
  """A buzz of 100 Hz, then the noise of a quiet room."""
  time = np.arange(int(seconds * RATE)) / RATE
  buzz = np.sin(2 * np.pi * 100 * time) * amplitude
  room = np.random.default_rng(0).normal(0, 1e-4, len(time))
  return np.where(time < pause_from, buzz, room)


def noise(scale, samples=2 * RATE, seed=1):
  return np.random.default_rng(seed).normal(0, scale, samples)


# Gating.


def test_speech_and_pauses_are_told_apart_by_the_recording():
  found = gating.speech_frames(voice(), RATE)
  assert len(found) == 2 / vocoder.FRAME_SECONDS
  assert found[:195].all() and not found[206:].any()


def test_gating_knows_no_absolute_level():
  quiet = gating.speech_frames(voice() * 1e-2, RATE)
  np.testing.assert_array_equal(gating.speech_frames(voice(), RATE), quiet)


def test_a_splice_is_the_copy_inside_and_the_recording_outside():
  recorded, copied = voice(), noise(0.1)
  inside = np.arange(len(recorded)) < RATE
  spliced = gating.spliced(copied, recorded, inside, RATE)
  edge = RATE // 100
  np.testing.assert_allclose(spliced[: RATE - edge], copied[: RATE - edge])
  np.testing.assert_allclose(spliced[RATE + edge :], recorded[RATE + edge :])
  whole = gating.spliced(copied, recorded, np.ones_like(inside), RATE)
  np.testing.assert_allclose(whole, copied, atol=1e-12)


def test_every_sample_belongs_to_the_frame_nearest_to_it():
  frames = np.array([False, True, False])
  found = gating.samples_of(frames, 250, RATE)
  np.testing.assert_array_equal(np.flatnonzero(found), np.arange(40, 120))


# Bursts.


def test_a_burst_is_as_long_as_what_is_too_loud():
  recorded = voice()
  copied = recorded + np.where(np.arange(len(recorded)) > 1.5 * RATE, 1, 0) * (
    noise(0.05)
  )
  found = burst_seconds(recorded, copied, AUDIO)
  assert found == pytest.approx(0.5, abs=0.05)
  assert burst_seconds(recorded, recorded, AUDIO) == 0
  # What is too quiet is none.
  assert burst_seconds(copied, recorded, AUDIO) == 0


def test_the_excess_is_the_gain_of_a_louder_copy():
  recorded = noise(0.02)
  excess = excess_db(recorded, recorded * 10 ** (9 / 20), AUDIO)
  np.testing.assert_allclose(excess, 9.0, atol=1e-3)


def test_what_nobody_hears_beside_digital_silence_is_no_burst():
  silence = np.zeros(RATE)
  assert burst_seconds(silence, noise(1e-5, RATE), AUDIO) == 0
  assert burst_seconds(silence, noise(1e-2, RATE), AUDIO) == pytest.approx(1)


# Words.


@pytest.mark.parametrize(
  ('said', 'heard', 'expected'),
  [
    ('a b c', 'a b c', 0),
    ('a b c', 'a x c', 1),
    ('a b c', 'b c', 1),
    ('a b c', 'a a b c', 1),
    ('a b c', '', 3),
    ('', 'a b', 2),
    ('a b c d', 'b c d a', 2),
  ],
)
def test_word_errors_are_the_least_edits(said, heard, expected):
  assert errors(said.split(), heard.split()) == expected


def test_words_are_what_is_said_whatever_the_signs():
  assert words("It's -- Tom's: 'apologized', 9 times.") == [
    "it's", "tom's", 'apologized', '9', 'times'
  ]  # fmt: skip


# Intervals.


def test_an_interval_holds_the_mean_of_nineteen_in_twenty_samples():
  generator = np.random.default_rng(0)
  held = 0
  for _ in range(200):
    found = interval(generator.normal(3.0, 1.0, 40))
    held += found.low <= 3.0 <= found.high
  assert 178 <= held <= 199


def test_an_interval_narrows_with_the_root_of_the_utterances():
  values = np.random.default_rng(0).normal(size=400)
  few, many = interval(values[:25]), interval(values)
  ratio = (few.high - few.low) / (many.high - many.low)
  assert 3 < ratio < 5


def test_weights_make_an_average_of_words_and_not_of_sentences():
  found = interval(np.array([100.0, 0.0]), np.array([1, 9]))
  assert found.mean == pytest.approx(10)
  # Drawn without replacement these would be the only draws.
  assert (found.low, found.high) == (0, 100)


def test_what_is_not_known_is_left_out():
  assert interval([1.0, np.nan, 3.0]).mean == 2
  assert np.isnan(interval([np.nan])).all()
  assert np.isnan(interval([5.0], [0])).all()
  assert interval([4.0]) == intervals.Interval(4, 4, 4)


# The mel-cepstrum.


def test_warped_cepstra_are_the_same_spectrum_on_another_axis():
  omega = np.linspace(0, np.pi, 513)
  cepstrum = np.random.default_rng(0).normal(size=4) / (1 + np.arange(4))
  log_amplitude = np.cos(np.outer(omega, np.arange(4))) @ cepstrum
  a, order = vocoder.WARPING, 60
  found = vocoder.mel_cepstrum(np.exp(2 * log_amplitude)[None], order, a)[0]
  warped = omega + 2 * np.arctan2(a * np.sin(omega), 1 - a * np.cos(omega))
  again = np.cos(np.outer(warped, np.arange(order + 1))) @ found
  np.testing.assert_allclose(again, log_amplitude, atol=1e-6)


def test_without_warping_the_cepstrum_is_cut_off():
  power = np.exp(np.random.default_rng(0).normal(size=(3, 257)))
  whole = np.fft.irfft(np.log(power) / 2)
  found = vocoder.mel_cepstrum(power, 24, 0.0)
  np.testing.assert_allclose(found[:, 0], whole[:, 0], rtol=1e-9)
  np.testing.assert_allclose(found[:, 1:], 2 * whole[:, 1:25], rtol=1e-9)


def frames(f0, cepstrum):
  return vocoder.Frames(np.array(f0), np.array(cepstrum))


def test_distortion_is_that_of_the_formula_and_deaf_to_a_gain():
  a = frames([0, 0], [[1.0, 2, 3], [1, 2, 3]])
  b = frames([0, 0], [[9.0, 2, 3], [1, 2, 3.3]])
  expected = [0, 10 / np.log(10) * np.sqrt(2) * 0.3]
  np.testing.assert_allclose(vocoder.distortion_db(a, b), expected, atol=1e-9)


def test_an_octave_has_1200_cents_and_voicing_counts_apart():
  a = frames([100.0, 100, 0, 0], np.zeros((4, 2)))
  b = frames([200.0, 0, 100, 0], np.zeros((4, 2)))
  found = vocoder.pitch_errors_cents(a, b)
  np.testing.assert_array_equal(found, [1200, np.nan, np.nan, np.nan])
  assert vocoder.voicing_errors(a, b).tolist() == [False, True, True, False]


# All of them together.


def test_the_recording_is_its_own_best_copy():
  found = Listener(voice(), AUDIO, FAKES)(voice())
  assert found.keys() == set(gating.PARTS)
  for part in gating.PARTS:
    assert found[part]['level_db'] == 0
    assert found[part]['pesq_wb'] == 4
    assert found[part]['mcd_db'] == found[part]['voicing_error_percent'] == 0
  assert found['whole']['f0_cents'] == 0
  assert found['whole']['burst_seconds'] == 0
  # Here the fake hears no voice.
  assert np.isnan(found['pauses']['f0_cents']) or found['pauses'][
    'f0_cents'
  ] == pytest.approx(0)


def test_noise_in_pauses_is_heard_in_pauses_alone():
  recorded = voice()
  pause = np.arange(len(recorded)) > 1.02 * RATE
  copied = recorded + noise(1e-3) * pause
  found = Listener(recorded, AUDIO, FAKES)(copied)
  assert found['pauses']['level_db'] == pytest.approx(20, abs=1)
  assert found['speech']['level_db'] == pytest.approx(0, abs=1e-3)
  assert found['speech']['pesq_wb'] == pytest.approx(4, abs=1e-2)
  assert found['pauses']['pesq_wb'] < 3.99
  assert found['whole']['pesq_wb'] == pytest.approx(
    found['pauses']['pesq_wb'], abs=1e-2
  )


def test_a_recording_without_pauses_has_nothing_to_say_of_them():
  buzz = voice(pause_from=9.0)
  found = Listener(buzz, AUDIO, FAKES)(buzz)
  assert found['pauses'] == {} and found['whole'] == {
    **found['speech'], 'burst_seconds': 0
  }  # fmt: skip


def utterances():
  loud, quiet = voice(amplitude=0.5), voice(amplitude=0.4)
  return [
    Utterance(
      loud, {'recording': loud[None], 'student': np.stack([loud, quiet])},
      'One, two!',
    ),
    Utterance(
      loud, {'recording': loud[None], 'student': np.stack([quiet, quiet])},
      'One two one two?',
    ),
  ]  # fmt: skip


def test_draws_are_averaged_before_utterances_are_drawn():
  found = compare(utterances(), AUDIO, FAKES)
  assert (found['utterances'], found['draws'], found['words']) == (2, 2, 6)
  assert found['seconds'] == 4 and not found['not_measured']
  level = found['voices']['student']['whole']['level_db']
  quieter = 20 * np.log10(0.4 / 0.5)
  assert level['mean'] == pytest.approx(0.75 * quieter, abs=1e-3)
  assert level['low'] == pytest.approx(quieter, abs=1e-3)
  assert level['high'] == pytest.approx(quieter / 2, abs=1e-3)
  assert np.shape(level['draws']) == (2, 2)


def test_word_errors_are_of_first_draws_and_by_the_word():
  found = compare(utterances(), AUDIO, FAKES)['voices']
  heard = found['student']['whole']['word_error_percent']
  # 'one two' for the first, 'one too' for four words.
  assert heard['mean'] == pytest.approx(100 * 3 / 6)
  assert heard['draws'][0] == [0, None]
  assert found['recording']['whole']['word_error_percent'][
    'mean'
  ] == pytest.approx(100 * 2 / 6)


def test_bursts_are_summed():
  recorded = voice()
  burst = recorded + noise(0.05) * (np.arange(len(recorded)) > 1.5 * RATE)
  pair = [Utterance(recorded, {'teacher': np.stack([burst, recorded])})] * 2
  found = compare(pair, AUDIO, Instruments())
  seconds = found['voices']['teacher']['whole']['burst_seconds']
  assert seconds['mean'] == pytest.approx(0.5, abs=0.1)


def test_what_is_not_installed_is_named_and_the_rest_is_measured(monkeypatch):
  monkeypatch.setattr(instruments, '_is_installed', lambda _: False)
  assert instruments.installed() == Instruments()
  found = compare(utterances(), AUDIO, instruments.installed())
  assert found['not_measured'] == {
    'pesq': ['PESQ-WB'],
    'pystoi': ['STOI'],
    'pyworld': ['MCD dB', 'F0 cents', 'V/UV %'],
    'pocketsphinx': ['WER %'],
  }
  assert found['words'] == 0
  whole = found['voices']['student']['whole']
  assert whole.keys() == {'level_db', 'burst_seconds'}


def test_what_is_installed_is_an_instrument(monkeypatch):
  monkeypatch.setattr(
    instruments, '_is_installed', lambda name: name == 'pystoi'
  )
  found = instruments.installed()
  assert found.stoi and not (found.pesq or found.analyse or found.recognise)
  assert 'stoi' not in {measure.key for measure in found.missing}
  assert len(found.missing) == 5


def test_a_package_that_cannot_be_imported_is_not_installed(monkeypatch):
  # None in its place makes the import fail.
  for package in 'pesq', 'pystoi', 'pyworld', 'pocketsphinx':
    monkeypatch.setitem(sys.modules, package, None)
  assert instruments.installed() == Instruments()


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
