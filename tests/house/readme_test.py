"""The README and the guide in docs/ name what exists, and all of it."""

import ast
import builtins
import itertools
import pathlib
import re

import pytest

from tests.support.project_imports import folder_of, MODULES, ROOT
import wavenet_tf
from wavenet_tf.configuration.config import Config, flatten
from wavenet_tf.configuration.presets import PRESETS
from wavenet_tf.configuration.saved_config import ADDED
from wavenet_tf.configuration.validation.existing_run import RESUMABLE_FIELDS

README = ROOT / 'README.md'
GUIDE = [README, *sorted((ROOT / 'docs').glob('*.md'))]
TUTORIAL = sorted((ROOT / 'docs' / 'tutorial').glob('*.md'))
PAGES = [
  *GUIDE,
  *TUTORIAL,
  ROOT / 'serving' / 'README.md',
  ROOT / 'benchmarks' / 'NOTES.md',
  ROOT / 'CHANGELOG.md',
]
MOST_LINES = 150
# Of a run's folder, and by `python -m docs.tutorial`.
MADE = ('data/manifest.json', 'docs/tutorial/sounds', 'docs/tutorial/notebooks')
PROGRAMS = (
  'train_main',
  'serving/client',
  'serving/local_server',
  'serving/page/__main__',
  'benchmarks/__main__',
  'benchmarks/hours',
  'benchmarks/portable',
)
# Of TensorBoard, docker, the model server, XLA, and of those that
# docs/coming_from.md sets beside ours.
OTHER_FLAGS = {
  'logdir',
  'rm',
  'batching_parameters_file',
  'enable_batching',
  'model_config_file',
  'xla_cpu_compilation_enabled',
  'xla_gpu_compilation_enabled',
  'tf_xla_persistent_cache_directory',
  'xla_cpu_enable_fast_math',
  'outdir',
  'pretrain',
  'restore',
  'resume',
}
FIELDS = flatten(Config())
TEXTS = {path: path.read_text('utf-8') for path in PAGES}
ALL = '\n'.join(TEXTS[path] for path in [*GUIDE, *TUTORIAL])


def named(path):
  return path.relative_to(ROOT).as_posix()


def anchors(path):
  """The anchors that a page's headings have when it is rendered."""
  headings = re.findall(r'^#+ (.*)$', path.read_text('utf-8').lower(), re.M)
  return {re.sub(r'[^\w\- ]', '', h).replace(' ', '-') for h in headings}


def flags_of(program):
  """Names that a program's `DEFINE_...` calls give their flags."""
  source = MODULES[program].read_text('utf-8')
  return set(re.findall(r"DEFINE_\w+\(\s*'(\w+)'", source))


def modes():
  """The modes of `train_main.py`, without running it."""
  for node in ast.parse(MODULES['train_main'].read_text('utf-8')).body:
    targets = getattr(node, 'targets', ())
    if '_MODES' in [getattr(target, 'id', '') for target in targets]:
      return ast.literal_eval(node.value)
  raise AssertionError('train_main.py has no _MODES')


def defined_in(source):
  """Dotted names that a file defines: its own, and those of its classes."""
  found = set()
  for node in ast.parse(source).body:
    targets = getattr(node, 'targets', ()) or [getattr(node, 'target', None)]
    found.update(getattr(target, 'id', '') for target in targets)
    found.add(getattr(node, 'name', ''))
    if isinstance(node, ast.ClassDef):
      found.update(f'{node.name}.{getattr(n, "name", "")}' for n in node.body)
  return found


def test_the_readme_is_short():
  assert len(TEXTS[README].splitlines()) <= MOST_LINES


@pytest.mark.parametrize(
  'room',
  sorted(
    {
      '/'.join(folder_of(module).split('/')[:2])
      for module in MODULES
      if module.startswith(('wavenet_tf/', 'data/', 'modes/', 'benchmarks/'))
    }
    - {'wavenet_tf', 'benchmarks', 'data/sample'}
  ),
)
def test_every_room_is_on_the_map(room):
  assert f'`{room}/`' in TEXTS[README]


@pytest.mark.parametrize('page', [p for p in GUIDE if p != README], ids=named)
def test_every_page_is_reached_from_the_readme(page):
  assert f']({named(page)})' in TEXTS[README]


@pytest.mark.parametrize('page', PAGES, ids=named)
def test_links_lead_somewhere(page):
  for link in re.findall(r'\]\(([^)\s]+)\)', TEXTS[page]):
    if link.startswith('http'):
      continue
    path, _, anchor = link.partition('#')
    target = page.parent / path if path else page
    assert target.exists(), link
    assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize('page', PAGES, ids=named)
def test_files_that_are_named_exist(page):
  tops = 'wavenet_tf|data|modes|docs|serving|benchmarks|tests'
  for path in re.findall(rf'`((?:{tops})/[\w/.]+)`', TEXTS[page]):
    if path not in MADE:
      assert (ROOT / path).exists(), path


def test_functions_that_are_named_with_their_file_exist():
  pairs = re.findall(
    r'`([\w/.]+\.py)`\s+\(((?:`[\w.]+`(?:,\s+)?)+)\)', ALL, re.M
  )
  assert len(pairs) > 40
  for path, names in pairs:
    defined = defined_in((ROOT / path).read_text('utf-8'))
    for name in re.findall(r'`([\w.]+)`', names):
      assert name in defined, f'{path}: {name}'


def test_fields_that_are_named_exist():
  sections = {name.split('.')[0] for name in FIELDS if '.' in name}
  overrides = re.findall(r'--config\.(\w+\.\w+)', ALL)
  by_name = [
    field
    for field in re.findall(r'`([a-z_]+\.[a-z_0-9]+)(?:=[^`]*)?`', ALL)
    if field.split('.')[0] in sections
  ]
  assert len(overrides) > 40 and len(by_name) > 60
  assert not {*overrides, *by_name} - set(FIELDS)


def test_every_new_field_is_documented():
  assert ADDED
  assert not [field for field in ADDED if f'`{field}`' not in ALL]


def test_what_an_existing_run_may_change_is_documented():
  """As docs/voices.md says it."""
  ends = '.steps', '.checkpoint_every_steps', '.summary_every_steps'
  ends += '.microbatches', '.recompute'
  said = {name for name in FIELDS if name.startswith('evaluate.')}
  said |= {name for name in FIELDS if name.startswith('export.')}
  said |= {name for name in FIELDS if name.endswith(ends)} | {'data.workers'}
  assert said - {'evaluate.seed'} == RESUMABLE_FIELDS


@pytest.mark.parametrize('page', [*GUIDE, *TUTORIAL], ids=named)
def test_python_is_whole(page):
  """The blocks of a page, one after the other: what they name is there."""
  blocks = re.findall(r'^```python\n(.*?)^```$', TEXTS[page], re.M | re.S)
  tree = ast.parse('\n'.join(blocks))
  defined, used = set(dir(builtins)), set()
  for node in ast.walk(tree):
    if isinstance(node, ast.alias):
      defined.add(node.asname or node.name.split('.')[0])
    elif isinstance(node, ast.FunctionDef):
      defined.add(node.name)
    elif isinstance(node, ast.arg):
      defined.add(node.arg)
    elif isinstance(node, ast.Name):
      (used if isinstance(node.ctx, ast.Load) else defined).add(node.id)
    elif (
      isinstance(node, ast.Attribute)
      and getattr(node.value, 'id', '') == 'wavenet_tf'
    ):
      assert node.attr in wavenet_tf.__all__
  assert used <= defined


def test_there_is_python():
  assert '```python' in TEXTS[README]
  assert '```python' in TEXTS[ROOT / 'docs' / 'library.md']


def test_every_mode_is_documented():
  assert len(modes()) > 5
  assert not [mode for mode in modes() if f'| `{mode}`' not in ALL]


def test_every_preset_is_documented():
  assert not [preset for preset in PRESETS if f'| `{preset}`' not in ALL]


def test_every_flag_is_documented_and_no_other():
  flags = {program: flags_of(program) for program in PROGRAMS}
  assert all(flags.values())
  documented = set(re.findall(r'--(\w+)', ALL))
  assert flags['train_main'] <= documented
  pages = '\n'.join(TEXTS.values())
  known = set(itertools.chain(*flags.values())) | OTHER_FLAGS | {'config'}
  assert not set(re.findall(r'(?<![\w-])--(\w+)', pages)) - known


def test_pictures_are_small():
  pictures = [
    pathlib.Path(page.parent, link)
    for page in GUIDE
    for link in re.findall(r'!\[[^\]]*\]\(([^)]+)\)', TEXTS[page])
  ]
  assert pictures
  for picture in pictures:
    assert picture.stat().st_size < 300_000, picture


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
