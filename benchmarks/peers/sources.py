"""Other implementations, each in a process of its own.

Their frameworks and TensorFlow must not share a process. A worker
(`worker.py`) builds the peer's model, then makes one timed run whenever
it is told to, so that ours and theirs take turns.
"""

import contextlib
import json
import pathlib
import subprocess
import tempfile
from typing import NamedTuple

from benchmarks.measuring import harness, results
from wavenet_tf.configuration.errors import UserError

_WORKER = pathlib.Path(__file__).with_name('worker.py')

WAVENET_VOCODER = 'wavenet_vocoder'
PARALLEL_WAVEGAN = 'ParallelWaveGAN'
CLARINET = 'ClariNet'
# What lies in a peer's source folder, and nowhere else.
_SIGNS = {
  WAVENET_VOCODER: 'wavenet_vocoder/wavenet.py',
  PARALLEL_WAVEGAN: 'parallel_wavegan/__init__.py',
  CLARINET: 'wavenet_iaf.py',
}


class Source(NamedTuple):
  """A peer's source folder, recognised by what is inside."""

  name: str
  folder: pathlib.Path


def recognise(folder: pathlib.Path) -> Source:
  """Says which peer a folder holds.

  Raises:
    UserError: if it holds none.
  """
  for name, sign in _SIGNS.items():
    if (folder / sign).is_file():
      return Source(name, folder.resolve())
  signs = ', '.join(f'{sign} ({name})' for name, sign in _SIGNS.items())
  raise UserError(
    f'--peer_dir: {folder} holds no peer that is known here; expected the '
    f'source folder of one, with one of {signs}.'
  )


class Peer:
  """A peer at work; calling it makes one timed run: a contender of `harness`.

  Args:
    source: what to run.
    python: interpreter that has what the peer imports.
    task: which work, a name that the worker knows.
    threads: of the peer's framework.
    sizes: of the work.
    worker: the program that runs the peer.

  Raises:
    UserError: if the peer cannot be run.
  """

  def __init__(
    self,
    source: Source,
    python: pathlib.Path,
    task: str,
    threads: int,
    sizes: dict[str, int],
    worker: pathlib.Path = _WORKER,
  ):
    self.name = source.name
    self._stderr = tempfile.TemporaryFile('w+')  # noqa: SIM115, closed by close
    request = {
      'peer': source.name,
      'folder': str(source.folder),
      'task': task,
      'threads': threads,
      'sizes': sizes,
    }
    try:
      self._process = subprocess.Popen(
        [str(python), str(worker), json.dumps(request)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=self._stderr,
        text=True,
      )
    except OSError as error:
      raise UserError(
        f'--peer_python: {python} cannot be run ({error.strerror}); name the '
        'interpreter in which the peers run.'
      ) from error
    try:
      self.details = self._read()
      self.samples = self.details.pop('samples')
    except UserError:
      self.close()
      raise

  def __call__(self) -> float:
    self._process.stdin.write('run\n')
    self._process.stdin.flush()
    answer = self._read()
    self.details['peak_memory_bytes'] = answer['peak_memory_bytes']
    return answer['seconds']

  def close(self) -> None:
    """Ends the worker."""
    with contextlib.suppress(BrokenPipeError):
      self._process.stdin.close()
    self._process.wait()
    self._process.stdout.close()
    self._stderr.close()

  def compare(self, theirs, ours, our_samples: int) -> results.Peer:
    """Seconds of both in the same rounds -> rate and ratio."""
    ratio = harness.ratio(theirs, ours) * our_samples / self.samples
    rate = self.samples / harness.median(theirs)
    return results.Peer(self.name, rate, ratio, self.details)

  def _read(self) -> dict:
    line = self._process.stdout.readline()
    if line:
      return json.loads(line)
    self._process.wait()
    self._stderr.seek(0)
    lines = self._stderr.read().strip().splitlines() or ['no message']
    raise UserError(
      f'{self.name}: its process ended ({lines[-1]}); run it with '
      '--peer_python= an interpreter that has what it imports, or leave its '
      '--peer_dir out.'
    )


@contextlib.contextmanager
def working(settings, name: str, task: str, **sizes: int):
  """The peers of that name among the given folders, none or one of each.

  Args:
    settings: `Settings`: folders, interpreter, threads.
    name: of the peer that does this work.
    task: which work.
    **sizes: of the work.

  Yields:
    A list of `Peer`.
  """
  with contextlib.ExitStack() as stack:
    yield [
      stack.enter_context(
        contextlib.closing(
          Peer(source, settings.peer_python, task, settings.threads, sizes)
        )
      )
      for source in settings.sources
      if source.name == name
    ]
