"""Fixtures that many tests share."""

import numpy as np
import pytest

from tests.support.compilation import eagerly, without_xla
from tests.support.miniature import miniature


@pytest.fixture
def config():
  return miniature()


@pytest.fixture
def generator():
  return np.random.default_rng(1)


@pytest.fixture
def uncompiled():
  with without_xla():
    yield


@pytest.fixture
def eager():
  with eagerly():
    yield
