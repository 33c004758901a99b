"""A small server of a SavedModel, for laptops without Docker and for tests.

  python -m serving.local_server --model_base_path=voices/kathleen/export

Speaks what TensorFlow Serving speaks, as far as a client of a voice needs it:
Predict, GetModelMetadata and GetModelStatus over gRPC, and the same over REST
with `--rest_api_port`. It is no replacement for the server: one model in one
Python process, no batching, no new versions while it runs, no metrics, no
encryption. Flags have the names that they have there.
"""

from collections.abc import Iterator
from concurrent import futures
import contextlib
import os
import pathlib
import signal
import sys
import threading
from typing import NamedTuple

# TensorFlow's start-up remarks would bury where the server listens.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from absl import app, flags
import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
  get_model_metadata_pb2,
  get_model_status_pb2,
  model_pb2,
  model_service_pb2_grpc,
  predict_pb2,
  prediction_service_pb2_grpc,
)

from serving import local_rest
from serving.asking import MODEL, PORTS
from serving.local_model import Limits, LocalModel

# gRPC and TensorFlow number their codes alike.
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_GRACE_SECONDS = 5.0
# Places for questions that compute nothing, such as a readiness probe, when
# all others are taken.
_SPARE = 8


class Ports(NamedTuple):
  grpc: int
  rest: int | None


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
  """Predict and GetModelMetadata."""

  def __init__(self, model: LocalModel):
    self._model = model

  def Predict(
    self,
    request: predict_pb2.PredictRequest,
    context: grpc.ServicerContext,
  ) -> predict_pb2.PredictResponse:
    with _refusals(context):
      spec = request.model_spec
      check_spec(self._model, spec)
      outputs = self._model.predict(
        spec.signature_name,
        self._model.arrays(request.inputs),
        request.output_filter,
        context.time_remaining(),
        context.is_active,
      )
      answer = predict_pb2.PredictResponse()
      answer.model_spec.name = self._model.name
      answer.model_spec.version.value = self._model.version
      answer.model_spec.signature_name = (
        spec.signature_name or 'serving_default'
      )
      for name, value in outputs.items():
        answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
      return answer

  def GetModelMetadata(
    self,
    request: get_model_metadata_pb2.GetModelMetadataRequest,
    context: grpc.ServicerContext,
  ) -> get_model_metadata_pb2.GetModelMetadataResponse:
    with _refusals(context):
      check_spec(self._model, request.model_spec)
      if list(request.metadata_field) != ['signature_def']:
        raise tf.errors.InvalidArgumentError(
          None, None,
          f'Metadata field {list(request.metadata_field)} is not supported, '
          f'expected signature_def.',
        )  # fmt: skip
      return metadata(self._model)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
  """GetModelStatus; nothing is answered before the model is warm."""

  def __init__(self, model: LocalModel):
    self._model = model

  def GetModelStatus(
    self,
    request: get_model_status_pb2.GetModelStatusRequest,
    context: grpc.ServicerContext,
  ) -> get_model_status_pb2.GetModelStatusResponse:
    with _refusals(context):
      check_spec(self._model, request.model_spec)
      return status(self._model)


def check_spec(model: LocalModel, spec: model_pb2.ModelSpec) -> None:
  version = spec.version.value if spec.HasField('version') else None
  model.check_name(spec.name, version, spec.version_label)


def metadata(
  model: LocalModel,
) -> get_model_metadata_pb2.GetModelMetadataResponse:
  answer = get_model_metadata_pb2.GetModelMetadataResponse()
  answer.model_spec.name = model.name
  answer.model_spec.version.value = model.version
  signatures = get_model_metadata_pb2.SignatureDefMap()
  for name, definition in model.signatures.items():
    signatures.signature_def[name].CopyFrom(definition)
  answer.metadata['signature_def'].Pack(signatures)
  return answer


def status(model: LocalModel) -> get_model_status_pb2.GetModelStatusResponse:
  answer = get_model_status_pb2.GetModelStatusResponse()
  version = answer.model_version_status.add()
  version.version = model.version
  version.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
  return answer


@contextlib.contextmanager
def _refusals(context):
  try:
    yield
  except tf.errors.OpError as error:
    context.abort(_CODES[error.error_code], error.message)
  except MemoryError:
    context.abort(
      grpc.StatusCode.RESOURCE_EXHAUSTED, 'The server has no memory for this.'
    )


@contextlib.contextmanager
def serving(
  model: LocalModel,
  host: str = '127.0.0.1',
  port: int = 0,
  rest_port: int | None = 0,
) -> Iterator[Ports]:
  """Answers as long as the context lasts.

  Args:
    model: is closed at the end.
    host: to listen on.
    port: for gRPC; 0 takes a free one.
    rest_port: for REST; 0 takes a free one, None none.

  Yields:
    The ports.

  Raises:
    OSError: where a port is taken.

  Example:
    with serving(LocalModel(path, MODEL)) as ports:
      print(f'127.0.0.1:{ports.grpc}')
  """
  threads = model.limits.computing + model.limits.waiting + _SPARE
  with contextlib.ExitStack() as stack:
    stack.callback(model.close)
    pool = stack.enter_context(futures.ThreadPoolExecutor(threads))
    server = grpc.server(
      pool,
      maximum_concurrent_rpcs=threads,
      options=[
        ('grpc.max_receive_message_length', model.limits.message_bytes),
        ('grpc.max_send_message_length', -1),
        ('grpc.so_reuseport', 0),
      ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
      PredictionService(model), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
      ModelService(model), server
    )
    try:
      bound = server.add_insecure_port(f'{host}:{port}')
    except RuntimeError as error:
      raise OSError(f'{host}:{port}: {error}') from error
    rest_bound = None
    if rest_port is not None:
      rest = local_rest.Server((host, rest_port), model)
      stack.callback(rest.server_close)
      threading.Thread(target=rest.serve_forever, daemon=True).start()
      stack.callback(rest.shutdown)
      rest_bound = rest.server_port
    server.start()
    stack.callback(lambda: server.stop(_GRACE_SECONDS).wait())
    yield Ports(bound, rest_bound)


def define_flags(values: flags.FlagValues) -> None:
  """The flags of a command, defined in `values`."""
  usual = Limits()
  here = {'flag_values': values}
  flags.DEFINE_string('model_base_path', None, 'Folder of versions.', **here)
  flags.DEFINE_string('model_name', MODEL, 'As requests call it.', **here)
  flags.DEFINE_string('host', '127.0.0.1', 'Address to listen on.', **here)
  flags.DEFINE_integer(
    'port', PORTS['grpc'], 'For gRPC; 0 takes a free one.', **here
  )
  flags.DEFINE_integer('rest_api_port', None, 'For REST, where given.', **here)
  flags.DEFINE_integer(
    'computing',
    usual.computing,
    'Requests computed at a time.',
    lower_bound=1,
    **here,
  )
  flags.DEFINE_integer(
    'waiting',
    usual.waiting,
    'Requests that may wait.',
    lower_bound=0,
    **here,
  )
  flags.DEFINE_integer(
    'message_bytes',
    usual.message_bytes,
    'The largest request.',
    lower_bound=1,
    **here,
  )
  flags.DEFINE_integer(
    'threads',
    0,
    'Of one request; 0: as many as cores.',
    lower_bound=0,
    **here,
  )
  flags.mark_flag_as_required('model_base_path', values)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> int:
  """Serves until it is told to stop -> the exit status."""
  if len(argv) > 1:
    raise app.UsageError(f'Not a flag: {argv[1]!r}.')
  stop = threading.Event()
  for number in signal.SIGTERM, signal.SIGINT:
    signal.signal(number, lambda *_: stop.set())
  try:
    model = LocalModel(
      pathlib.Path(values.model_base_path),
      values.model_name,
      Limits(values.computing, values.waiting, values.message_bytes),
      values.threads,
    )
    with serving(
      model, values.host, values.port, values.rest_api_port
    ) as ports:
      rest = f', REST on {ports.rest}' if ports.rest else ''
      print(
        f'{model.name} version {model.version}: gRPC on port {ports.grpc} of '
        f'{values.host}{rest}.',
        flush=True,
      )
      stop.wait()
  except (OSError, tf.errors.OpError) as error:
    print(str(error).splitlines()[0], file=sys.stderr)
    return 1
  return 0


if __name__ == '__main__':
  define_flags(flags.FLAGS)
  app.run(main)
