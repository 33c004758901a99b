"""One question to a model server, over gRPC or REST.

Needs nothing of the project: numpy, and tensorflow-serving-api for gRPC.
"""

import json
import random
import re
import time
from typing import Protocol
import urllib.error
import urllib.request

import numpy as np

# How a question that may be asked again waits between the times.
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 5.0
_AGAIN_GRPC = ('UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED')
_AGAIN_REST = (408, 429, 503, 504)


class ServerError(ConnectionError):
  """A sentence with what the server said, or why it could not be asked."""


class NotNowError(ServerError):
  """The server may answer the same question later."""


class Server(Protocol):
  """A server as `Asker` sees it; both raise ServerError."""

  def ask(
    self, signature: str, inputs: dict[str, np.ndarray]
  ) -> dict[str, np.ndarray]:
    """One Predict."""

  def inputs(self) -> dict[str, set[str]]:
    """Names of the inputs by signature."""


class Asker:
  """Asks again where that may help: the model keeps nothing between requests.

  A server that is not there, has too much to do or takes too long is asked
  again, after waits that double, as long as the patience lasts. What it refuses
  it is never asked again.

  Args:
    server: over gRPC or REST.
    patience_seconds: for one question, from its first refusal on.
  """

  def __init__(self, server: Server, patience_seconds: float):
    self._server = server
    self._patience_seconds = patience_seconds

  def ask(
    self, signature: str, inputs: dict[str, np.ndarray]
  ) -> dict[str, np.ndarray]:
    """(signature, inputs by name) -> outputs by name.

    Raises:
      ServerError: what the server said, in a sentence.
    """
    return self._patiently(lambda: self._server.ask(signature, inputs))

  def inputs(self) -> dict[str, set[str]]:
    """Names of the inputs by signature; raises as `ask`."""
    return self._patiently(self._server.inputs)

  def _patiently(self, question):
    wait = _FIRST_WAIT_SECONDS
    end = None
    while True:
      try:
        return question()
      except NotNowError:
        now = time.monotonic()
        end = now + self._patience_seconds if end is None else end
        if now + wait > end:
          raise
        # Not all clients at once.
        time.sleep(wait * random.uniform(0.5, 1.0))
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)


class GrpcServer:
  """A `Server` over one gRPC channel.

  Args:
    target: 'host:port'.
    model: its name on the server.
    timeout_seconds: for one answer.
  """

  def __init__(self, target: str, model: str, timeout_seconds: float):
    import grpc
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    self._target, self._model = target, model
    self._timeout_seconds = timeout_seconds
    # gRPC's own limit of 4 MB is 43 s of 24 kHz audio.
    channel = grpc.insecure_channel(
      target,
      options=[
        ('grpc.max_receive_message_length', -1),
        ('grpc.max_send_message_length', -1),
      ],
    )
    self._stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

  def ask(
    self, signature: str, inputs: dict[str, np.ndarray]
  ) -> dict[str, np.ndarray]:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = self._model
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
      request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    answer = self._call(self._stub.Predict, request)
    return {
      name: tf.make_ndarray(value) for name, value in answer.outputs.items()
    }

  def inputs(self) -> dict[str, set[str]]:
    from tensorflow_serving.apis import get_model_metadata_pb2

    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = self._model
    request.metadata_field.append('signature_def')
    answer = self._call(self._stub.GetModelMetadata, request)
    found = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata['signature_def'].Unpack(found)
    return {name: set(x.inputs) for name, x in found.signature_def.items()}

  def _call(self, method, request):
    import grpc

    try:
      return method(request, timeout=self._timeout_seconds)
    except grpc.RpcError as error:
      code, details = error.code().name, error.details() or ''
      # The same code says that a message is larger than the server takes.
      again = code in _AGAIN_GRPC and 'larger than max' not in details
      raise (NotNowError if again else ServerError)(
        f'{self._target} answered {code}: {_sentence(details)}'
      ) from error


class RestServer:
  """A `Server` over REST; arguments as those of `GrpcServer`."""

  def __init__(self, target: str, model: str, timeout_seconds: float):
    self._target, self._model = target, model
    self._timeout_seconds = timeout_seconds
    self._names = None

  def ask(
    self, signature: str, inputs: dict[str, np.ndarray]
  ) -> dict[str, np.ndarray]:
    answer = self._call(
      ':predict',
      {
        'signature_name': signature,
        'inputs': {name: value.tolist() for name, value in inputs.items()},
      },
    )
    outputs = self._outputs().get(signature, {})
    found = answer['outputs']
    # A single output comes without its name.
    if len(outputs) == 1:
      found = {name: found for name in outputs}
    return {
      name: np.asarray(value, outputs[name]) for name, value in found.items()
    }

  def inputs(self) -> dict[str, set[str]]:
    return {
      name: set(definition.get('inputs', {}))
      for name, definition in self._signatures().items()
    }

  def _outputs(self):
    """JSON has one kind of number: types by signature and name."""
    if self._names is None:
      self._names = {
        name: {
          output: np.int32 if info['dtype'] == 'DT_INT32' else np.float32
          for output, info in definition.get('outputs', {}).items()
          if 'dtype' in info
        }
        for name, definition in self._signatures().items()
      }
    return self._names

  def _signatures(self):
    return self._call('/metadata')['metadata']['signature_def']['signature_def']

  def _call(self, path, body=None):
    request = urllib.request.Request(
      f'http://{self._target}/v1/models/{self._model}{path}',
      None if body is None else json.dumps(body).encode(),
      {'Content-Type': 'application/json'},
    )
    try:
      with urllib.request.urlopen(
        request, timeout=self._timeout_seconds
      ) as answer:
        return json.load(answer)
    except urllib.error.HTTPError as error:
      again = error.code in _AGAIN_REST
      raise (NotNowError if again else ServerError)(
        f'{self._target} answered {error.code}: {_sentence(_error_of(error))}'
      ) from error
    except (OSError, ValueError) as error:
      reason = getattr(error, 'reason', error)
      raise NotNowError(f'{self._target}: {reason}') from error


def _error_of(answer):
  body = answer.read().decode(errors='replace')
  try:
    return json.loads(body)['error']
  except (ValueError, TypeError, KeyError):
    return body


def _sentence(details):
  """What the graph says, without where in the graph it says so."""
  line = (details.strip().splitlines() or ['(no details)'])[0]
  found = re.search(r'assertion failed: \[(.*)\]', line)
  return found[1] if found else line


# What a server and its client agree on without being told.
MODEL = 'wavenet'
SERVERS = {'grpc': GrpcServer, 'rest': RestServer}
PORTS = {'grpc': 8500, 'rest': 8501}
