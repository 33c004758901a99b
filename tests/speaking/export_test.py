"""The SavedModel in a process that has none of this project's code."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.support.miniature import (
  miniature,
  random_student,
  random_teacher,
  randomize,
)
from tests.support.recordings import features_of
from tests.support.replay import one_pass
from tests.support.variants import PITCH, SPEAKER
from wavenet_tf.signal import spectra
from wavenet_tf.speaking.served import export

# Loads as a server does: a graph and a session, no Python of ours, no TFP.
CLIENT = """
import sys
import numpy as np
import tensorflow as tf
folder, inputs, outputs = sys.argv[1:]
given = np.load(inputs)
with tf.compat.v1.Session(graph=tf.Graph()) as session:
  graph = tf.compat.v1.saved_model.load(session, ['serve'], folder)
  def call(name, **feeds):
    signature = graph.signature_def[name]
    return session.run(
        {k: v.name for k, v in signature.outputs.items()},
        {signature.inputs[k].name: v for k, v in feeds.items()})
  mel = call('features', audio=given['audio'])['mel']
  audio = call('serving_default', mel=mel, seed=given['seed'])['audio']
np.savez(outputs, mel=mel, audio=audio)
loaded = [name for name in sys.modules if name.split('.')[0] in
          ('wavenet_tf', 'data', 'tensorflow_probability', 'tensorflow_io')]
assert not loaded, loaded
"""


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
  """Into a folder with a version, and what a killed process left."""
  config = miniature()
  student = random_student(config)
  folder = tmp_path_factory.mktemp('export')
  for name in '1.partial', '7':
    (folder / name).mkdir()
  return config, student, export.export(student, config, folder)


def test_a_bare_process_says_the_same(exported, tmp_path):
  config, student, path = exported
  waveform = np.random.default_rng(0).normal(0, 0.1, (2, 500))
  waveform = waveform.astype(np.float32)
  seed = np.array([[1, 2], [3, 4]], np.int32)
  np.savez(tmp_path / 'in.npz', audio=waveform, seed=seed)
  subprocess.run(
    [
      sys.executable, '-I', '-c', CLIENT, str(path),
      str(tmp_path / 'in.npz'), str(tmp_path / 'out.npz'),
    ],
    check=True,
    cwd=tmp_path,
  )  # fmt: skip
  answer = np.load(tmp_path / 'out.npz')
  features = spectra.log_mel(tf.constant(waveform), config.audio)
  np.testing.assert_allclose(answer['mel'], features, atol=1e-4)
  expected = one_pass(student, config, features, tf.constant(seed))
  np.testing.assert_allclose(answer['audio'], expected, atol=1e-5)
  assert answer['audio'].shape == (2, 25 * config.audio.hop_samples)


def test_a_global_vector_is_heard_as_in_memory(tmp_path):
  """And the running phase of F0."""
  config = miniature(**SPEAKER, **PITCH)
  student = random_student(config)
  speak = signatures(export.export(student, config, tmp_path))[
    'serving_default'
  ]
  given = {
    'mel': tf.random.stateless_uniform(
      [2, 6, config.audio.mel_bins], [1, 2], -8.0, 0.0
    ),
    'seed': tf.constant([[1, 2], [1, 2]], tf.int32),
    'global_vector': tf.constant([[1.0, 0, 0], [0, 0.5, 2]]),
  }
  found = speak(**given)['audio'].numpy()
  expected = one_pass(student, config, *given.values())
  np.testing.assert_allclose(found, expected, atol=1e-5)
  given['global_vector'] = given['global_vector'][::-1]
  assert np.abs(speak(**given)['audio'] - found).max() > 1e-3


def signatures(path):
  return tf.saved_model.load(str(path)).signatures


def test_signatures_have_stable_names_types_and_shapes(exported):
  config, _, path = exported
  speak = signatures(path)['serving_default']
  inputs = speak.structured_input_signature[1]
  assert {n: (s.dtype, s.shape.as_list()) for n, s in inputs.items()} == {
    'mel': (tf.float32, [None, None, config.audio.mel_bins]),
    'seed': (tf.int32, [None, 2]),
  }
  assert list(speak.structured_outputs) == ['audio']
  front_end = signatures(path)['features']
  assert list(front_end.structured_input_signature[1]) == ['audio']
  assert list(front_end.structured_outputs) == ['mel']


def graph_defs(path):
  model = saved_model_pb2.SavedModel.FromString(
    (path / 'saved_model.pb').read_bytes()
  )
  graph = model.meta_graphs[0].graph_def
  yield graph.node, {}
  for function in graph.library.function:
    yield function.node_def, function.attr


def test_only_stock_operations_and_no_must_compile_mark(exported):
  _, _, path = exported
  stock = set(dir(tf.raw_ops))
  for nodes, attributes in graph_defs(path):
    assert '_XlaMustCompile' not in attributes or not (
      attributes['_XlaMustCompile'].b
    )
    for node in nodes:
      assert not node.op.startswith('IO>')
      assert 'PyFunc' not in node.op
      assert node.op in stock, node.op
      assert '_XlaMustCompile' not in node.attr


def test_same_seed_same_audio_and_rows_are_independent(exported):
  config, _, path = exported
  speak = signatures(path)['serving_default']
  mel = tf.random.stateless_uniform(
    [3, 7, config.audio.mel_bins], [1, 2], -8.0, 0.0
  )
  mel = tf.tile(mel[:1], [3, 1, 1])
  seed = tf.constant([[1, 2], [1, 2], [1, 3]], tf.int32)
  first, again, other = speak(mel=mel, seed=seed)['audio'].numpy()
  np.testing.assert_array_equal(first, again)
  assert np.abs(first - other).max() > 1e-3


def test_warmup_requests_ask_every_signature(exported):
  from tensorflow_serving.apis import prediction_log_pb2

  _, _, path = exported
  model = signatures(path)
  records = tf.data.TFRecordDataset(
    str(path / 'assets.extra' / 'tf_serving_warmup_requests')
  )
  asked = set()
  for record in records.as_numpy_iterator():
    log = prediction_log_pb2.PredictionLog.FromString(record)
    request = log.predict_log.request
    inputs = {
      name: tf.constant(tf.make_ndarray(value))
      for name, value in request.inputs.items()
    }
    asked.add(request.model_spec.signature_name)
    assert model[request.model_spec.signature_name](**inputs)
  assert asked == set(model)


@pytest.mark.large
def test_a_compiled_signature_is_there_on_request(tmp_path):
  """Marked for XLA, and in no other signature's way."""
  config = miniature(export__compiled=True)
  student = random_student(config)
  path = export.export(student, config, tmp_path)
  marks = [
    attributes['_XlaMustCompile'].b
    for _, attributes in graph_defs(path)
    if '_XlaMustCompile' in attributes
  ]
  assert any(marks)
  mel = features_of(config, 11)
  seed = tf.constant([[1, 2], [3, 4]])
  model = signatures(path)
  np.testing.assert_allclose(
    model['compiled'](mel=mel, seed=seed)['audio'],
    model['serving_default'](mel=mel, seed=seed)['audio'],
    atol=1e-4,
  )


def test_a_run_without_a_student_serves_its_teacher(tmp_path):
  config = miniature(student__flow_layers=())
  path = export.export(None, config, tmp_path, random_teacher(config))
  assert set(signatures(path)) == {'features', 'teacher', 'score', 'limits'}


def test_versions_count_up_and_nothing_partial_stays(exported):
  config, _, path = exported
  assert path.name == '8'
  assert sorted(p.name for p in path.parent.iterdir()) == [
    '1.partial', '7', '8'
  ]  # fmt: skip
  saved = json.loads((path / 'assets.extra' / 'config.json').read_text())
  assert saved['audio']['mel_bins'] == config.audio.mel_bins


def test_a_model_that_does_not_load_back_gets_no_version(
  exported, tmp_path, monkeypatch
):
  """What is written here is a copy of another model."""
  config, _, path = exported
  monkeypatch.setattr(
    tf.saved_model,
    'save',
    lambda served, folder, signatures: shutil.copytree(
      path, folder, ignore=shutil.ignore_patterns('assets.extra')
    ),
  )
  student = randomize(random_student(config), seed=1)
  with pytest.raises(AssertionError, match='Not equal to tolerance'):
    export.export(student, config, tmp_path)
  assert not list(tmp_path.iterdir())


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
