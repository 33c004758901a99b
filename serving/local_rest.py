"""The predict API of TensorFlow Serving over REST, for `local_server`.

GET  /v1/models/NAME             GET /v1/models/NAME/metadata
POST /v1/models/NAME:predict     also /v1/models/NAME/versions/N...
"""

from http import HTTPStatus
import http.server
import json
import re
import socket
import threading

from google.protobuf import json_format
import numpy as np
import tensorflow as tf

from serving.local_model import LocalModel

_PATH = re.compile(
  r'/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>\d{1,18}))?'
  r'(?P<rest>(/metadata|:predict)?)'
)
_STATUS = {
  tf.errors.NOT_FOUND: HTTPStatus.NOT_FOUND,
  tf.errors.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
  tf.errors.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
  tf.errors.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
  tf.errors.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
  tf.errors.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
  tf.errors.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
  tf.errors.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
}
_SILENT_CLIENT_SECONDS = 60.0


class Server(http.server.ThreadingHTTPServer):
  """A thread a request, and no more threads than the model's limits allow."""

  daemon_threads = True
  block_on_close = False
  # `SO_REUSEADDR` alone: a restart need not wait, a second server is refused.
  allow_reuse_port = False

  def __init__(self, address: tuple[str, int], model: LocalModel):
    super().__init__(address, _Handler)
    self.model = model
    self._free = threading.BoundedSemaphore(
      model.limits.computing + model.limits.waiting
    )

  def process_request(
    self, request: socket.socket, client_address: tuple[str, int]
  ) -> None:
    self._free.acquire()
    try:
      super().process_request(request, client_address)
    except BaseException:
      self._free.release()
      raise

  def process_request_thread(
    self, request: socket.socket, client_address: tuple[str, int]
  ) -> None:
    try:
      super().process_request_thread(request, client_address)
    finally:
      self._free.release()

  def handle_error(
    self, request: socket.socket, client_address: tuple[str, int]
  ) -> None:
    """Clients go away in the middle; that is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
  timeout = _SILENT_CLIENT_SECONDS

  def do_GET(self):
    self._answer(self._get)

  def do_POST(self):
    self._answer(self._post)

  def _answer(self, found):
    path = _PATH.fullmatch(self.path)
    try:
      if not path:
        raise tf.errors.InvalidArgumentError(
          None, None, f'Malformed request: {self.command} {self.path}'
        )
      version = path['version'] and int(path['version'])
      self.server.model.check_name(path['name'], version)
      code, answer = HTTPStatus.OK, found(path['rest'])
    except tf.errors.OpError as error:
      code = _STATUS.get(error.error_code, HTTPStatus.INTERNAL_SERVER_ERROR)
      answer = {'error': error.message}
    except MemoryError:
      code = HTTPStatus.TOO_MANY_REQUESTS
      answer = {'error': 'The server has no memory for this.'}
    body = json.dumps(answer).encode()
    self.send_response(code)
    self.send_header('Content-Type', 'application/json')
    self.send_header('Content-Length', str(len(body)))
    self.end_headers()
    self.wfile.write(body)

  def _get(self, rest):
    model = self.server.model
    if rest == ':predict':
      raise tf.errors.InvalidArgumentError(None, None, 'Expected a POST.')
    if rest == '/metadata':
      return describe(model)
    status = {'error_code': 'OK', 'error_message': ''}
    return {
      'model_version_status': [
        {
          'version': str(model.version), 'state': 'AVAILABLE', 'status': status,
        }
      ]
    }  # fmt: skip

  def _post(self, rest):
    if rest != ':predict':
      raise tf.errors.InvalidArgumentError(None, None, 'Expected :predict.')
    model = self.server.model
    try:
      request = json.loads(self._body())
      if not isinstance(request, dict):
        raise ValueError('expected an object')
      name = request.get('signature_name', '')
      if not isinstance(name, str):
        raise ValueError('expected a string for signature_name')
      expected = model.signature(name).definition.inputs
      rows = request.get('instances')
      inputs = _inputs(request, expected)
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
      raise tf.errors.InvalidArgumentError(
        None, None, f'JSON Parse error: {error}'
      ) from error
    outputs = {
      key: value.tolist() for key, value in model.predict(name, inputs).items()
    }
    # A single output comes without its name.
    single = next(iter(outputs.values())) if len(outputs) == 1 else None
    if rows is None:
      return {'outputs': outputs if single is None else single}
    if single is None:
      single = [dict(zip(outputs, row)) for row in zip(*outputs.values())]
    return {'predictions': single}

  def _body(self):
    length = self.headers.get('Content-Length', '')
    most = self.server.model.limits.message_bytes
    if not re.fullmatch(r'\d{1,18}', length) or int(length) > most:
      raise ValueError(
        f'found Content-Length {length!r}, expected at most {most}'
      )
    return self.rfile.read(int(length))

  def log_message(self, *args):
    """Says nothing of each request."""


def _inputs(request, expected):
  """By column (`inputs`) or by row (`instances`), as arrays."""
  if ('inputs' in request) == ('instances' in request):
    raise ValueError('expected either "inputs" or "instances"')
  if 'inputs' in request:
    columns = request['inputs']
    if not isinstance(columns, dict) and len(expected) == 1:
      columns = {next(iter(expected)): columns}
  else:
    rows = request['instances']
    if not isinstance(rows, list) or not rows:
      raise ValueError('expected a list of rows for "instances"')
    if not all(isinstance(row, dict) for row in rows) and len(expected) == 1:
      rows = [{next(iter(expected)): row} for row in rows]
    if not all(isinstance(row, dict) for row in rows) or any(
      row.keys() != rows[0].keys() for row in rows
    ):
      raise ValueError('expected objects with the same names for "instances"')
    columns = {name: [row[name] for row in rows] for name in rows[0]}
  if not isinstance(columns, dict):
    raise ValueError('expected an object for "inputs"')
  return {
    name: _array(name, value, expected.get(name))
    for name, value in columns.items()
  }


def _array(name, value, expected):
  """Of the type of the signature; a number is not a word, nor 1.5 a seed."""
  found = np.asarray(value)  # ValueError where rows are of unequal length.
  if expected is None:
    return found  # An unknown name, refused with the others.
  dtype = tf.dtypes.as_dtype(expected.dtype)
  kinds = 'iu' if dtype.is_integer else 'iuf'
  if found.size and found.dtype.kind not in kinds:
    raise ValueError(f'{name}: found {found.dtype}, expected {dtype.name}')
  if (
    dtype.is_integer
    and found.size
    and not dtype.min <= found.min() <= found.max() <= dtype.max
  ):
    raise ValueError(f'{name}: found a number beyond {dtype.name}')
  return found.astype(dtype.as_numpy_dtype)


def describe(model: LocalModel) -> dict:
  """The signatures in JSON, as the server names their fields."""
  definitions = {
    name: json_format.MessageToDict(
      definition, preserving_proto_field_name=True
    )
    for name, definition in model.signatures.items()
  }
  return {
    'model_spec': {'name': model.name, 'version': str(model.version)},
    'metadata': {'signature_def': {'signature_def': definitions}},
  }
