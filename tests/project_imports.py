"""The imports of this project's files, as their syntax trees say."""

import ast
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[1]
_FOLDERS = (
  'wavenet_tf',
  'data',
  'data/sample',
  'modes',
  'docs',
  'serving',
  'benchmarks',
  'tests',
  '.',
)
MODULES = {
  path.relative_to(ROOT).with_suffix('').as_posix(): path
  for folder in _FOLDERS
  for path in sorted((ROOT / folder).glob('*.py'))
  if path.name != '__init__.py'
}


def imports_of(module: str) -> set[str]:
  """Direct imports: 'wavenet_tf/audio' for ours, 'numpy' for others'."""
  found = set()
  for node in ast.walk(ast.parse(MODULES[module].read_text('utf-8'))):
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      names = [f'{node.module}.{alias.name}' for alias in node.names]
    else:
      continue
    found.update(_resolve(module, name) for name in names)
  return found - {''}


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
