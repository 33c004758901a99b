"""The yardstick of recognition: perfect on what is easily told apart."""

import numpy as np
import pytest

from tests.support.miniature import miniature
from wavenet_tf.judging import baseline
from wavenet_tf.showing import tables
from wavenet_tf.signal import quantization, spectra

FRAME = 80


def tone(kind, samples, generator):
  """Kind 0 is a low tone, kind 1 a high one; both in noise."""
  t = np.arange(samples) / 8000
  phase = generator.uniform(0, 2 * np.pi)
  waveform = 0.1 * np.sin(2 * np.pi * (300, 1500)[kind] * t + phase)
  waveform += generator.normal(0, 0.01, samples)
  return np.round(waveform * 32768).astype(np.int16)


def clips(count, generator):
  for i in range(count):
    frames = int(generator.integers(5, 20))
    labels = np.full(frames, i % 2)
    labels[:2] = -1
    yield baseline.Recording(
      tone(i % 2, frames * FRAME + 33, generator), labels
    )


def test_clips_of_two_tones_are_told_apart(generator):
  config = miniature(classifier__labels='words')
  measured = baseline.measure(config, clips(10, generator), clips(6, generator))
  assert measured == {
    'unit': 'clip', 'learned': 10, 'measured': 6, 'accuracy': 1.0,
  }  # fmt: skip


def test_frames_of_two_tones_are_told_apart(generator):
  def halves(count):
    for _ in range(count):
      levels = [tone(kind, 6 * FRAME, generator) for kind in (0, 1)]
      labels = np.repeat([3, 7], 6)
      labels[5:7] = -1  # Hears both.
      yield baseline.Recording(np.concatenate(levels), labels)

  measured = baseline.measure(miniature(), halves(8), halves(3))
  assert measured == {
    'unit': 'frame', 'learned': 80, 'measured': 30, 'accuracy': 1.0,
  }  # fmt: skip


def test_clip_features_are_means_and_deviations(generator):
  settings = miniature().audio
  levels = tone(0, 1000, generator)
  mel = spectra.log_mel(
    quantization.waveform_from_levels(levels[None]), settings
  )[0].numpy()  # fmt: skip
  found = baseline.clip_features(levels, settings).reshape(4, -1)
  np.testing.assert_allclose(found[0], mel.mean(0), atol=1e-5)
  np.testing.assert_allclose(found[1], mel.std(0), atol=1e-5)
  # Inside, a delta is half the difference of the neighbours.
  delta = (mel[2:] - mel[:-2]) / 2
  edges = np.stack([mel[1] - mel[0], mel[-1] - mel[-2]])
  every = np.concatenate([delta, edges])
  np.testing.assert_allclose(found[2], every.mean(0), atol=1e-5)
  np.testing.assert_allclose(found[3], every.std(0), atol=1e-5)


def test_frame_features_shift_with_the_frame(generator):
  settings = miniature().audio
  found = baseline.frame_features(
    tone(1, 9 * FRAME + 5, generator), settings, 80
  )
  bins, reach = settings.mel_bins, baseline.NEIGHBOURS
  assert found.shape == (9, (2 * reach + 1) * bins)
  np.testing.assert_array_equal(
    found[4, reach * bins : (reach + 1) * bins],
    found[5, (reach - 1) * bins :][:bins],
  )
  assert (found[0, : reach * bins] == np.float32(settings.log_mel_floor)).all()


def test_one_class_has_no_baseline(generator):
  one = baseline.Recording(tone(0, 800, generator), np.zeros(10, int))
  assert baseline.measure(miniature(), [one], [one]) == {}


@pytest.mark.parametrize('kind', ['phones', 'words'])
def test_without_a_label_there_is_no_baseline(kind, generator):
  none = baseline.Recording(tone(0, 800, generator), np.full(10, -1))
  config = miniature(classifier__labels=kind)
  assert baseline.measure(config, [none], [none]) == {}


def test_the_report_sets_it_beside_the_classifier():
  measured = {
    'parameters': 10, 'labels': 'words',
    'frames': 4, 'frame_accuracy': 0.5, 'frame_majority_share': 0.25,
    'baseline': {'unit': 'clip', 'learned': 9, 'measured': 8, 'accuracy': 0.75},
  }  # fmt: skip
  name, value = tables.classifier_rows(measured)[-1]
  assert name == 'log-mel baseline, clips'
  assert value.startswith('75.0 % of 8 words')


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
