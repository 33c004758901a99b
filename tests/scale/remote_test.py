"""A run in a file system of TensorFlow's, and what is refused there.

`ram://` stands in for `gs://` and the like: the same interface, no network.
"""

import io
import itertools
import json

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tests.support import program
from tests.support.miniature import miniature, random_student, random_teacher
from tests.support.recordings import RATE, speech_like
from wavenet_tf.configuration.files import path_of, remove_tree
from wavenet_tf.voice import load_run, Voice

UNCOMPILED = [
  f'--config.train_{model}.jit_compile=False'
  for model in ('teacher', 'student')
]
_COUNT = itertools.count()


def write_corpus(folder):
  folder.mkdir(parents=True)
  for i in range(6):
    content = io.BytesIO()
    levels = speech_like(1.0 + 0.1 * i, seed=i)
    soundfile.write(content, levels, RATE, format='WAV')
    (folder / f'{i}.wav').write_bytes(content.getvalue())


def new_root():
  return path_of(f'ram://remote_{next(_COUNT)}')


def fill(root):
  """Recordings, and a run that was prepared from them."""
  write_corpus(root / 'corpus')
  program.run(
    root / 'run',
    '--mode=prepare',
    f'--data_dir={root / "corpus"}',
    *program.flags_of_miniature(),
    *UNCOMPILED,
  )
  return root


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
  """The same on a disk and in memory."""
  return [fill(tmp_path_factory.mktemp('local')), fill(new_root())]


def contents(folder):
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in folder.rglob('*')
    if path.is_file()
  }


def test_preparation_writes_the_same_everywhere(roots):
  found = [contents(root / 'run') for root in roots]
  for files, root in zip(found, roots):
    manifest = json.loads(files.pop('data/manifest.json'))
    assert manifest['corpus']['folder'] == str(root / 'corpus')
  assert found[0] == found[1]
  assert {'config.json', 'data/train-00000.tfrecord'} <= set(found[0])


def _damaged(path):
  content = path.read_bytes()
  path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def _write(path, content):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(content)


DATA = 'run/data/train-00000.tfrecord'
REFUSED = {
  'no recordings': (
    lambda root: (root / 'empty').mkdir(),
    ['--mode=prepare', '--data_dir={root}/empty'],
    'new',
    'holds no',
  ),
  'no folder': (
    lambda root: None,
    ['--mode=prepare', '--data_dir={root}/nothing'],
    'new',
    'does not exist',
  ),
  'a file': (
    lambda root: _write(root / 'file', b'x'),
    ['--mode=prepare', '--data_dir={root}/file'],
    'new',
    'is a file',
  ),
  'not audio': (
    lambda root: [_write(root / f'bad/{i}.wav', b'no') for i in range(3)],
    ['--mode=prepare', '--data_dir={root}/bad'],
    'new',
    'is not audio',
  ),
  'other recordings': (
    lambda root: _write(root / 'other/a.wav', b'x'),
    ['--mode=prepare', '--data_dir={root}/other'],
    'run',
    'was prepared from',
  ),
  'no run': (lambda root: None, ['--mode=export'], 'new', 'does not exist'),
  'no configuration': (
    lambda root: _write(root / 'run/config.json', b'{'),
    ['--mode=train_teacher'],
    'run',
    'not a configuration',
  ),
  'no manifest': (
    lambda root: (root / 'run/data/manifest.json').unlink(),
    ['--mode=train_teacher'],
    'run',
    'run --mode=prepare',
  ),
  'a damaged manifest': (
    lambda root: _write(root / 'run/data/manifest.json', b'{}'),
    ['--mode=train_teacher'],
    'run',
    'is not a manifest',
  ),
  'data without a manifest': (
    lambda root: (root / 'run/data/manifest.json').unlink(),
    ['--mode=prepare', '--data_dir={root}/corpus'],
    'run',
    'without a manifest',
  ),
  'no shard': (
    lambda root: (root / DATA).unlink(),
    ['--mode=train_teacher'],
    'run',
    'is missing',
  ),
  'a damaged shard': (
    lambda root: _damaged(root / DATA),
    ['--mode=train_teacher'],
    'run',
    'differs from the file',
  ),
  'a service that is not there': (
    lambda root: None,
    ['--mode=train_teacher', '--data_service=grpc://localhost:1'],
    'run',
    'does not answer',
  ),
  'no checkpoint': (
    lambda root: None,
    ['--mode=generate', '--input={root}/corpus/1.wav'],
    'run',
    'has no checkpoint',
  ),
  'damaged checkpoints': (
    lambda root: _write(root / 'run/teacher/ckpt-6.index', b'x' * 99),
    ['--mode=train_student'],
    'run',
    'none of its checkpoints',
  ),
  'nothing to copy': (
    lambda root: None,
    ['--mode=generate', '--input={root}/nothing.wav'],
    'run',
    'does not exist',
  ),
  'one place to read and to write': (
    lambda root: None,
    ['--mode=generate', '--input={root}/corpus', '--output={root}/corpus'],
    'run',
    'is one of the recordings',
  ),
  'nothing to begin with': (
    lambda root: None,
    ['--init_from={root}/nothing'],
    'new',
    'does not exist',
  ),
  'weights that are not there': (
    lambda root: None,
    ['--mode=import_weights', '--input={root}/nothing.npz'],
    'run',
    'does not exist',
  ),
  'weights that are none': (
    lambda root: _write(root / 'a.npz', b'PK no'),
    ['--mode=import_weights', '--input={root}/a.npz'],
    'run',
    'is not a .npz file',
  ),
}


@pytest.mark.parametrize('name', REFUSED)
def test_what_is_refused_on_a_disk_is_refused_in_the_same_words(
  name, roots, tmp_path
):
  damage, flags, workdir, words = REFUSED[name]
  said = []
  for root, copy in zip(roots, (tmp_path, new_root())):
    for file, content in contents(root).items():
      content = content.replace(bytes(f'{root}/', 'utf-8'), f'{copy}/'.encode())
      _write(copy / file, content)
    _without_digest(copy / 'run/data/manifest.json')
    damage(copy)
    before = contents(copy)
    done = program.refused(
      copy / workdir, *(f.format(root=copy) for f in flags), words=[words]
    )
    assert contents(copy) == before
    lines = done.stderr.replace(str(copy), '<root>').split('\n')
    # Without the progress of what was begun.
    said.append([line for line in lines if '\r' not in line])
    remove_tree(copy)
  assert said[0] == said[1]


def _without_digest(path):
  """A manifest of another folder, as an old release wrote it."""
  manifest = json.loads(path.read_text('utf-8'))
  del manifest['sha256']
  path.write_text(json.dumps(manifest))


def test_a_file_system_that_is_unknown(tmp_path):
  program.refused('xyz://bucket/run', words=["no file system 'xyz'"])
  program.refused(
    tmp_path, '--mode=prepare', '--data_dir=xyz://b', words=["'xyz'"]
  )


def test_a_voice_is_kept_there():
  config = miniature()
  teacher, student = random_teacher(config), random_student(config)
  folder = str(new_root() / 'voice')
  Voice(config, teacher, student).save(folder)
  loaded = load_run(folder)
  assert loaded.config == config
  for model, found in (teacher, loaded.teacher), (student, loaded.student):
    for expected, weight in zip(model.get_weights(), found.get_weights()):
      np.testing.assert_array_equal(expected.astype(np.float16), weight)


@pytest.mark.large
def test_the_whole_chain_in_memory():
  root = fill(new_root())
  run = root / 'run'
  for mode in 'train_teacher', 'train_student', 'evaluate', 'export':
    program.run(run, f'--mode={mode}')
  program.run(run, '--mode=generate', f'--input={root / "corpus" / "1.wav"}')
  found = contents(run)
  assert {
    'report/index.html',
    'report/results.json',
    'samples/student/1.wav',
    'teacher/ckpt-6.index',
    'student/checkpoint',
    'export/1/saved_model.pb',
    'export/1/assets.extra/config.json',
  } <= set(found)
  assert not [name for name in found if 'partial' in name]
  assert any('events.out' in name for name in found)
  loaded = tf.saved_model.load(str(run / 'export' / '1'))
  assert 'serving_default' in loaded.signatures
  # What is there goes on, and lends its weights.
  program.run(run, '--mode=train_teacher', '--config.train_teacher.steps=6')
  begun = root / 'begun'
  program.run(
    begun,
    '--mode=prepare',
    f'--data_dir={root / "corpus"}',
    f'--init_from={run}',
  )
  assert (begun / 'student' / 'ckpt-0.index').is_file()
  program.run(begun, '--mode=export_gradients')
  weights = begun / 'gradients' / 'weights.npz'
  program.run(begun, '--mode=import_weights', f'--input={weights}')


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
