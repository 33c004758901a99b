"""Keras' own ways of keeping a model: configurations, `.keras`, `.weights.h5`.

A model that Keras wrote and read says bit for bit what it said before.
"""

import inspect
import json
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import (
  miniature,
  random_classifier,
  random_student,
  random_teacher,
  randomize,
)
from tests.support.variants import (
  CONTEXT,
  HELD,
  LINGUISTIC,
  ONE_HOT,
  PITCH,
  SPEAKER,
)
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.networks import causal_network, context
from wavenet_tf.networks.classifier import Classifier
from wavenet_tf.networks.conditioning import pitch, upsampling
from wavenet_tf.networks.conditioning.conditioning import Conditioning, Encoded
from wavenet_tf.networks.stack import blocks, convolution
from wavenet_tf.networks.stack.dilated_stack import DilatedStack
from wavenet_tf.networks.student import Student
from wavenet_tf.networks.teacher import Teacher

FRAMES = 6
BFLOAT16 = {'teacher__product_dtype': 'bfloat16'}


def classifier_of_four(config):
  return random_classifier(config, 4)


# Each with its build and the differences of its configuration.
MODELS = {
  'mixture': (random_teacher, {}),
  'mu-law': (random_teacher, ONE_HOT),
  'context stack': (random_teacher, CONTEXT),
  'speaker': (random_teacher, SPEAKER),
  'held': (random_teacher, HELD),
  'bfloat16': (random_teacher, BFLOAT16),
  'student': (random_student, {}),
  'student of speakers': (random_student, SPEAKER),
  'student of pitch': (random_student, PITCH),
  'classifier': (classifier_of_four, {}),
  'one loss': (classifier_of_four, {'classifier__next_sample_weight': 0.0}),
}


@pytest.fixture(params=MODELS)
def model(request):
  build, overrides = MODELS[request.param]
  return build(miniature(**overrides))


def outputs(model):
  """What a model says of a recording, as NumPy arrays."""
  generator = np.random.default_rng(1)
  config = model.config
  waveform = tf.constant(
    generator.normal(0, 0.05, [2, FRAMES * config.audio.hop_samples]),
    tf.float32,
  )
  if isinstance(model, Classifier):
    return [x.numpy() for x in model(waveform)]
  mel = generator.normal(
    -5, 2, [2, FRAMES + 2 * MARGIN_FRAMES, config.local_channels]
  )
  told = generator.normal(size=[2, config.conditioning.global_channels])
  found = model(waveform, Conditioning.of(np.float32(mel), np.float32(told)))
  return [x.numpy() for x in tf.nest.flatten(found)]


def assert_same(model, other):
  expected, found = outputs(model), outputs(other)
  assert all(np.std(x) > 0 for x in expected)
  for x, y in zip(expected, found, strict=True):
    np.testing.assert_array_equal(x, y)


def assert_same_variables(model, other):
  for field in ('variables', 'trainable_variables'):
    expected, found = getattr(model, field), getattr(other, field)
    assert [v.path for v in expected] == [v.path for v in found]
    for x, y in zip(expected, found):
      np.testing.assert_array_equal(x.numpy(), y.numpy())


def test_a_saved_model_says_the_same(model, tmp_path):
  model.save(tmp_path / 'model.keras')
  loaded = keras.models.load_model(tmp_path / 'model.keras')
  assert type(loaded) is type(model)
  assert loaded.config == model.config
  assert_same_variables(model, loaded)
  assert_same(model, loaded)


def test_saved_weights_say_the_same(model, tmp_path):
  model.save_weights(tmp_path / 'model.weights.h5')
  other = type(model).from_config(model.get_config())
  other.build()
  assert all(
    np.any(x.numpy() != y.numpy())
    for x, y in zip(model.variables, other.variables, strict=True)
  )
  other.load_weights(tmp_path / 'model.weights.h5')
  assert_same(model, other)


def test_a_frozen_model_stays_frozen(tmp_path):
  """As `load_run` gives it."""
  teacher = random_teacher(miniature())
  teacher.trainable = False
  teacher.save(tmp_path / 'model.keras')
  loaded = keras.models.load_model(tmp_path / 'model.keras')
  assert not loaded.trainable_variables
  loaded.trainable = True
  teacher.trainable = True
  assert_same_variables(teacher, loaded)


def test_a_model_is_complete_without_a_call():
  """`build` makes all variables; calls add none."""
  teacher = Teacher(miniature(**CONTEXT, **SPEAKER))
  assert not teacher.variables
  teacher.build()
  count = len(teacher.variables)
  assert count
  outputs(teacher)
  assert len(teacher.variables) == count


def _state(layer, x):
  return layer.initial_state(x.shape[0], x.shape[-1])


def _call_network(net, x):
  return net(x, conditioning=Encoded(x), state=_state(net, x))


# Each with a call `(layer, x [B, T, C])`.
LAYERS = {
  'convolution': (
    lambda: convolution.CausalConvolution(
      5, 3, dilation=2, use_bias=False, beside_channels=4,
      kernel_initializer=keras.initializers.RandomNormal(stddev=0.3),
      product_dtype='bfloat16',
    ),
    lambda layer, x: layer(x, _state(layer, x), x),
  ),
  'block': (
    lambda: blocks.GatedResidualBlock(4, 3, 2, 4, 4, activation='relu'),
    lambda layer, x: layer(x, x, None, layer.convolution.initial_state(2, 4)),
  ),
  'last block': (
    lambda: blocks.GatedResidualBlock(4, 3, 2, 4, 4, has_output=False),
    lambda layer, x: layer(x, x, None, layer.convolution.initial_state(2, 4)),
  ),
  'stack': (
    lambda: DilatedStack((1, 2), 4, 3, 2, True, local_channels=4),
    lambda layer, x: layer(
      x, conditioning=Encoded(x, x[:, 0]), state=layer.initial_state(2)
    ),
  ),
  'network': (
    lambda: causal_network.CausalNetwork(
      dilations=(1, 2), kernel_size=2, residual_channels=4, gate_channels=3,
      skip_channels=5, outputs=2, output_bias=[0.5, -1.0], output_scale=0.1,
      input_gain=2.0, local_channels=4,
    ),
    _call_network,
  ),
  'flow': (
    lambda: causal_network.CausalNetwork(
      dilations=(1, 2), kernel_size=2, residual_channels=4, gate_channels=3,
      skip_channels=None, outputs=2, output_bias=(0.5, -1.0), output_scale=0.1,
      input_gain=2.0, local_channels=4, product_dtype='bfloat16',
    ),
    _call_network,
  ),
  'context stack': (
    lambda: context.ContextStack(miniature(**CONTEXT)),
    lambda layer, x: layer(
      layer.frames(tf.tile(x[..., 0], [1, 5])), layer.initial_state(2)
    ),
  ),
  'upsampler': (
    lambda: upsampling.ConditioningUpsampler(
      'transposed', (2, 3), 5, (-11.5, 0.0)
    ),
    lambda layer, x: layer(x),
  ),
  'holding upsampler': (
    lambda: upsampling.ConditioningUpsampler('repeat', (2, 3), 5, (-1.0, 0.0)),
    lambda layer, x: layer(x),
  ),
  'linear upsampler': (
    lambda: upsampling.ConditioningUpsampler(
      'interpolate', (2, 3), 5, (-1.0, 1.0), 2, 3, -0.5
    ),
    lambda layer, x: layer(x),
  ),
  'interpolation': (
    lambda: upsampling.Interpolation(3), lambda layer, x: layer(x)
  ),
  'encoder': (
    lambda: upsampling.ConditioningEncoder(
      miniature(audio__mel_bins=4, **SPEAKER)
    ),
    lambda layer, x: (
      (told := layer(Conditioning(x, x[:, 0, :3]))).local,
      told.global_,
    ),
  ),
  'pitch': (
    lambda: pitch.PitchEstimator(miniature(audio__mel_bins=4, **PITCH)),
    lambda layer, x: layer(x, tf.zeros([2], tf.int32)),
  ),
  'given pitch': (
    lambda: pitch.GivenPitch(miniature(**LINGUISTIC, **PITCH)),
    lambda layer, x: layer(x, tf.zeros([2], tf.int32)),
  ),
}  # fmt: skip


@pytest.mark.parametrize('name', LAYERS)
def test_a_layer_is_made_again_from_its_configuration(name, generator):
  """With the same initializers, types and wiring."""
  make, call = LAYERS[name]
  x = tf.constant(generator.normal(size=[2, 8, 4]), tf.float32)
  random.seed(0)  # Keras draws the seeds of its initializers from it.
  layer = make()
  call(layer, x)
  text = json.dumps(keras.saving.serialize_keras_object(layer))
  random.seed(0)
  again = keras.saving.deserialize_keras_object(json.loads(text))
  assert type(again) is type(layer)
  assert json.dumps(again.get_config()) == json.dumps(layer.get_config())
  call(again, x)
  for a, b in zip(layer.get_weights(), again.get_weights(), strict=True):
    np.testing.assert_array_equal(a, b)
  again.set_weights(randomize(layer).get_weights())
  expected, found = (tf.nest.flatten(call(one, x)) for one in (layer, again))
  for a, b in zip(expected, found, strict=True):
    np.testing.assert_array_equal(a, b)


def test_every_layer_and_model_is_registered():
  rooms = blocks, causal_network, context, convolution, pitch, upsampling
  found = {Teacher, Student, Classifier} | {
    value
    for room in rooms
    for value in vars(room).values()
    if inspect.isclass(value) and issubclass(value, keras.layers.Layer)
  }
  assert len(found) == 14
  for cls in found:
    name = f'wavenet_tf>{cls.__name__}'
    assert keras.saving.get_registered_name(cls) == name
    assert keras.saving.get_registered_object(name) is cls


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
