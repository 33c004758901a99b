"""Temporaries of a training step, as XLA assigns its buffers on a CPU.

    python -m benchmarks.temporaries tiny teacher_step

Nothing is computed: XLA compiles the step and dumps what it assigned. Products
are matrix products in the compiled step, the body of a loop counted once.
"""

from collections.abc import Sequence
import itertools
import os
import pathlib
import re
import sys
import tempfile

from benchmarks.ahead import hlo, programs
from benchmarks.measuring import processes
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.config import Config, override

_MICROBATCHES = 1, 4
_MEBIBYTE = 2**20
_PRODUCT = re.compile(r' dot\(| convolution\(|"__onednn\$matmul')
_TEMPORARIES = re.compile(r'size (\d+),?.* preallocated-temp')


def temporaries(
  configs: Sequence[Config], program: str
) -> list[tuple[int, int]]:
  """By a process of its own: products of each step, bytes of its temporaries.

  Args:
    configs: valid.
    program: one of `names.PROGRAMS`.
  """
  return processes.call(_temporaries, configs, program)


def _temporaries(configs, name):
  with tempfile.TemporaryDirectory() as folder:
    os.environ['XLA_FLAGS'] = f'--xla_dump_to={folder} --xla_dump_hlo_as_text'
    return [_of(config, name, pathlib.Path(folder)) for config in configs]


def _of(config, name, folder):
  [program] = programs.of(config, [name])
  products = len(_PRODUCT.findall(hlo.compiled(program)))
  [assigned] = folder.glob('*buffer-assignment.txt')
  size = int(_TEMPORARIES.search(assigned.read_text())[1])
  assigned.unlink()
  return products, size


def main(preset: str, program: str) -> None:
  for recompute, parts in itertools.product((False, True), _MICROBATCHES):
    changes = {'microbatches': parts, 'recompute': recompute}
    config = override(
      presets.preset(preset),
      {
        f'{training}.{field}': value
        for training in ('train_teacher', 'train_student')
        for field, value in changes.items()
      },
    )
    [(products, size)] = temporaries([config], program)
    print(
      f'{preset}, {program}, {changes}: {products} products, '
      f'{size / _MEBIBYTE:,.0f} MiB of temporaries',
      flush=True,
    )


if __name__ == '__main__':
  main(*sys.argv[1:])
