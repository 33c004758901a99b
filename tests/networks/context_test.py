"""What a teacher is told, in every combination, and its context stack.

Whatever it is told, generation with a cache equals the plain forward pass,
chunks equal the whole, and nothing hears the future.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from data.shards.crops import Batch
from tests.support.miniature import miniature, random_student, random_teacher
from tests.support.replay import one_pass, replayed
from tests.support.variants import (
  ALONE,
  CONTEXT,
  HELD,
  LINGUISTIC,
  ONE_HOT,
  SPEAKER,
)
from wavenet_tf.configuration.choices import (
  FLOAT32,
  FULL_CONTEXT,
  PRODUCT_DTYPES,
  SCORES,
)
from wavenet_tf.learning import objectives
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.signal.framing import pad_margin
from wavenet_tf.speaking.chunks import windows
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.synthesis import NOISE_BLOCK_FRAMES, Synthesizer

pytestmark = pytest.mark.medium

VARIANTS = {
  'context': CONTEXT,
  'context, kernel 3': CONTEXT | {'context__kernel_size': 3},
  'context, one step a frame': CONTEXT | {'context__pool_samples': 80},
  'context, one-hot': CONTEXT | ONE_HOT,
  'context, speaker': CONTEXT | SPEAKER,
  'context alone': CONTEXT | ALONE,
  'context, speaker alone': CONTEXT | ALONE | SPEAKER,
  'context, text, speaker': CONTEXT | LINGUISTIC | SPEAKER,
  'context, held': CONTEXT | HELD,
  'held, speaker': HELD | SPEAKER,
  'speaker': SPEAKER,
  'speaker alone': SPEAKER | ALONE,
  'unconditional': ALONE,
  'unconditional, one-hot': ALONE | ONE_HOT,
  'text': LINGUISTIC,
  'relu': {'teacher__activation': 'relu'},
}
# Each kind of teacher and of what it is told once; all of them in `large`.
GENERATED = (
  'context',
  'context, one-hot',
  'context, speaker alone',
  'context, text, speaker',
  'context, held',
  'speaker',
  'unconditional',
  'relu',
)
FRAMES = 16


def inputs(settings, frames=FRAMES, batch=2):
  """Waveform, features without a margin, global vector."""
  generator = np.random.default_rng(0)
  samples = frames * settings.audio.hop_samples
  low, high = settings.feature_range
  return (
    tf.constant(generator.uniform(-0.3, 0.3, [batch, samples]), tf.float32),
    tf.constant(
      generator.uniform(low, high, [batch, frames, settings.local_channels]),
      tf.float32,
    ),
    tf.constant(
      generator.normal(size=[batch, settings.conditioning.global_channels]),
      tf.float32,
    ),
  )


def conditioning(settings, features, global_):
  padded = pad_margin(features, settings.silence)
  return Conditioning.of(padded, global_)


@pytest.mark.parametrize(
  ('name', 'jit_compile'),
  [
    *((name, False) for name in GENERATED),
    *(
      pytest.param(name, jit_compile, marks=pytest.mark.large)
      for name in VARIANTS
      for jit_compile in (False, True)
      if (name, jit_compile) not in itertools.product(GENERATED, [False])
    ),
  ],
)
def test_generated_samples_are_those_of_the_forward_pass(name, jit_compile):
  settings = miniature(**VARIANTS[name])
  teacher = random_teacher(settings)
  _, features, global_ = inputs(settings, frames=12)
  seed = [7, 0]
  generate = Generator(teacher, settings, jit_compile)
  waveform = generate(features, seed, global_)
  assert waveform.shape == (2, 12 * settings.audio.hop_samples)
  assert (waveform[0] != waveform[1]).any()
  told = conditioning(settings, features, global_)
  again = replayed(teacher, settings, waveform, told, seed)
  # A rounding error may tip a sample into the neighbouring level or code.
  assert np.mean(np.abs(again - waveform) < 1e-4) > 0.995


@pytest.mark.parametrize('name', VARIANTS)
def test_chunks_say_what_one_pass_says(name):
  settings = miniature(**VARIANTS[name])
  teacher = random_teacher(settings)
  waveform, features, global_ = inputs(settings)
  whole = teacher(waveform, conditioning(settings, features, global_))
  state, parts, hop = teacher.initial_state(2), [], settings.audio.hop_samples
  for index, window in enumerate(
    windows(features, itertools.repeat(4), settings.silence)
  ):
    part, state = teacher.chunk(
      waveform[:, 4 * index * hop : 4 * (index + 1) * hop],
      Conditioning.of(window, global_),
      state,
    )
    parts.append(part)
  np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=1e-4)


@pytest.mark.parametrize('name', [n for n in VARIANTS if 'one-hot' not in n])
def test_a_nan_is_heard_later_alone(name):
  settings = miniature(**VARIANTS[name])
  teacher = random_teacher(settings)
  waveform, features, global_ = inputs(settings)
  t = 43
  broken = waveform.numpy()
  broken[0, t] = np.nan
  parameters = teacher(
    tf.constant(broken), conditioning(settings, features, global_)
  ).numpy()
  bad = np.isnan(parameters).any(-1)
  assert not bad[1].any()
  assert not bad[0, : t + 1].any()
  assert bad[0, t + 1]
  last = t + settings.teacher.receptive_field_samples
  if settings.context.cycles:
    # The last context frame that hears t ends there. Conditioning enters
    # after the first convolution, so that the others carry it on.
    context, sizes = settings.context, settings.teacher
    last = t - t % context.pool_samples + context.receptive_field_samples
    last += context.pool_samples - 1
    last += (sizes.kernel_size - 1) * sum(sizes.dilations[1:])
  found = np.flatnonzero(bad[0])[-1]
  assert found == min(last, bad.shape[1] - 1)


@pytest.mark.parametrize('kernel_size', [2, 3])
def test_the_context_hears_what_its_receptive_field_says(kernel_size):
  settings = miniature(**CONTEXT | {'context__kernel_size': kernel_size})
  stack, sizes = random_teacher(settings).context, settings.context
  frames, j = 20, 3
  heard = np.random.default_rng(0).normal(size=[1, frames, 10])
  heard[0, j, 4] = np.nan
  output, _ = stack(tf.constant(heard, tf.float32), stack.initial_state(1))
  bad = np.flatnonzero(np.isnan(output.numpy()).any(-1)[0])
  field = sizes.receptive_field_samples // sizes.pool_samples
  assert bad.tolist() == list(range(j + 1, j + 1 + field))


@pytest.mark.parametrize('name', ['context', 'context, speaker', 'speaker'])
def test_the_end_of_a_crop_is_that_of_the_whole(name):
  """Once the field of the network itself is full."""
  settings = miniature(**VARIANTS[name])
  teacher = random_teacher(settings)
  waveform, features, global_ = inputs(settings)
  told = conditioning(settings, features, global_)
  samples, field = 120, settings.teacher.receptive_field_samples
  whole = teacher(waveform, told)[:, -samples:]
  end = teacher.end_of(waveform, told, samples)
  assert end.shape == whole.shape
  np.testing.assert_allclose(end[:, field:], whole[:, field:], atol=1e-4)
  assert np.abs(end[:, :field] - whole[:, :field]).max() > 1e-3


@pytest.mark.parametrize('teacher_samples', [0, 120])
@pytest.mark.parametrize('score', SCORES)
def test_what_is_scored(score, teacher_samples):
  settings = miniature(
    **CONTEXT,
    teacher__score=score,
    context__teacher_samples=teacher_samples,
  )
  teacher = random_teacher(settings)
  waveform, features, global_ = inputs(settings)
  levels = tf.cast(tf.round(waveform * 32768), tf.int32)
  padded = pad_margin(features, settings.silence)
  batch = Batch(levels, padded, None, global_)
  loss, _ = objectives.teacher_objective(teacher)(batch, None)
  heard = teacher.output_kind.waveform(levels)
  count = teacher_samples or heard.shape[1]
  parameters = teacher.end_of(heard, Conditioning(padded), count)
  nats = -teacher.output_kind.log_prob(parameters, levels[:, -count:]).numpy()
  field = settings.teacher.receptive_field_samples
  first = field if score == FULL_CONTEXT else 0
  assert first < count
  np.testing.assert_allclose(loss, nats[:, first:].mean(), rtol=1e-5)


def relative_error(found, expected):
  found, expected = np.asarray(found), np.asarray(expected)
  return np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))


# bfloat16 has 8 bits of precision: 0.4 % a product, some layers deep.
BFLOAT16_TOLERANCE = 0.05


@pytest.mark.parametrize('name', ['context, speaker', 'relu', 'speaker'])
def test_bfloat16_products_of_the_teacher_are_near_those_of_float32(name):
  found = []
  for dtype in PRODUCT_DTYPES:
    settings = miniature(**VARIANTS[name], teacher__product_dtype=dtype)
    teacher = random_teacher(settings)
    waveform, features, global_ = inputs(settings)
    told = conditioning(settings, features, global_)
    found.append(teacher(waveform, told))
    assert found[-1].dtype == tf.float32
  assert 0 < relative_error(found[1], found[0]) < BFLOAT16_TOLERANCE


def test_bfloat16_products_of_the_student_are_near_those_of_float32():
  found = []
  for dtype in PRODUCT_DTYPES:
    settings = miniature(**SPEAKER, student__product_dtype=dtype)
    student = random_student(settings)
    waveform, features, global_ = inputs(settings)
    output = student(waveform, conditioning(settings, features, global_))
    found.append(output)
  for part in 'location', 'log_scale':
    pair = [getattr(output, part) for output in found]
    assert 0 < relative_error(pair[1], pair[0]) < BFLOAT16_TOLERANCE


@pytest.mark.parametrize('dtype', PRODUCT_DTYPES)
def test_every_step_has_the_parameters_of_the_forward_pass(dtype, monkeypatch):
  """To the precision of products, since sums are rounded in another order.

  Samples are a smooth function of the parameters in place of a draw, which
  may jump from one component to another: so they bound the parameters of
  their steps, given the same past.
  """
  settings = miniature(
    **CONTEXT | SPEAKER,
    teacher__layers_per_cycle=3,
    teacher__product_dtype=dtype,
  )
  teacher = random_teacher(settings)
  size = teacher.output_kind.parameter_size
  weights = np.random.default_rng(3).normal(0, size**-0.5, size)
  weights = tf.constant(weights, tf.float32)
  monkeypatch.setattr(
    type(teacher.output_kind),
    'sample',
    lambda self, parameters, noise, temperature: (
      0.5 * tf.sin(tf.reduce_sum(parameters * weights, -1))
    ),
  )
  _, features, global_ = inputs(settings, frames=8)
  waveform = Generator(teacher, settings)(features, [7, 0], global_)
  told = conditioning(settings, features, global_)
  again = replayed(teacher, settings, waveform, told, [7, 0])
  assert np.std(waveform) > 0.05
  tolerance = {'float32': 1e-5, 'bfloat16': BFLOAT16_TOLERANCE}[dtype]
  assert relative_error(again, waveform) < tolerance


def test_a_compiled_chunked_student_in_bfloat16_is_near_plain_float32():
  """Relative RMS error; the plain one is one pass without XLA."""
  waveforms = []
  for dtype in PRODUCT_DTYPES:
    settings = miniature(**SPEAKER, student__product_dtype=dtype)
    student = random_student(settings)
    for net in student.networks:  # Too quiet to clip.
      net.output_layer.bias.assign([0.01, -1.5])
    speak = Synthesizer(student, settings)
    # Two chunks and a part of one.
    _, features, global_ = inputs(settings, 2 * NOISE_BLOCK_FRAMES + 5)
    if dtype == FLOAT32:
      seeds = tf.constant([[7, 0], [7, 0]])
      waveforms.append(one_pass(student, settings, features, seeds, global_))
    else:
      waveforms.append(speak(features, [7, 0], global_))
  plain, compiled = waveforms
  assert plain.shape == compiled.shape
  assert np.mean(np.abs(plain) >= 1) < 0.01
  # Rounding to 8 bits shows, and is small in what the noise is scaled by.
  assert 1e-5 < relative_error(compiled, plain) < 5e-3


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
