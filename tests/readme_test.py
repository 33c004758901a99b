"""The README knows every room, and no file that is not there."""

import re

import pytest

from tests.support.project_imports import folder_of, MODULES, ROOT

README = (ROOT / 'README.md').read_text('utf-8')


@pytest.mark.parametrize(
  'room',
  sorted(
    {
      '/'.join(folder_of(module).split('/')[:2])
      for module in MODULES
      if module.startswith(('wavenet_tf/', 'data/', 'modes/', 'benchmarks/'))
    }
    - {'data/sample'}
  ),
)
def test_every_room_is_on_the_map(room):
  assert f'`{room}/`' in README


def test_files_that_the_readme_names_exist():
  for path in re.findall(
    r'`((?:wavenet_tf|data|docs|serving)/[\w/.]+)`', README
  ):
    assert (ROOT / path).exists(), path


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
