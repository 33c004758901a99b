"""One voice for all tests of this room."""

import pytest

from tests.torture import voices


@pytest.fixture(scope='session')
def voice_folder(tmp_path_factory):
  """A base folder with one version, which has every signature."""
  return voices.export(tmp_path_factory.mktemp('voice'))
