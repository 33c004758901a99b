"""XLA takes seconds for a function that a miniature runs in milliseconds."""

import contextlib

import tensorflow as tf


@contextlib.contextmanager
def without_xla():
  """Functions that are made in here are graphs that are not compiled.

  That compiled ones say the same is held where they are defined:
  `sampling_test`, `health_test`, `discretized_test`, and the chain of
  `end_to_end_test`.
  """
  function = tf.function
  tf.function = lambda *a, **k: function(*a, **k | {'jit_compile': False})
  try:
    yield
  finally:
    tf.function = function


@contextlib.contextmanager
def eagerly():
  """Functions are plain Python in here: for what is called once or twice."""
  tf.config.run_functions_eagerly(True)
  try:
    yield
  finally:
    tf.config.run_functions_eagerly(False)
