"""Fixtures that many tests share."""

import numpy as np
import pytest

from tests.support.miniature import miniature


@pytest.fixture
def config():
  return miniature()


@pytest.fixture
def generator():
  return np.random.default_rng(1)
