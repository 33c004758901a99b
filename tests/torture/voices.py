"""A voice to press, and requests that it must refuse."""

import pathlib
from typing import NamedTuple

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tests.support.miniature import miniature, random_student, random_teacher
from tests.support.project_imports import ROOT
from wavenet_tf import loading
from wavenet_tf.configuration.config import Config
from wavenet_tf.speaking.served import export as exporting

# Of one request that is no good, whatever is wrong with it; INTERNAL is what
# gRPC says to a message that cannot be read at all.
REFUSALS = {
  grpc.StatusCode.INVALID_ARGUMENT,
  grpc.StatusCode.FAILED_PRECONDITION,
  grpc.StatusCode.NOT_FOUND,
  grpc.StatusCode.INTERNAL,
}


class ServedVoice(NamedTuple):
  """An exported model.

  Attributes:
    folder: the base folder, with one version.
    config: what it was built from.
  """

  folder: pathlib.Path
  config: Config

  @property
  def mels(self) -> int:
    return self.config.audio.mel_bins

  def log_mel(self, generator: np.random.Generator, frames: int) -> np.ndarray:
    """float32 `[frames, mels]` that a front end could have found."""
    return generator.uniform(-8, 0, [frames, self.mels]).astype(np.float32)


def export_miniature(folder: pathlib.Path) -> ServedVoice:
  config = miniature()
  student, teacher = random_student(config), random_teacher(config)
  exporting.export(student, config, folder, teacher)
  return ServedVoice(folder, config)


def export_kathleen(folder: pathlib.Path) -> ServedVoice:
  """The voice in the box: of the size that people serve."""
  run = ROOT / 'voices/kathleen'
  config = loading.load_config_of(run)
  exporting.export(
    loading.load_student(config, run),
    config,
    folder,
    loading.load_teacher(config, run),
  )
  return ServedVoice(folder, config)


def request(
  signature: str = 'serving_default', model: str = 'wavenet', **inputs
) -> predict_pb2.PredictRequest:
  asked = predict_pb2.PredictRequest()
  asked.model_spec.name = model
  asked.model_spec.signature_name = signature
  for name, value in inputs.items():
    asked.inputs[name].CopyFrom(tf.make_tensor_proto(value))
  return asked


def hostile_messages(voice: ServedVoice) -> list[bytes]:
  """Of every kind a few; none may be answered."""
  mel = voice.log_mel(np.random.default_rng(0), 9)[None]
  seed = np.zeros([1, 2], np.int32)
  nan = mel.copy()
  nan[0, 4, 2] = np.nan
  claimed = request(mel=mel, seed=seed)
  claimed.inputs['mel'].tensor_shape.dim[0].size = 2**40
  negative = request(mel=mel, seed=seed)
  negative.inputs['mel'].tensor_shape.dim[1].size = -9
  good = request(mel=mel, seed=seed).SerializeToString()
  return [
    message if isinstance(message, bytes) else message.SerializeToString()
    for message in (
      request(mel=nan, seed=seed),
      request(mel=mel + 1e30, seed=seed),
      request(mel=mel[0], seed=seed),
      request(mel=mel[:, :0], seed=seed),
      request(mel=mel[:0], seed=seed[:0]),
      request(mel=mel[:, :, :3], seed=seed),
      request(mel=mel, seed=np.zeros([2, 2], np.int32)),
      request(mel=mel, seed=seed.astype(np.float32)),
      request(mel=mel.astype(np.float64), seed=seed),
      request(mel=[['a']], seed=seed),
      request(mel=mel),
      request(mel=mel, seed=seed, more=seed),
      request('nothing', mel=mel, seed=seed),
      request(model='nobody', mel=mel, seed=seed),
      request('features', audio=np.zeros([1, 0], np.float32)),
      request('features', audio=np.full([1, 400], np.inf, np.float32)),
      claimed,
      negative,
      good[: len(good) // 2],
      b'\xff' * 100,
    )
  ]
