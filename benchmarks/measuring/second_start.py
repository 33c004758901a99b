"""What compiling costs when the program starts, and when it starts again.

Each start is a process of its own; both share XLA's persistent cache.
"""

import os
import tempfile
import time

from benchmarks.measuring import machine, processes
from wavenet_tf.configuration.config import Config
from wavenet_tf.learning import allocator


def seconds(threads: int, config: Config) -> dict[str, float]:
  """Seconds from the first call of a `Generator` to its first chunk."""
  with tempfile.TemporaryDirectory() as cache:
    found = {}
    for start in 'first', 'second':
      what = f'first chunk of a {start} start with a persistent cache, s'
      found[what] = processes.call(_first_chunk, threads, config, cache)
  return found


def _first_chunk(threads, config, cache):
  """Runs in a fresh process: before this, nothing imported TensorFlow."""
  os.environ['TF_XLA_FLAGS'] = (
    f'--tf_xla_persistent_cache_directory={cache} '
    '--tf_xla_persistent_cache_prefix=benchmark'
  )
  machine.pin(threads)
  allocator.keep_freed()
  from benchmarks.measuring import configurations
  from wavenet_tf.networks.teacher import build_teacher
  from wavenet_tf.speaking.generation import Generator

  teacher = configurations.randomize(build_teacher(config))
  generator = Generator(teacher, config)
  features = configurations.features(
    config.audio, 1, config.evaluate.chunk_frames
  )
  start = time.perf_counter()
  next(generator.chunks(features, [1, 2])).waveform.numpy()
  return time.perf_counter() - start
