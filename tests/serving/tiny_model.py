"""A SavedModel that is made in a second, to ask servers about servers."""

import pathlib

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2


class TinyModel(tf.Module):
  """`double` and `pair`; both count how often they were asked."""

  def __init__(self):
    super().__init__('tiny_model')
    self.asked = tf.Variable(0)

  @tf.function(autograph=False)
  def double(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
    # As the voice does: no shape that the graph's optimiser could believe.
    x = tf.raw_ops.PlaceholderWithDefault(input=x, shape=None)
    rank = tf.rank(x)
    check = tf.debugging.Assert(
      tf.equal(rank, 2),
      [tf.strings.format('x: found rank {}, expected 2.', rank)],
    )
    with tf.control_dependencies([check, self.asked.assign_add(1)]):
      return {'y': 2 * x}

  @tf.function(autograph=False)
  def pair(self, x: tf.Tensor, n: tf.Tensor) -> dict[str, tf.Tensor]:
    with tf.control_dependencies([self.asked.assign_add(1)]):
      return {
        'sum': tf.reduce_sum(x, 1),
        'next': n + 1,
        'asked': self.asked + 0,
      }


def save(path: pathlib.Path, warm_up: np.ndarray | None = None) -> None:
  """Writes a version.

  Args:
    path: of the version.
    warm_up: `x` of a request `serving_default`, which is `double`.
  """
  model = TinyModel()
  x = tf.TensorSpec([None, None], tf.float32, 'x')
  n = tf.TensorSpec([None], tf.int32, 'n')
  tf.saved_model.save(
    model,
    str(path),
    {
      'serving_default': model.double.get_concrete_function(x),
      'pair': model.pair.get_concrete_function(x, n),
    },
  )
  if warm_up is not None:
    request = predict_pb2.PredictRequest()
    request.inputs['x'].CopyFrom(tf.make_tensor_proto(warm_up))
    log = prediction_log_pb2.PredictionLog(
      predict_log=prediction_log_pb2.PredictLog(request=request)
    )
    extra = path / 'assets.extra'
    extra.mkdir()
    with tf.io.TFRecordWriter(
      str(extra / 'tf_serving_warmup_requests')
    ) as writer:
      writer.write(log.SerializeToString())
