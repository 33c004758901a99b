"""Fixtures that many tests share."""

import random

import numpy as np
import pytest

from tests.support.compilation import eagerly, without_xla
from tests.support.miniature import miniature


@pytest.fixture(autouse=True)
def same_weights():
  """Keras draws the seeds of its initializers from Python's generator."""
  random.seed(0)


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


def pytest_collection_modifyitems(items):
  """Files that take longer are started first, so that no worker is idle."""
  items.sort(key=lambda item: item.get_closest_marker('medium') is None)
