"""The machine under the benchmark: its description, its cores, its memory."""

import importlib.metadata
import os
import pathlib
import platform
import re
import time

from wavenet_tf.configuration.errors import UserError

_PACKAGES = ('tensorflow', 'keras', 'tensorflow-probability', 'numpy')
_TELLING_FLAGS = re.compile(r'(avx|amx|fma|sse4|f16c|neon|asimd|sve|bf16)')
_KIBIBYTE = 1024


def describe() -> dict:
  """What a reader needs in order to judge a figure."""
  model, flags = _cpu()
  return {
    'cpu': model,
    'cpu_flags': [f for f in flags if _TELLING_FLAGS.match(f)],
    'cores': os.cpu_count(),
    'system': f'{platform.system()} {platform.machine()}',
    'python': platform.python_version(),
    'packages': {name: importlib.metadata.version(name) for name in _PACKAGES},
    'environment': {
      name: value
      for name, value in sorted(os.environ.items())
      if name in ('TF_XLA_FLAGS', 'XLA_FLAGS', 'TF_ENABLE_ONEDNN_OPTS')
    },
  }


def _cpu() -> tuple[str, list[str]]:
  path = pathlib.Path('/proc/cpuinfo')
  if not path.exists():
    return platform.processor(), []
  fields = dict(
    re.findall(r'^([^\t:]+)\s*: (.*)$', path.read_text('utf-8'), re.M)
  )
  flags = fields.get('flags', fields.get('Features', ''))
  return fields.get('model name', platform.processor()), sorted(flags.split())


def pin(threads: int) -> None:
  """Keeps this process and its children on `threads` cores.

  XLA sizes its pool by the cores that a process may use, whatever TensorFlow
  is told; so this must come before TensorFlow is imported.

  Raises:
    UserError: if there are fewer cores, or the system cannot pin.
  """
  if not hasattr(os, 'sched_setaffinity'):
    raise UserError(
      f'--threads: {platform.system()} cannot keep a process on given cores, '
      'so XLA would use all of them; run the benchmark on Linux.'
    )
  cores = sorted(os.sched_getaffinity(0))
  if threads > len(cores):
    raise UserError(
      f'--threads: found {threads}, expected at most the {len(cores)} cores '
      'that this process may use.'
    )
  # The last ones: what else runs is often on the first.
  os.sched_setaffinity(0, cores[-threads:])


class Load:
  """What other programs take of this process' cores, from now on."""

  def __init__(self):
    self._cores = os.sched_getaffinity(0)
    self._start = self._read()

  def others_share(self) -> float:
    """Their share of the cores' time since this object was made, 0 to 1.

    Children count as ours as soon as they have ended.
    """
    wall, busy, own = (
      now - then for now, then in zip(self._read(), self._start)
    )
    return min(max((busy - own) / (wall * len(self._cores)), 0.0), 1.0)

  def _read(self):
    """-> seconds on the clock, of the cores at work, and of our own work."""
    tick = os.sysconf('SC_CLK_TCK')
    busy = 0.0
    for line in pathlib.Path('/proc/stat').read_text('utf-8').splitlines():
      found = re.match(r'cpu(\d+) ', line)
      if found and int(found[1]) in self._cores:
        user, nice, system, _, _, *rest = map(int, line.split()[1:])
        # Interrupts, and what the host took; guests are in `user` already.
        busy += (user + nice + system + sum(rest[:3])) / tick
    times = os.times()
    own = sum(times[:4])
    return time.monotonic(), busy, own


def peak_memory_bytes() -> int:
  """The most memory that this process had so far."""
  return _status('VmHWM')


def memory_bytes() -> int:
  """The memory that this process has now."""
  return _status('VmRSS')


def _status(field: str) -> int:
  # Not getrusage: its peak is inherited from the parent process.
  text = pathlib.Path('/proc/self/status').read_text('utf-8')
  found = re.search(rf'^{field}:\s+(\d+) kB$', text, re.M)
  return int(found[1]) * _KIBIBYTE
