"""Requests that hypothesis makes up: each is refused, or answered rightly."""

import warnings

import grpc
from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.local_model import LocalModel
from tests.torture import voices
from tests.torture.amounts import amount
from tests.torture.server_process import raw_predict, server_process

pytestmark = pytest.mark.medium

EXAMPLES = amount(60, 2000)
# What the first requests of each kind leave in the caches of the allocator.
MOST_GAINED_MEGABYTES = 100
INTEGERS = st.sampled_from([
  0, 1, -1, 7, 8, 9, 16, 10**6, 2**31 - 1, -(2**31), -(2**31) + 8, 2**31 - 8,
])  # fmt: skip
NUMBERS = st.sampled_from([
  np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 0.0, -0.0, 1.0, -1.5, -11.5, 1e4,
])  # fmt: skip
DTYPES = st.sampled_from(
  [np.float16, np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_,
   np.complex64, np.str_]
)  # fmt: skip
SHAPES = st.lists(st.integers(0, 12), max_size=4)
SIZES = st.sampled_from([-1, -(2**62), 0, 1, 2, 2**20, 2**40, 2**62])


def another_type(draw, proto):
  with warnings.catch_warnings(action='ignore'):
    return tf.make_tensor_proto(tf.make_ndarray(proto).astype(draw(DTYPES)))


def another_shape(draw, proto):
  value = tf.make_ndarray(proto)
  return tf.make_tensor_proto(np.resize(value, draw(SHAPES)))


def other_rows(draw, proto):
  value = tf.make_ndarray(proto)
  rows = [draw(st.integers(0, 40)), *value.shape[1:]]
  return tf.make_tensor_proto(np.resize(value, rows))


def other_numbers(draw, proto):
  value = tf.make_ndarray(proto).copy()
  choice = NUMBERS if value.dtype.kind == 'f' else INTEGERS
  if value.dtype.kind in 'fi' and value.size:
    for _ in range(draw(st.integers(1, 3))):
      value.flat[draw(st.integers(0, value.size - 1))] = draw(choice)
  return tf.make_tensor_proto(value)


def one_number(draw, proto):
  value = tf.make_ndarray(proto)
  choice = NUMBERS if value.dtype.kind == 'f' else INTEGERS
  if value.dtype.kind in 'fi':
    value = np.full(value.shape, draw(choice), value.dtype)
  return tf.make_tensor_proto(value)


def other_sizes(draw, proto):
  """A shape that its content may not have."""
  for dimension in proto.tensor_shape.dim:
    if draw(st.booleans()):
      dimension.size = draw(SIZES)
  return proto


def less_content(draw, proto):
  proto.tensor_content = proto.tensor_content[: draw(st.integers(0, 9))]
  return proto


def another_code(draw, proto):
  proto.dtype = draw(st.integers(0, 130))
  return proto


TENSORS = (
  another_type, another_shape, other_rows, other_numbers, one_number,
  other_sizes, less_content, another_code,
)  # fmt: skip


def change_tensor(draw, request):
  if request.inputs:
    name = draw(st.sampled_from(sorted(request.inputs)))
    change = draw(st.sampled_from(TENSORS))
    try:
      changed = change(draw, request.inputs[name])
    except (ValueError, TypeError, KeyError):
      return  # No tensor any more, from another change.
    request.inputs[name].CopyFrom(changed)


def rename(draw, request):
  if request.inputs:
    name = draw(st.sampled_from(sorted(request.inputs)))
    other = draw(
      st.sampled_from(['mel', 'seed', 'x', '']) | st.text(max_size=3)
    )
    request.inputs[other].CopyFrom(request.inputs[name])
    if draw(st.booleans()) and other != name:
      del request.inputs[name]


def another_spec(draw, request):
  spec = request.model_spec
  words = st.text(max_size=4)
  match draw(st.integers(0, 4)):
    case 0:
      spec.name = draw(words)
    case 1:
      spec.signature_name = draw(words)
    case 2:
      spec.version.value = draw(st.integers(-(2**63), 2**63 - 1))
    case 3:
      spec.version_label = draw(words)
    case _:
      request.output_filter.append(draw(words | st.just('audio')))


CHANGES = (change_tensor, change_tensor, change_tensor, rename, another_spec)


@st.composite
def messages(draw, good):
  """A good request with some changes, and then perhaps with broken bytes."""
  request = predict_pb2.PredictRequest()
  request.CopyFrom(draw(st.sampled_from(good)))
  for change in draw(st.lists(st.sampled_from(CHANGES), max_size=2)):
    change(draw, request)
  message = bytearray(request.SerializeToString())
  for _ in range(draw(st.sampled_from([0, 0, 0, 1, 4]))):
    at = draw(st.integers(0, max(len(message) - 1, 0)))
    match draw(st.integers(0, 3)):
      case 0:
        del message[at:]
      case 1:
        message[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
      case 2:
        message[at:at] = draw(st.binary(max_size=5))
      case _:
        message[at:at] = message[: draw(st.integers(0, 50))]
  return bytes(message)


def good_requests(folder):
  """The warm-up requests: one for each signature."""
  (path,) = folder.glob('*/assets.extra/tf_serving_warmup_requests')
  found = []
  for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
    log = prediction_log_pb2.PredictionLog.FromString(record)
    request = log.predict_log.request
    request.model_spec.name = 'wavenet'
    found.append(request)
  return found


def check_answer(model, message, answer):
  """The same as in this process, and sound."""
  request = predict_pb2.PredictRequest.FromString(message)
  expected = model.predict(
    request.model_spec.signature_name,
    model.arrays(request.inputs),
    request.output_filter,
  )
  outputs = predict_pb2.PredictResponse.FromString(answer).outputs
  assert outputs.keys() == expected.keys()
  for name, proto in outputs.items():
    found = tf.make_ndarray(proto)
    np.testing.assert_array_equal(found, expected[name])
    assert np.isfinite(found).all(), name
    if name == 'audio':
      assert np.abs(found).max() <= 1.0


def test_made_up_requests_are_refused_or_answered_rightly(miniature_voice):
  folder = miniature_voice.folder
  good = good_requests(folder)
  assert len(good) >= 5
  model = LocalModel(folder, 'wavenet')
  counts = {'answered': 0, 'refused': 0}

  with server_process(folder) as server:
    channel = grpc.insecure_channel(f'127.0.0.1:{server.ports.grpc}')

    @settings(
      max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
      suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    @given(messages(good))
    def ask(message):
      try:
        answer = raw_predict(channel, message)
      except grpc.RpcError as error:
        assert error.code() in voices.REFUSALS, error
        assert error.details()
        counts['refused'] += 1
      else:
        check_answer(model, message, answer)
        counts['answered'] += 1

    for request in good:
      message = request.SerializeToString()
      check_answer(model, message, raw_predict(channel, message))
    before = server.settled_megabytes()
    ask()
    gained = server.settled_megabytes() - before
    print(f'{counts}, {before:.0f} MB and {gained:.0f} MB more')
    assert server.lives()
    for request in good:
      message = request.SerializeToString()
      check_answer(model, message, raw_predict(channel, message))
    channel.close()
  model.close()
  assert min(counts.values()) >= EXAMPLES // 50
  assert gained < MOST_GAINED_MEGABYTES


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__, '-s']))
