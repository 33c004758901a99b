"""What a table holds, and its file."""

import dataclasses
import json
import pathlib
from typing import NamedTuple

from benchmarks.measuring import harness
from wavenet_tf.configuration.files import write_text


@dataclasses.dataclass(frozen=True)
class Peer:
  """Another implementation, timed in the same rounds.

  Attributes:
    name: of the project.
    samples_per_second: median.
    ratio: our rate over theirs, the median of the ratios within a round.
    details: versions and sizes, as its process says.
  """

  name: str
  samples_per_second: float
  ratio: float
  details: dict


@dataclasses.dataclass(frozen=True)
class Figure:
  """One line of a table.

  Attributes:
    what: in words.
    samples: audio samples that one run computes, of all streams together.
    seconds: of each run that counts.
    sample_rate_hz: of the configuration; None where audio is not spoken.
    first_chunk_seconds: from the call to the first audio of a stream.
    compile_seconds: what the first call of a fresh function costs.
    flops_per_sample: of the matrix products alone.
    ceilings: share that this figure reaches of each ceiling, by its name.
    peers: others that did the same work.
    notes: further numbers, by name.
  """

  what: str
  samples: int
  seconds: list[float]
  sample_rate_hz: int | None = None
  first_chunk_seconds: float | None = None
  compile_seconds: float | None = None
  flops_per_sample: float | None = None
  ceilings: dict[str, float] = dataclasses.field(default_factory=dict)
  peers: list[Peer] = dataclasses.field(default_factory=list)
  notes: dict[str, float] = dataclasses.field(default_factory=dict)

  @property
  def samples_per_second(self) -> float:
    return self.samples / harness.median(self.seconds)

  @property
  def real_time_factor(self) -> float | None:
    """Seconds per second of audio, of all streams together."""
    if self.sample_rate_hz is None:
      return None
    return self.sample_rate_hz / self.samples_per_second

  def to_json(self) -> dict:
    return {
      **dataclasses.asdict(self),
      'samples_per_second': self.samples_per_second,
      'real_time_factor': self.real_time_factor,
    }


@dataclasses.dataclass(frozen=True)
class Ceiling:
  """What the machine could do at most: a rate of matrix products."""

  what: str
  gflops: float


class Lines(NamedTuple):
  """What a table says; its configuration in words."""

  configuration: str
  ceilings: list[Ceiling]
  figures: list[Figure]


@dataclasses.dataclass(frozen=True)
class Table:
  """The lines of one path at one number of threads.

  Attributes:
    name: as on the command line.
    threads: cores that the process was kept on.
    configuration, ceilings, figures: as in `Lines`.
    peak_memory_bytes: of the process that made this table and no other.
    others_share: of these cores' time, what other programs took meanwhile.
  """

  name: str
  threads: int
  configuration: str
  ceilings: list[Ceiling]
  figures: list[Figure]
  peak_memory_bytes: int
  others_share: float

  def to_json(self) -> dict:
    return {
      **dataclasses.asdict(self),
      'figures': [figure.to_json() for figure in self.figures],
    }


def write(path: pathlib.Path, machine: dict, tables: list[Table]) -> None:
  """Writes a whole file or none."""
  content = {
    'machine': machine,
    'tables': [table.to_json() for table in tables],
  }
  write_text(path, json.dumps(content, indent=1) + '\n')
