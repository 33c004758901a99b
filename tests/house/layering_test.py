"""The house: imports run downwards only, and no room is too full."""

import collections
import graphlib
import itertools

import pytest

from tests.support.project_imports import folder_of, imports_of, MODULES

# The order of the rooms, lowest first, and of `voice`, the file above them all;
# all else is read from the folders.
ROOMS = {
  'wavenet_tf': [
    'configuration',
    'signal',
    'probability',
    'networks',
    'learning',
    'speaking',
    'judging',
    'showing',
    'loading',
    'voice',
  ],
  'data': ['recordings', 'text', 'conditioning', 'shards', 'preparing'],
}
MOST_FILES, MOST_LINES = 10, 300
HOUSE = [
  name
  for name in MODULES
  if name.startswith(('wavenet_tf/', 'data/', 'modes/', 'benchmarks/'))
]


def room_of(module):
  """'networks' of 'wavenet_tf/networks/teacher'."""
  return module.split('/')[1]


@pytest.mark.parametrize('top', ROOMS)
def test_the_rooms_are_those_of_the_list(top):
  found = {room_of(module) for module in HOUSE if module.startswith(f'{top}/')}
  assert found - {'sample'} == set(ROOMS[top])


@pytest.mark.parametrize('module', HOUSE)
def test_rooms_are_seen_from_higher_rooms_only(module):
  top = module.split('/')[0]
  for imported in imports_of(module):
    if top not in ROOMS or not imported.startswith(f'{top}/'):
      continue
    order = [*ROOMS[top], 'sample']
    here, there = room_of(module), room_of(imported)
    assert order.index(there) <= order.index(here), f'{module} -> {imported}'


def _circles(graph):
  try:
    graphlib.TopologicalSorter(graph).prepare()
  except graphlib.CycleError as error:
    return error.args[1]
  return []


def test_no_module_imports_itself_by_a_detour():
  graph = {
    module: [name for name in imports_of(module) if name in MODULES]
    for module in MODULES
  }
  assert not _circles(graph)


def test_no_folder_imports_itself_by_a_detour():
  """A room within a room is above or below the files around it, not both."""
  graph = collections.defaultdict(set)
  for module in HOUSE:
    for imported in imports_of(module):
      if imported in HOUSE and folder_of(imported) != folder_of(module):
        graph[folder_of(module)].add(folder_of(imported))
  assert not _circles(graph)


@pytest.mark.parametrize('module', HOUSE)
def test_no_file_is_too_long(module):
  assert len(MODULES[module].read_text('utf-8').splitlines()) <= MOST_LINES


def test_no_room_is_too_full():
  """Of the whole project, `tests/` and `serving/` included."""
  counts = collections.Counter(map(folder_of, MODULES))
  assert {'wavenet_tf', 'serving', 'tests/networks'} < set(counts)
  assert max(counts.values()) <= MOST_FILES, counts


def test_no_two_tests_have_one_name():
  """docs/equations.md calls a test by its file's name, without the room's."""
  names = [path.name for path in MODULES.values() if path.match('*_test.py')]
  assert len(names) == len(set(names))


def test_every_room_of_the_tests_is_a_room_of_the_project():
  found = {folder_of(name) for name in MODULES if name.endswith('_test')}
  rooms = {*ROOMS['wavenet_tf'], 'data', 'benchmarks', 'serving', 'scale'}
  rooms.add('elsewhere')
  assert found <= {
    f'tests/{room}'
    for room in rooms | {'program', 'house', 'torture', 'torture/faults'}
  }


def test_wavenet_tf_stands_by_itself():
  for module in HOUSE:
    if module.startswith('wavenet_tf/'):
      for imported in imports_of(module) & set(MODULES):
        assert imported.startswith('wavenet_tf/'), f'{module} -> {imported}'


def test_data_sees_configuration_and_signal_alone():
  for module in HOUSE:
    if module.startswith('data/'):
      for imported in imports_of(module) & set(MODULES):
        assert imported.startswith(
          ('data/', 'wavenet_tf/configuration/', 'wavenet_tf/signal/')
        ), f'{module} -> {imported}'


@pytest.mark.parametrize(
  ('top', 'seen_by'),
  [('modes', {'train_main', 'tests'}), ('benchmarks', {'tests'})],
)
def test_what_is_above_is_not_seen_from_below(top, seen_by):
  for module, imported in itertools.product(MODULES, MODULES):
    if imported.startswith(f'{top}/') and imported in imports_of(module):
      assert module.split('/')[0] in seen_by | {top}, f'{module} -> {imported}'


def test_serving_needs_nothing_of_the_project():
  found = [name for name in MODULES if name.startswith('serving/')]
  assert 'serving/client' in found
  for module in found:
    for imported in imports_of(module) & set(MODULES):
      assert imported.startswith('serving/'), f'{module} -> {imported}'


def test_no_test_is_imported():
  """What several tests need is in `tests/support/`, or a fixture."""
  for module in MODULES:
    for imported in imports_of(module):
      assert not imported.endswith(('_test', '/conftest')), module


def test_only_decoding_knows_audio_formats():
  decoding = 'data/recordings/decoding'
  for module in (*HOUSE, 'train_main'):
    if module not in (decoding, 'data/sample/make_sample'):
      assert 'soundfile' not in imports_of(module)
    # It brings file systems, too.
    if module not in (decoding, 'wavenet_tf/configuration/files'):
      assert 'tensorflow_io' not in imports_of(module)


def test_one_function_resamples():
  for module in HOUSE:
    if module not in (
      'wavenet_tf/signal/resampling',
      'data/sample/make_sample',
    ):
      assert 'soxr' not in imports_of(module)


def test_packages_of_the_extra_are_imported_by_the_instruments_alone():
  extra = {'pesq', 'pystoi', 'pyworld', 'pocketsphinx'}
  for module in (*HOUSE, 'train_main'):
    if not module.startswith('wavenet_tf/judging/perception/'):
      assert not imports_of(module) & extra


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
