"""Temporaries of a training step, as XLA assigns its buffers on a CPU.

    python -m benchmarks.temporaries --preset=tiny --program=teacher_step

Nothing is computed: XLA compiles the step and dumps what it assigned. Products
are matrix products in the compiled step, the body of a loop counted once.
"""

from collections.abc import Sequence
import itertools
import os
import pathlib
import re
import tempfile

from absl import app, flags

from benchmarks.ahead import hlo, programs
from benchmarks.ahead.names import DISTILLATION_STEP, TEACHER_STEP
from benchmarks.measuring import processes
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.config import Config, override

_PRESET = flags.DEFINE_string('preset', 'tiny', 'Configuration.')
_PROGRAM = flags.DEFINE_enum(
  'program', TEACHER_STEP, [TEACHER_STEP, DISTILLATION_STEP], 'Which step.'
)
_MICROBATCHES = flags.DEFINE_multi_integer('microbatches', [1, 4], 'Parts.')
_RECOMPUTE = flags.DEFINE_multi_enum(
  'recompute', ['False', 'True'], ['False', 'True'], 'Blocks, once more.'
)
_MEBIBYTE = 2**20
_PRODUCT = re.compile(r' dot\(| convolution\(|"__onednn\$matmul')
_TEMPORARIES = re.compile(r'size (\d+),?.* preallocated-temp')


def temporaries(config: Config, program: str) -> tuple[int, int]:
  """By a process of its own: products of a step, bytes of its temporaries."""
  return processes.call(_temporaries, config, program)


def _temporaries(config, name):
  with tempfile.TemporaryDirectory() as folder:
    os.environ['XLA_FLAGS'] = f'--xla_dump_to={folder} --xla_dump_hlo_as_text'
    [program] = programs.of(config, [name])
    products = len(_PRODUCT.findall(hlo.compiled(program)))
    [assigned] = pathlib.Path(folder).glob('*buffer-assignment.txt')
    return products, int(_TEMPORARIES.search(assigned.read_text())[1])


def main(argv: Sequence[str]) -> None:
  del argv
  for recompute, parts in itertools.product(
    _RECOMPUTE.value, _MICROBATCHES.value
  ):
    changes = {'microbatches': parts, 'recompute': recompute == 'True'}
    config = override(
      presets.preset(_PRESET.value),
      {
        f'{training}.{field}': value
        for training in ('train_teacher', 'train_student')
        for field, value in changes.items()
      },
    )
    products, size = temporaries(config, _PROGRAM.value)
    print(
      f'{_PRESET.value}, {_PROGRAM.value}, {changes}: {products} products, '
      f'{size / _MEBIBYTE:,.0f} MiB of temporaries',
      flush=True,
    )


if __name__ == '__main__':
  app.run(main)
