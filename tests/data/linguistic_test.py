"""Frames of labels and of pitch, held to plain loops and to known tones."""

import numpy as np
import pytest

from data.text import pitch
from data.text.labels import TimedLabel
from data.text.linguistic import LinguisticFeatures, POSITION_NAMES
from data.text.questions import QuestionSet
from tests.support.recordings import pulses
from wavenet_tf.configuration.corpus import AudioConfig

AUDIO = AudioConfig(sample_rate_hz=8000, hop_samples=40)  # 5 ms
QUESTIONS = QuestionSet(
  'QS "a" {-a+}\nQS "b" {-b+}\nCQS "place" {*@(\\d+)_*}\nCQS "x" {*/K:(\\d+)*}'
)
LABELS = [
  TimedLabel(0, 120_000, 'a', 'x-a+b@1_3'),
  TimedLabel(120_000, 200_000, 'b', 'a-b+a@2_3'),
  # Nothing for 10 ms.
  TimedLabel(300_000, 500_000, 'a', 'b-a+x@4_3'),
]


@pytest.fixture
def features():
  return LinguisticFeatures.fit(QUESTIONS, [LABELS[:2], LABELS[2:]])


def reference(frame):
  """Features of a frame of `LABELS`, without a vector."""
  centre = (frame + 0.5) * 50_000
  for label in LABELS:
    if label.start <= centre < label.end or label is LABELS[-1]:
      if centre < label.start:
        break
      place = min((centre - label.start) / (label.end - label.start), 1.0)
      milliseconds = (label.end - label.start) / 1e4
      number = int(label.context.partition('@')[2][0])
      return [
        label.name == 'a',
        label.name == 'b',
        (number - 1) / 3,
        0,  # Always -1.
        place,
        1 - place,
        np.log(milliseconds / 8) / np.log(20 / 8),
      ]
  return [0] * 7


def test_frames_are_those_of_a_plain_loop(features):
  found = features.frames(LABELS, 12, AUDIO)
  assert found.dtype == np.float32
  assert features.names == ['a', 'b', 'place', 'x', *POSITION_NAMES]
  np.testing.assert_allclose(
    found, [reference(f) for f in range(12)], atol=1e-6
  )
  # The stretch without a label, and after the last one.
  assert not found[4:6].any()
  assert found[11].tolist() == found[10].tolist()
  assert found[11, 4:6].tolist() == [1, 0]


@pytest.mark.parametrize('hop', [7, 40, 80, 333])
def test_any_hop(hop, features):
  audio = AudioConfig(sample_rate_hz=8000, hop_samples=hop)
  found = features.frames(LABELS, 4, audio)
  for frame, row in enumerate(found):
    centre = (frame + 0.5) * hop / 8000 * 1e7
    if centre < 120_000:
      assert row[4] == pytest.approx(centre / 120_000, abs=1e-6)


def test_scaling_goes_round_and_clips(features):
  raw = np.array([1, 0, 2.5, -1, 0.3, 0.7, np.log(0.01)])
  np.testing.assert_allclose(features.unscale(features.scale(raw)), raw)
  assert features.scale(np.array([0, 0, 9.0])).tolist() == [0, 0, 1]
  assert features.scale(np.array([0, 0, -1.0])).tolist() == [0, 0, 0]


def test_a_saved_scaling_is_the_same(features):
  again = LinguisticFeatures.from_dictionary(features.to_dictionary())
  np.testing.assert_array_equal(
    again.frames(LABELS, 12, AUDIO), features.frames(LABELS, 12, AUDIO)
  )


# Pitch.


def cents(log_f0, hz):
  return 1200 / np.log(2) * (log_f0 - np.log(hz))


@pytest.mark.parametrize('f0_hz', [80.0, 123.4, 220.0, 440.0])
@pytest.mark.parametrize('hop', [40, 100])
def test_the_pitch_of_a_pulse_train(f0_hz, hop):
  audio = AudioConfig(sample_rate_hz=8000, hop_samples=hop)
  found = pitch.extract(pulses(f0_hz), audio)
  assert len(found.log_f0) == len(found.voiced) == 8000 // hop
  assert found.voiced.all()
  inner = slice(round(400 / hop), -round(400 / hop))
  assert np.abs(cents(found.log_f0, f0_hz)[inner]).max() < 5


def test_a_glide_is_known_at_the_centres_of_frames():
  rate = 8000
  glide = 120 * 2 ** np.linspace(0, 1, rate)
  found = pitch.extract(pulses(glide), AUDIO)
  centres = (np.arange(len(found.log_f0)) * 40 + 20).astype(int)
  assert np.abs(cents(found.log_f0, glide[centres])[20:-20]).max() < 10


def test_through_silence_the_pitch_is_interpolated():
  gap = np.zeros(4000, np.int16)
  found = pitch.extract(np.r_[pulses(100.0), gap, pulses(200.0)], AUDIO)
  assert found.voiced[:190].all() and found.voiced[-190:].all()
  assert not found.voiced[215:285].any()
  assert (np.diff(found.log_f0[215:285]) > 0).all()


def test_interpolation_is_linear_in_the_logarithm():
  found = pitch.interpolate(
    np.array([0.0, 1.0, 1.9, 2.0, 2.6, 9.0]),
    np.array([1.0, 2.0, 3.0]),
    np.array([100.0, 0.0, 400.0]),
  )
  expected = [100, 100, 100 * 4**0.45, 200, 100 * 4**0.8, 400]
  np.testing.assert_allclose(np.exp(found.log_f0), expected)
  assert found.voiced.tolist() == [True, True, False, False, True, True]


def test_without_a_voice_nothing_is_voiced():
  for levels in np.zeros(4000, np.int16), np.zeros(10, np.int16):
    found = pitch.extract(levels, AUDIO)
    assert len(found.voiced) == -(-len(levels) // 40)
    assert not found.voiced.any()
    assert np.isfinite(found.log_f0).all()


def test_the_same_recording_has_the_same_pitch():
  levels = pulses(150.0)
  for a, b in zip(pitch.extract(levels, AUDIO), pitch.extract(levels, AUDIO)):
    np.testing.assert_array_equal(a, b)


def test_pitch_features_go_round():
  found = pitch.Pitch(np.log([60.0, 100.0, 599.0]), np.array([1, 0, 1], bool))
  features = pitch.features(found)
  assert features.dtype == np.float32
  assert features.min() >= 0 and features.max() <= 1
  again = pitch.from_features(features)
  np.testing.assert_allclose(again.log_f0, found.log_f0, atol=1e-6)
  np.testing.assert_array_equal(again.voiced, found.voiced)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
