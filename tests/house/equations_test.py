"""docs/equations.md names what exists."""

import re

import pytest

from tests.support.project_imports import MODULES, ROOT

PAGE = (ROOT / 'docs' / 'equations.md').read_text('utf-8')
NAMES = re.findall(r'`(\w+)\.(\w+)`', PAGE)


def test_the_page_names_tests_and_code():
  assert sum(module.endswith('_test') for module, _ in NAMES) > 40
  assert sum(not module.endswith('_test') for module, _ in NAMES) > 30


@pytest.mark.parametrize(('module', 'name'), sorted(set(NAMES)))
def test_what_the_page_names_exists(module, name):
  if name == 'py':
    return
  top = 'tests/' if module.endswith('_test') else 'wavenet_tf/'
  sources = [
    path.read_text('utf-8')
    for found, path in MODULES.items()
    if found.startswith(top) and found.endswith(f'/{module}')
  ]
  defined = [re.search(rf'^(class|def) {name}\b', s, re.M) for s in sources]
  assert any(defined)


def test_every_equation_has_its_test():
  for row in re.findall(r'^\|.*\|$', PAGE, re.M):
    cells = re.split(r'(?<!\\)\|', row)[1:-1]
    if cells[0].strip() and not set(row) <= set('|-'):
      assert '_test.' in cells[3] or cells[3].strip() == 'as above', row


def test_links_and_pictures_exist():
  for path in re.findall(r'\]\(([^)#:]+)\)', PAGE):
    assert (ROOT / 'docs' / path).exists(), path


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
