"""The README knows every module and every mode."""

import re

from project_imports import MODULES, ROOT
import pytest

README = (ROOT / 'README.md').read_text('utf-8')


@pytest.mark.parametrize(
  'module',
  [m for m in MODULES if m.startswith(('wavenet_tf/', 'data/', 'docs/'))],
)
def test_every_module_is_on_the_map(module):
  if module != 'data/sample/make_sample':
    assert f'{module.rpartition("/")[2]}.py' in README


def test_files_that_the_readme_names_exist():
  for path in re.findall(
    r'`((?:wavenet_tf|data|docs|serving)/[\w/.]+)`', README
  ):
    assert (ROOT / path).exists(), path


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
