"""The serving client against a stand-in server on the loopback interface."""

from concurrent import futures
import contextlib
import http.server
import json
import pathlib
import subprocess
import sys
import threading

import grpc
import numpy as np
import pytest
import soundfile
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.support.miniature import miniature, random_student
from tests.support.recordings import speech_like
from wavenet_tf.speaking import export

CLIENT = pathlib.Path(__file__).parents[1] / 'serving' / 'client.py'


class GrpcStandIn(prediction_service_pb2_grpc.PredictionServiceServicer):
  """Predict, from a SavedModel."""

  def __init__(self, signatures, heard):
    self.signatures = signatures
    self.heard = heard

  def Predict(self, request, context):
    inputs = {
      name: tf.constant(tf.make_ndarray(value))
      for name, value in request.inputs.items()
    }
    self.heard.append(inputs)
    if request.model_spec.name != 'wavenet':
      context.abort(grpc.StatusCode.NOT_FOUND, 'no such model')
    answer = predict_pb2.PredictResponse()
    outputs = self.signatures[request.model_spec.signature_name](**inputs)
    for name, value in outputs.items():
      answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    return answer


def rest_stand_in(signatures, heard):
  class Handler(http.server.BaseHTTPRequestHandler):
    """Answers in the row-less format, single outputs without a name."""

    def do_POST(self):
      body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
      if self.path != '/v1/models/wavenet:predict':
        self.send_error(404, 'no such model')
        return
      signature = signatures[body['signature_name']]
      heard.append(body['inputs'])
      specs = signature.structured_input_signature[1]
      outputs = signature(**{
        name: tf.constant(value, specs[name].dtype)
        for name, value in body['inputs'].items()
      })  # fmt: skip
      (value,) = outputs.values()
      blob = json.dumps({'outputs': value.numpy().tolist()}).encode()
      self.send_response(200)
      self.end_headers()
      self.wfile.write(blob)

    def log_message(self, *args):
      pass

  return http.server.HTTPServer(('127.0.0.1', 0), Handler)


@contextlib.contextmanager
def serving(config, folder):
  """-> ports by protocol, and a list that the inputs of requests join."""
  path = export.export(random_student(config), config, folder)
  heard = []
  model = tf.saved_model.load(str(path))
  grpc_server = grpc.server(futures.ThreadPoolExecutor(1))
  prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
    GrpcStandIn(model.signatures, heard), grpc_server
  )
  grpc_port = grpc_server.add_insecure_port('127.0.0.1:0')
  grpc_server.start()
  rest_server = rest_stand_in(model.signatures, heard)
  threading.Thread(target=rest_server.serve_forever, daemon=True).start()
  try:
    yield {'grpc': grpc_port, 'rest': rest_server.server_port}, heard
  finally:
    grpc_server.stop(0)
    rest_server.shutdown()


@pytest.fixture(scope='module')
def ports(tmp_path_factory):
  with serving(miniature(), tmp_path_factory.mktemp('export')) as (found, _):
    yield found


def ask(tmp_path, protocol, port, *flags):
  soundfile.write(tmp_path / 'in.wav', speech_like(), 8000)
  return subprocess.run(
    [
      sys.executable, '-P', str(CLIENT), '--host=127.0.0.1', f'--port={port}',
      f'--protocol={protocol}', f'--input={tmp_path / "in.wav"}',
      f'--output={tmp_path / protocol}.wav', *flags,
    ],
    capture_output=True, text=True, timeout=120, cwd=tmp_path,
  )  # fmt: skip


def test_both_protocols_hear_the_same(ports, tmp_path):
  for protocol, port in ports.items():
    done = ask(tmp_path, protocol, port, '--seed=3')
    assert done.returncode == 0, done.stderr
  by_grpc, rate = soundfile.read(tmp_path / 'grpc.wav')
  by_rest, _ = soundfile.read(tmp_path / 'rest.wav')
  assert rate == 8000
  assert len(by_grpc) == 8000
  np.testing.assert_allclose(by_grpc, by_rest, atol=2**-14)
  assert np.abs(by_grpc).max() > 0


def test_the_global_vector_is_in_the_request(tmp_path):
  config = miniature(
    conditioning__globals=('speaker',), conditioning__global_channels=3
  )
  with serving(config, tmp_path / 'export') as (found, heard):
    for protocol, port in found.items():
      done = ask(tmp_path, protocol, port, '--global=0,1,-0.5')
      assert done.returncode == 0, done.stderr
      features, request = heard
      assert features.keys() == {'audio'}
      np.testing.assert_array_equal(request['global_vector'], [[0, 1, -0.5]])
      heard.clear()


def test_a_global_vector_of_words_is_one_sentence(tmp_path):
  done = ask(tmp_path, 'grpc', 1, '--global=0,loud')
  assert done.returncode == 1
  assert 'Traceback' not in done.stderr
  assert '--global' in done.stderr and 'loud' in done.stderr


@pytest.mark.parametrize('protocol', ['grpc', 'rest'])
def test_an_error_of_the_server_is_one_sentence(protocol, ports, tmp_path):
  done = ask(tmp_path, protocol, ports[protocol], '--model=nobody')
  assert done.returncode == 1
  assert 'Traceback' not in done.stderr
  assert 'no such model' in done.stderr
  assert not (tmp_path / f'{protocol}.wav').exists()


@pytest.mark.parametrize('protocol', ['grpc', 'rest'])
def test_no_server_is_one_sentence(protocol, tmp_path):
  done = ask(tmp_path, protocol, 1)
  assert done.returncode == 1
  assert 'Traceback' not in done.stderr
  assert '127.0.0.1:1' in done.stderr


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
