"""One miniature voice for all tests of this room."""

import pytest

from tests.torture import voices


@pytest.fixture(scope='session')
def miniature_voice(tmp_path_factory):
  """Exported, with every signature."""
  return voices.export_miniature(tmp_path_factory.mktemp('voice'))
