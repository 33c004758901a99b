"""A decoded utterance, and its TFRecord."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data.text.labels import NO_SEGMENTS, Segments
from wavenet_tf.configuration.choices import LABEL_KINDS


class Example(NamedTuple):
  """A decoded utterance.

  Attributes:
    name: as in the corpus.
    levels: int16 `[T]`.
    features: float32 `[ceil(T / hop), channels]` at frame rate.
    global_: float32 `[global channels]`, of the whole utterance.
    segments: by kind of label; none of a kind that the utterance lacks.
  """

  name: str
  levels: np.ndarray
  features: np.ndarray
  global_: np.ndarray = np.zeros(0, np.float32)
  segments: dict[str, Segments] = {kind: NO_SEGMENTS for kind in LABEL_KINDS}


def serialize(example: Example) -> bytes:
  def feature(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

  fields = {
    'name': feature(example.name.encode()),
    'levels': feature(example.levels.astype('<i2').tobytes()),
    'frames': tf.train.Feature(
      int64_list=tf.train.Int64List(value=[len(example.features)])
    ),
    'features': feature(example.features.astype('<f4').tobytes()),
    'global': feature(example.global_.astype('<f4').tobytes()),
  }
  for kind, segments in example.segments.items():
    fields[f'{kind}_ends'] = feature(segments.ends.astype('<i4').tobytes())
    fields[f'{kind}_ids'] = feature(segments.ids.astype('<i4').tobytes())
  return tf.train.Example(
    features=tf.train.Features(feature=fields)
  ).SerializeToString()


def parse(record: tf.Tensor, channels: int) -> Example:
  """Inverse of `serialize` as TensorFlow operations."""
  spec = tf.io.FixedLenFeature([], tf.string)
  names = ['name', 'levels', 'features', 'global']
  for kind in LABEL_KINDS:
    names += [f'{kind}_ends', f'{kind}_ids']
  specs = dict.fromkeys(names, spec)
  specs['frames'] = tf.io.FixedLenFeature([], tf.int64)
  fields = tf.io.parse_single_example(record, specs)
  features = tf.io.decode_raw(fields['features'], tf.float32)
  return Example(
    fields['name'],
    tf.io.decode_raw(fields['levels'], tf.int16),
    tf.reshape(features, [fields['frames'], channels]),
    tf.io.decode_raw(fields['global'], tf.float32),
    {
      kind: Segments(
        tf.io.decode_raw(fields[f'{kind}_ends'], tf.int32),
        tf.io.decode_raw(fields[f'{kind}_ids'], tf.int32),
      )
      for kind in LABEL_KINDS
    },
  )
