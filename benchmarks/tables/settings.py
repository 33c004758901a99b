"""What the command line says, for every table alike."""

import dataclasses
import pathlib

from benchmarks.peers.sources import Source


@dataclasses.dataclass(frozen=True)
class Settings:
  """How to measure.

  Attributes:
    threads: cores of the process.
    repeats: rounds that count, after one of warm-up.
    sources: folders of peers, recognised.
    peer_python: interpreter that has what the peers import.
    stream_seconds: lengths of audio whose cost per second is compared.
    second_start: whether to compile twice through a persistent cache.
    memory_seconds: of audio in the rows whose memory is measured; 0 measures
      none.
  """

  threads: int
  repeats: int = 5
  sources: tuple[Source, ...] = ()
  peer_python: pathlib.Path = pathlib.Path('python3')
  stream_seconds: tuple[float, ...] = (1.0, 10.0)
  second_start: bool = True
  memory_seconds: float = 60.0
