"""Measures against what is known: equal audio, a coin, a plain pass."""

import numpy as np
import pytest
import tensorflow as tf

from data.shards.batches import validation_batches
from data.shards.crops import Crops
from data.shards.example import Example
from tests.support.miniature import miniature, random_student, random_teacher
from tests.support.variants import CONTEXT, SPEAKER
from wavenet_tf.judging import evaluation
from wavenet_tf.judging.distances import (
  _mel_cepstral_distortion,
  spectral_distance,
)
from wavenet_tf.judging.likelihood import teacher_likelihood
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.probability.outputs import bits
from wavenet_tf.signal import quantization, spectra
from wavenet_tf.signal.framing import pad_margin


def noise(seed, samples=8000, scale=0.1):
  return np.random.default_rng(seed).normal(0, scale, samples)


def test_equal_audio_has_no_distance():
  config = miniature()
  distance = spectral_distance(noise(0), noise(0), config.audio)
  assert distance == pytest.approx([0, 0, 0, 0], abs=1e-4)


def test_a_gain_of_six_decibels_is_measured_as_such():
  config = miniature()
  gain = 10 ** (6 / 20)
  distance = spectral_distance(gain * noise(0), noise(0), config.audio)
  assert distance.loudness_db == pytest.approx(6, abs=1e-3)
  assert distance.long_term_spectrum_db == pytest.approx(6, abs=1e-2)
  assert distance.log_mel_db == pytest.approx(6, abs=1e-2)
  # The cepstrum without its first coefficient does not hear a gain.
  assert distance.mel_cepstral_db == pytest.approx(0, abs=1e-2)


def test_mel_cepstral_distortion_of_one_coefficient():
  bands = 40
  ripple = 0.3 * np.cos(np.pi * 5 * (np.arange(bands) + 0.5) / bands)
  a = np.random.default_rng(0).normal(size=(7, bands))
  measured = _mel_cepstral_distortion(
    (a + ripple).astype(np.float32), a.astype(np.float32)
  )
  assert measured == pytest.approx(10 / np.log(10) * 2**0.5 * 0.3, rel=1e-4)


def test_long_term_spectrum_ignores_the_draw_of_the_noise():
  config = miniature()
  distance = spectral_distance(noise(0, 80000), noise(1, 80000), config.audio)
  assert distance.long_term_spectrum_db < 0.5
  assert distance.log_mel_db > 3


def examples(config, lengths):
  generator = np.random.default_rng(0)
  for samples in lengths:
    levels = generator.integers(-5000, 5000, samples).astype(np.int16)
    features = spectra.log_mel(
      quantization.waveform_from_levels(levels[None]), config.audio
    )
    yield Example('x', levels, features[0].numpy())


@pytest.mark.parametrize(
  'overrides', [{}, {'teacher__output': 'mu_law', 'student__flow_layers': ()}]
)
def test_chunked_likelihood_is_that_of_one_pass(overrides):
  config = miniature(**overrides)
  teacher = random_teacher(config)
  lengths = [37, 400, 555]
  nats = 0.0
  for example in examples(config, lengths):
    padded = np.pad(example.levels, [0, -len(example.levels) % 20])
    parameters = teacher(
      quantization.waveform_from_levels(padded[None]),
      Conditioning(pad_margin(example.features[None], config.silence)),
    )
    log_prob = teacher.output_kind.log_prob(parameters, padded[None])
    nats -= np.sum(log_prob.numpy()[0, : len(example.levels)])
  measured = teacher_likelihood(teacher, config, examples(config, lengths))
  assert measured.samples == sum(lengths)
  assert measured.bits_per_sample == pytest.approx(
    bits(nats) / sum(lengths), rel=1e-4
  )


TOLD = {
  'speaker': SPEAKER,
  'context': CONTEXT,
  'speaker and context': SPEAKER | CONTEXT,
}


@pytest.mark.parametrize('name', TOLD)
def test_a_run_with_a_speaker_or_a_context_is_measured(name, eager):
  config = miniature(**TOLD[name])
  channels = config.conditioning.global_channels
  utterances = [
    e._replace(global_=np.eye(3, dtype=np.float32)[i, :channels])
    for i, e in enumerate(examples(config, [400, 555]))
  ]
  models = evaluation.Models(
    random_teacher(config), random_student(config), random_student(config)
  )
  found = evaluation.measure(
    config,
    models,
    utterances,
    validation_batches(
      utterances, Crops(config, config.train_student.crop_samples)
    ),
    flac_bytes=1000,
  )
  nats = 0.0
  for utterance in utterances:
    levels = np.pad(utterance.levels, [0, -len(utterance.levels) % 20])
    told = Conditioning.of(
      pad_margin(utterance.features[None], config.silence),
      utterance.global_[None],
    )
    parameters = models.teacher(
      quantization.waveform_from_levels(levels[None]), told
    )
    log_prob = models.teacher.output_kind.log_prob(parameters, levels[None])
    nats -= np.sum(log_prob.numpy()[0, : len(utterance.levels)])
  assert found['teacher_bits_per_sample'] == pytest.approx(
    bits(nats) / 955, rel=1e-4
  )
  assert np.isfinite(found['student_at_end']['kl'])
  assert np.isfinite(found['student_health']['conditioning_nats'])


def test_an_even_softmax_needs_the_bits_of_its_alphabet():
  config = miniature(
    teacher__output='mu_law', teacher__mu_law_levels=64,
    student__flow_layers=(),
  )  # fmt: skip
  teacher = random_teacher(config)
  for variable in teacher.network.output_layer.variables:
    variable.assign(tf.zeros_like(variable))
  measured = teacher_likelihood(teacher, config, examples(config, [200]))
  assert measured.bits_per_sample == pytest.approx(6.0, abs=1e-5)


def test_average_metrics_averages_over_batches():
  batches = [tf.constant(x) for x in (1.0, 2.0, 6.0)]
  measured = evaluation.average_metrics(
    lambda batch, seed: (batch, {'value': batch, 'square': batch**2}),
    batches, seed=0,
  )  # fmt: skip
  assert measured == pytest.approx({'value': 3.0, 'square': 41 / 3})


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
