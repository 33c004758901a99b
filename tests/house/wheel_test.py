"""`pip install .`: the wheel is the library, which then needs no checkout."""

import email
import itertools
import re
import site
import subprocess
import sys
import textwrap
import venv
import zipfile

import numpy as np
from packaging.requirements import Requirement
import pytest

from tests.support import trained_run
from tests.support.miniature import random_teacher
from tests.support.project_imports import imports_of, MODULES, PACKAGES, ROOT
import wavenet_tf
from wavenet_tf.judging.perception.instruments import MEASURES
from wavenet_tf.voice import load_run

# Needed by what we import, which does not ask for them.
BESIDES = {'tensorboard', 'tf-keras'}
EVALUATION_BESIDES = {'setuptools'}
# Brings more of them, where it is installed.
FILE_SYSTEMS = {'tensorflow-io'}


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
  folder = tmp_path_factory.mktemp('wheel')
  # With the backend that is installed, so that no network is needed.
  _pip('wheel', '--no-deps', '--no-build-isolation', '-w', folder, ROOT)
  [path] = folder.iterdir()
  return path


@pytest.fixture(scope='module')
def metadata(wheel):
  with zipfile.ZipFile(wheel) as files:
    [name] = [n for n in files.namelist() if n.endswith('/METADATA')]
    return email.message_from_bytes(files.read(name))


@pytest.fixture(scope='module')
def requirements(metadata):
  return [Requirement(line) for line in metadata.get_all('Requires-Dist')]


def _pip(*arguments):
  subprocess.run(
    [sys.executable, '-m', 'pip', '--quiet', *map(str, arguments)], check=True
  )


@pytest.mark.large
def test_the_wheel_holds_the_library_alone(wheel, metadata):
  """And so claims no other name, such as `data`, in anybody's packages."""
  assert metadata['Name'] == 'wavenet_tf'
  assert metadata['Version'] == wavenet_tf.__version__
  with zipfile.ZipFile(wheel) as files:
    names = {n for n in files.namelist() if '.dist-info/' not in n}
  sources = {
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / 'wavenet_tf').rglob('*.py')
  }
  assert names == sources | {'wavenet_tf/py.typed'}


def _packages(*tops):
  """What the modules of these folders import that is not ours."""
  return {
    _normal(PACKAGES.get(name, name))
    for module in MODULES
    if module.split('/')[0] in tops
    for name in imports_of(module) - set(MODULES)
  }


def _normal(name):
  return re.sub('[-_.]+', '-', name).lower()


@pytest.mark.large
def test_what_is_imported_is_required(requirements):
  """By the library; what only the program imports is an extra.

  So is what measures a voice, which the library does without, and Beam.
  """
  found = {'': set(), 'program': set(), 'evaluation': set(), 'beam': set()}
  for requirement in requirements:
    extra = re.search(r'extra == "(\w+)"', str(requirement.marker or ''))
    found[extra[1] if extra else ''].add(_normal(requirement.name))
  evaluation = found['evaluation'] - EVALUATION_BESIDES
  assert evaluation == {m.package for m in MEASURES if m.package}
  imported = _packages('wavenet_tf') - evaluation - FILE_SYSTEMS
  assert found[''] == imported | BESIDES
  program = _packages('train_main', 'modes', 'data', 'serving')
  assert found['beam'] == {'apache-beam'}
  assert found['program'] == program - found[''] - found['beam']


@pytest.mark.large
def test_the_locks_are_within_the_bounds(requirements):
  """Both of them: no bound is above what is tested."""
  text = (ROOT / 'requirements.txt').read_text()
  for name in 'eval', 'beam':
    text += (ROOT / f'requirements-{name}.txt').read_text()
  lock = [
    Requirement(line)
    for line in text.splitlines()
    if not line.startswith(('#', '-r'))
  ]
  for python, extra in itertools.product(
    ('3.11', '3.13'), ('program', 'evaluation', 'beam')
  ):
    environment = {'python_version': python, 'extra': extra}
    pinned = {
      _normal(pin.name): next(iter(pin.specifier)).version
      for pin in lock
      if pin.marker is None or pin.marker.evaluate(environment)
    }
    for requirement in requirements:
      if requirement.marker is None or requirement.marker.evaluate(environment):
        assert pinned[_normal(requirement.name)] in requirement.specifier


@pytest.mark.large
def test_an_installed_library_needs_no_checkout(wheel, tmp_path):
  """Imports, loads a run, speaks, and reads a Keras file, somewhere else."""
  workdir = tmp_path / 'run'
  config = trained_run.make(workdir)
  voice = load_run(workdir)
  mel = np.random.default_rng(0).normal(-5, 2, [9, config.audio.mel_bins])
  np.save(tmp_path / 'mel.npy', mel)
  np.save(tmp_path / 'spoken.npy', voice.speak(mel, seed=3))
  random_teacher(config).save(tmp_path / 'teacher.keras')

  # Empty but for the wheel; what it requires is borrowed from the tests.
  venv.create(tmp_path / 'env')
  python = tmp_path / 'env' / 'bin' / 'python'
  _pip('--python', python, 'install', '--no-deps', wheel)
  [packages] = (tmp_path / 'env').glob('lib/python*/site-packages')
  borrowed = [
    f'import site; site.addsitedir({path!r})' for path in site.getsitepackages()
  ]
  (packages / 'borrowed.pth').write_text('\n'.join(borrowed))
  program = f"""
    import sys
    import numpy as np
    import wavenet_tf
    from wavenet_tf import Teacher

    assert wavenet_tf.__file__.startswith({str(packages)!r})
    voice = wavenet_tf.load_run('run')
    spoken = voice.speak(np.load('mel.npy'), seed=3)
    np.testing.assert_allclose(spoken, np.load('spoken.npy'), atol=1e-6)
    assert np.std(spoken) > 0

    import keras
    teacher = keras.models.load_model('teacher.keras')
    assert type(teacher) is Teacher and teacher.config == voice.config
    assert not {{'data', 'modes'}} & set(sys.modules)
  """
  subprocess.run(
    [python, '-I', '-c', textwrap.dedent(program)], cwd=tmp_path, check=True
  )


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
