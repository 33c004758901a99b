"""A run's models as a SavedModel that TensorFlow Serving loads as it is."""

import pathlib

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.files import remove_tree
from wavenet_tf.configuration.saved_config import save_config
from wavenet_tf.networks.student import Student
from wavenet_tf.networks.teacher import Teacher
from wavenet_tf.speaking.served.signatures import Signature, signatures

_WARMUP_FILE = 'tf_serving_warmup_requests'


class ServedModel(tf.Module):
  """The signatures, over variables that TensorFlow can save by itself."""

  def __init__(
    self, student: Student | None, teacher: Teacher | None, config: Config
  ):
    super().__init__('served_model')
    # Keras variables are invisible to a module; the TensorFlow ones are not.
    self.weights = [
      v.value for model in (student, teacher) if model for v in model.variables
    ]
    self.answers = signatures(student, teacher, config)
    self.functions = {
      name: signature.function(config.export.most_rows)
      for name, signature in self.answers.items()
    }


def export(
  student: Student | None,
  config: Config,
  folder: pathlib.Path,
  teacher: Teacher | None = None,
) -> pathlib.Path:
  """Writes `<folder>/<next version>`, checks it, then gives it its name.

  A version appears complete or not at all: a server that watches the folder
  ignores the temporary name.

  Args:
    student: with its final weights, or None where there is none.
    config: saved as an asset beside the model.
    folder: the model's base folder.
    teacher: with its final weights, or None where it is not served.

  Returns:
    The folder of the new version.
  """
  folder.mkdir(parents=True, exist_ok=True)
  version = 1 + max(
    (int(p.name) for p in folder.iterdir() if p.name.isdigit()), default=0
  )
  partial = folder / f'{version}.partial'
  remove_tree(partial)
  try:
    _write(ServedModel(student, teacher, config), config, partial)
    return partial.rename(folder / str(version))
  finally:
    remove_tree(partial)


def _write(served, config, folder):
  tf.saved_model.save(served, str(folder), served.functions)
  extra = folder / 'assets.extra'
  extra.mkdir()
  _write_warmup(extra / _WARMUP_FILE, served)
  save_config(config, extra / 'config.json')
  _check(folder, served)


def _check(path, served):
  """The model on disk says what the one in memory says."""
  loaded = tf.saved_model.load(str(path))
  for name, signature in served.answers.items():
    request = {k: tf.constant(x) for k, x in example(signature, 2).items()}
    for output, wanted in served.functions[name](**request).items():
      found = loaded.signatures[name](**request)[output]
      np.testing.assert_allclose(
        found, wanted, atol=1e-5, err_msg=f'{name}, {output}'
      )


def example(signature: Signature, rows: int) -> dict[str, np.ndarray]:
  """A request that a signature answers, of `rows` rows, by input."""
  generator = np.random.default_rng(1)

  def content(field):
    shape = [
      rows,
      *(field.example if n is None else n for n in field.shape[1:]),
    ]
    if not field.dtype.is_floating:
      return np.full(shape, field.example, np.int32)
    return generator.uniform(-0.5, 0.5, shape).astype(np.float32)

  return {field.name: content(field) for field in signature.fields}


def _write_warmup(path, served):
  """Requests that a server answers before it says that it is ready."""
  with tf.io.TFRecordWriter(str(path)) as writer:
    for name, signature in served.answers.items():
      request = predict_pb2.PredictRequest()
      request.model_spec.signature_name = name
      for field, value in example(signature, 1).items():
        request.inputs[field].CopyFrom(tf.make_tensor_proto(value))
      log = prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
      )
      writer.write(log.SerializeToString())
