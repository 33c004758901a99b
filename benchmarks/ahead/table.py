"""What compilers for a TPU and a GPU say of a configuration's programs."""

import ast
from collections.abc import Callable, Sequence
import dataclasses
import json
import pathlib
import subprocess
import tempfile
from typing import NamedTuple

from benchmarks.ahead.names import PROGRAMS, TARGETS
from benchmarks.measuring import processes
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.config import override
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import write_bytes
from wavenet_tf.configuration.validation import validate

_COMPILER = pathlib.Path(__file__).with_name('compiler.py')
_GIGA = 1e9
_MEBIBYTE = 2**20


@dataclasses.dataclass(frozen=True)
class Request:
  """What is compiled, for what, and by whom.

  Attributes:
    python: interpreter that has requirements-aot.txt.
    preset: whose programs.
    changes: of its fields, such as `train_teacher.microbatches=4`.
    programs: names of `PROGRAMS`.
    targets: some of `TARGETS`.
    rows: utterances that chunks are about.
    folder: keeps programs before and after compiling; None keeps nothing.
  """

  python: pathlib.Path
  preset: str
  changes: tuple[str, ...]
  programs: tuple[str, ...]
  targets: tuple[str, ...]
  rows: int = 1
  folder: pathlib.Path | None = None


class Exported(NamedTuple):
  """A program in a file.

  Attributes:
    samples, needed_flops: of `programs.Program`.
    flops: of the products in the program, loops counted in full; with what is
      computed again.
    refused: what no device should be given.
  """

  samples: int
  needed_flops: float | None
  flops: float
  refused: list[str]


class Row(NamedTuple):
  """A program, compiled for a target; `said` is of `compiler.main`."""

  program: str
  target: str
  exported: Exported
  said: dict

  @property
  def memory_bytes(self) -> int:
    """Of the device, while it runs; what is aliased is there once."""
    said = self.said
    return (
      said['argument_bytes']
      + said['output_bytes']
      - said['alias_bytes']
      + said['temporary_bytes']
      + said['code_bytes']
    )


@dataclasses.dataclass(frozen=True)
class AheadTable:
  """Rows, and what was asked."""

  name: str
  configuration: str
  rows: list[Row]

  def to_json(self) -> dict:
    return {
      'name': self.name,
      'configuration': self.configuration,
      'rows': [
        {**row._asdict(), 'exported': row.exported._asdict()}
        for row in self.rows
      ],
    }


def measure(request: Request, say: Callable[[str], None] = print) -> AheadTable:
  """Exports and compiles one program after the other, each in its own process.

  Args:
    request: checked by its programs, or an error.
    say: is told every line of the table as soon as it is there.

  Raises:
    UserError: if the interpreter is none, or the configuration is not valid.
  """
  _check(request)
  config = validate.validate(
    override(presets.preset(request.preset), _values(request.changes))
  )
  table = AheadTable('aot', ', '.join([request.preset, *request.changes]), [])
  say(f'{table.name}: {table.configuration}\n{_HEADING}')
  with tempfile.TemporaryDirectory() as temporary:
    folder = request.folder or pathlib.Path(temporary)
    folder.mkdir(parents=True, exist_ok=True)
    for name in request.programs:
      path = folder / f'{name}.hlo'
      exported = processes.call(_export, config, name, request.rows, path)
      if exported is None:
        continue
      for target in request.targets:
        said = _compile(request.python, target, path, exported)
        table.rows.append(Row(name, target, exported, said))
        say(text(table.rows[-1]))
  return table


def _check(request):
  if not request.python.is_file():
    raise UserError(
      f'--aot_python: {request.python} is not there, expected the interpreter '
      'of an environment that has requirements-aot.txt, such as '
      '.venv-aot/bin/python.'
    )
  for flag, found, known in (
    ('programs', request.programs, PROGRAMS),
    ('targets', request.targets, TARGETS),
  ):
    for name in found:
      if name not in known:
        raise UserError(
          f'--aot_{flag}: found {name!r}, expected some of {", ".join(known)}.'
        )


def _export(config, name, rows, path) -> Exported | None:
  """None where the configuration has no such program."""
  # Imports TensorFlow.
  from benchmarks.ahead import hlo, programs

  for program in programs.of(config, [name], rows):
    module = hlo.export(program)
    write_bytes(path, hlo.without_copies(module).SerializeToString())
    return Exported(
      program.samples, program.flops, hlo.flops(module), hlo.refused(module)
    )
  return None


def _values(changes: Sequence[str]) -> dict:
  """'field=value' -> by field; a value that is no literal is a string."""
  found = {}
  for change in changes:
    field, is_one, value = change.partition('=')
    if not is_one:
      raise UserError(
        f'--aot_set: found {change!r}, expected a field and its value, such as '
        'train_teacher.microbatches=4.'
      )
    try:
      found[field] = ast.literal_eval(value)
    except (ValueError, SyntaxError):
      found[field] = value
  return found


def _compile(python, target, path, exported):
  if exported.refused:  # A shape that is not static ends the compiler.
    return {'refused': '; '.join(exported.refused)}
  done = subprocess.run(
    [str(python), str(_COMPILER), target, str(path)],
    capture_output=True,
    text=True,
    check=False,
  )
  lines = done.stdout.splitlines()
  if done.returncode or not lines:
    lines = done.stderr.strip().splitlines()
    return {'refused': f'the compiler ended: {lines[-1] if lines else ""}'}
  return json.loads(lines[-1])


_HEADING = (
  f'  {"program":<18}{"target":<8}{"compiled":>9}'
  f'{"needed":>11}{"products":>11}{"XLA":>11}{"accessed":>11}'
  f'{"temporary":>11}{"arguments":>11}{"results":>9}{"aliased":>9}'
  f'{"code":>8}{"all":>9}{"a turn":>9}'
  '\n'
  f'  {"":<26}{"s":>9}{"GFLOP":>11}{"GFLOP":>11}{"GFLOP":>11}'
  f'{"MiB":>11}{"MiB":>11}{"MiB":>11}{"MiB":>9}{"MiB":>9}{"MiB":>8}'
  f'{"MiB":>9}{"launches":>9}'
)


def text(row: Row) -> str:
  """One line."""
  said, exported = row.said, row.exported
  start = f'  {row.program:<18}{row.target:<8}'
  if 'refused' in said:
    return f'{start} refused: {said["refused"]}'
  return (
    f'{start}{said["compile_seconds"]:9.1f}'
    f'{_number(exported.needed_flops, _GIGA):>11}'
    f'{_number(exported.flops, _GIGA):>11}'
    f'{_number(said["flops"], _GIGA):>11}'
    f'{_number(said["accessed_bytes"], _MEBIBYTE):>11}'
    f'{_number(said["temporary_bytes"], _MEBIBYTE):>11}'
    f'{_number(said["argument_bytes"], _MEBIBYTE):>11}'
    f'{_number(said["output_bytes"], _MEBIBYTE):>9}'
    f'{_number(said["alias_bytes"], _MEBIBYTE):>9}'
    f'{_number(said["code_bytes"] or None, _MEBIBYTE):>8}'
    f'{_number(row.memory_bytes, _MEBIBYTE):>9}'
    f'{said["loop_launches"] or "-":>9}'
  )


def _number(value, unit) -> str:
  if value is None:
    return '-'
  value /= unit
  return f'{value:,.0f}' if value >= 100 else f'{value:.3g}'
