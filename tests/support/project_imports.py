"""The imports of this project's files, as their syntax trees say."""

import ast
import functools
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[2]
_TOPS = (
  'wavenet_tf',
  'data',
  'modes',
  'docs',
  'serving',
  'benchmarks',
  'tests',
)
# Packages that are called otherwise than what is imported.
PACKAGES = {
  'absl': 'absl_py',
  'google': 'protobuf',
  'grpc': 'grpcio',
  'parselmouth': 'praat_parselmouth',
  'sklearn': 'scikit_learn',
  'yaml': 'pyyaml',
  'tensorflow_serving': 'tensorflow_serving_api',
}
# By path without suffix: 'wavenet_tf/signal/spectra'. A folder's `__init__`
# goes by the folder's own name, if there is anything in it.
MODULES = {
  path.relative_to(ROOT)
  .with_suffix('')
  .as_posix()
  .removesuffix('/__init__'): path
  for path in sorted(
    [
      *ROOT.glob('*.py'),
      *(path for top in _TOPS for path in (ROOT / top).rglob('*.py')),
    ]
  )
  if path.name != '__init__.py' or path.stat().st_size
}


def folder_of(module: str) -> str:
  """The room that a module is in; its path from the root, '' for the root."""
  return MODULES[module].parent.relative_to(ROOT).as_posix().strip('.')


@functools.cache
def imports_of(module: str) -> frozenset[str]:
  """Direct imports: 'data/text/labels' for ours, 'numpy' for others'."""
  found = set()
  for node in ast.walk(ast.parse(MODULES[module].read_text('utf-8'))):
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      names = [f'{node.module}.{alias.name}' for alias in node.names]
    else:
      continue
    found.update(_resolve(module, name) for name in names)
  return frozenset(found - {''})


def _resolve(module, name):
  """The project's module that a dotted name reaches, or its top package."""
  parts = name.split('.')
  for length in range(len(parts), 0, -1):
    path = '/'.join(parts[:length])
    beside = f'{module.rpartition("/")[0]}/{path}'
    for candidate in path, beside:
      if candidate in MODULES:
        return candidate
  return '' if parts[0] in sys.stdlib_module_names else parts[0]
