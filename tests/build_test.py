"""BUILD says what the imports say."""

import ast

from project_imports import imports_of, MODULES, ROOT
import pytest

_PACKAGES = {
  'absl': 'absl_py',
  'grpc': 'grpcio',
  'parselmouth': 'praat_parselmouth',
  'sklearn': 'scikit_learn',
  'tensorflow_serving': 'tensorflow_serving_api',
}


def targets():
  """BUILD is valid Python syntax: name -> rule and its arguments."""
  found = {}
  for node in ast.parse((ROOT / 'BUILD').read_text()).body:
    call = node.value
    if isinstance(call, ast.Call) and call.func.id.startswith('py_'):
      arguments = {
        k.arg: ast.literal_eval(k.value)
        for k in call.keywords
        if k.arg != 'data'
      }
      found[arguments.pop('name')] = {'rule': call.func.id, **arguments}
  return found


TARGETS = targets()


def label(name):
  return f':{name}' if name in MODULES else f'@pip//{_PACKAGES.get(name, name)}'


def test_every_module_has_a_target():
  assert sorted(TARGETS) == sorted(MODULES)


@pytest.mark.parametrize('module', MODULES)
def test_deps_are_the_direct_imports(module):
  expected = {
    label(name) for name in imports_of(module) if name not in ('data',)
  }
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
  assert target['srcs'] == [f'{module}.py']


def test_every_package_of_build_is_required():
  text = (ROOT / 'requirements-test.txt').read_text()
  text += (ROOT / 'requirements.txt').read_text()
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
