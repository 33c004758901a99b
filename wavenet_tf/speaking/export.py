"""A student as a SavedModel that TensorFlow Serving loads as it is."""

from collections.abc import Callable
import pathlib
import shutil

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.saved_config import save_config
from wavenet_tf.networks.student import Student
from wavenet_tf.signal import spectra
from wavenet_tf.speaking.synthesis import served_inputs, Synthesizer

_WARMUP_FRAMES = (16, 128)
_WARMUP_FILE = 'tf_serving_warmup_requests'


class ServedStudent(tf.Module):
  """The two signatures, over variables that TensorFlow can save by itself.

  serving_default: mel float32 [B, frames, mels] (or `features`, where they are
    others), seed int32 [B, 2], global_vector float32 [B, channels] where there
    is such conditioning -> audio float32 [B, frames * hop] in [-1, 1]
  features: audio float32 [B, T] -> mel float32 [B, ceil(T / hop), mels]

  `features` hears the audio as it is. What `data.highpass_hz` and
  `data.loudness_dbfs` ask for cannot run in a graph of stock operations, so
  where a run has them, who asks cleans the audio before, or takes the mel from
  `Voice.features`.
  """

  def __init__(self, student: Student, config: Config):
    super().__init__('served_student')
    # Keras variables are invisible to a module; the TensorFlow ones are not.
    self.weights = [v.value for v in student.variables]
    self._synthesizer = Synthesizer(student, config)
    self._config = config

  @tf.function(autograph=False)
  def speak(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
    names = served_inputs(self._config)
    return {'audio': self._synthesizer.synthesize(*map(inputs.get, names))}

  @tf.function(autograph=False)
  def features(self, audio: tf.Tensor) -> dict[str, tf.Tensor]:  # pylint: disable=redefined-outer-name
    return {'mel': spectra.log_mel(audio, self._config.audio)}

  def signatures(self) -> dict[str, Callable]:
    inputs = served_inputs(self._config)
    return {
      'serving_default': self.speak.get_concrete_function(**inputs),
      'features': self.features.get_concrete_function(
        audio=tf.TensorSpec([None, None], tf.float32, 'audio')
      ),
    }


def export(
  student: Student, config: Config, folder: pathlib.Path
) -> pathlib.Path:
  """Writes `<folder>/<next version>`, checks it, then gives it its name.

  A version appears complete or not at all: a server that watches the folder
  ignores the temporary name.

  Args:
    student: with its final weights.
    config: saved as an asset beside the model.
    folder: the model's base folder.

  Returns:
    The folder of the new version.
  """
  folder.mkdir(parents=True, exist_ok=True)
  version = 1 + max(
    (int(p.name) for p in folder.iterdir() if p.name.isdigit()), default=0
  )
  partial = folder / f'{version}.partial'
  shutil.rmtree(partial, ignore_errors=True)
  try:
    _write(student, config, partial)
    return partial.rename(folder / str(version))
  finally:
    shutil.rmtree(partial, ignore_errors=True)


def _write(student, config, folder):
  served = ServedStudent(student, config)
  tf.saved_model.save(served, str(folder), served.signatures())
  extra = folder / 'assets.extra'
  extra.mkdir()
  _write_warmup(extra / _WARMUP_FILE, config)
  save_config(config, extra / 'config.json')
  _check(folder, served, config)


def _check(path, served, config):
  """The model on disk says what the one in memory says."""
  loaded = tf.saved_model.load(str(path))
  generator = np.random.default_rng(1)
  inputs = {
    name: tf.constant(generator.normal(3.0, 3.0, value.shape), value.dtype)
    for name, value in _request(config, rows=2, frames=5).items()
  }
  reloaded = loaded.signatures['serving_default'](**inputs)['audio']
  np.testing.assert_allclose(
    reloaded, served.speak(**inputs)['audio'], atol=1e-5
  )


def _request(config, rows, frames):
  """Silence: the inputs of `serving_default` by name."""
  features, *others = served_inputs(config).values()
  silence = np.full(
    [rows, frames, features.shape[-1]], config.silence, np.float32
  )
  return {
    features.name: silence,
    **{
      spec.name: np.zeros([rows, spec.shape[1]], spec.dtype.as_numpy_dtype)
      for spec in others
    },
  }


def _write_warmup(path, config):
  """Requests that a server answers before it says that it is ready."""
  with tf.io.TFRecordWriter(str(path)) as writer:
    for frames in _WARMUP_FRAMES:
      request = predict_pb2.PredictRequest()
      request.model_spec.signature_name = 'serving_default'
      for name, value in _request(config, rows=1, frames=frames).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
      log = prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
      )
      writer.write(log.SerializeToString())
