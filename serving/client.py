"""Speaks through TensorFlow Serving: a recording in, its copy out.

  python serving/client.py --input=a.wav --output=b.wav              # gRPC
  python serving/client.py --input=a.wav --output=b.wav --protocol=rest

The front end runs in the server too (signature `features`), so this file needs
nothing of the project: numpy, soundfile, absl-py, and tensorflow-serving-api
for gRPC.
"""

from collections.abc import Callable, Sequence
import json
import sys
import urllib.error
import urllib.request

from absl import app, flags
import numpy as np
import soundfile

FLAGS = flags.FLAGS
flags.DEFINE_string('input', None, 'Recording at the rate of the model.',
                    required=True)  # fmt: skip
flags.DEFINE_string('output', None, 'WAV file to write.', required=True)
flags.DEFINE_enum('protocol', 'grpc', ['grpc', 'rest'], 'How to ask.')
flags.DEFINE_string('host', 'localhost', 'Where the server runs.')
flags.DEFINE_integer('port', None, 'Its port (default: 8500 gRPC, 8501 REST).')
flags.DEFINE_string('model', 'wavenet', 'Name of the model on the server.')
flags.DEFINE_integer('seed', 0, 'The same seed gives the same audio.')
flags.DEFINE_list('global', [], 'Numbers of the global vector (speaker, tags), '
                  'where the model has one.')  # fmt: skip
flags.DEFINE_float('timeout_seconds', 60.0, 'For one answer.')

# gRPC's own limit of 4 MB is 43 s of 24 kHz audio.
_MAX_MESSAGE_BYTES = 2**31 - 1


def ask_grpc(target: str, model: str, signature: str,
             inputs: dict[str, np.ndarray],
             timeout_seconds: float) -> dict[str, np.ndarray]:  # fmt: skip
  """One Predict call over gRPC; raises `ConnectionError` with the reason."""
  import grpc
  import tensorflow as tf
  from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

  request = predict_pb2.PredictRequest()
  request.model_spec.name = model
  request.model_spec.signature_name = signature
  for name, value in inputs.items():
    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
  options = [
    ('grpc.max_receive_message_length', _MAX_MESSAGE_BYTES),
    ('grpc.max_send_message_length', _MAX_MESSAGE_BYTES),
  ]
  with grpc.insecure_channel(target, options=options) as channel:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    try:
      answer = stub.Predict(request, timeout=timeout_seconds)
    except grpc.RpcError as error:
      raise ConnectionError(
        f'{target} answered {error.code().name}: {error.details()}'
      ) from error
  return {
    name: tf.make_ndarray(value) for name, value in answer.outputs.items()
  }


def ask_rest(target: str, model: str, signature: str,
             inputs: dict[str, np.ndarray],
             timeout_seconds: float) -> dict[str, np.ndarray]:  # fmt: skip
  """One predict call over REST; raises `ConnectionError` with the reason."""
  body = json.dumps({
    'signature_name': signature,
    'inputs': {name: value.tolist() for name, value in inputs.items()},
  }).encode()  # fmt: skip
  request = urllib.request.Request(
    f'http://{target}/v1/models/{model}:predict',
    body,
    {'Content-Type': 'application/json'},
  )
  try:
    with urllib.request.urlopen(request, timeout=timeout_seconds) as answer:
      outputs = json.load(answer)['outputs']
  except urllib.error.HTTPError as error:
    raise ConnectionError(
      f'{target} answered {error.code}: {error.read().decode()}'
    ) from error
  except (urllib.error.URLError, TimeoutError) as error:
    reason = getattr(error, 'reason', 'no answer in time')
    raise ConnectionError(f'{target}: {reason}') from error
  # A single output comes without its name.
  if not isinstance(outputs, dict):
    outputs = {{'features': 'mel'}.get(signature, 'audio'): outputs}
  return {name: np.asarray(v, np.float32) for name, v in outputs.items()}


def copy(
  ask: Callable[[str, dict[str, np.ndarray]], dict[str, np.ndarray]],
  waveform: np.ndarray,
  seed: int,
  global_: Sequence[float] = (),
) -> np.ndarray:
  """float32 `[T]` -> its copy in the model's voice, `[T]`.

  Args:
    ask: (signature, inputs) -> outputs.
    waveform: at the model's rate, mono, in [-1, 1]; without rumble and at the
      loudness of the recordings, where the run has `data.highpass_hz` and
      `data.loudness_dbfs`, as the server does not clean it.
    seed: of the noise.
    global_: `[channels]` of a model that has a global vector.
  """
  mel = ask('features', {'audio': waveform[None]})['mel']
  seeds = np.array([[seed, 0]], np.int32)
  inputs = {'mel': mel, 'seed': seeds}
  if len(global_):
    inputs['global_vector'] = np.array([global_], np.float32)
  audio = ask('serving_default', inputs)['audio']
  return audio[0, : len(waveform)]


def main(argv: list[str]) -> int:
  del argv
  try:
    global_ = [float(number) for number in FLAGS['global'].value]
  except ValueError as error:
    print(f'--global: {error}, expected numbers', file=sys.stderr)
    return 1
  try:
    waveform, rate = soundfile.read(
      FLAGS.input, dtype='float32', always_2d=True
    )
  except soundfile.LibsndfileError as error:
    print(f'--input: {error}', file=sys.stderr)
    return 1
  ask_server, port = {
    'grpc': (ask_grpc, 8500), 'rest': (ask_rest, 8501)
  }[FLAGS.protocol]  # fmt: skip
  target = f'{FLAGS.host}:{FLAGS.port or port}'

  def ask(signature, inputs):
    return ask_server(
      target, FLAGS.model, signature, inputs, FLAGS.timeout_seconds
    )

  try:
    speech = copy(ask, waveform.mean(1), FLAGS.seed, global_)
  except ConnectionError as error:
    print(error, file=sys.stderr)
    return 1
  try:
    soundfile.write(FLAGS.output, speech, rate, format='WAV', subtype='PCM_16')
  except soundfile.LibsndfileError as error:
    print(f'--output: {error}', file=sys.stderr)
    return 1
  print(f'{FLAGS.output}: {len(speech) / rate:.2f} s')
  return 0


if __name__ == '__main__':
  app.run(main)
