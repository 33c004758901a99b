"""A SavedModel in a session, asked as TensorFlow Serving asks it.

What the server refuses before it runs a graph, `LocalModel` refuses with the
same code; everything else is the graph's own answer. Nothing here knows what
the model is.
"""

from collections.abc import Callable, Iterable, Mapping
import contextlib
import math
import pathlib
import threading
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow_serving.apis import prediction_log_pb2

_WARMUP_FILE = 'assets.extra/tf_serving_warmup_requests'
_DEFAULT_SIGNATURE = 'serving_default'


class Limits(NamedTuple):
  """How much a server takes on.

  Attributes:
    computing: requests that are computed at a time.
    waiting: requests beyond these that may wait for their turn.
    message_bytes: of a request, and of each tensor in it.
  """

  computing: int = 2
  waiting: int = 32
  message_bytes: int = 128 * 2**20


class _Signature(NamedTuple):
  definition: meta_graph_pb2.SignatureDef
  run: Callable  # Arrays of the inputs, in the order of the definition.


class LocalModel:
  """The newest version in a model's base folder, loaded and warmed up.

  Example:
    model = LocalModel(pathlib.Path('runs/voice/export'), 'wavenet')
    outputs = model.predict('features', {'audio': np.zeros([1, 800], 'f')})
  """

  def __init__(
    self,
    base_path: pathlib.Path,
    name: str,
    limits: Limits = Limits(),  # noqa: B008
    threads: int = 0,
  ):
    """Loads the model and answers its warm-up requests.

    Args:
      base_path: folder with a folder for each version.
      name: by which requests call the model.
      limits: how much may be asked.
      threads: of one operation; 0 lets TensorFlow choose.

    Raises:
      FileNotFoundError: where there is no version.
      tf.errors.OpError: where the model does not load or answer.
    """
    self.name = name
    self.limits = limits
    path = newest_version(base_path)
    self.version = int(path.name)
    self._turns = threading.BoundedSemaphore(limits.computing)
    self._places = threading.BoundedSemaphore(limits.computing + limits.waiting)
    graph = tf.Graph()
    self._session = tf.compat.v1.Session(
      graph=graph,
      config=config_pb2.ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=threads,
      ),
    )
    with graph.as_default():
      loaded = tf.compat.v1.saved_model.load(
        self._session, ['serve'], str(path)
      )
    self.signatures = dict(loaded.signature_def)
    self._callables = {
      key: _Signature(definition, self._callable(definition))
      for key, definition in self.signatures.items()
      if definition.inputs
    }
    self._warm_up(path / _WARMUP_FILE)

  def close(self) -> None:
    self._session.close()

  def _callable(self, definition):
    """Goes straight to the runtime, as the server does.

    `Session.run` would cast what it is given and compare its shape with the
    placeholder's; then a client of this server would never see what the graph
    itself says to such a request.
    """
    return self._session._make_callable_from_options(
      config_pb2.CallableOptions(
        feed=[tensor.name for tensor in definition.inputs.values()],
        fetch=[tensor.name for tensor in definition.outputs.values()],
      )
    )

  def _warm_up(self, path):
    if path.exists():
      for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        self.predict(
          request.model_spec.signature_name, self.arrays(request.inputs)
        )

  def arrays(
    self, inputs: Mapping[str, tensor_pb2.TensorProto]
  ) -> dict[str, np.ndarray]:
    """What a request holds; InvalidArgumentError where that is no tensor."""
    found = {}
    for name, proto in inputs.items():
      try:
        found[name] = _array(proto, self.limits.message_bytes)
      except (
        ValueError,
        TypeError,
        KeyError,
        OverflowError,
        MemoryError,
      ) as error:
        raise tf.errors.InvalidArgumentError(
          None, None, f'tensor parsing error: {name}: {error}'
        ) from error
    return found

  def predict(
    self,
    signature_name: str,
    inputs: Mapping[str, np.ndarray],
    only: Iterable[str] = (),
    timeout_seconds: float | None = None,
    wanted: Callable[[], bool] = lambda: True,
  ) -> dict[str, np.ndarray]:
    """Runs one signature.

    Args:
      signature_name: '' is `serving_default`.
      inputs: by name; types and shapes are left to the graph.
      only: outputs to return; all, where empty.
      timeout_seconds: how long to wait for the turn.
      wanted: asked when it is this request's turn; clients go away.

    Raises:
      tf.errors.OpError: with the code and the message for the client.
    """
    signature = self.signature(signature_name)
    definition = signature.definition
    _check_names(definition.inputs, inputs)
    only = list(only) or list(definition.outputs)
    for name in only:
      if name not in definition.outputs or only.count(name) > 1:
        raise tf.errors.InvalidArgumentError(
          None, None,
          f'output tensor alias not found in signature, or twice: {name} '
          f'Outputs expected to be in the set {_set(definition.outputs)}.',
        )  # fmt: skip
    with self._turn(timeout_seconds):
      if not wanted():
        raise tf.errors.CancelledError(None, None, 'The client is gone.')
      found = signature.run(*[inputs[name] for name in definition.inputs])
    outputs = dict(zip(definition.outputs, found))
    return {name: outputs[name] for name in only}

  def signature(self, name: str) -> _Signature:
    name = name or _DEFAULT_SIGNATURE
    if name not in self._callables:
      raise tf.errors.FailedPreconditionError(
        None, None, f'Serving signature key "{name}" not found.'
      )
    return self._callables[name]

  def check_name(self, name: str, version: int | None, label: str = '') -> None:
    """NotFoundError, unless it is this model's; the server has no labels."""
    if label:
      raise tf.errors.InvalidArgumentError(
        None, None, f'Unrecognized servable version label: {label}'
      )
    if name != self.name or version not in (None, self.version):
      wanted = 'Latest' if version is None else f'Specific version {version}'
      raise tf.errors.NotFoundError(
        None, None, f'Servable not found for request: {wanted} of {name}'
      )

  @contextlib.contextmanager
  def _turn(self, timeout_seconds):
    if not self._places.acquire(blocking=False):
      raise tf.errors.ResourceExhaustedError(
        None, None,
        f'{self.limits.computing} requests are computed and '
        f'{self.limits.waiting} wait; ask again later.',
      )  # fmt: skip
    try:
      if not self._turns.acquire(timeout=_bounded(timeout_seconds)):
        raise tf.errors.DeadlineExceededError(
          None, None, 'Its time was over before it was its turn.'
        )
      try:
        yield
      finally:
        self._turns.release()
    finally:
      self._places.release()


def newest_version(base_path: pathlib.Path) -> pathlib.Path:
  """`base_path/<highest number>`."""
  versions = []
  if base_path.is_dir():
    versions = [p for p in base_path.iterdir() if p.name.isdecimal()]
  if not versions:
    raise FileNotFoundError(
      f'{base_path}: found no version of a model, expected a folder with a '
      f'number for a name; `train_main.py --mode=export` writes one.'
    )
  return max(versions, key=lambda p: int(p.name))


def _bounded(seconds):
  """For `acquire`, which takes no None and nothing too long."""
  if seconds is None:
    return -1
  return min(max(seconds, 0.0), threading.TIMEOUT_MAX)


def _check_names(expected, found):
  if set(expected) != set(found):
    raise tf.errors.InvalidArgumentError(
      None, None,
      f'input size does not match signature: {len(found)}!={len(expected)} '
      f'len({_set(found)}) != len({_set(expected)}). Sent extra: '
      f'{_set(set(found) - set(expected))}. Missing but required: '
      f'{_set(set(expected) - set(found))}.',
    )  # fmt: skip


def _set(names):
  return '{' + ','.join(sorted(names)) + '}'


def _array(proto, most_bytes):
  """`tf.make_ndarray`, of a shape that fits; it would take what is claimed."""
  shape = [dimension.size for dimension in proto.tensor_shape.dim]
  if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0:
    raise ValueError(f'found shape {shape or "unknown"}, expected a known one')
  dtype = tf.dtypes.as_dtype(proto.dtype)
  # A string is at least a pointer.
  found_bytes = math.prod(shape) * max(dtype.size or 0, 1)
  if dtype == tf.string:
    found_bytes *= 8
  if found_bytes > most_bytes:
    raise ValueError(
      f'found {found_bytes} bytes, expected at most {most_bytes}'
    )
  return tf.make_ndarray(proto)
