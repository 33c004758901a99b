"""Every reader of a file, and a small file for it."""

from collections.abc import Callable
import json
import pathlib
from typing import NamedTuple

import keras
import numpy as np

from data.conditioning import tags, vectors
from data.conditioning.extractor import FeatureExtractor
from data.preparing import preparation
from data.recordings import corpora, decoding
from data.shards.manifest import MANIFEST, read_manifest
from data.shards.records import read_examples
from data.shards.splits import TRAIN, VALIDATION
from data.text import labels
from data.text.linguistic import LinguisticFeatures
from data.text.prosody import Prosody
from data.text.questions import QuestionSet, read_questions
from data.text.survey import survey
from data.text.trees import Trees
from modes.runs import Run
from tests.support.miniature import miniature
from tests.support.recordings import RATE, speech_like, write, write_corpus
from tests.support.rules import context, QUESTIONS, RULES
from wavenet_tf.configuration.config import flatten
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.saved_config import load_config, save_config
from wavenet_tf.configuration.validation import validate
from wavenet_tf.learning import checkpoints, tensor_file
from wavenet_tf.learning.elsewhere import weight_file

_NAMES = [*RULES, *RULES]
_CONTEXTS = [context(_NAMES, i) for i in range(len(_NAMES))]


class Reader(NamedTuple):
  """How a kind of file is made, and read.

  Attributes:
    make: folder -> the file, whole.
    read: that file -> what it says, in arrays, texts, lists and the like.
    has_checksum: whether anything but what was written is refused.
  """

  make: Callable[[pathlib.Path], pathlib.Path]
  read: Callable[[pathlib.Path], object]
  has_checksum: bool = False


def _audio(suffix, has_checksum=False, **kwargs):
  def make(folder):
    waveform = speech_like(0.3) / 32768
    return write(folder / f'x{suffix}', waveform, **kwargs)

  return Reader(make, lambda p: decoding.load(p, RATE), has_checksum)


def _text(name, text, read):
  def make(folder):
    path = folder / name
    path.write_text(text)
    return path

  return Reader(make, read)


def _label_file():
  lines, end = [], 0
  for name, full in zip(_NAMES, _CONTEXTS):
    start, end = end, end + RULES[name][0] * 10_000
    lines.append(f'{start} {end} {full}\n')
  samples = end * RATE // labels.UNITS_PER_SECOND

  def read(path):
    utterance = corpora.Utterance('x', path, label_path=path)
    timed = labels.aligned(utterance, samples, RATE)
    known = labels.vocabularies([utterance], survey([utterance]).phones)
    told = LinguisticFeatures.fit(QuestionSet(QUESTIONS), [timed])
    return (
      labels.segments(utterance, timed, samples, RATE, known)['phones'],
      told.frames(timed, samples // 20, miniature().audio),
    )

  return _text('x.lab', ''.join(lines), read)


def _read_metadata(path):
  found = []
  for utterance in corpora.read_corpus(path.parent).utterances:
    try:
      decoding.load(utterance.path, RATE)
      found.append(utterance.text)
    except decoding.BadRecording as error:
      found.append(str(error))
  return found


def _make_metadata(folder):
  write_corpus(folder / 'wavs', 2)
  path = folder / 'metadata.csv'
  path.write_text(
    '0|Once upon a time.|Once upon a time.\n1|The end.|The end.\n'
  )
  return path


def _read_tags(path):
  config = miniature(conditioning__globals=('tags',))
  recordings = [
    corpora.Utterance(f'{i}.wav', path.parent / f'{i}.wav') for i in range(3)
  ]
  return [u.tags for u in tags.with_tags(recordings, config, path.parent)]


def _make_vector(folder):
  path = folder / 'x.npy'
  np.save(path, np.arange(5, dtype=np.float32))
  return path


def _prepared(name):
  def make(folder):
    write_corpus(folder / 'corpus', 3)
    preparation.prepare(miniature(), folder / 'corpus', folder / 'data')
    return folder / 'data' / name

  def read(path):
    config, folder = miniature(), path.parent
    manifest = read_manifest(folder, config.audio)
    told = FeatureExtractor.from_manifest(manifest, config)
    return manifest._asdict(), told.local_names, [
      [example.name, example.levels, example.features, example.global_]
      for split in (TRAIN, VALIDATION)
      for example in read_examples(folder, manifest, split)
    ]  # fmt: skip

  return Reader(make, read, has_checksum=True)


def _network():
  dense = keras.layers.Dense(3, name='dense')
  model = keras.Sequential([dense], name='network')
  model.build([None, 4])
  return model


def _checkpoint(suffix):
  def make(folder):
    model = _network()
    model.set_weights([np.arange(12.0).reshape(4, 3), np.ones(3)])
    checkpoints.save_start(model, folder / 'teacher', 10)
    return folder / 'teacher' / f'ckpt-10{suffix}'

  def read(path):
    return checkpoints.load_average(_network(), path.parent).get_weights()

  return Reader(make, read, has_checksum=True)


def _make_configuration(folder):
  save_config(miniature(), folder / 'config.json')
  return folder / 'config.json'


def _read_configuration(path):
  config = load_config(path)
  try:
    validate.validate(config)
  except UserError as error:
    return str(error)  # Names the field.
  return flatten(config)


def _classes():
  def read(path):
    config = miniature()
    return Run(config, path.parent.parent, config).classes()

  def make(folder):
    path = folder / 'classifier' / 'classes.json'
    path.parent.mkdir()
    path.write_text(json.dumps(['a', 'o', 'p']) + '\n')
    return path

  return Reader(make, read)


def _make_prosody(folder):
  questions = QuestionSet(QUESTIONS)
  timed = [
    labels.TimedLabel(i * 10**6, (i + 1) * 10**6, name, full)
    for i, (name, full) in enumerate(zip(_NAMES, _CONTEXTS))
  ]
  told = LinguisticFeatures.fit(questions, [timed])
  inputs = told.scale(questions.answers(_CONTEXTS))
  trees = Trees.fit(inputs, np.linspace(-3, -2, len(inputs)))
  path = folder / 'prosody.npz'
  Prosody(told, miniature().audio, {'duration': trees}).save(path)
  return path


def _make_weights(folder):
  path = folder / 'weights.npz'
  weight_file.write(path, {'teacher/a': np.ones([2, 3]), 'step': np.array(3)})
  return path


def _read_weights(path):
  """A .npz file has a checksum of each array, but none of their names."""
  found = weight_file.read(path)
  tensor_file.check_same(path, found, {'teacher/a': np.ones([2, 3])})
  return found['teacher/a']


READERS = {
  'WAV': _audio('.wav'),
  'WAV, floats': _audio('.wav', subtype='FLOAT'),
  'FLAC': _audio('.flac', has_checksum=True),
  'Ogg': _audio('.ogg', has_checksum=True),
  'MP3': _audio('.mp3'),
  'labels': _label_file(),
  'questions': _text(
    'x.hed',
    QUESTIONS + 'CQS "n" {*@(\\d+)_*}\n',
    lambda path: read_questions(path).answers(_CONTEXTS),
  ),
  'tags': _text('tags.csv', 'file,tags\n0.wav,a;b\n1.wav,b\n', _read_tags),
  'metadata': Reader(_make_metadata, _read_metadata),
  'vector': Reader(_make_vector, vectors.read),
  'manifest': _prepared(MANIFEST),
  'shard': _prepared('train-00000.tfrecord'),
  'checkpoint, index': _checkpoint('.index'),
  'checkpoint, data': _checkpoint('.data-00000-of-00001'),
  'configuration': Reader(_make_configuration, _read_configuration),
  'classes': _classes(),
  'prosody': Reader(
    _make_prosody,
    lambda path: Prosody.load(path).predict(_CONTEXTS),
    has_checksum=True,
  ),
  'weights': Reader(_make_weights, _read_weights, has_checksum=True),
}
