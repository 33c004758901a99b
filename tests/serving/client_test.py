"""The serving client against a stand-in server on the loopback interface."""

from concurrent import futures
import contextlib
import http.server
import io
import json
import subprocess
import sys
import threading

from absl.testing import flagsaver
import grpc
import numpy as np
import pytest
import soundfile
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from serving import client
from tests.support.miniature import miniature, random_student
from tests.support.project_imports import ROOT
from tests.support.recordings import speech_like
from tests.support.variants import SPEAKER
from wavenet_tf.speaking.served import export


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


@pytest.fixture(scope='module')
def server(tmp_path_factory):
  """-> ports by protocol, and a list that the inputs of requests join."""
  config = miniature(**SPEAKER)
  folder = tmp_path_factory.mktemp('export')
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
  yield {'grpc': grpc_port, 'rest': rest_server.server_port}, heard
  grpc_server.stop(0)
  rest_server.shutdown()


def command(tmp_path, protocol, port, *flags):
  soundfile.write(tmp_path / 'in.wav', speech_like(), 8000)
  return [
    str(ROOT / 'serving' / 'client.py'), '--host=127.0.0.1', f'--port={port}',
    f'--protocol={protocol}', f'--input={tmp_path / "in.wav"}',
    f'--output={tmp_path / protocol}.wav', *flags,
  ]  # fmt: skip


def refused(*arguments):
  """In this process -> what is said on standard error, in one sentence."""
  errors = io.StringIO()
  with flagsaver.flagsaver(), contextlib.redirect_stderr(errors):
    assert client.main(client.FLAGS(command(*arguments))) == 1
  return errors.getvalue()


def test_both_protocols_say_the_same_and_hear_the_same(server, tmp_path):
  """In processes that have nothing of this project."""
  ports, heard = server
  for protocol, port in ports.items():
    told = command(
      tmp_path, protocol, port, '--seed=3', '--global=0,1,-0.5'
    )  # fmt: skip
    done = subprocess.run(
      [sys.executable, '-P', *told], capture_output=True, text=True,
      timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    features, request = heard
    assert features.keys() == {'audio'}
    np.testing.assert_array_equal(request['global_vector'], [[0, 1, -0.5]])
    heard.clear()
  by_grpc, rate = soundfile.read(tmp_path / 'grpc.wav')
  by_rest, _ = soundfile.read(tmp_path / 'rest.wav')
  assert rate == 8000
  assert len(by_grpc) == 8000
  np.testing.assert_allclose(by_grpc, by_rest, atol=2**-14)
  assert np.abs(by_grpc).max() > 0


def test_a_global_vector_of_words_is_one_sentence(tmp_path):
  said = refused(tmp_path, 'grpc', 1, '--global=0,loud')
  assert '--global' in said and 'loud' in said


@pytest.mark.parametrize('protocol', ['grpc', 'rest'])
def test_an_error_of_the_server_is_one_sentence(protocol, server, tmp_path):
  said = refused(tmp_path, protocol, server[0][protocol], '--model=nobody')
  assert 'no such model' in said
  assert not (tmp_path / f'{protocol}.wav').exists()


@pytest.mark.parametrize('protocol', ['grpc', 'rest'])
def test_no_server_is_one_sentence(protocol, tmp_path):
  assert '127.0.0.1:1' in refused(tmp_path, protocol, 1)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
