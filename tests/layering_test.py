"""Imports run downwards only, and siblings do not import each other."""

from project_imports import imports_of, MODULES
import pytest

LAYERS = [
  ['config', 'memory'],
  ['presets', 'checks', 'same_run', 'audio', 'noise', 'convolution'],
  ['layers'],
  [
    'student_validation',
    'upsampling',
    'discretized',
    'flows',
    'network',
    'augmentation',
  ],
  ['distributions', 'losses', 'context', 'validation'],
  ['teacher', 'student', 'classifier', 'objectives', 'health'],
  ['sampling', 'diagnosis', 'weights'],
  ['training', 'evaluation', 'export', 'report', 'baseline'],
  ['figures_audio', 'figures_block', 'figures_fields'],
  ['figures', 'speaker_recognition'],
]
LEVEL = {
  f'wavenet_tf/{name}': level
  for level, names in enumerate(LAYERS)
  for name in names
}
OURS = [name for name in MODULES if name.startswith('wavenet_tf/')]
MODES = [name for name in MODULES if name.startswith('modes/')]
DATA = [name for name in MODULES if name.startswith('data/')]


def test_every_module_has_a_layer():
  assert sorted(OURS) == sorted(LEVEL)


@pytest.mark.parametrize('module', OURS)
def test_wavenet_tf_imports_only_lower_layers(module):
  for imported in imports_of(module):
    assert not imported.startswith(
      ('data/', 'modes/', 'train_main', 'serving/', 'benchmarks/')
    )
    if imported in LEVEL:
      assert LEVEL[imported] < LEVEL[module], f'{module} -> {imported}'


@pytest.mark.parametrize('module', DATA)
def test_data_imports_only_configuration_and_audio(module):
  ours = {name for name in imports_of(module) if name in LEVEL}
  assert ours <= {'wavenet_tf/config', 'wavenet_tf/audio'}
  assert not {n for n in imports_of(module) if n.startswith('modes/')}


def test_modes_are_imported_by_modes_and_the_command_alone():
  for module in MODULES:
    if not module.startswith(('modes/', 'tests/')) and module != 'train_main':
      found = imports_of(module)
      assert not [name for name in found if name.startswith('modes/')]


def test_the_client_imports_nothing_of_ours():
  assert not {n for n in imports_of('serving/client') if n in MODULES}


def test_benchmarks_are_imported_by_benchmarks_alone():
  for module in MODULES:
    if not module.startswith(('benchmarks/', 'tests/benchmarks')):
      found = imports_of(module)
      assert not [name for name in found if name.startswith('benchmarks/')]


def test_only_decoding_knows_audio_formats():
  for module in (*OURS, *DATA, *MODES, 'train_main'):
    if module not in ('data/decoding', 'data/sample/make_sample'):
      assert not imports_of(module) & {'soundfile', 'soxr', 'tensorflow_io'}


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
