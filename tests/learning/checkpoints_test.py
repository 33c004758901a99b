"""What a checkpoint holds by name, and what happens when it does not fit."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import miniature, random_classifier, random_teacher
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.learning import checkpoints, tensor_file
from wavenet_tf.networks.classifier import build_classifier
from wavenet_tf.networks.student import build_student
from wavenet_tf.networks.teacher import build_teacher
from wavenet_tf.networks.weights import WeightVector

VECTORS = 'weights', 'first_moment', 'second_moment', 'average'
SCALARS = 'step', 'updates', 'bad_steps', 'skipped_steps'


def state_of(model, seed=0, step=5):
  """Weights of the model, all else at random."""
  weights = WeightVector(model.trainable_variables)
  generator = np.random.default_rng(seed)
  size = weights.variable.shape
  vectors = {
    kind: tf.Variable(generator.normal(size=size).astype(np.float32))
    for kind in VECTORS[1:]
  }
  scalars = {
    kind: tf.Variable(step + i, dtype=tf.int64)
    for i, kind in enumerate(SCALARS)
  }
  state = checkpoints.TrainingState(
    weights=weights.variable.value, **vectors, **scalars
  )
  return state, weights


def saved(model, folder, **options):
  state, weights = state_of(model, **options)
  checkpoints.save(folder, state, weights)
  return state, weights


def layers(*units, inputs=3, names=('first', 'second', 'third', 'fourth')):
  """Dense layers one after the other, with weights at random."""
  stack = [
    keras.layers.Dense(count, name=name) for count, name in zip(units, names)
  ]
  model = keras.Sequential(stack, name='model')
  model.build((None, inputs))
  return model


def test_every_tensor_is_stored_under_its_name(tmp_path):
  teacher = random_teacher(miniature())
  state, weights = saved(teacher, tmp_path)
  reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(tmp_path)))
  paths = [v.path for v in teacher.trainable_variables]
  assert 'teacher/network/output/kernel' in paths
  assert set(reader.get_variable_to_shape_map()) == {
    *(f'{kind}/{path}' for kind in VECTORS for path in paths),
    *SCALARS,
    'format',
  }
  for kind in VECTORS:
    parts = weights.split(getattr(state, kind))
    for path, part in zip(paths, parts, strict=True):
      np.testing.assert_array_equal(reader.get_tensor(f'{kind}/{path}'), part)
  for variable in teacher.trainable_variables:
    found = reader.get_tensor(f'weights/{variable.path}')
    np.testing.assert_array_equal(found, variable)
  for kind in SCALARS:
    assert reader.get_tensor(kind) == getattr(state, kind).numpy()
  assert reader.get_tensor('format') == tensor_file.FORMAT


def test_a_restored_state_is_the_saved_one(tmp_path):
  model = layers(4, 2)
  state, _ = saved(model, tmp_path)
  other, weights = state_of(layers(4, 2), seed=1, step=0)
  checkpoints.restore(tmp_path, other, weights)
  for kind, expected in state._asdict().items():
    np.testing.assert_array_equal(getattr(other, kind), expected, kind)


def test_layers_that_change_places_keep_their_weights(tmp_path):
  """In the code; an anonymous vector would give each the other's."""
  names = 'one', 'two'
  state, weights = saved(layers(3, 3, names=names), tmp_path)
  average = dict(zip(weights.paths, weights.split(state.average)))
  swapped = layers(3, 3, names=names[::-1])
  checkpoints.load_average(swapped, tmp_path)
  assert [v.path for v in swapped.variables] != weights.paths
  for variable in swapped.variables:
    np.testing.assert_array_equal(variable, average[variable.path])


@pytest.mark.parametrize(
  ('model', 'words'),
  [
    (
      lambda: layers(4, 2, 2),
      ['2 missing (average/model/third/kernel, float32 [2, 2]; average/model'],
    ),
    (
      lambda: layers(4),
      ['2 unknown (average/model/second/bias, float32 [2]; '],
    ),
    (
      lambda: layers(4, 2, inputs=5),
      ['1 of another shape or type (average/model/first/kernel, float32 [3, 4] '
       'instead of float32 [5, 4])'],
    ),
    (
      lambda: layers(4, 2, names=('first', 'renamed')),
      ['2 missing (average/model/renamed/kernel, float32 [4, 2]; ',
       '2 unknown (average/model/second/bias, float32 [2]; '],
    ),
  ],
)  # fmt: skip
def test_another_model_is_refused_tensor_by_tensor(model, words, tmp_path):
  saved(layers(4, 2), tmp_path)
  model = model()
  before = model.get_weights()
  with pytest.raises(UserError) as error:
    checkpoints.load_average(model, tmp_path)
  for word in [f'{tmp_path / "ckpt-5"}: its tensors', *words, '--workdir']:
    assert word in str(error.value)
  for a, b in zip(before, model.get_weights(), strict=True):
    np.testing.assert_array_equal(a, b)
  with pytest.raises(UserError, match='its tensors are not those'):
    checkpoints.restore(tmp_path, *state_of(model))


def test_another_type_is_another_tensor(tmp_path):
  tensor_file.write(tmp_path / 'ckpt-1', {'step': tf.constant(1.5)})
  with pytest.raises(UserError, match=r'float32 .* instead of int64'):
    tensor_file.read(tmp_path / 'ckpt-1', {'step': tf.constant(1, tf.int64)})


def test_what_no_loss_trains_is_in_no_checkpoint(tmp_path):
  config = miniature(classifier__next_sample_weight=0.0)
  state, weights = saved(random_classifier(config, 3), tmp_path)
  again = checkpoints.load_average(build_classifier(config, 3), tmp_path)
  found = {v.path: v.numpy() for v in again.variables}
  assert 0 < len(weights.paths) < len(found)
  for path, part in zip(weights.paths, weights.split(state.average)):
    np.testing.assert_array_equal(found[path], part)


def test_two_weights_of_one_path_are_refused():
  twice = [keras.Variable(tf.zeros([2]), name='kernel') for _ in range(2)]
  with pytest.raises(ValueError, match='one path'):
    WeightVector(twice)


# Formats.


def both_refuse(folder, match):
  with pytest.raises(UserError, match=match):
    checkpoints.load_average(layers(4, 2), folder)
  with pytest.raises(UserError, match=match):
    checkpoints.restore(folder, *state_of(layers(4, 2)))


def test_a_later_format_is_refused(tmp_path, monkeypatch):
  """Even if there is an older checkpoint: it would lose steps in silence."""
  saved(layers(4, 2), tmp_path)
  monkeypatch.setattr(tensor_file, 'FORMAT', 2)
  saved(layers(4, 2), tmp_path, step=6)
  monkeypatch.undo()
  both_refuse(tmp_path, r'ckpt-6: has checkpoint format 2, expected at most 1')


def test_a_vector_without_names_is_refused(tmp_path):
  """As between 0.3.0 and 0.4.0."""
  vector = tf.Variable(tf.zeros([22]))
  checkpoint = tf.train.Checkpoint(weight_vector=vector, average_vector=vector)
  checkpoint.write(str(tmp_path / 'ckpt-1'))
  both_refuse(tmp_path, r'ckpt-1: is not a checkpoint of release 0\.3\.0')


def written_by_0_3_0(model, folder):
  """Its lists; the optimizer's begins with a count and goes in pairs."""
  state, weights = state_of(model)
  lists = {
    kind: [tf.Variable(x) for x in weights.split(getattr(state, kind))]
    for kind in VECTORS
  }
  moments = zip(lists['first_moment'], lists['second_moment'])
  tf.train.Checkpoint(
    weights=lists['weights'],
    optimizer=[state.updates, *(x for pair in moments for x in pair)],
    average=lists['average'],
    step=state.step,
    bad_steps=state.bad_steps,
    skipped_steps=state.skipped_steps,
  ).save(str(folder / 'ckpt'))
  return state


def test_release_0_3_0_is_converted(tmp_path):
  state = written_by_0_3_0(layers(4, 2), tmp_path)
  other, weights = state_of(layers(4, 2), seed=1, step=0)
  checkpoints.restore(tmp_path, other, weights)
  for kind, expected in state._asdict().items():
    np.testing.assert_array_equal(getattr(other, kind), expected, kind)
  model = checkpoints.load_average(layers(4, 2), tmp_path)
  for variable, expected in zip(model.weights, weights.split(state.average)):
    np.testing.assert_array_equal(variable, expected)


@pytest.mark.parametrize(
  ('model', 'match'),
  [
    (lambda: layers(4, 2, 2), '2 missing .average/model/third/kernel'),
    (lambda: layers(4), '2 unknown .average/2/'),
    (
      lambda: layers(4, 2, inputs=5),
      '1 of another shape or type .average/model/first',
    ),
  ],
)
def test_release_0_3_0_of_another_model_is_refused(model, match, tmp_path):
  written_by_0_3_0(layers(4, 2), tmp_path)
  with pytest.raises(UserError, match=match):
    checkpoints.load_average(model(), tmp_path)


# Files.


def names_in(folder):
  return sorted(path.name for path in folder.iterdir())


def files_of(*steps):
  suffixes = '.data-00000-of-00001', '.index'
  return [f'ckpt-{step}{suffix}' for step in steps for suffix in suffixes]


def test_the_last_three_are_kept(tmp_path):
  model = layers(4, 2)
  for step in 8, 9, 10, 11:
    saved(model, tmp_path, step=step)
  assert names_in(tmp_path) == ['checkpoint', *files_of(10, 11, 9)]
  assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / 'ckpt-11')


def test_one_that_could_not_be_read_displaces_none(tmp_path):
  """Training went on from before it."""
  model = layers(4, 2)
  for step in 6, 7, 20, 8:
    saved(model, tmp_path, step=step)
  assert names_in(tmp_path) == ['checkpoint', *files_of(20, 6, 7, 8)]


def test_a_damaged_index_falls_back_wherever_the_damage_is(tmp_path, caplog):
  model = layers(4, 2)
  saved(model, tmp_path, step=4)
  saved(model, tmp_path, step=5)
  path = tmp_path / 'ckpt-5.index'
  whole = path.read_bytes()
  state, weights = state_of(model)
  damaged = [whole[:-1], whole[: len(whole) // 2], b'']
  for at in range(0, len(whole), 7):
    flipped = bytearray(whole)
    flipped[at] ^= 0xFF
    damaged.append(bytes(flipped))
  steps = []
  for content in damaged:
    path.write_bytes(content)
    checkpoints.restore(tmp_path, state, weights)
    steps.append(int(state.step))
  # A few bytes are padding.
  assert steps.count(4) > 0.9 * len(steps)
  assert set(steps) <= {4, 5}
  assert 'ckpt-5 cannot be read' in caplog.text


def full_disk(**arguments):
  """Leaves what TensorFlow may leave when it fails."""
  path = pathlib.Path(arguments['prefix'] + '.data-00000-of-00001.tempstate1')
  path.write_bytes(b'half')
  raise tf.errors.ResourceExhaustedError(None, None, 'No space left\nat all')


def test_no_space_leaves_what_was_there(tmp_path, monkeypatch):
  model = layers(4, 2)
  saved(model, tmp_path, step=4)
  before = names_in(tmp_path)
  with monkeypatch.context() as patch:
    patch.setattr(tf.raw_ops, 'SaveV2', full_disk)
    with pytest.raises(UserError, match=r'cannot be written \(No space left\)'):
      saved(model, tmp_path, step=5)
  assert names_in(tmp_path) == before
  saved(model, tmp_path, step=5)
  assert names_in(tmp_path) == ['checkpoint', *files_of(4, 5)]


def test_what_a_killed_process_left_is_removed(tmp_path):
  """A file of TensorFlow's with a random name, which would stay for ever."""
  (tmp_path / 'ckpt.partial.data-00000-of-00001.tempstate1').write_bytes(b'a')
  saved(layers(4, 2), tmp_path, step=4)
  assert names_in(tmp_path) == ['checkpoint', *files_of(4)]


def test_an_index_that_cannot_be_renamed_is_no_checkpoint(
  tmp_path, monkeypatch
):
  rename = pathlib.Path.replace

  def refuse(path, target):
    if path.suffix == '.index':
      raise OSError(28, 'No space left')
    return rename(path, target)

  monkeypatch.setattr(pathlib.Path, 'replace', refuse)
  with pytest.raises(UserError, match='cannot be written'):
    saved(layers(4, 2), tmp_path)
  with pytest.raises(UserError, match='has no checkpoint'):
    checkpoints.load_average(layers(4, 2), tmp_path)


@pytest.mark.parametrize('build', [build_teacher, build_student])
def test_building_a_model_twice_gives_the_same_paths(build):
  """No counter of Keras' is in them."""
  config = miniature(
    conditioning__globals=('vector',),
    conditioning__global_channels=2,
    context__cycles=1,
    context__layers_per_cycle=3,
    context__pool_samples=20,
  )
  first, second = ([v.path for v in build(config).weights] for _ in range(2))
  assert first == second
  assert len(set(first)) == len(first)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
