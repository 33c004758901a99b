"""What is cleaned of a recording, and that all who hear one clean alike."""

import dataclasses

import numpy as np
import pytest

from data.preparing import preparation
from data.recordings import copies, decoding
from data.shards.records import read_examples
from data.shards.splits import TRAIN
from tests.support.compilation import eagerly
from tests.support.miniature import miniature, random_teacher
from tests.support.recordings import RATE, speech_like, write, write_corpus
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.judging.likelihood import teacher_likelihood
from wavenet_tf.signal import cleaning, quantization
from wavenet_tf.voice import Voice


def tone(frequency_hz, seconds=0.5, rate=8000):
  t = np.arange(round(seconds * rate)) / rate
  return np.round(8000 * np.sin(2 * np.pi * frequency_hz * t)).astype(np.int16)


def test_a_high_pass_takes_rumble_and_moves_nothing():
  hum, voice = tone(30), tone(400)
  cleaned = cleaning.high_pass(hum + voice, 70, 8000)
  assert cleaned.dtype == np.int16
  middle = slice(500, -500)
  error = cleaned[middle].astype(int) - voice[middle]
  assert np.abs(error).max() < 0.01 * 8000
  half = cleaning.high_pass(tone(70), 70, 8000)[middle]
  assert np.abs(half).max() == pytest.approx(4000, rel=0.02)


def test_no_high_pass_and_one_of_a_single_sample():
  levels = tone(30)
  assert cleaning.high_pass(levels, 0.0, 8000) is levels
  assert len(cleaning.high_pass(levels[:1], 70.0, 8000)) == 1


def test_recordings_are_brought_to_one_loudness(generator):
  quiet = generator.normal(0, 200, 8000).astype(np.int16)
  assert cleaning.at_loudness(quiet, 0.0) is quiet
  louder = cleaning.at_loudness(quiet, -25.0)
  assert louder.dtype == np.int16
  assert quantization.rms_dbfs(
    louder / quantization.FULL_SCALE
  ) == pytest.approx(-25, abs=0.1)
  loudest = cleaning.at_loudness(quiet, -0.5)
  assert loudest.max() == 32767 and loudest.min() == -32768


@pytest.fixture(scope='module')
def cleaned(tmp_path_factory):
  """A corpus, prepared with all that cleans."""
  folder = tmp_path_factory.mktemp('cleaning')
  corpus = write_corpus(folder / 'corpus', count=4)
  config = miniature(
    data__highpass_hz=100.0,
    data__loudness_dbfs=-30.0,
    evaluate__chunk_frames=200,
  )
  manifest = preparation.prepare(config, corpus, folder / 'data')
  examples = list(read_examples(folder / 'data', manifest, TRAIN))
  assert examples
  return config, corpus, examples


def test_preparation_and_copies_clean_alike(cleaned):
  config, corpus, examples = cleaned
  for example in examples:
    raw = decoding.load(corpus / example.name, RATE)
    wanted = cleaning.at_loudness(cleaning.high_pass(raw, 100.0, RATE), -30.0)
    np.testing.assert_array_equal(example.levels, wanted)
    assert np.any(wanted != raw)
    np.testing.assert_array_equal(
      copies.load(corpus / example.name, config), wanted
    )


def test_a_voice_hears_a_raw_recording_as_shards_hold_it(cleaned):
  """Its features, and so its copies; its bits are those of the evaluation."""
  config, corpus, examples = cleaned
  voice = Voice(config, random_teacher(config))
  for example in examples:
    raw = decoding.load(corpus / example.name, RATE) / quantization.FULL_SCALE
    found = voice.features(raw)
    np.testing.assert_allclose(found, example.features, atol=1e-5)
    both = voice.features(np.stack([raw, raw[::-1]]))
    np.testing.assert_allclose(both[0], found, atol=1e-5)
    assert np.abs(both[1] - found).max() > 0.1
  with eagerly():
    expected = teacher_likelihood(voice.teacher, config, [example])
    assert voice.bits(raw) == pytest.approx(expected.bits_per_sample, rel=1e-5)


def test_a_voice_hears_another_rate_as_files_of_it_are_heard(cleaned, tmp_path):
  config, *_ = cleaned
  voice = Voice(config, random_teacher(config))
  levels = speech_like(0.5, rate=22050)
  path = write(tmp_path / 'a.wav', levels, 22050)
  at_rate = copies.load(path, config)
  found = voice.features(levels / quantization.FULL_SCALE, 22050)
  plain = dataclasses.replace(config.data, highpass_hz=0.0, loudness_dbfs=0.0)
  expected = Voice(
    dataclasses.replace(config, data=plain), voice.teacher
  ).features(at_rate / quantization.FULL_SCALE)
  np.testing.assert_array_equal(found, expected)


def test_what_overshoots_a_little_is_clipped():
  config = miniature()
  voice = Voice(config, random_teacher(config))
  np.testing.assert_array_equal(
    voice.features(np.full(400, 1.1)), voice.features(np.full(400, 1.0))
  )


@pytest.mark.parametrize(('value', 'words'), [(4000.0, '4000'), (-1.0, '')])
def test_contradictions_name_the_field(value, words):
  with pytest.raises(UserError, match=f'data.highpass_hz.*{words}'):
    miniature(data__highpass_hz=value)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
