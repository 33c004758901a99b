"""Pre-emphasis: lossless, undone exactly, in chunks, in every place."""

import dataclasses

import numpy as np
import pytest
from scipy import signal
import tensorflow as tf

from data.preparing import preparation
from data.recordings import decoding
from data.shards.batches import training_batches
from data.shards.crops import Batch, Crops, FrameLabels
from data.shards.example import Example
from data.shards.manifest import read_manifest
from data.shards.records import read_examples
from data.shards.splits import TRAIN
from tests.support.miniature import (
  miniature,
  random_classifier,
  random_student,
  random_teacher,
)
from tests.support.recordings import features_of
from tests.support.replay import one_pass
from tests.support.variants import CONTEXT
from wavenet_tf.configuration.config import override
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.judging.health import measurement
from wavenet_tf.judging.health.loudness import level
from wavenet_tf.judging.likelihood import teacher_likelihood
from wavenet_tf.learning import losses, objectives
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.probability.outputs import bits
from wavenet_tf.showing import tables
from wavenet_tf.showing.figures.flow_steps import flow_pictures
from wavenet_tf.showing.figures.predictions import loudest_stretch
from wavenet_tf.signal import emphasis, quantization, spectra
from wavenet_tf.signal.framing import pad_margin
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.served.student import ServedStudent
from wavenet_tf.speaking.synthesis import Synthesizer

pytestmark = pytest.mark.medium

A = 0.85
COEFFICIENTS = [0.5, A, 0.97]
SEED = tf.constant([1, 2])


def speech_levels(generator, samples=3000):
  """Noise that falls off with frequency, as speech does."""
  x = signal.lfilter([1], [1, -0.95], generator.normal(0, 400, samples))
  return np.round(x).astype(np.int16)


def heard(y, coefficient=A):
  """x_t = y_t + a x_{t-1} in float64, one after the other."""
  return signal.lfilter([1], [1, -coefficient], np.asarray(y, np.float64), -1)


# The mathematics.


@pytest.mark.parametrize('coefficient', COEFFICIENTS)
def test_levels_come_back_one_by_one(coefficient, generator):
  """So the bits of all y are the bits of all x."""
  x = generator.integers(-15000, 15000, 2000).astype(np.int16)
  y = emphasis.pre_emphasise(x, coefficient).numpy()
  assert y.dtype == np.int32
  exact = x - coefficient * np.concatenate([[0], x[:-1]])
  assert np.abs(y - exact).max() < 0.51
  back, previous = [], 0
  for value in y:
    shift = np.round(np.float32(coefficient) * np.float32(previous))
    previous = int(value + shift)
    back.append(previous)
  np.testing.assert_array_equal(back, x)


def test_levels_stay_within_16_bits():
  y = emphasis.pre_emphasise(np.array([32767, -32768, 32767]), A).numpy()
  np.testing.assert_array_equal(y, [32767, -32768, 32767])


def test_without_a_coefficient_nothing_happens():
  x, memory = tf.ones([1, 5]), emphasis.initial_memory(1)
  assert emphasis.pre_emphasise(x, 0.0) is x
  assert emphasis.de_emphasise(x, 0.0) is x
  assert emphasis.de_emphasise_chunk(x, 0.0, memory) == (x, memory)


@pytest.mark.parametrize('samples', [1, 2, 7, 5000])
@pytest.mark.parametrize('coefficient', COEFFICIENTS)
def test_it_is_undone_by_the_recursion(coefficient, samples, generator):
  y = generator.normal(0, 0.1, [2, samples]).astype(np.float32)
  x = emphasis.de_emphasise(tf.constant(y), coefficient)
  exact = heard(y, coefficient)
  np.testing.assert_allclose(x, exact, atol=1e-6 * np.abs(exact).max())


@pytest.mark.parametrize('coefficient', COEFFICIENTS)
def test_a_recording_comes_back_within_rounding(coefficient, generator):
  x = speech_levels(generator)
  y = quantization.waveform_from_levels(emphasis.pre_emphasise(x, coefficient))
  back = emphasis.de_emphasise(y[None], coefficient)[0] * 2**15
  # Errors of half a level add up to 1 / (1 - a) of that at most.
  assert np.abs(back - x).max() < 0.5 / (1 - coefficient) + 0.01


@pytest.mark.parametrize('lengths', [[1] * 9, [400, 3, 1, 196], [600]])
def test_chunks_say_what_the_whole_says(lengths, generator):
  y = tf.constant(generator.normal(0, 0.1, [2, sum(lengths)]), tf.float32)
  memory, found = emphasis.initial_memory(2), []
  for chunk in tf.split(y, lengths, 1):
    x, memory = emphasis.de_emphasise_chunk(chunk, A, memory)
    found.append(x)
  np.testing.assert_allclose(
    tf.concat(found, 1), emphasis.de_emphasise(y, A), atol=1e-6
  )


def test_it_compiles_and_its_gradient_is_the_recursion_backwards(generator):
  y = tf.constant(generator.normal(0, 0.1, [1, 300]), tf.float32)
  g = generator.normal(0, 1, [1, 300]).astype(np.float32)

  @tf.function(jit_compile=True, autograph=False)
  def gradient(y):
    with tf.GradientTape() as tape:
      tape.watch(y)
      total = tf.reduce_sum(g * emphasis.de_emphasise(y, A))
    return tape.gradient(total, y)

  exact = heard(g[:, ::-1])[:, ::-1]
  np.testing.assert_allclose(gradient(y), exact, atol=1e-5)


def test_its_jacobian_is_triangular_with_ones_on_its_diagonal(generator):
  """What is said and what is heard have one entropy."""
  y = tf.constant(generator.normal(0, 0.1, [1, 12]), tf.float32)
  with tf.GradientTape() as tape:
    tape.watch(y)
    x = emphasis.de_emphasise(y, A)
  jacobian = tape.jacobian(x, y)[0, :, 0].numpy()
  later, earlier = np.indices([12, 12])
  expected = np.where(later >= earlier, A ** np.maximum(later - earlier, 0), 0)
  np.testing.assert_allclose(jacobian, expected, atol=1e-6)


# What learns sees y.


def example_of(config, levels):
  waveform = quantization.waveform_from_levels(levels[None])
  features = spectra.log_mel(waveform, config.audio)[0].numpy()
  return Example('x', levels, features)


def test_a_crop_is_cut_from_the_pre_emphasised_utterance(generator):
  config = miniature(audio__preemphasis=A)
  utterance = example_of(config, speech_levels(generator, 1990))
  whole = emphasis.pre_emphasise(utterance.levels, A).numpy()
  crops = Crops(config, 400, past_samples=100)
  padded = np.pad(whole, [100, 400])
  starts = set()
  for n in range(6):
    levels = crops.at_random(utterance, 3, tf.constant(n, tf.int64)).levels
    (start,) = (
      s
      for s in range(0, 2000, 20)
      if np.array_equal(padded[s : s + 400], levels)
    )
    starts.add(start)
  assert max(starts) > 0
  in_order = [crop.levels for crop in crops.in_order(utterance)]
  joined = np.concatenate(in_order)
  np.testing.assert_array_equal(joined, np.pad(whole, [0, 10]))
  # Features are those of what is heard.
  np.testing.assert_array_equal(
    crops.in_order(utterance)[0].features[MARGIN_FRAMES:],
    utterance.features[: 400 // 20 + MARGIN_FRAMES],
  )


def test_a_classifier_hears_what_is_heard(generator):
  config = miniature(audio__preemphasis=A)
  utterance = example_of(config, speech_levels(generator, 400))
  crops = Crops(config, 400, labels=FrameLabels('phones', 80))
  np.testing.assert_array_equal(
    crops.in_order(utterance)[0].levels, utterance.levels
  )


def test_likelihood_is_that_of_the_pre_emphasised_utterance(generator):
  config = miniature(audio__preemphasis=A)
  teacher = random_teacher(config)
  utterance = example_of(config, speech_levels(generator, 230))
  levels = emphasis.pre_emphasise(utterance.levels, A)[None]
  padded = tf.pad(levels, [[0, 0], [0, 10]])
  parameters = teacher(
    teacher.output_kind.waveform(padded),
    Conditioning(pad_margin(utterance.features[None], config.silence)),
  )[:, :230]
  nats = -tf.reduce_mean(teacher.output_kind.log_prob(parameters, levels))
  found = teacher_likelihood(teacher, config, [utterance])
  assert found.bits_per_sample == pytest.approx(float(bits(nats)), rel=1e-6)
  plain = override(config, {'audio.preemphasis': 0.0})
  other = teacher_likelihood(teacher, plain, [utterance])
  assert abs(other.bits_per_sample - found.bits_per_sample) > 1e-4


def batch_of(config, generator):
  levels = np.stack([speech_levels(generator, 400) for _ in range(2)])
  return Batch(
    emphasis.pre_emphasise(levels, config.audio.preemphasis),
    tf.constant(
      generator.normal(-5, 2, [2, 20 + 2 * MARGIN_FRAMES, 8]), tf.float32
    ),
  )


def test_the_teacher_judges_what_is_said_and_other_losses_what_is_heard(
  generator,
):
  config = miniature(
    audio__preemphasis=A,
    distillation__stft_weight=1.0,
    distillation__stft_window_samples=(128,),
    distillation__style_weight=1.0,
    distillation__feature_weight=1.0,
  )
  teacher, student = random_teacher(config), random_student(config)
  listener, batch = random_classifier(config, 3), batch_of(config, generator)
  settings = config.distillation

  def metrics(preemphasis):
    objective = objectives.student_objective(
      teacher, student, settings, 8000, listener, preemphasis
    )
    return objective(batch, SEED)[1]

  found, plain = metrics(A), metrics(0.0)
  for name in 'kl', 'entropy', 'cross_entropy':
    assert float(found[name]) == float(plain[name])
  z = student.family.standard_noise([2, 400], SEED)
  said = student(z, Conditioning(batch.features)).waveform
  x, target = (
    tf.constant(heard(y), tf.float32)
    for y in (said, batch.levels / quantization.LEVELS * 2)
  )
  f, g = listener.activations(x), listener.activations(target)
  wanted = {
    'power_loss': losses.power_loss(x, target, settings, 8000),
    'stft_loss': losses.stft_loss(x, target, settings),
    'style_loss': losses.style_loss(f, g),
    'feature_loss': losses.feature_loss(f, g),
  }
  for name, value in wanted.items():
    assert float(found[name]) == pytest.approx(float(value), rel=1e-3), name
    assert float(plain[name]) != pytest.approx(float(value), rel=1e-2), name


def test_health_is_that_of_what_is_heard(generator):
  config = miniature(audio__preemphasis=A)
  teacher, student = random_teacher(config), random_student(config)
  batch = batch_of(config, generator)
  found = measurement.measure(teacher, student, batch, SEED, config).health
  z = student.family.standard_noise([2, 400], SEED)
  said = student(z, Conditioning(batch.features)).waveform
  for measured, y in (
    (found.student, said),
    (found.recording, batch.levels / quantization.LEVELS * 2),
  ):
    np.testing.assert_allclose(
      measured, level(tf.constant(heard(y), tf.float32)), rtol=1e-3
    )


# What speaks says x.


def with_and_without(**overrides):
  return miniature(audio__preemphasis=A, **overrides), miniature(**overrides)


@pytest.mark.parametrize('context', [{}, CONTEXT], ids=['alone', 'context'])
def test_the_teacher_says_what_is_made_of_its_samples(context):
  config, plain = with_and_without(**context)
  teacher, features = random_teacher(config), features_of(config, 9)
  x = Generator(teacher, config, jit_compile=False)(features, [1, 2])
  y = Generator(teacher, plain, jit_compile=False)(features, [1, 2])
  np.testing.assert_allclose(x, np.clip(heard(y), -1, 1), atol=1e-5)
  assert np.abs(x - y).max() > 0.01


@pytest.mark.parametrize('frames', [1, 30])
def test_the_student_says_what_is_made_of_its_samples(frames):
  """In one pass, in chunks, and served."""
  config, _ = with_and_without()
  student, features = random_student(config), features_of(config, frames)
  seeds = tf.constant([[1, 2], [1, 2]])
  speak = Synthesizer(student, config, jit_compile=False)
  blocks = tf.range(-(-frames // 8))
  z = speak.noise(seeds, blocks)[:, : frames * config.audio.hop_samples]
  told = Conditioning(pad_margin(features, config.silence))
  wanted = np.clip(heard(student(z, told).waveform), -1, 1)
  served = ServedStudent(student, config)
  for audio in (
    one_pass(student, config, features, seeds),
    speak(features, [1, 2]),
    served.speak(features, seeds),
  ):
    np.testing.assert_allclose(audio, wanted, atol=1e-4)


def test_a_compiled_stream_is_the_whole():
  config, _ = with_and_without()
  teacher, student = random_teacher(config), random_student(config)
  features = features_of(config, 20)
  for voice in Generator(teacher, config), Synthesizer(student, config):
    chunks = [c.waveform for c in voice.chunks(features, [1, 2])]
    plain = type(voice)(
      teacher if isinstance(voice, Generator) else student,
      config,
      jit_compile=False,
    )(features, [1, 2])
    joined = np.concatenate(chunks, 1)[:, : plain.shape[1]]
    # A rounding error may tip a sample of the teacher into its neighbour.
    assert np.mean(np.abs(joined - plain) < 1e-3) > 0.99


# Shards, figures, words.


def write_corpus(folder, generator, count=4):
  folder.mkdir()
  for i in range(count):
    levels = speech_levels(generator, 4000 + 80 * i)
    decoding.write_wav(folder / f'{i}.wav', levels / 2**15, 8000)
  return folder


def test_shards_keep_x_and_serve_every_coefficient(tmp_path, generator):
  corpus = write_corpus(tmp_path / 'corpus', generator)
  config, plain = with_and_without()
  preparation.prepare(config, corpus, tmp_path / 'data')
  for asked in config, plain:
    manifest = read_manifest(tmp_path / 'data', asked.audio)
  utterances = {
    e.name: e.levels for e in read_examples(tmp_path / 'data', manifest, TRAIN)
  }
  for name, levels in utterances.items():
    np.testing.assert_array_equal(levels, decoding.load(corpus / name, 8000))
  batches = training_batches(
    tmp_path / 'data', manifest, Crops(config, 400), batch_size=2, seed=5
  )
  seen = [emphasis.pre_emphasise(x, A).numpy() for x in utterances.values()]
  for crop in next(iter(batches)).levels.numpy():
    assert any(
      (whole[start : start + 400] == crop).all()
      for whole in seen
      for start in range(0, len(whole) - 399, 20)
    )


def test_figures_show_what_the_network_hears(generator):
  config = miniature(audio__preemphasis=A)
  utterance = example_of(config, speech_levels(generator))
  found = loudest_stretch(utterance, config, 12.5, 300)
  end = found.start + found.samples
  whole = emphasis.pre_emphasise(utterance.levels, A).numpy()
  np.testing.assert_array_equal(
    found.levels, whole[end - len(found.levels) : end]
  )
  steps = list(generator.normal(0, 1, [3, 400]).astype(np.float32))
  figure = flow_pictures(steps, steps[0], 'logistic', config.audio)
  titles = [axes.get_title() for axes in figure.axes]
  assert any('without pre-emphasis' in title for title in titles)
  plain = dataclasses.replace(config.audio, preemphasis=0.0)
  assert len(flow_pictures(steps, steps[0], 'logistic', plain).axes) < len(
    figure.axes
  )


def test_the_report_says_what_was_scored(tmp_path):
  results = {
    'validation_utterances': 1,
    'validation_samples': 8000,
    'teacher_parameters': 10,
    'teacher_bits_per_sample': 8.5,
    'flac_bits_per_sample': 9.5,
    'output': 'logistic_mixture',
    'bits': 16,
    'local': 'mel',
    'globals': [],
    'preemphasis': A,
  }
  rows = dict(tables.rows(results, tmp_path))
  assert '8.500 bits per pre-emphasised sample' in rows['teacher likelihood']
  rows = dict(tables.rows(results | {'preemphasis': 0.0}, tmp_path))
  assert '8.500 bits per sample' in rows['teacher likelihood']


@pytest.mark.parametrize(
  ('field', 'value', 'words'),
  [
    ('audio__preemphasis', 1.0, ['audio.preemphasis', '[0, 1)']),
  ],
)
def test_contradictions_name_the_field(field, value, words):
  with pytest.raises(UserError) as refusal:
    miniature(**{field: value})
  for word in words:
    assert word in str(refusal.value)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
