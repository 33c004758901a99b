"""A path of TensorFlow's file systems does what a path of a disk does."""

import hashlib
import itertools
import pathlib
import pickle

import pytest

from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of, remove_tree, write_bytes
from wavenet_tf.configuration.remote import paths

_COUNT = itertools.count()


@pytest.fixture
def remote():
  """A folder of its own: what is in memory outlives a test."""
  root = path_of(f'ram://paths_{next(_COUNT)}')
  root.mkdir()
  yield root
  remove_tree(root)


def test_a_local_name_is_a_path_of_pathlib():
  assert type(path_of('a/b', 'c')) is type(pathlib.Path('a/b/c'))
  assert path_of(pathlib.Path('/a'), 'c') == pathlib.Path('/a/c')


@pytest.mark.parametrize('scheme', ['gs', 'ram'])
def test_a_name_with_a_scheme_keeps_it(scheme):
  root = f'{scheme}://bucket/run'
  path = path_of(root, 'data') / 'train.tfrecord'
  assert str(path) == f'{root}/data/train.tfrecord'
  assert str(path.parent) == f'{root}/data'
  assert str(path.with_suffix('.npy')) == f'{root}/data/train.npy'
  assert (path.name, path.stem) == ('train.tfrecord', 'train')
  assert path.resolve() == path.absolute() == path_of(str(path))
  assert hash(path) == hash(path_of(str(path)))
  assert path_of(path) == path == pickle.loads(pickle.dumps(path))
  assert str(pickle.loads(pickle.dumps(path))) == str(path)
  below = path.relative_to(path_of(root))
  assert str(below) == 'data/train.tfrecord'
  assert str(path_of('gs://other') / below) == f'gs://other/{below}'


def test_a_file_system_that_is_unknown():
  with pytest.raises(UserError, match=r"^xyz://a/b: .* 'xyz' .*gs.*ram"):
    path_of('xyz://a/b')


def _raised(done):
  """What comes back, or what a disk says."""
  try:
    return done()
  except OSError as error:
    return type(error), error.errno, error.strerror, error.filename


OPERATIONS = {
  'exists': lambda p: p.exists(),
  'is a file': lambda p: p.is_file(),
  'is a folder': lambda p: p.is_dir(),
  'list': lambda p: sorted(map(str, p.iterdir())),
  'some': lambda p: sorted(map(str, p.glob('a*'))),
  'all': lambda p: sorted(map(str, p.rglob('*'))),
  'bytes': lambda p: p.read_bytes(),
  'text': lambda p: p.read_text('utf-8'),
  'open': lambda p: p.open('rb').close(),
  'size': lambda p: p.is_file() and p.stat().st_size,
  'make': lambda p: p.mkdir(parents=True),
  'make anyway': lambda p: p.mkdir(parents=True, exist_ok=True),
  'write': lambda p: write_bytes(p, b'new') or p.read_bytes(),
  'remove': lambda p: p.unlink(),
  'remove if there': lambda p: p.unlink(missing_ok=True),
  'rename': lambda p: str(p.rename(p.with_name('c'))),
  'replace a file': lambda p: str(p.replace(p.with_name('ab'))),
  'remove all': remove_tree,
}
# Of an object store a folder is no more than the beginning of names.
UNLIKE = {
  ('folder', name)
  for name in (
    'bytes',
    'text',
    'write',
    'remove',
    'remove if there',
    'replace a file',
  )
} | {('file', 'list'), ('file', 'remove all')}


@pytest.mark.parametrize(
  ('at', 'name'),
  sorted(
    set(itertools.product(('file', 'folder', 'nothing', 'fol'), OPERATIONS))
    - UNLIKE
  ),
)
def test_it_does_what_a_disk_does(at, name, remote, tmp_path):
  outcomes = []
  for root in _filled(tmp_path), _filled(remote):
    outcome = _raised(lambda root=root: OPERATIONS[name](root / at))
    left = {
      str(path.relative_to(root)): path.is_file() and path.read_bytes()
      for path in sorted(root.rglob('*'))
    }
    outcomes.append(repr((outcome, left)).replace(str(root), '<root>'))
  assert outcomes[0] == outcomes[1]


def _filled(root):
  (root / 'folder' / 'a').mkdir(parents=True)
  for name in 'file', 'ab', 'folder/a1', 'folder/b', 'folder/a/deep':
    (root / name).write_bytes(f'{name}\r\nä'.encode())
  return root


def test_a_large_file_is_read_in_parts(remote):
  content = bytes(range(256)) * 10_000
  with (remote / 'x').open('wb') as file:
    file.write(content[:1000])
    file.write(content[1000:])
  with (remote / 'x').open('rb') as file:
    assert hashlib.file_digest(file, 'sha256').digest() == (
      hashlib.sha256(content).digest()
    )
    file.seek(-5, 2)
    assert file.read() == content[-5:]
  with (remote / 'x').open('w') as file:
    file.write('ä\n')
  assert (remote / 'x').read_text() == 'ä\n'


def test_a_folder_is_complete_when_its_list_has_moved(remote, monkeypatch):
  for name in 'manifest.json', 'a.tfrecord', 'b/z.tfrecord':
    (remote / 'partial' / name).parent.mkdir(exist_ok=True)
    (remote / 'partial' / name).write_bytes(name.encode())
  moved = []
  monkeypatch.setattr(
    paths.RemotePath,
    'replace',
    lambda self, target: moved.append(self.name),
  )
  (remote / 'partial').rename(remote / 'whole')
  assert sorted(moved) == ['a.tfrecord', 'manifest.json', 'z.tfrecord']
  assert moved[-1] == 'manifest.json'


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
