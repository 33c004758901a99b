"""A table as text."""

from benchmarks.measuring.results import Figure, Table

_MEBIBYTE = 2**20


def text(table: Table) -> str:
  """Heading, ceilings, one line a figure, and what belongs to it below."""
  threads = f'{table.threads} thread' + 's' * (table.threads > 1)
  memory = f'peak memory {table.peak_memory_bytes / _MEBIBYTE:,.0f} MiB'
  others = f'other programs took {table.others_share:.0%} of the time'
  lines = [
    f'{table.name}: {threads}, {memory}, {others}',
    f'  {table.configuration}',
  ]
  lines += [
    f'  ceiling  {c.gflops:8.1f} GFLOP/s  {c.what}' for c in table.ceilings
  ]
  for figure in table.figures:
    lines.append(_line(figure))
    lines += [f'      {detail}' for detail in _details(figure)]
  return '\n'.join(lines)


def _line(figure: Figure) -> str:
  rate = f'{figure.samples_per_second:12,.0f} samples/s'
  real_time = figure.real_time_factor
  seconds = '' if real_time is None else f'  {real_time:7.3f} s per s of audio'
  return f'  {figure.what:<34}{rate}{seconds}'


def _details(figure: Figure):
  for name, share in figure.ceilings.items():
    yield f'{share:.3f} of {name}'
  for peer in figure.peers:
    yield (
      f'{peer.ratio:.2f} x {peer.name}, which ran at '
      f'{peer.samples_per_second:,.0f} samples/s'
    )
  if figure.first_chunk_seconds is not None:
    yield f'first chunk after {figure.first_chunk_seconds * 1e3:,.0f} ms'
  if figure.compile_seconds is not None:
    yield f'compiled in {figure.compile_seconds:.2f} s'
  for name, value in figure.notes.items():
    yield f'{name}: {value:,.6g}'
