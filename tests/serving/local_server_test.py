"""The local server refuses as TensorFlow Serving does, and lives on."""

import contextlib
import http.client
import json
import subprocess
import sys
import threading

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
  get_model_metadata_pb2,
  get_model_status_pb2,
  model_service_pb2_grpc,
  predict_pb2,
  prediction_service_pb2_grpc,
)

from serving.local_model import Limits, LocalModel, newest_version
from serving.local_server import serving
from tests.serving import tiny_model
from tests.support.project_imports import ROOT

X = np.array([[1.0, 2.5]], np.float32)
N = np.array([7], np.int32)
MESSAGE_BYTES = 100_000


class Client:
  """Asks one server in both languages."""

  def __init__(self, ports):
    self.ports = ports
    self.channel = grpc.insecure_channel(f'127.0.0.1:{ports.grpc}')
    self.stub = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
    self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

  def predict(self, signature='', **inputs):
    answer = self.stub.Predict(request_of(signature, **inputs), timeout=20)
    return {name: tf.make_ndarray(v) for name, v in answer.outputs.items()}

  def status(self):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = 'tiny'
    return self.models.GetModelStatus(request, timeout=20).model_version_status

  def rest(self, path, body=None, **headers):
    """-> status and what was answered, from JSON."""
    with contextlib.closing(
      http.client.HTTPConnection('127.0.0.1', self.ports.rest, timeout=20)
    ) as connection:
      if isinstance(body, dict):
        body = json.dumps(body)
      connection.request('POST' if body else 'GET', path, body, headers)
      answer = connection.getresponse()
      return answer.status, json.loads(answer.read())


def request_of(signature='', model='tiny', **inputs):
  request = predict_pb2.PredictRequest()
  request.model_spec.name = model
  request.model_spec.signature_name = signature
  for name, value in inputs.items():
    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
  return request


@pytest.fixture(scope='module')
def base_path(tmp_path_factory):
  """Version 10 is newer than 9, which is no model at all."""
  folder = tmp_path_factory.mktemp('tiny')
  (folder / '9').mkdir()
  (folder / 'notes').mkdir()
  tiny_model.save(folder / '10', warm_up=X)
  return folder


@pytest.fixture(scope='module')
def model(base_path):
  return LocalModel(
    base_path, 'tiny', Limits(computing=1, waiting=1,
                              message_bytes=MESSAGE_BYTES)
  )  # fmt: skip


@pytest.fixture(scope='module')
def client(model):
  with serving(model) as ports:
    yield Client(ports)


@pytest.fixture
def alive(client):
  """Whatever a test does, the next request is answered."""
  yield
  np.testing.assert_array_equal(client.predict(x=X)['y'], 2 * X)


def refusal_of(call, *arguments, **named):
  """-> the name of the code and what is said."""
  with pytest.raises(grpc.RpcError) as caught:
    call(*arguments, **named)
  return caught.value.code().name, caught.value.details()


def test_both_languages_say_the_same(client):
  np.testing.assert_array_equal(client.predict(x=X)['y'], 2 * X)
  column = {'inputs': {'x': X.tolist()}}
  rows = {'instances': [{'x': X[0].tolist()}]}
  assert client.rest('/v1/models/tiny:predict', column) == (
    200, {'outputs': (2 * X).tolist()}
  )  # fmt: skip
  assert client.rest('/v1/models/tiny/versions/10:predict', rows) == (
    200, {'predictions': (2 * X).tolist()}
  )  # fmt: skip


def test_several_outputs_have_names(client):
  answer = client.predict('pair', x=X, n=N)
  assert answer['sum'] == [3.5] and answer['next'] == [8]
  assert answer['next'].dtype == np.int32
  _, answer = client.rest(
    '/v1/models/tiny:predict',
    {
      'signature_name': 'pair',
      'inputs': {'x': X.tolist(), 'n': N.tolist()},
    },
  )
  assert answer['outputs']['next'] == [8]
  request = request_of('pair', x=X, n=N)
  request.output_filter.append('next')
  assert list(client.stub.Predict(request).outputs) == ['next']


def test_status_and_metadata(client):
  (version,) = client.status()
  assert version.version == 10
  assert version.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
  told = client.rest('/v1/models/tiny')[1]['model_version_status'][0]
  assert (told['version'], told['state']) == ('10', 'AVAILABLE')

  request = get_model_metadata_pb2.GetModelMetadataRequest()
  request.model_spec.name = 'tiny'
  request.metadata_field.append('signature_def')
  found = get_model_metadata_pb2.SignatureDefMap()
  answer = client.stub.GetModelMetadata(request)
  answer.metadata['signature_def'].Unpack(found)
  inputs = found.signature_def['pair'].inputs
  assert [d.size for d in inputs['x'].tensor_shape.dim] == [-1, -1]
  _, told = client.rest('/v1/models/tiny/metadata')
  told = told['metadata']['signature_def']['signature_def']['pair']['inputs']
  assert told['n']['dtype'] == 'DT_INT32'
  request.metadata_field[0] = 'secrets'
  assert refusal_of(client.stub.GetModelMetadata, request)[0] == (
    'INVALID_ARGUMENT'
  )


@pytest.mark.usefixtures('alive')
def test_what_is_no_shape_of_the_signature_is_for_the_graph_to_refuse(client):
  sentence = 'x: found rank 1, expected 2.'
  code, said = refusal_of(client.predict, x=X[0])
  assert code == 'INVALID_ARGUMENT' and sentence in said
  status, answer = client.rest(
    '/v1/models/tiny:predict', {'inputs': {'x': X[0].tolist()}}
  )
  assert status == 400 and sentence in answer['error']


@pytest.mark.usefixtures('alive')
@pytest.mark.parametrize(
  ('request_', 'code'),
  [
    (request_of(), 'INVALID_ARGUMENT'),
    (request_of(y=X), 'INVALID_ARGUMENT'),
    (request_of(x=X, y=X), 'INVALID_ARGUMENT'),
    (request_of(x=X.astype(np.float64)), 'INVALID_ARGUMENT'),
    (request_of(x=X.astype(np.int32)), 'INVALID_ARGUMENT'),
    (request_of(x=[['a']]), 'INVALID_ARGUMENT'),
    (request_of('nothing', x=X), 'FAILED_PRECONDITION'),
    (request_of(model='nobody', x=X), 'NOT_FOUND'),
  ],
)
def test_refusals_have_the_codes_of_the_server(client, request_, code):
  assert refusal_of(client.stub.Predict, request_)[0] == code


@pytest.mark.usefixtures('alive')
def test_a_version_is_this_one_or_unknown(client):
  request = request_of(x=X)
  request.model_spec.version.value = 10
  client.stub.Predict(request)
  request.model_spec.version.value = 9
  assert refusal_of(client.stub.Predict, request)[0] == 'NOT_FOUND'
  request.model_spec.version_label = 'stable'
  assert refusal_of(client.stub.Predict, request)[0] == 'INVALID_ARGUMENT'


def broken(change):
  proto = tf.make_tensor_proto(X)
  change(proto)
  return proto


def _sizes(*sizes):
  def change(proto):
    del proto.tensor_shape.dim[:]
    for size in sizes:
      proto.tensor_shape.dim.add(size=size)

  return change


def _empty(*sizes):
  def change(proto):
    _sizes(*sizes)(proto)
    proto.tensor_content = b''

  return change


def _fields(**fields):
  def change(proto):
    for name, value in fields.items():
      setattr(proto, name, value)

  return change


BROKEN = {
  'a negative size': _sizes(-1, 2),
  'another size': _sizes(3, 3),
  'a size beyond all memory': _sizes(2**40, 2**20),
  'sizes whose product overflows': _empty(2**62, 8),
  'a gigabyte of nothing': _empty(2**15, 2**15),
  'bytes that are no numbers': _fields(tensor_content=b'123'),
  'no type': _fields(dtype=0),
  'an unknown type': _fields(dtype=99),
  'a resource': _fields(dtype=20),
  'a variant': _fields(dtype=21),
  'text': _fields(dtype=7),
  'no rank': lambda proto: setattr(proto.tensor_shape, 'unknown_rank', True),
}


@pytest.mark.usefixtures('alive')
@pytest.mark.parametrize('change', BROKEN.values(), ids=list(BROKEN))
def test_a_broken_tensor_is_an_invalid_argument(client, change):
  request = request_of()
  request.inputs['x'].CopyFrom(broken(change))
  code, said = refusal_of(client.stub.Predict, request)
  assert code == 'INVALID_ARGUMENT', said


@pytest.mark.usefixtures('alive')
def test_a_broken_message_is_an_error(client):
  whole = request_of(x=X).SerializeToString()
  call = client.channel.unary_unary(
    '/tensorflow.serving.PredictionService/Predict'
  )
  for length in range(0, len(whole), 7):
    refusal_of(call, whole[:length], timeout=20)


@pytest.mark.usefixtures('alive')
@pytest.mark.parametrize(
  'body',
  [
    '{',
    '[]',
    '{}',
    '"x"',
    '[' * 100_000,
    '{"inputs": {"x": [[1, 2], [3]]}}',
    '{"inputs": {"x": [["1"]]}}',
    '{"inputs": {"x": null}}',
    '{"inputs": {"x": [[1]]}, "instances": [{"x": [1]}]}',
    '{"inputs": {"y": [[1]]}}',
    '{"instances": []}',
    '{"instances": [{"x": [1]}, {"y": [1]}]}',
    '{"inputs": {"x": [[1]]}, "signature_name": 3}',
    '{"inputs": {"x": [[1]], "n": [1.5]}, "signature_name": "pair"}',
    '{"inputs": {"x": [[1]], "n": [99999999999]}, "signature_name": "pair"}',
    '{"inputs": {"x": [[1]], "n": [1e400]}, "signature_name": "pair"}',
    '{"inputs": {"x": [[1]]}, "signature_name": "nothing"}',
    ' ' * (MESSAGE_BYTES + 1),
  ],
)
def test_json_that_is_no_request_is_an_error(client, body):
  status, answer = client.rest('/v1/models/tiny:predict', body)
  assert status == 400 and answer['error']


@pytest.mark.usefixtures('alive')
def test_paths_that_are_no_model_are_errors(client):
  for path in '/', '/v1/models/', '/v1/models/tiny:classify', '/v1/models/t:':
    assert client.rest(path)[0] == 400
  for path in '/v1/models/nobody', '/v1/models/tiny/versions/9/metadata':
    assert client.rest(path)[0] == 404
  assert client.rest('/v1/models/tiny:predict')[0] == 400
  assert client.rest(
    '/v1/models/tiny:predict', '{}', **{'Content-Length': '-5'}
  )[0] == 400  # fmt: skip


@pytest.mark.usefixtures('alive')
def test_a_message_has_a_largest_size(client):
  large = np.zeros([1, MESSAGE_BYTES // 4 + 1], np.float32)
  code, said = refusal_of(client.predict, x=large)
  assert code == 'RESOURCE_EXHAUSTED' and 'larger than max' in said


@contextlib.contextmanager
def busy(model):
  """One request is computed and stays so."""
  begun, end = threading.Event(), threading.Event()

  def wanted():
    begun.set()
    end.wait()
    return True

  thread = threading.Thread(
    target=model.predict, args=('', {'x': X}), kwargs={'wanted': wanted}
  )
  thread.start()
  begun.wait()
  try:
    yield
  finally:
    end.set()
    thread.join()


def until_full(client):
  """Returns when the one that may wait has come."""
  code = ''
  while code != 'RESOURCE_EXHAUSTED':
    code, _ = refusal_of(client.stub.Predict, request_of(x=X), timeout=0.3)


@pytest.mark.usefixtures('alive')
def test_who_waits_too_long_or_is_one_too_many_is_told_so(client, model):
  with busy(model):
    late = client.stub.Predict.future(request_of(x=X), timeout=0.5)
    assert late.code().name == 'DEADLINE_EXCEEDED'
    waiting = client.stub.Predict.future(request_of(x=X), timeout=60)
    until_full(client)
    column = {'inputs': {'x': X.tolist()}}
    assert client.rest('/v1/models/tiny:predict', column)[0] == 429
    assert client.rest('/v1/models/tiny')[0] == 200
  assert waiting.result().outputs


@pytest.mark.usefixtures('alive')
def test_nothing_is_computed_for_who_is_gone(client, model):
  def asked():
    return client.predict('pair', x=X, n=N)['asked'][()]

  before = asked()
  with busy(model):
    gone = client.stub.Predict.future(request_of(x=X), timeout=60)
    until_full(client)
    gone.cancel()
    client.status()  # Comes after it, on the same connection.
  assert asked() <= before + 2  # The busy one, and this question.


def test_warm_up_comes_before_everything(base_path):
  model = LocalModel(base_path, 'tiny')
  asked = model.predict('pair', {'x': X, 'n': N})['asked']
  model.close()
  assert asked == 2


def test_a_model_that_refuses_its_warm_up_is_not_served(tmp_path):
  tiny_model.save(tmp_path / '1', warm_up=X[0])
  with pytest.raises(tf.errors.InvalidArgumentError, match='found rank 1'):
    LocalModel(tmp_path, 'tiny')


def test_no_version_is_one_sentence(tmp_path):
  with pytest.raises(FileNotFoundError, match='no version'):
    newest_version(tmp_path / 'missing')


def test_a_process_that_is_told_to_stop_ends_well(base_path):
  with subprocess.Popen(
    [
      sys.executable, '-m', 'serving.local_server', '--model_name=tiny',
      f'--model_base_path={base_path}', '--port=0', '--rest_api_port=0',
    ],
    cwd=ROOT, stdout=subprocess.PIPE, text=True,
  ) as server:  # fmt: skip
    said = server.stdout.readline()
    assert 'tiny version 10: gRPC on port' in said
    server.terminate()
    assert server.wait(60) == 0


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
