"""The packages of requirements-eval.txt, where they are installed.

Reference values were computed apart from this project, by a script that calls
the packages (and pysptk for the mel-cepstrum) on the bundled recording and
white noise of the same seed.
"""

import numpy as np
import pytest

from data.recordings import decoding
from tests.support.project_imports import ROOT
from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.judging.perception import instruments
from wavenet_tf.judging.perception.comparison import Listener

RATE = instruments.SAMPLE_RATE_HZ
AUDIO = AudioConfig(sample_rate_hz=RATE, hop_samples=200, window_samples=800)
CLIP = ROOT / 'data/sample/wavs/sample-13.flac'
INSTALLED = instruments.installed()
SCALES = (1e-3, 1e-2)


def needs(package):
  return pytest.mark.skipif(
    package in {measure.package for measure in INSTALLED.missing},
    reason=f'{package} is not installed; pip install -r requirements-eval.txt',
  )


def recorded():
  return decoding.load(CLIP, RATE) / 32768.0


def noisy(scale):
  clip = recorded()
  return clip + np.random.default_rng(0).normal(0, scale, len(clip))


def measured(key):
  listen = Listener(recorded(), AUDIO, INSTALLED)
  return [listen(noisy(scale))['whole'][key] for scale in (0.0, *SCALES)]


@needs('pesq')
def test_pesq_is_the_reference_and_falls_with_noise():
  found = measured('pesq_wb')
  assert found == pytest.approx([4.644, 3.931, 1.375], abs=0.02)
  # Another standard's scale, or another rate, would not give its maximum.
  assert found[0] == max(found)


@needs('pesq')
def test_pesq_has_nothing_to_say_of_silence():
  assert np.isnan(INSTALLED.pesq(np.zeros(RATE), np.zeros(RATE)))
  assert np.isnan(INSTALLED.pesq(np.zeros(31 * RATE), np.zeros(31 * RATE)))


@needs('pystoi')
def test_stoi_is_the_reference_and_falls_with_noise():
  assert measured('stoi') == pytest.approx([1, 0.9997, 0.9799], abs=1e-3)


@needs('pystoi')
def test_stoi_has_nothing_to_say_of_a_moment():
  moment = recorded()[: RATE // 10]
  assert np.isnan(INSTALLED.stoi(moment, moment))


@needs('pyworld')
@pytest.mark.parametrize(
  ('key', 'expected'),
  [
    ('mcd_db', [0, 4.349, 9.191]),
    ('f0_cents', [0, 30.5, 35.96]),
    ('voicing_error_percent', [0, 2.49, 4.70]),
  ],
)
def test_pitch_and_envelope_are_the_reference(key, expected):
  assert measured(key) == pytest.approx(expected, rel=0.02)


@needs('pocketsphinx')
def test_the_recogniser_hears_words_and_the_same_again():
  # Its model knows telephone and studio speech, not this synthesizer: what it
  # hears has to be English words, whatever it heard in between.
  heard = INSTALLED.recognise(recorded())
  INSTALLED.recognise(noisy(0.05)[:RATE])
  assert len(heard.split()) > 3
  assert INSTALLED.recognise(recorded()) == heard


def test_digital_silence_is_measured_without_a_word():
  silence = np.zeros(RATE)
  listen = Listener(silence, AUDIO, INSTALLED)
  found = listen(noisy(1e-3)[:RATE])
  assert np.isfinite(found['whole']['level_db'])


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
