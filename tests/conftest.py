"""Fixtures that many tests share."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import miniature


@pytest.fixture
def config():
  return miniature()


@pytest.fixture
def generator():
  return np.random.default_rng(1)


@pytest.fixture
def uncompiled(monkeypatch):
  """Nothing is compiled by XLA, which takes longer than miniatures run.

  That compiled functions say the same is held where they are defined:
  `sampling_test.py`, `health_test.py`, `discretized_test.py`, and the chain of
  `end_to_end_test.py`.
  """
  plain = tf.function
  monkeypatch.setattr(
    tf, 'function', lambda *a, **k: plain(*a, **k | {'jit_compile': False})
  )
