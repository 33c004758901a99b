"""A chunk that is too loud is drawn again: when, how often, what is kept."""

from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import miniature, random_teacher
from tests.support.recordings import features_of
from tests.support.variants import CONTEXT
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.signal import spectra
from wavenet_tf.signal.framing import pad_margin
from wavenet_tf.speaking import redrawing
from wavenet_tf.speaking.chunks import Chunk
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.redrawing import Redrawing

SEED = [1, 2]


def steady_features(config, frames, mean=-4.0):
  return features_of(config, frames, mean=mean, deviation=0.3)


def noise_like(config, frames, scale, seed=0):
  samples = frames * config.audio.hop_samples
  x = np.random.default_rng(seed).normal(0, scale, [1, samples])
  return tf.constant(x, tf.float32)


# The measure.


def test_excess_is_that_of_the_whole_file_s_log_mel():
  """A chunk within a file: its frames have the windows that the file's have."""
  config = miniature()
  audio, hop = config.audio, config.audio.hop_samples
  whole = noise_like(config, 12, 0.1)
  mel = spectra.log_mel(whole, audio)
  asked = mel - tf.constant(np.linspace(0, 1.1, 12), tf.float32)[:, None]
  before = spectra.samples_before(audio)
  chunk = whole[:, 4 * hop - before : 8 * hop]
  # Windows of four hops: the last two frames of the chunk reach out of it.
  found = redrawing.excess(chunk, asked[:, 4:8], audio)
  assert float(found[0]) == pytest.approx(0.5, abs=1e-3)
  # As many frames as there are: what comes after the utterance is not judged.
  found = redrawing.excess(chunk, asked[:, 4:5], audio)
  assert float(found[0]) == pytest.approx(0.4, abs=1e-3)


def test_a_gain_is_its_excess_and_quiet_is_quiet():
  config = miniature()
  loud = noise_like(config, 8, 0.1)
  asked = spectra.log_mel_within(loud, config.audio)
  for gain in 2.0, 0.5:
    found = redrawing.excess(gain * loud, asked, config.audio)
    assert float(found[0]) == pytest.approx(np.log(gain), abs=1e-3)
  silence = tf.fill(asked.shape, config.silence)
  whisper = redrawing.excess(1e-4 * loud, silence, config.audio)
  assert float(whisper[0]) == pytest.approx(0.0, abs=1e-3)
  assert float(redrawing.excess(loud, silence, config.audio)[0]) > 3


def test_nothing_to_judge_is_never_too_loud():
  config = miniature()
  nothing = tf.zeros([1, 0, config.audio.mel_bins])
  found = redrawing.excess(noise_like(config, 8, 0.1), nothing, config.audio)
  assert float(found[0]) < 0


# The rule.


class State(NamedTuple):
  draw: tf.Tensor
  heard: tf.Tensor


class Scripted:
  """A teacher whose n-th draw of a chunk has a given loudness a row."""

  def __init__(self, config, amplitudes):
    self._config = config
    self._amplitudes = amplitudes
    self.seeds = []

  def __call__(self, features, global_, seed, state):
    draw = len(self.seeds)
    self.seeds.append(tuple(np.asarray(seed)))
    gain = np.array(self._amplitudes[draw], np.float32)[:, None]
    noise = noise_like(self._config, 4, 1.0).numpy()
    rows = np.arange(len(gain), dtype=np.float32)[:, None]
    return Chunk(
      tf.constant(gain * noise),
      State(tf.constant(rows + 10 * draw), state.heard),
    )


def redrawn(config, amplitudes, frames=4):
  """Asked for noise of amplitude 0.1."""
  scripted = Scripted(config, amplitudes)
  batch = len(amplitudes[0])
  asked = spectra.log_mel(noise_like(config, 4, 0.1), config.audio)
  features = tf.pad(
    tf.tile(asked, [batch, 1, 1]),
    [[0, 0], [MARGIN_FRAMES, MARGIN_FRAMES], [0, 0]],
  )
  again = Redrawing(scripted, config)
  heard = tf.zeros([batch, spectra.samples_before(config.audio)])
  state = State(tf.zeros([batch, 1]), heard)
  chunk, redraws = again(features, None, tf.constant(SEED), state, frames)
  loudness = chunk.waveform / noise_like(config, 4, 1.0)
  draws = chunk.state.draw.numpy()[:, 0]
  return loudness.numpy()[:, 0], draws, int(sum(redraws)), scripted


def settings(**changes):
  return miniature(evaluate__redraw_excess=0.7, **changes)


def test_the_first_draw_that_is_not_too_loud_is_kept():
  found, state, redraws, scripted = redrawn(
    settings(), [[0.9], [0.5], [0.12], [0.1]]
  )
  assert found == pytest.approx([0.12])
  assert state == pytest.approx([20.0])
  assert redraws == 2
  assert len(set(scripted.seeds)) == 3
  assert scripted.seeds[0] == tuple(SEED)


def test_the_least_loud_is_kept_when_none_is_quiet_enough():
  config = settings(evaluate__redraw_tries=3)
  found, state, redraws, _ = redrawn(
    config, [[0.9], [0.5], [0.3], [0.6], [0.1]]
  )
  assert found == pytest.approx([0.3])
  assert state == pytest.approx([20.0])
  assert redraws == 3


def test_each_row_is_judged_by_itself():
  """What a row says does not depend on how loud the others are."""
  amplitudes = [[0.9, 0.1, 0.5], [0.1, 0.05, 0.6], [0.2, 0.2, 0.11]]
  found, state, redraws, _ = redrawn(settings(), amplitudes)
  assert found == pytest.approx([0.1, 0.1, 0.11])
  assert state == pytest.approx([10.0, 1.0, 22.0])
  assert redraws == 3
  for row in range(3):
    alone, *_ = redrawn(settings(), [[a[row]] for a in amplitudes])
    assert alone[0] == pytest.approx(found[row])


def test_frames_after_the_utterance_are_not_judged():
  assert redrawn(settings(), [[0.9]], frames=0)[2] == 0


# The generator.


def generator_of(jit_compile=False, **changes):
  config = miniature(**changes)
  return config, Generator(random_teacher(config), config, jit_compile)


def threshold(config, teacher_says, features):
  """Between the excesses of the chunks, so that some are drawn again."""
  size = config.evaluate.chunk_frames
  mel = spectra.log_mel(tf.constant(teacher_says), config.audio)
  louder = tf.reduce_mean(mel - features, -1).numpy()
  worst = [
    louder[:, i : i + size - 2].max()
    for i in range(0, louder.shape[1] - size + 1, size)
  ]
  return float(np.median(worst))


@pytest.fixture(scope='module')
def redrawing_generator():
  """One that draws about every second chunk again, its input, what it said."""
  config, plain = generator_of()
  features = steady_features(config, 22)
  once = plain(features, SEED)
  assert plain.redraws == 0
  limit = threshold(config, once, features)
  assert limit > 0
  config, generate = generator_of(
    evaluate__redraw_excess=limit, evaluate__redraw_tries=3
  )
  return config, generate, features, once, generate(features, SEED)


def test_chunks_are_drawn_again_and_are_less_loud(redrawing_generator):
  config, generate, features, once, again = redrawing_generator
  assert generate.redraws > 0
  assert again.shape == once.shape
  assert (once != again).any()

  def worst(x):
    mel = spectra.log_mel(tf.constant(x), config.audio)
    return tf.reduce_max(tf.reduce_mean(mel - features, -1))

  assert worst(again) <= worst(once)


def test_until_the_first_redraw_nothing_differs(redrawing_generator):
  config, _, _, once, again = redrawing_generator
  samples = config.evaluate.chunk_frames * config.audio.hop_samples
  differs = (once != again).any(0)
  assert np.flatnonzero(differs)[0] % samples < samples / 2


def test_a_stream_is_the_whole_and_a_longer_one_begins_alike(
  redrawing_generator,
):
  config, generate, features, _, again = redrawing_generator
  stream = [c.waveform for c in generate.chunks(features, SEED)]
  joined = np.concatenate(stream, 1)[:, : again.shape[1]]
  np.testing.assert_array_equal(joined, again)
  part = generate(features[:, :14], SEED)
  # Its last frames hear silence where the other goes on.
  same = 8 * config.audio.hop_samples
  np.testing.assert_array_equal(part[:, :same], again[:, :same])


def test_a_limit_that_nothing_reaches_changes_nothing():
  config, plain = generator_of()
  _, strict = generator_of(evaluate__redraw_excess=50.0)
  features = steady_features(config, 10)
  np.testing.assert_array_equal(plain(features, SEED), strict(features, SEED))
  assert strict.redraws == 0


@pytest.mark.parametrize('context', [{}, CONTEXT], ids=['alone', 'context'])
def test_each_chunk_is_one_of_the_draws_after_the_kept_past(context):
  """Replayed with the noise of each seed, in one plain pass over the whole."""
  config, generate = generator_of(
    evaluate__redraw_excess=0.01, evaluate__redraw_tries=2, **context
  )
  teacher = generate._teacher
  features = steady_features(config, 12)
  waveform = generate(features[:1], SEED)
  told = Conditioning(pad_margin(features[:1], config.silence))
  parameters = teacher(tf.constant(waveform), told)
  samples = config.evaluate.chunk_frames * config.audio.hop_samples
  fold_in = tf.random.experimental.stateless_fold_in
  kept = []
  for chunk in range(3):
    part = slice(chunk * samples, (chunk + 1) * samples)
    seed = fold_in(tf.constant(SEED), chunk)
    seeds = [seed, fold_in(seed, 1), fold_in(seed, 2)]
    agree = []
    for tried in seeds:
      noise = teacher.output_kind.noise([samples, 1], tried)
      again = teacher.output_kind.sample(
        parameters[:, part], tf.transpose(noise, [1, 0, 2])
      )
      # A rounding error may tip a sample into the neighbouring level.
      agree.append(np.mean(np.abs(again - waveform[:, part]) < 1e-4))
    assert max(agree) > 0.98
    kept.append(int(np.argmax(agree)))
  assert any(kept)


def test_the_filter_goes_on_from_the_draw_that_was_kept():
  config, generate = generator_of(
    audio__preemphasis=0.85,
    evaluate__redraw_excess=0.01,
    evaluate__redraw_tries=2,
  )
  chunks = list(generate.chunks(steady_features(config, 12, mean=-9.0), SEED))
  assert generate.redraws > 0
  for chunk in chunks:
    heard = np.clip(chunk.state.memory, -1, 1)
    np.testing.assert_array_equal(chunk.waveform[:, -1:], heard)


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({'evaluate__redraw_excess': -0.1}, ['evaluate.redraw_excess']),
    (
      {'evaluate__redraw_excess': 0.5, 'evaluate__chunk_frames': 2},
      ['evaluate.chunk_frames', '3 or more'],
    ),
    (
      {
        'evaluate__redraw_excess': 0.5,
        'conditioning__local': 'none',
        'student__flow_layers': (),
      },
      ['evaluate.redraw_excess', "'none'", 'no mel'],
    ),
    ({'evaluate__redraw_tries': -1}, ['evaluate.redraw_tries', '0 or more']),
  ],
)
def test_contradictions_name_the_field(fields, words):
  with pytest.raises(UserError) as refusal:
    miniature(**fields)
  for word in words:
    assert word in str(refusal.value)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
