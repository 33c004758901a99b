"""What a notebook meets: the package's names, and a run as one value."""

import ast
import doctest
import inspect
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.support import trained_run
from tests.support.miniature import miniature, random_student, random_teacher
from tests.support.project_imports import MODULES, ROOT
from tests.support.variants import ALONE, LINGUISTIC, SPEAKER
import wavenet_tf
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.judging.likelihood import teacher_likelihood
from wavenet_tf.learning.checkpoints import load_average
from wavenet_tf.networks.student import build_student
from wavenet_tf.networks.teacher import build_teacher
from wavenet_tf.signal import spectra
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.synthesis import Synthesizer
from wavenet_tf.voice import load_run, Voice


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('front_door') / 'runs' / 'demo'
  trained_run.make(folder)
  return folder


@pytest.fixture(scope='module')
def voice(workdir):
  return load_run(workdir)


@pytest.fixture(scope='module')
def waveform(voice):
  """Not a whole number of frames."""
  hop = voice.config.audio.hop_samples
  noise = np.random.default_rng(0).normal(0, 0.1, 7 * hop - 3)
  return np.round(noise * 2**15) / 2**15


def test_the_example_runs(workdir, monkeypatch):
  monkeypatch.chdir(workdir.parents[1])
  failed, tried = doctest.testmod(wavenet_tf)
  assert tried > 5
  assert not failed


def test_a_run_has_the_weights_that_training_averaged(workdir, voice):
  assert voice.config == wavenet_tf.load_config(workdir / 'config.json')
  for name, build in ('teacher', build_teacher), ('student', build_student):
    expected = load_average(build(voice.config), workdir / name)
    found = getattr(voice, name)
    for a, b in zip(expected.variables, found.variables, strict=True):
      assert a.path == b.path
      np.testing.assert_array_equal(a, b)
    assert not found.trainable_variables


def test_features_are_the_log_mel(voice, waveform):
  found = voice.features(waveform)
  expected = spectra.log_mel(
    tf.constant(waveform[None], tf.float32), voice.config.audio
  )
  np.testing.assert_array_equal(found, expected[0])
  np.testing.assert_array_equal(voice.features(waveform[None]), expected)
  assert found.dtype == np.float32


def test_the_student_speaks_where_there_is_one(voice, waveform):
  mel = voice.features(waveform)
  expected = Synthesizer(voice.student, voice.config)(mel[None], (7, 0))
  found = voice.speak(mel, seed=7)
  np.testing.assert_array_equal(found, expected[0])
  np.testing.assert_array_equal(voice.speak(mel, 7, 'student'), found)
  assert np.any(voice.speak(mel, seed=8) != found)


def test_the_teacher_speaks_when_asked(voice, waveform):
  mel = voice.features(waveform)
  expected = Generator(voice.teacher, voice.config)(mel[None], (7, 0))
  found = voice.speak(mel, seed=7, model='teacher')
  np.testing.assert_array_equal(found, expected[0])
  assert len(found) == 7 * voice.config.audio.hop_samples
  alone = Voice(voice.config, voice.teacher)
  np.testing.assert_array_equal(alone.speak(mel, seed=7), found)


@pytest.mark.parametrize('model', ['student', 'teacher'])
@pytest.mark.parametrize('batch', [0, 2])
def test_a_stream_is_what_is_spoken_in_parts(voice, waveform, model, batch):
  mel = voice.features(waveform)
  mel = np.stack([mel] * batch) if batch else mel
  parts = list(voice.stream(np.concatenate([mel] * 2, -2), 7, model))
  assert len(parts) > 1
  spoken = voice.speak(np.concatenate([mel] * 2, -2), 7, model)
  np.testing.assert_array_equal(np.concatenate(parts, -1), spoken)
  samples = 14 * voice.config.audio.hop_samples
  assert spoken.shape == ((batch, samples) if batch else (samples,))


def test_bits_are_those_of_the_evaluation(voice, waveform):
  class Example:
    levels = np.int32(waveform * 2**15)
    features = voice.features(waveform)
    global_ = np.zeros(0, np.float32)

  expected = teacher_likelihood(voice.teacher, voice.config, [Example])
  found = voice.bits(waveform)
  assert found == pytest.approx(expected.bits_per_sample, rel=1e-12)
  assert voice.bits(waveform, Example.features) == found
  assert voice.bits(waveform, Example.features + 1) != found


def test_a_global_vector_is_of_all_or_of_each(generator):
  config = miniature(**SPEAKER)
  voice = Voice(config, random_teacher(config), random_student(config))
  mel = generator.normal(-5, 2, [2, 3, 8]).astype(np.float32)
  one, other = np.eye(3)[:2]
  of_all = voice.speak(mel, global_vector=one)
  np.testing.assert_array_equal(
    voice.speak(mel, global_vector=np.stack([one, one])), of_all
  )
  of_each = voice.speak(mel, global_vector=np.stack([one, other]))
  np.testing.assert_array_equal(of_each[0], of_all[0])
  assert np.any(of_each[1] != of_all[1])


def test_without_local_conditioning_frames_are_a_length(waveform):
  config = miniature(**ALONE)
  voice = Voice(config, random_teacher(config))
  spoken = voice.speak(np.zeros([5, 0]), seed=1)
  assert spoken.shape == (5 * config.audio.hop_samples,)
  assert voice.bits(waveform) > 0


MEL = np.zeros([4, 8], np.float32)
# What was done -> what the sentence says.
REFUSALS = {
  lambda v: v.features(np.zeros(9, np.int16)): r'waveform: .*int16.*floats',
  lambda v: v.features(np.zeros([1, 1, 9])): r'waveform: .*\[1, 1, 9\]',
  lambda v: v.features(np.zeros(0)): 'waveform: found no samples',
  lambda v: v.features(np.full(9, 3.0)): r'waveform: .*3, expected \[-1, 1\]',
  lambda v: v.features(np.zeros([99, 2])): r'waveform: .*\[99, 2\].*mean\(1\)',
  lambda v: v.features(np.zeros(99), 7999): r'found 7999, .*8000 or more',
  lambda v: v.features(np.zeros(2), 44100): 'waveform: found no samples',
  lambda v: v.bits(np.zeros(99), rate_hz=4000): 'rate_hz: found 4000',
  lambda v: v.features(np.array([0.0, np.nan])): 'waveform: .*not finite',
  lambda v: v.bits(np.zeros([2, 99])): r'waveform: .*\[2, 99\], .* 1 axes',
  lambda v: v.bits(np.zeros(99), MEL): 'found 4 frames, expected 5 for 99',
  lambda v: v.speak(np.zeros([4, 7])): r'features: .*\[4, 7\].*\[frames, 8\]',
  lambda v: v.speak(np.zeros([0, 8])): r'features: .*\[0, 8\]',
  lambda v: v.speak(np.zeros(99)): r'features: .*\[99\], as of a wave.* 8\]',
  lambda v: v.speak(MEL, seed=-1): 'seed: found -1',
  lambda v: v.speak(MEL, seed=1.0): r'seed: found 1\.0',
  lambda v: v.speak(MEL, model='child'): "model: .*'student' or 'teacher'",
  lambda v: v.stream(MEL, model='child'): 'model',
  lambda v: v.speak(MEL, global_vector=np.ones(3)): r'global_vector: .*\[3\]',
}  # fmt: skip


@pytest.mark.parametrize('refused', REFUSALS)
def test_what_cannot_be_used_is_one_sentence(voice, refused):
  with pytest.raises(UserError, match=REFUSALS[refused]) as error:
    refused(voice)
  assert re.fullmatch(r'[^\n]*[^.]\.', str(error.value))


def test_what_this_run_lacks_is_one_sentence(generator):
  def voice(**overrides):
    config = miniature(student__flow_layers=(), **overrides)
    return Voice(config, build_teacher(config))

  with pytest.raises(UserError, match="expected 'teacher', as this run has no"):
    voice().speak(MEL, model='student')
  with pytest.raises(UserError, match='global_vector: found none, expected 3'):
    voice(**SPEAKER).speak(MEL)
  with pytest.raises(UserError, match=r'global_vector: .*\[4\], expected 3'):
    voice(**SPEAKER).speak(MEL, global_vector=np.ones(4))
  for ask in 'features', 'bits':
    with pytest.raises(UserError, match=r"'linguistic'.*\[frames, 5\]"):
      getattr(voice(**LINGUISTIC), ask)(np.zeros(99))


def test_a_folder_without_a_run_is_one_sentence(tmp_path, workdir):
  with pytest.raises(UserError, match=r'config\.json does not exist; name'):
    load_run(tmp_path / 'nowhere')
  (tmp_path / 'config.json').write_text('{}')
  with pytest.raises(UserError, match='not a configuration'):
    load_run(tmp_path)
  config = wavenet_tf.load_config(workdir / 'config.json')
  wavenet_tf.save_config(config, str(tmp_path / 'config.json'))
  with pytest.raises(UserError, match='teacher has no checkpoint'):
    load_run(str(tmp_path))
  (tmp_path / 'teacher').symlink_to(workdir / 'teacher')
  assert load_run(tmp_path).student is None


def test_a_field_that_is_not_there_is_one_sentence():
  for field in 'teacher.cycle', 'teachers.cycles', 'teacher':
    with pytest.raises(UserError, match=f'^{field}: no field'):
      wavenet_tf.override(wavenet_tf.preset('tiny'), {field: 3})


def test_names_have_one_home_each():
  """`__all__`, type checkers and the lazy import know the same ones."""
  homes = {}
  tree = ast.parse(inspect.getsource(wavenet_tf))
  for node in ast.walk(tree):
    if isinstance(node, ast.ImportFrom) and node.level == 0:
      homes |= {alias.name: node.module for alias in node.names}
  homes.pop('TYPE_CHECKING')
  assert sorted(homes) == sorted(wavenet_tf.__all__)
  assert homes == {k: f'wavenet_tf.{v}' for k, v in wavenet_tf._HOMES.items()}
  for name, home in homes.items():
    value = getattr(wavenet_tf, name)
    assert value is getattr(sys.modules[home], name)
    assert getattr(value, '__module__', home) == home
  assert set(wavenet_tf.__all__) <= set(dir(wavenet_tf))
  with pytest.raises(AttributeError, match='has no attribute'):
    wavenet_tf.Techer  # noqa: B018


def test_configurations_do_not_import_tensorflow():
  subprocess.run(
    [
      sys.executable,
      '-c',
      'import sys, wavenet_tf; wavenet_tf.preset("tiny");'
      'assert not {"tensorflow", "keras", "numpy"} & set(sys.modules)',
    ],
    cwd=ROOT,
    check=True,
  )


def test_there_is_one_version():
  text = (ROOT / 'MODULE.bazel').read_text()
  assert f'version = "{wavenet_tf.__version__}"' in text


def _public_functions(node):
  for child in node.body:
    if isinstance(child, ast.ClassDef) and child.name[0] != '_':
      yield from _public_functions(child)
    elif isinstance(child, ast.FunctionDef) and (
      child.name[0] != '_' or child.name in ('__init__', '__call__')
    ):
      yield child


@pytest.mark.parametrize(
  'module',
  [
    module
    for module in MODULES
    if module.split('/')[0]
    in ('wavenet_tf', 'data', 'modes', 'serving', 'train_main')
  ],
)
def test_public_functions_have_type_hints(module):
  for function in _public_functions(ast.parse(MODULES[module].read_text())):
    arguments = function.args
    bare = [
      a.arg
      for a in (
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        *filter(None, (arguments.vararg, arguments.kwarg)),
      )
      # Those of a Keras layer are Keras's to say.
      if a.annotation is None and a.arg not in ('self', 'cls', 'kwargs')
    ]
    assert not bare, f'{function.name}: {bare}'
    assert function.returns or function.name == '__init__', function.name


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
