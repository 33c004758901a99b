"""Each measure against NumPy, each warning against its own fault."""

import math
import re

import numpy as np
import pytest
import tensorflow as tf

from data.shards.crops import Batch
from tests.support.miniature import miniature, random_student, random_teacher
from tests.support.variants import CONTEXT
from wavenet_tf.configuration.config import flatten
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.judging.health import diagnosis, measurement
from wavenet_tf.judging.health.hearing import conditioning_nats
from wavenet_tf.judging.health.loudness import (
  BAND_EDGES,
  BAND_FLOOR_DBFS,
  band_levels_db,
  Level,
  level,
)
from wavenet_tf.judging.health.summary import scalars
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.showing import tensorboard
from wavenet_tf.signal import noise, quantization

SEED = tf.constant([1, 2])


def make_batch(config, crops=3):
  samples = config.train_student.crop_samples
  frames = samples // config.audio.hop_samples + 2 * MARGIN_FRAMES
  generator = np.random.default_rng(0)
  return Batch(
    tf.constant(generator.integers(-3000, 3000, [crops, samples]), tf.int32),
    tf.constant(
      generator.normal(-5, 2, [crops, frames, config.audio.mel_bins]),
      tf.float32,
    ),
  )


def measured(config, student=None, teacher=None, crops=3):
  batch = make_batch(config, crops)
  return batch, measurement.measure(
    teacher or random_teacher(config),
    student or random_student(config),
    batch, SEED, config,
  )  # fmt: skip


def student_with(config, biases):
  """A student whose flow i has the constant (loc, log_scale) biases[i]."""
  student = random_student(config)
  for net, bias in zip(student.networks, biases, strict=True):
    net.output_layer.kernel.assign(tf.zeros_like(net.output_layer.kernel))
    net.output_layer.bias.assign(bias)
  return student


def test_levels_agree_with_numpy():
  config = miniature()
  student = random_student(config)
  batch, (values, _) = measured(config, student)
  z = noise.logistic(batch.levels.shape, SEED)
  output = student(z, Conditioning(batch.features))
  recording = batch.levels.numpy() / 32768.0
  for found, x in (
    (values.student, output.waveform.numpy()),
    (values.recording, recording),
  ):
    np.testing.assert_allclose(
      found,
      [np.mean(np.abs(x)), np.std(x), quantization.rms_dbfs(x)],
      rtol=1e-4,
    )


def test_an_offset_is_loud_but_has_no_standard_deviation():
  found = level(tf.fill([2, 100], -0.25))
  assert [float(x) for x in found] == pytest.approx(
    [0.25, 0.0, 20 * math.log10(0.25)], abs=1e-4
  )


def test_silence_has_a_finite_level():
  assert float(level(tf.zeros([1, 9])).loudness_dbfs) == -120.0


def test_total_scale_agrees_with_the_student_and_numpy():
  config = miniature()
  student = random_student(config)
  batch, (values, log_scale) = measured(config, student)
  z = noise.logistic(batch.levels.shape, SEED)
  expected = student(z, Conditioning(batch.features)).log_scale.numpy()
  assert np.std(expected) > 0.1
  np.testing.assert_allclose(log_scale, expected, atol=1e-5)
  np.testing.assert_allclose(
    values.log_scale_percentiles, np.percentile(expected, [5, 50, 95]),
    atol=1e-5,
  )  # fmt: skip
  # Of a Logistic(0, s) it is s pi / sqrt(3).
  assert float(values.noise_deviation) == pytest.approx(
    np.exp(np.median(expected)) * math.pi / math.sqrt(3), rel=1e-4
  )


@pytest.mark.parametrize('window', [100, 256])
def test_noise_is_spread_over_the_octaves_as_their_widths(window):
  white = np.random.default_rng(0).normal(0, 0.1, [4, 50_000])
  levels = band_levels_db(tf.constant(white, tf.float32), window)
  widths = np.diff([0, *BAND_EDGES])
  np.testing.assert_allclose(levels, -20 + 10 * np.log10(widths), atol=1.0)
  assert 10 * np.log10(np.sum(10 ** (levels / 10))) == pytest.approx(
    quantization.rms_dbfs(white), abs=0.2
  )


@pytest.mark.parametrize('band', range(len(BAND_EDGES)))
def test_a_sine_is_in_the_band_of_its_frequency(band):
  edges = [0, *BAND_EDGES]
  frequency = (edges[band] + edges[band + 1]) / 2  # 1 is Nyquist's.
  sine = 0.5 * np.sin(math.pi * frequency * np.arange(20_000))
  levels = band_levels_db(tf.constant(sine[None], tf.float32), 1024)
  assert float(levels[band]) == pytest.approx(
    quantization.rms_dbfs(sine), abs=0.2
  )
  others = np.delete(levels, band)
  assert others.max() < -45
  assert others.min() >= BAND_FLOOR_DBFS


def band_powers(x, window):
  """Bands of |STFT|^2 in NumPy: frames, Hann, FFT, one sum per octave."""
  fft = 1 << (window - 1).bit_length()
  hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
  starts = range(0, x.shape[1] - window + 1, window // 2)
  power = np.mean(
    [
      np.abs(np.fft.rfft(x[:, s : s + window] * hann, fft)) ** 2 for s in starts
    ],
    axis=(0, 1),
  )
  shares = np.arange(len(power)) / (fft // 2)
  band = np.searchsorted(BAND_EDGES[:-1], shares, side='right')
  return np.bincount(band, power)


def test_band_differences_agree_with_numpy():
  config = miniature()
  student = student_with(config, [(0.0, -1.0), (0.0, -2.0)])
  batch, (values, _) = measured(config, student)
  z = noise.logistic(batch.levels.shape, SEED).numpy()
  (window,) = config.distillation.power_window_samples
  expected = 10 * np.log10(
    band_powers(z * np.exp(-3.0), window)
    / band_powers(batch.levels.numpy() / 32768.0, window)
  )
  np.testing.assert_allclose(values.band_difference_db, expected, atol=1e-3)
  assert np.std(expected) > 0.1
  nyquist = config.audio.sample_rate_hz / 2
  np.testing.assert_allclose(
    values.band_edges_hz, [0, *(nyquist * e for e in BAND_EDGES)]
  )


def mean_nats(teacher, batch, features):
  waveform = quantization.waveform_from_levels(batch.levels)
  parameters = teacher(waveform, Conditioning(tf.constant(features)))
  return np.mean(teacher.output_kind.log_prob(parameters, batch.levels))


def listen(teacher, gain):
  """Multiplies what local conditioning adds to the products of all blocks."""
  for block in teacher.network.stack.blocks:
    taps, local = block.convolution.kernels()
    kernel = tf.concat([taps, gain * local], 0)
    block.convolution.product.kernel.assign(kernel)


@pytest.mark.parametrize('crops', [1, 2, 4, 5])
def test_conditioning_is_swapped_for_another_crops(crops):
  config = miniature()
  teacher, batch = random_teacher(config), make_batch(config, crops)
  listen(teacher, 10.0)
  features = batch.features.numpy()
  swapped = (
    np.stack([features[(i - crops // 2) % crops] for i in range(crops)])
    if crops > 1
    else np.roll(features, features.shape[1] // 2, axis=1)
  )
  assert all((a != b).any() for a, b in zip(features, swapped))
  expected = mean_nats(teacher, batch, features) - mean_nats(
    teacher, batch, swapped
  )
  found = conditioning_nats(teacher, batch)
  assert abs(expected) > 1e-4
  assert float(found.nats) == pytest.approx(expected, abs=1e-5)
  assert float(found.share) == 1


SPEAKER = {
  'conditioning__local': 'none',
  'conditioning__globals': ('speaker',),
  'conditioning__global_channels': 3,
  'student__flow_layers': (),
}


def speakers_batch(config, speakers):
  batch = make_batch(config, len(speakers))
  return batch._replace(
    features=batch.features[..., :0],
    global_=tf.one_hot(speakers, config.conditioning.global_channels),
  )


def speaker_nats(teacher, batch, global_):
  waveform = quantization.waveform_from_levels(batch.levels)
  parameters = teacher(waveform, Conditioning(global_=global_))
  return np.mean(teacher.output_kind.log_prob(parameters, batch.levels), 1)


@pytest.mark.parametrize(
  ['speakers', 'others', 'swapped'],
  [
    ([0, 1, 0, 1], [1, 0, 1, 0], [1, 1, 1, 1]),
    ([0, 0, 0, 2, 0, 0], [2, 2, 2, 0, 2, 2], [1, 1, 1, 1, 1, 1]),
    ([1, 1], [1, 1], [0, 0]),
  ],
)
def test_equal_conditioning_is_not_swapped(speakers, others, swapped):
  config = miniature(**SPEAKER)
  teacher, batch = random_teacher(config), speakers_batch(config, speakers)
  found = conditioning_nats(teacher, batch)
  assert float(found.share) == pytest.approx(np.mean(swapped))
  if any(swapped):
    expected = np.mean(
      speaker_nats(teacher, batch, batch.global_)
      - speaker_nats(teacher, batch, tf.one_hot(others, 3))
    )
    assert abs(expected) > 1e-4
    assert float(found.nats) == pytest.approx(expected, abs=1e-5)


def test_no_number_and_no_warning_where_all_are_told_the_same():
  values = healthy(conditioning_nats=0.0, swapped_share=0.0)
  assert 'conditioning_nats' not in scalars(values)
  assert diagnosis.warnings(values) == []


def test_without_features_no_upsampler_is_to_blame():
  (found,) = diagnosis.warnings(
    healthy(conditioning_nats=0.0, hears_features=False)
  )
  assert 'train_teacher.steps' in found
  assert 'upsampler' not in found


SPEAKER_ALONE = {
  'conditioning__local': 'none',
  'distillation__power_average_over_time': True,
}


@pytest.mark.parametrize('extra', [{}, CONTEXT, SPEAKER_ALONE])
def test_a_student_with_a_speaker_is_measured(extra, eager):
  config = miniature(
    conditioning__globals=('speaker',), conditioning__global_channels=3,
    **extra,
  )  # fmt: skip
  batch = make_batch(config, 4)._replace(global_=tf.one_hot([0, 1, 0, 1], 3))
  if extra is SPEAKER_ALONE:
    batch = batch._replace(features=batch.features[..., :0])
  measure = measurement.measurer(
    random_teacher(config), random_student(config), [batch], config
  )
  values = measure().health
  assert values.hears_features == (extra is not SPEAKER_ALONE)
  assert float(values.swapped_share) == 1
  assert 'conditioning_nats' in scalars(values)


def test_a_deaf_teacher_loses_nothing():
  config = miniature()
  teacher = random_teacher(config)
  listen(teacher, 0.0)
  found = conditioning_nats(teacher, make_batch(config))
  assert float(found.nats) == 0.0


def test_clipped_samples_are_counted():
  config = miniature()
  student = student_with(config, [(0.0, 0.0), (0.0, -1.0)])
  batch, (values, _) = measured(config, student)
  z = noise.logistic(batch.levels.shape, SEED).numpy()
  expected = np.mean(np.abs(z * np.exp(-1)) >= 1)
  assert 0.1 < expected < 0.2
  assert float(values.clipped_share) == pytest.approx(expected, abs=1e-6)


def test_floors_are_counted_for_each_flow():
  config = miniature()
  floor = config.student.min_log_scale
  student = student_with(config, [(0.0, floor - 1), (0.0, floor + 1)])
  values = measured(config, student)[1].health
  np.testing.assert_array_equal(values.floor_shares, [1.0, 0.0])


def test_compiled_agrees_with_eager():
  config = miniature()
  teacher, student = random_teacher(config), random_student(config)
  compiled = tf.function(
    lambda batch: measurement.measure(teacher, student, batch, SEED, config),
    jit_compile=True, autograph=False,
  )  # fmt: skip
  batch = make_batch(config)
  eager = measurement.measure(teacher, student, batch, SEED, config)
  for a, b in zip(
    tf.nest.flatten(eager), tf.nest.flatten(compiled(batch)), strict=True
  ):
    np.testing.assert_allclose(a, b, atol=1e-3)


def test_fixed_batch_is_spread_over_the_crops():
  crops = [
    Batch(tf.fill([1, 4], i), tf.fill([1, 2, 3], float(i))) for i in range(20)
  ]
  joined = measurement.fixed_batch(crops, 5)
  np.testing.assert_array_equal(joined.levels[:, 0], [0, 4, 8, 12, 16])
  np.testing.assert_array_equal(joined.features[:, 1, 2], [0, 4, 8, 12, 16])
  assert measurement.fixed_batch(crops[:3], 5).levels.shape == [3, 4]


# Warnings, on values that are healthy but for one fault.


def healthy(**changes):
  return measurement.Health(
    student=Level(0.04, 0.06, -24.4),
    recording=Level(0.05, 0.07, -23.1),
    log_scale_percentiles=[-7.5, -5.5, -3.0],
    noise_deviation=7.4e-3,
    band_edges_hz=[0.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0],
    band_difference_db=[-3.0, 1.0, 0.5, -1.0, 2.0, 6.0],
    conditioning_nats=0.4,
    clipped_share=0.0,
    floor_shares=[0.0, 0.02],
  )._replace(**changes)


FAULTS = {
  'quiet': (
    {
      'student': Level(0.005, 0.007, -43.1),
      'band_difference_db': [-20.0] * 6,
    },
    ['20.0 dB quieter', '-43.1', '-23.1', 'distillation.power_weight'],
  ),
  'loud': (
    {
      'student': Level(0.2, 0.3, -10.4),
      'band_difference_db': [12.7] * 6,
    },
    ['12.7 dB louder', 'distillation.power_weight'],
  ),
  'muffled': (
    {'band_difference_db': [-1.0, 0.0, 0.0, -2.0, -4.0, -14.2]},
    ['2000 to 4000 Hz', '14.2 dB less', 'distillation.power_band_weights'],
  ),
  'hissing': (
    {'band_difference_db': [-1.0, 0.0, 0.0, -2.0, 4.0, 11.5]},
    ['2000 to 4000 Hz', '11.5 dB more'],
  ),
  'deaf': (
    {'conditioning_nats': -0.0004},
    ['-0.0004 nats', 'upsampler', 'train_teacher.steps'],
  ),
  'collapsed': (
    {'noise_deviation': 4.1e-6},
    ['4.1e-06', '7.0e-02', 'distillation.draws_per_step'],
  ),
  'floored': (
    {'floor_shares': [0.0, 0.37]},
    ['Flow 1', '37 %', 'student.min_log_scale'],
  ),
  'clipping': (
    {'clipped_share': 0.023},
    ['2.3 %', 'student.initial_scale'],
  ),
  'diverged': (
    {'clipped_share': float('nan')},
    ['clipped_share', 'train_student.learning_rate'],
  ),
}  # fmt: skip


def test_a_healthy_student_gives_no_warning():
  assert diagnosis.warnings(healthy()) == []


@pytest.mark.parametrize('name', FAULTS)
def test_each_fault_gives_its_own_warning(name):
  changes, words = FAULTS[name]
  found = diagnosis.warnings(healthy(**changes))
  assert len(found) == 1, found
  for word in words:
    assert word in found[0]


def test_fields_that_warnings_name_exist():
  named = {
    field
    for changes, _ in FAULTS.values()
    for text in diagnosis.warnings(healthy(**changes))
    for field in re.findall(r'\b[a-z_]+\.[a-z_]+\b', text)
  }
  assert len(named) >= 8
  assert named <= flatten(miniature()).keys()


def test_faults_that_come_together_are_all_named():
  together = healthy(conditioning_nats=0.0, floor_shares=[0.5, 0.6])
  assert len(diagnosis.warnings(together)) == 3


def test_summaries_hold_every_number_and_a_histogram(tmp_path):
  _, measurement = measured(miniature())
  with tf.summary.create_file_writer(str(tmp_path)).as_default():
    tensorboard.write_health(measurement, 7)
  written = {}
  for path in tmp_path.iterdir():
    for record in tf.data.TFRecordDataset(str(path)):
      event = tf.compat.v1.Event.FromString(record.numpy())
      for value in event.summary.value:
        assert event.step == 7
        written[value.tag] = tf.make_ndarray(value.tensor)
  assert written.pop('health/log_scale').shape[1] == 3  # Left, right, count.
  assert written == pytest.approx(
    {f'health/{k}': v for k, v in scalars(measurement.health).items()}
  )
  assert len(written) > 15


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
