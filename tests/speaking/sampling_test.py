"""Cached generation equals the plain forward pass, sample by sample."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import miniature, random_student, random_teacher
from tests.support.recordings import features_of
from tests.support.replay import one_pass
from tests.support.variants import HELD, OUTPUTS, PITCH
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.signal import noise
from wavenet_tf.signal.framing import pad_margin
from wavenet_tf.speaking import synthesis
from wavenet_tf.speaking.chunks import windows
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.synthesis import Synthesizer

# That both say the same is a test below, so that one is enough elsewhere.
EITHER_WAY = [False, pytest.param(True, marks=pytest.mark.large)]


@pytest.mark.parametrize('jit_compile', EITHER_WAY)
@pytest.mark.parametrize('name', OUTPUTS)
def test_generated_samples_are_those_of_the_forward_pass(name, jit_compile):
  """Replays the noise: each sample must be drawn from parameters that one
  plain pass over the finished waveform predicts for it.
  """
  config = miniature(**OUTPUTS[name])
  teacher = random_teacher(config)
  features = features_of(config, frames=10)
  generate = Generator(teacher, config, jit_compile)
  chunks = list(generate.chunks(features, [7, 0]))
  waveform = np.concatenate([c.waveform for c in chunks], 1)
  padded = tf.pad(features, [[0, 0], [0, 2], [0, 0]],
                  constant_values=config.audio.log_mel_floor)  # fmt: skip
  parameters = teacher(
    tf.constant(waveform),
    Conditioning(pad_margin(padded, config.silence)),
  )
  samples = config.evaluate.chunk_frames * config.audio.hop_samples
  noise = tf.concat(
    [
      teacher.output_kind.noise(
        [samples, 2],
        tf.random.experimental.stateless_fold_in(
          tf.constant([7, 0], tf.int32), i
        ),
      )
      for i in range(len(chunks))
    ],
    0,
  )
  replayed = teacher.output_kind.sample(
    parameters, tf.transpose(noise, [1, 0, 2])
  )
  # A rounding error may tip a sample into the neighbouring level or code.
  agree = np.abs(replayed - waveform) < 1e-4
  assert np.mean(agree) > 0.995


def test_generation_does_not_depend_on_xla_or_on_the_batch():
  config = miniature()
  teacher = random_teacher(config)
  features = features_of(config, frames=4)
  compiled = Generator(teacher, config)(features, [1, 2])
  plain = Generator(teacher, config, jit_compile=False)(features, [1, 2])
  np.testing.assert_allclose(compiled, plain, atol=1e-3)
  assert np.abs(compiled).max() > 0


class VeryLong:
  """Features `[1, 10^9, 3]`, any slice of which exists once asked for."""

  shape = (1, 10**9, 3)

  def __getitem__(self, key):
    _, frames = key
    assert frames.stop - frames.start < 100
    index = np.arange(frames.start, frames.stop, dtype=np.float32)
    return np.tile(index[None, :, None], [1, 1, 3])


def test_windows_copy_what_is_at_hand_alone():
  found = itertools.islice(windows(VeryLong(), itertools.repeat(4), -1.0), 3)
  for start, window in zip((0, 4, 8), found, strict=True):
    index = np.arange(start - MARGIN_FRAMES, start + 4 + MARGIN_FRAMES)
    np.testing.assert_array_equal(window[0, :, 0], np.maximum(index, -1))


@pytest.mark.parametrize('frames', [1, 2, 4, 5, 11])
def test_windows_are_those_of_the_padded_whole(frames):
  features = features_of(miniature(), frames)
  found = list(windows(features, itertools.repeat(4), -7.0))
  padded = np.pad(
    features,
    [(0, 0), (MARGIN_FRAMES, MARGIN_FRAMES + -frames % 4), (0, 0)],
    constant_values=-7.0,
  )
  assert len(found) == -(-frames // 4)
  for i, window in enumerate(found):
    expected = padded[:, 4 * i : 4 * i + 4 + 2 * MARGIN_FRAMES]
    np.testing.assert_array_equal(window, expected)


def test_same_seed_same_audio():
  config = miniature()
  generate = Generator(random_teacher(config), config, jit_compile=False)
  features = features_of(config, frames=5)
  first, again, other = (
    generate(features, s) for s in ([1, 2], [1, 2], [1, 3])
  )
  np.testing.assert_array_equal(first, again)
  assert (first != other).any()
  assert first.shape == (2, 5 * config.audio.hop_samples)


def test_a_longer_utterance_begins_like_a_shorter_one():
  config = miniature()
  generate = Generator(random_teacher(config), config, jit_compile=False)
  features = features_of(config, frames=16)
  whole = generate(features, [1, 2])
  part = generate(features[:, :8], [1, 2])
  # The last frames of the shorter one hear silence where the other goes on.
  same = 4 * config.audio.hop_samples
  np.testing.assert_array_equal(part[:, :same], whole[:, :same])


@pytest.mark.parametrize(
  ('frames', 'told', 'cores', 'jit_compile'),
  [
    (0, {}, 1, False),
    (0, HELD, 1, False),
    (0, PITCH, 1, False),
    (1, {}, 1, False),
    (64, {}, 1, False),
    # Long enough for long chunks, where there are cores for them.
    (150, {}, 1, False),
    (150, {}, 2, True),
    (150, HELD, 2, False),
    (150, PITCH, 2, True),
    *(
      pytest.param(*case, cores, True, marks=pytest.mark.large)
      for cores in (1, 2)
      for case in ((0, HELD), (64, {}), (150, HELD))
    ),
  ],
)
def test_chunks_of_the_student_say_what_one_pass_says(
  frames, told, cores, jit_compile, monkeypatch
):
  monkeypatch.setattr(synthesis, '_cores', lambda: cores)
  config = miniature(**told)
  student = random_student(config)
  synthesizer = Synthesizer(student, config, jit_compile)
  features = features_of(config, frames)
  whole = one_pass(student, config, features, tf.constant([[1, 2], [1, 2]]))
  chunked = synthesizer(features, [1, 2])
  assert chunked.shape == (2, frames * config.audio.hop_samples)
  np.testing.assert_allclose(chunked, whole, atol=1e-4)


def test_a_student_streams_a_short_chunk_then_long_ones(monkeypatch):
  monkeypatch.setattr(synthesis, '_cores', lambda: 2)
  config = miniature()
  synthesizer = Synthesizer(random_student(config), config, jit_compile=False)
  chunks = synthesizer.chunks(features_of(config, 150), [1, 2])
  lengths = [c.waveform.shape[1] // config.audio.hop_samples for c in chunks]
  assert lengths == [8, 64, 64, 8, 8]


def test_a_new_length_compiles_nothing(monkeypatch):
  monkeypatch.setattr(synthesis, '_cores', lambda: 2)
  config = miniature()
  generate = Generator(random_teacher(config), config, jit_compile=False)
  synthesizer = Synthesizer(random_student(config), config, jit_compile=False)
  for frames in (90, 5, 33, 160):
    generate(features_of(config, frames), [1, 2])
    synthesizer(features_of(config, frames), [1, 2])
  assert generate._compiled.experimental_get_tracing_count() == 1
  # One for each length of a chunk.
  assert synthesizer.chunk.experimental_get_tracing_count() == 2


def test_noise_is_the_same_with_and_without_xla():
  def draw():
    return noise.logistic([4, 500], [3, 4])

  plain = tf.function(draw)()
  compiled = tf.function(draw, jit_compile=True)()
  np.testing.assert_allclose(plain, compiled, rtol=1e-4, atol=1e-6)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
