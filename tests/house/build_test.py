"""The BUILD files say what the imports say, one file a folder."""

import ast

import pytest

from tests.support.project_imports import (
  folder_of,
  imports_of,
  MODULES,
  PACKAGES,
  ROOT,
)


def name_of(module):
  """Of its target: the file's, or the folder's for an `__init__`."""
  return module.rpartition('/')[2]


def targets():
  """BUILD is valid Python syntax: module -> rule and its arguments."""
  found = {}
  for folder in sorted({folder_of(module) for module in MODULES}):
    text = (ROOT / folder / 'BUILD').read_text('utf-8')
    for node in ast.parse(text).body:
      call = node.value
      if isinstance(call, ast.Call) and call.func.id.startswith('py_'):
        arguments = {
          k.arg: ast.literal_eval(k.value)
          for k in call.keywords
          if k.arg != 'data'
        }
        name = arguments.pop('name')
        inside = f'{folder}/{name}'.strip('/')
        module = inside if inside in MODULES else folder
        found[module] = {'rule': call.func.id, **arguments}
  return found


TARGETS = targets()


def label(name, folder):
  """As `folder` calls what an import reaches."""
  if name not in MODULES:
    return f'@pip//{PACKAGES.get(name, name)}'
  there = folder_of(name)
  return f'{"" if there == folder else f"//{there}"}:{name_of(name)}'


def test_every_module_has_a_target():
  assert sorted(TARGETS) == sorted(MODULES)


@pytest.mark.parametrize('module', MODULES)
def test_deps_are_the_direct_imports(module):
  expected = {label(name, folder_of(module)) for name in imports_of(module)}
  assert set(TARGETS[module].get('deps', [])) == expected


@pytest.mark.parametrize('module', MODULES)
def test_rule_and_source_fit(module):
  target = TARGETS[module]
  rule = 'py_library'
  if module.endswith('_test'):
    rule = 'py_test'
  elif "__name__ == '__main__'" in MODULES[module].read_text():
    rule = 'py_binary'
  assert target['rule'] == rule
  assert target['srcs'] == [MODULES[module].name]


def test_every_package_of_build_is_required():
  text = ''.join(path.read_text() for path in ROOT.glob('requirements*.txt'))
  required = {
    line.split('==')[0].replace('-', '_').lower()
    for line in text.splitlines()
    if '==' in line
  }
  used = {
    dep.removeprefix('@pip//').replace('-', '_').lower()
    for target in TARGETS.values()
    for dep in target.get('deps', [])
    if dep.startswith('@pip//')
  }
  assert used <= required


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
