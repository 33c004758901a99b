"""The served teacher says what the generator says, and scores as judges do."""

import itertools
import types

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import miniature, random_teacher
from tests.support.recordings import features_of
from tests.support.variants import (
  ALONE,
  CONTEXT,
  HELD,
  MU_LAW,
  ONE_HOT,
  SPEAKER,
)
from wavenet_tf.judging.likelihood import utterance_scorer
from wavenet_tf.probability.outputs import bits
from wavenet_tf.signal.quantization import levels_from_waveform
from wavenet_tf.speaking.chunks import windows
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.served.export import export, ServedModel
from wavenet_tf.speaking.served.teacher import ServedTeacher

FRAMES = 10
SEEDS = np.array([[1, 2], [3, 4], [1, 2]], np.int32)
# About as loud as what a random teacher says: some chunks are drawn again.
REDRAWN = {'evaluate__redraw_excess': 6.1, 'evaluate__redraw_tries': 3}
VARIANTS = {
  'mixture': REDRAWN,
  'context stack': CONTEXT | REDRAWN,
  'speakers, pre-emphasis': SPEAKER
  | REDRAWN
  | {'audio__preemphasis': 0.85, 'evaluate__redraw_excess': 5.9},
  'no features': ALONE,
  'one-hot softmax': ONE_HOT | {'evaluate__temperature': 0.9},
  'held': HELD,
}
LARGE = 'context stack', 'speakers, pre-emphasis'


def told(config, rows):
  """Features of so many rows, the last the first again; global vectors."""
  channels = config.local_channels
  features = features_of(config, FRAMES, rows, -6.0, 0.5)[..., :channels]
  features = tf.concat([features[:-1], features[:1]], 0)
  given = {'mel' if channels else 'features': features}
  if config.conditioning.global_channels:
    vectors = tf.random.stateless_normal(
      [rows, config.conditioning.global_channels], [1, 2]
    )
    given['global_vector'] = tf.concat([vectors[:-1], vectors[:1]], 0)
  return given


def no_state(config, rows):
  size = ServedTeacher(random_teacher(config), config).state.size
  return np.zeros([rows, size], np.float32)


def spoken(call, config, given):
  """Whole utterances and redraws, chunk by chunk, of `teacher` of a server."""
  (name, features), *others = given.items()
  rows = len(features)
  state, audio, redraws = no_state(config, rows), [], 0
  length = config.evaluate.chunk_frames
  for i, window in enumerate(
    windows(features, itertools.repeat(length), config.silence)
  ):
    answer = call(
      **{name: window},
      **dict(others),
      seed=SEEDS[:rows],
      first_frame=np.full([rows], i * length, np.int32),
      frames_left=np.full([rows], FRAMES - i * length, np.int32),
      state=state,
    )
    state = answer['state']
    audio.append(answer['audio'])
    redraws = redraws + np.asarray(answer['redraws'])
  samples = FRAMES * config.audio.hop_samples
  return np.concatenate(audio, 1)[:, :samples], redraws


def generated(config, given, row):
  generate = Generator(random_teacher(config), config, jit_compile=False)
  features, *global_ = (x[row : row + 1] for x in given.values())
  return generate(features, SEEDS[row].tolist(), *global_)[0], generate.redraws


def in_memory(config):
  """The signatures, each a function of what NumPy or TensorFlow holds."""
  functions = ServedModel(None, random_teacher(config), config).functions
  return lambda name: (
    lambda **given: functions[name](
      **{k: tf.constant(x) for k, x in given.items()}
    )
  )


@pytest.mark.parametrize(
  'name',
  [
    pytest.param(name, marks=pytest.mark.large if name in LARGE else ())
    for name in VARIANTS
  ],
)
def test_rows_are_bit_for_bit_what_the_generator_says_alone(name):
  config = miniature(**VARIANTS[name])
  given = told(config, 3)
  audio, redraws = spoken(in_memory(config)('teacher'), config, given)
  for row in range(2):
    expected, times = generated(config, given, row)
    np.testing.assert_array_equal(audio[row], expected)
    assert redraws[row] == times
  # The third was asked for what the first was.
  np.testing.assert_array_equal(audio[2], audio[0])
  assert (audio[0] != audio[1]).any()
  if config.evaluate.redraw_excess:
    chunks = -(-FRAMES // config.evaluate.chunk_frames)
    assert 0 < redraws[0] < chunks * config.evaluate.redraw_tries


@pytest.fixture(scope='module')
def session(tmp_path_factory):
  """A teacher alone, exported, in a graph and a session as a server has it."""
  config = miniature(**VARIANTS['speakers, pre-emphasis'])
  path = export(
    None, config, tmp_path_factory.mktemp('export'), random_teacher(config)
  )
  # Never the default one: the rest of a test runs eagerly.
  session = tf.compat.v1.Session(graph=tf.Graph())
  graph = tf.compat.v1.saved_model.load(session, ['serve'], str(path))

  def call(name):
    signature = graph.signature_def[name]
    return lambda **given: session.run(
      {k: v.name for k, v in signature.outputs.items()},
      {signature.inputs[k].name: np.asarray(x) for k, x in given.items()},
    )

  yield config, call, set(graph.signature_def)
  session.close()


def test_a_server_says_the_same(session):
  config, call, names = session
  assert {'teacher', 'score', 'features', 'limits'} <= names
  assert 'serving_default' not in names
  given = {k: x.numpy() for k, x in told(config, 2).items()}
  audio, _ = spoken(call('teacher'), config, given)
  expected, _ = generated(config, given, 0)
  np.testing.assert_array_equal(audio[0], expected)


def scored(config, given, audio):
  """By the function that evaluation uses, a row after the other."""
  score = utterance_scorer(random_teacher(config), config)
  features, *global_ = (np.asarray(x) for x in given.values())
  levels = levels_from_waveform(audio).numpy().astype(np.int16)
  found = []
  for row, of_row in enumerate(levels):
    example = types.SimpleNamespace(levels=of_row, features=features[row])
    vector = global_[0][row : row + 1] if global_ else np.zeros([1, 0])
    (nats,) = score(example, vector.astype(np.float32))
    found.append(-bits(nats) / len(of_row))
  return found


def waveform(samples):
  """Loud enough that pre-emphasis and full scale clip some of it."""
  noise = tf.random.stateless_normal([2, samples], [5, 6], 0.0, 0.4)
  return tf.clip_by_value(noise, -1.0, 1.0)


@pytest.mark.parametrize(
  'told_more',
  [SPEAKER | {'audio__preemphasis': 0.85}, CONTEXT, MU_LAW, ALONE],
  ids=['speakers, pre-emphasis', 'context stack', 'softmax', 'no features'],
)
def test_score_is_the_likelihood_of_the_evaluation(told_more):
  """Of a length that is no whole number of chunks: padding does not count."""
  config = miniature(**told_more)
  given = told(config, 2)
  audio = waveform(FRAMES * config.audio.hop_samples - 7)
  found = in_memory(config)('score')(audio=audio, **given)['bits']
  np.testing.assert_allclose(found, scored(config, given, audio), rtol=1e-5)


def test_a_server_scores_the_same(session):
  config, call, _ = session
  given = {k: x.numpy() for k, x in told(config, 2).items()}
  audio = waveform(FRAMES * config.audio.hop_samples - 7).numpy()
  found = call('score')(audio=audio, **given)['bits']
  np.testing.assert_allclose(found, scored(config, given, audio), rtol=1e-5)


def teacher_request(config):
  window = next(
    windows(
      told(config, 2)['mel'],
      [config.evaluate.chunk_frames],
      config.silence,
    )
  )
  return {
    'mel': window.numpy(),
    'seed': SEEDS[:2],
    'first_frame': np.zeros([2], np.int32),
    'frames_left': np.full([2], FRAMES, np.int32),
    'state': no_state(config, 2),
    'global_vector': np.zeros([2, 3], np.float32),
  }


@pytest.mark.parametrize(
  ('name', 'value', 'words'),
  [
    ('first_frame', [4, 5], 'first_frame: found'),
    ('first_frame', [-4, -4], 'first_frame: found'),
    ('frames_left', [3, 0], 'frames_left: found 0, expected 1 or more.'),
    ('seed', [[1, 2]], 'seed: found 1 rows, expected 2'),
    ('global_vector', [[0.0, np.nan, 0.0]] * 2, 'global_vector: found 2 numb'),
  ],
)
def test_what_cannot_be_spoken_is_refused_in_a_sentence(
  session, name, value, words
):
  config, call, _ = session
  request = teacher_request(config)
  dtype = request[name].dtype
  with pytest.raises(tf.errors.InvalidArgumentError) as refusal:
    call('teacher')(**request | {name: np.array(value, dtype)})
  assert words in refusal.value.message
  assert np.isfinite(call('teacher')(**request)['audio']).all()


def test_a_state_that_no_chunk_left_is_refused(session):
  """Finite numbers, of which the network would make infinite ones."""
  config, call, _ = session
  request = teacher_request(config)
  request['state'] += 3e38
  with pytest.raises(tf.errors.InvalidArgumentError, match='state: found'):
    call('teacher')(**request)


@pytest.mark.parametrize(
  ('change', 'words'),
  [
    ({'audio': 3.0}, 'audio: found numbers from'),
    ({'mel': FRAMES - 1}, f'mel: found {FRAMES - 1} frames, expected {FRAMES}'),
  ],
)
def test_what_cannot_be_scored_is_refused_in_a_sentence(session, change, words):
  config, call, _ = session
  given = {k: x.numpy() for k, x in told(config, 2).items()}
  audio = waveform(FRAMES * config.audio.hop_samples).numpy()
  audio = audio * change.get('audio', 1.0)
  given['mel'] = given['mel'][:, : change.get('mel', FRAMES)]
  with pytest.raises(tf.errors.InvalidArgumentError) as refusal:
    call('score')(audio=audio, **given)
  assert words in refusal.value.message


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
