"""A long recording cut into pieces."""

import re

from data.shards.example import Example
from data.shards.splits import TRAIN, VALIDATION
from data.text import labels
from wavenet_tf.configuration.config import Config


def cut(example: Example, config: Config) -> list[Example]:
  """Pieces of `data.piece_seconds`, rounded to frames; the last has the rest.

  A recording of less than two pieces stays whole and keeps its name; pieces are
  `x.ogg#000`, `x.ogg#001` and so on.
  """
  hop, samples = config.audio.hop_samples, len(example.levels)
  seconds = config.data.piece_seconds
  size = round(seconds * config.audio.sample_rate_hz / hop) * hop
  count = samples // size if size else 1
  if count < 2:
    return [example]
  ends = [*range(size, count * size, size), samples]
  return [
    _between(example, i, start, end, hop)
    for i, (start, end) in enumerate(zip([0, *ends], ends))
  ]


def _between(example, number, start, end, hop):
  return Example(
    f'{example.name}#{number:03d}',
    example.levels[start:end],
    example.features[start // hop : -(-end // hop)],
    example.global_,
    {
      kind: labels.cut(segments, start, end)
      for kind, segments in example.segments.items()
    },
  )


def is_piece(name: str) -> bool:
  """Whether an example holds a part of its recording only."""
  return re.search(r'#\d{3,}$', name) is not None


def trains(config: Config, side: str) -> bool:
  """Whether a recording, or the beginning of it where it is cut, trains."""
  cuts = config.data.piece_seconds and config.data.split == 'random'
  return bool(cuts) or side == TRAIN


def piece_sides(config: Config, count: int) -> list[str]:
  """The end of a recording that was cut validates, whatever its own side."""
  if count < 2 or config.data.split != 'random':
    return [''] * count
  held_out = min(max(1, round(config.data.validation_share * count)), count - 1)
  return [TRAIN] * (count - held_out) + [VALIDATION] * held_out
