"""An estimator that learned from tones of known pitch finds that of others."""

import numpy as np
import pytest

from tests.support.miniature import miniature
from tests.support.recordings import pulses
from tests.support.variants import PITCH
from wavenet_tf.learning.pitch_training import (
  pitch_errors,
  pitch_loss,
  PitchFrames,
  train_pitch,
)
from wavenet_tf.networks.conditioning.pitch import (
  bin_centres,
  BINS,
  FramePitch,
  PitchEstimator,
  REACH_FRAMES,
)
from wavenet_tf.signal import quantization, spectra

STEPS = 300


@pytest.fixture(scope='module')
def front_end():
  """Mel bins as narrow at the bottom as those of a voice."""
  return miniature(
    **PITCH,
    audio__hop_samples=80,
    audio__window_samples=320,
    audio__mel_bins=40,
    conditioning__upsample_factors=(8, 10),
    train_teacher__crop_samples=1600,
    train_student__crop_samples=1600,
    train_classifier__crop_samples=1600,
  )


def tones(config, seed, count=40, seconds=0.5):
  """Glides of harmonics, each followed by noise without a pitch."""
  generator = np.random.default_rng(seed)
  rate, hop = config.audio.sample_rate_hz, config.audio.hop_samples
  size = int(seconds * rate)
  margin = (REACH_FRAMES, REACH_FRAMES)
  features, parts = [], []
  for _ in range(count):
    ends = np.log(generator.uniform(90, 400, 2))
    log_f0 = np.linspace(ends[0], ends[0] + 0.2 * np.sign(ends[1] - 5), size)
    levels = np.concatenate(
      [
        pulses(np.exp(log_f0), seconds, rate),
        generator.normal(0, 2000, size),
      ]
    )
    waveform = quantization.waveform_from_levels(np.int32(levels[None]))
    mel = spectra.log_mel(waveform, config.audio).numpy()[0]
    centres = np.arange(size // hop) * hop + hop // 2
    voiced = np.arange(len(mel)) < len(centres)
    contour = np.where(voiced, np.resize(log_f0[centres], len(mel)), 5.0)
    # What lies between the two is both.
    spoken = np.ones(len(mel), bool)
    spoken[len(centres) - 2 : len(centres) + 2] = False
    features.append(
      np.pad(mel, (margin, (0, 0)), constant_values=config.silence)
    )
    parts.append([np.pad(x, margin) for x in (contour, voiced, spoken)])
  log_f0, voiced, spoken = np.concatenate(parts, 1)
  return PitchFrames(
    np.concatenate(features),
    np.float32(log_f0),
    np.float32(voiced),
    np.flatnonzero(spoken),
  )


def new_estimator(config, seed=0):
  estimator = PitchEstimator(config, name='pitch')
  estimator.build()
  generator = np.random.default_rng(seed)
  for variable in estimator.trainable_variables:
    width = variable.shape[0] ** -0.5
    variable.assign(generator.normal(0, width, variable.shape))
  return estimator


@pytest.fixture(scope='module')
def trained(front_end):
  estimator = new_estimator(front_end)
  before = pitch_errors(estimator, tones(front_end, seed=2, count=8))
  train_pitch(estimator, tones(front_end, seed=1), STEPS, seed=3)
  return estimator, before


def test_pitch_of_tones_it_has_not_heard(front_end, trained):
  estimator, before = trained
  found = pitch_errors(estimator, tones(front_end, seed=2, count=8))
  assert found.median_cents < 10
  assert found.gross_share < 0.3
  assert found.voicing_share < 0.02
  assert not before.median_cents < 200
  assert before.voicing_share > 0.2


def test_the_same_seed_gives_the_same_weights(front_end):
  frames = tones(front_end, seed=1, count=2)
  weights = []
  for seed in 3, 3, 4:
    estimator = new_estimator(front_end)
    start = estimator.get_weights()
    train_pitch(estimator, frames, 3, seed, jit_compile=False)
    weights.append(estimator.get_weights())
  for first, again, other, before in zip(*weights, start, strict=True):
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    assert np.any(first != before)


def test_the_loss_is_least_where_all_is_right():
  centres = bin_centres().numpy()
  log_f0, voiced = np.float32([centres[9], 0.0]), np.float32([1, 0])

  def loss(at, voicing):
    bins = np.full([2, BINS], -40.0, np.float32)
    bins[:, at] = 40.0
    return float(
      pitch_loss(
        FramePitch(
          bins, np.full(2, centres[at]), np.float32([voicing, -voicing])
        ),
        log_f0,
        voiced,
      )
    )

  assert loss(9, 30.0) == pytest.approx(0.0, abs=1e-5)
  # 80 nats and one bin of one voiced frame, of 1 + 1.
  assert loss(10, 30.0) == pytest.approx(81 / 2, rel=1e-4)
  assert loss(9, 0.0) == pytest.approx(np.log(2), rel=1e-5)


def test_no_voice_at_all_is_no_number_but_no_error(front_end):
  silence = np.full([20, 40], front_end.silence, np.float32)
  frames = PitchFrames(
    silence,
    np.zeros(20, np.float32),
    np.zeros(20, np.float32),
    np.arange(REACH_FRAMES, 20 - REACH_FRAMES),
  )
  estimator = new_estimator(front_end)
  estimator.output_layer.bias.assign([0.0] * BINS + [-50.0])
  found = pitch_errors(estimator, frames)
  assert np.isnan(found.median_cents) and np.isnan(found.gross_share)
  assert found.voicing_share == 0


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
