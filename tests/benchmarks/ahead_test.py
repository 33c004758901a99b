"""What XLA is given can be compiled for other devices."""

import json
import pathlib

import pytest
import tensorflow as tf

from benchmarks import temporaries
from benchmarks.ahead import compiler, hlo, names, programs, table
from benchmarks.measuring import processes
from tests.support.miniature import miniature, short
from tests.support.variants import COMBINATIONS, LARGE
from wavenet_tf.configuration.errors import UserError

pytestmark = pytest.mark.medium


def said_by_preparation(config):
  """The sizes that only recordings say."""
  sizes = {}
  if config.conditioning.local == 'linguistic':
    sizes['conditioning__linguistic_channels'] = 5
  if config.conditioning.globals:
    sizes['conditioning__global_channels'] = 3
  return sizes


@pytest.mark.parametrize(
  'name',
  [*COMBINATIONS, *(pytest.param(n, marks=pytest.mark.large) for n in LARGE)],
)
def test_every_combination_is_static_in_32_bits_and_whole(name):
  """No shape that is found on the way, no double, no code of others."""
  chosen = (COMBINATIONS | LARGE)[name]
  config = short(**chosen | said_by_preparation(short(**chosen)))
  found = [program.name for program in refusing_none(config)]
  students = [names.DISTILLATION_STEP, names.STUDENT_CHUNK]
  teachers = [names.TEACHER_STEP, names.GENERATION_CHUNK]
  assert found == teachers + (students if config.student.flow_layers else [])


def test_batches_in_parts_and_blocks_computed_again_are_so_too():
  steps = [
    (f'{training}__{field}', value)
    for training in ('train_teacher', 'train_student')
    for field, value in (('microbatches', 2), ('recompute', True))
  ]
  found = refusing_none(short(**dict(steps)))
  assert {program.name for program in found} == set(names.PROGRAMS)


def test_blocks_computed_again_need_less_memory():
  """Of a step of layers enough that what they save is most of it."""
  sizes = {
    'teacher__cycles': 1,
    'teacher__layers_per_cycle': 5,
    'teacher__residual_channels': 32,
    'teacher__gate_channels': 32,
    'train_teacher__crop_samples': 4000,
  }
  configs = [
    miniature(**sizes, train_teacher__recompute=recompute)
    for recompute in (False, True)
  ]
  [(_, saved), (_, again)] = temporaries.temporaries(
    configs, names.TEACHER_STEP
  )
  print(f'{saved / 2**20:.1f} MiB, {again / 2**20:.1f} computed again.')
  assert again < 0.6 * saved


def refusing_none(config):
  for program in programs.of(config):
    module = hlo.export(program)
    assert hlo.refused(module) == []
    assert hlo.flops(module) >= (program.flops or 1.0)
    yield program


def exported(function, *arguments):
  return hlo.export(programs.Program('', function, arguments, 0, None))


MATRIX = tf.TensorSpec([3, 4])


@pytest.mark.parametrize(
  ('function', 'expected'),
  [
    (lambda x: tf.boolean_mask(x, x > 0), 'not static'),
    (lambda x: tf.cast(x, tf.float64) + 1, '64 bits'),
    (lambda x: tf.signal.rfft(tf.cast(x, tf.float64)), '64 bits'),
    (lambda x: tf.math.top_k(x, 2), 'TopK'),
  ],
)
def test_what_devices_refuse_is_found(function, expected):
  assert any(
    expected in line for line in hlo.refused(exported(function, MATRIX))
  )


def test_products_of_loops_count_as_often_as_they_run():
  """Of 96 operations: once before, and 6 times in each of 5 turns."""

  def inner(x):
    return tf.while_loop(
      lambda i, _: i < 6, lambda i, x: (i + 1, x @ tf.ones([4, 4])), (0, x)
    )[1]

  def function(x):
    return tf.while_loop(
      lambda i, _: i < 9,
      lambda i, x: (i + 1, inner(x)),
      (0, x @ tf.ones([4, 4])),
      maximum_iterations=5,
    )[1]

  assert hlo.flops(exported(function, MATRIX)) == 96 * (1 + 5 * 6)


def test_nothing_is_told_as_nothing_and_results_are_no_copies():
  variable = tf.Variable(tf.ones([3, 4]))

  def add(x, y):
    assert y is None
    variable.assign_add(x)
    return variable.read_value()

  module = exported(add, MATRIX, None)
  assert len(module.host_program_shape.parameters) == 2
  opcodes = [i.opcode for c in module.computations for i in c.instructions]
  changed = hlo.without_copies(module)
  assert 'copy' in opcodes
  assert 'copy' not in [
    i.opcode for c in changed.computations for i in c.instructions
  ]


COMPILED = """
%body.1 (x: (s32[], f32[3])) -> (s32[], f32[3]) {
  %x = (s32[], f32[3]{0}) parameter(0)
  %a = f32[3]{0} get-tuple-element(%x), index=1
  %b = f32[3]{0:T(128)} fusion(%a), kind=kLoop, calls=%fused
  %c = s32[]{:T(128)} add(%a, %a)
  %d = f32[3]{0} custom-call(%b), custom_call_target="__cublas$gemm"
  ROOT %t = (s32[], f32[3]{0}) tuple(%c, %d)
}

%small.2 (x: f32[3]) -> f32[3] {
  ROOT %b = f32[3]{0} fusion(%x), kind=kLoop, calls=%fused
}

ENTRY %main (x: f32[3]) -> f32[3] {
  %w = (s32[], f32[3]{0}) while(%x), condition=%c.1, body=%small.2
  ROOT %v = (s32[], f32[3]{0}) while(%x), condition=%c.1, body=%body.1
}
"""


def test_launches_are_those_of_the_largest_loop():
  assert compiler.loop_launches(COMPILED) == 2
  assert compiler.loop_launches('ENTRY %main (x: f32[3]) -> f32[3] {\n}') == 0


SAID = {
  'compile_seconds': 1.5,
  'flops': 2e9,
  'accessed_bytes': 2**20,
  'temporary_bytes': 3 * 2**20,
  'argument_bytes': 5 * 2**20,
  'output_bytes': 4 * 2**20,
  'alias_bytes': 4 * 2**20,
  'code_bytes': 0,
  'loop_launches': 7,
}


def interpreter(folder, script):
  """Takes the place of one that has the compilers."""
  path = folder / 'python'
  path.write_text(f'#!/bin/sh\n{script}\n')
  path.chmod(0o755)
  return path


def request(python, **changes):
  given = {
    'preset': 'tiny',
    'changes': ('teacher.layers_per_cycle=1', 'student.flow_layers=()'),
    'programs': names.PROGRAMS[2:],
    'targets': ('tpu', 'gpu'),
  }
  return table.Request(pathlib.Path(python), **given | changes)


def test_a_table_has_a_line_for_each_program_and_target(tmp_path, monkeypatch):
  """A student's are left out where there is none; a refusal is a line."""
  script = f"""case $2 in
  tpu) echo remark; echo '{json.dumps(SAID)}' ;;
  *) echo 'F0001 a dynamic shape' >&2; exit 134 ;;
  esac"""
  monkeypatch.setattr(processes, 'call', lambda f, *given: f(*given))
  heard = []
  found = table.measure(
    request(interpreter(tmp_path, script), folder=tmp_path), heard.append
  )
  tpu, gpu = found.rows
  assert [tpu.program, gpu.program] == [names.GENERATION_CHUNK] * 2
  assert tpu.said == SAID and tpu.memory_bytes == 8 * 2**20
  assert 0.9 < tpu.exported.flops / tpu.exported.needed_flops < 1.1
  assert gpu.said == {'refused': 'the compiler ended: F0001 a dynamic shape'}
  assert heard[1:] == [table.text(tpu), table.text(gpu)]
  assert (tmp_path / 'generation_chunk.hlo').stat().st_size
  json.dumps(found.to_json())


@pytest.mark.parametrize(
  ('changes', 'expected'),
  [
    ({'python': 'nowhere'}, '--aot_python: nowhere'),
    ({'targets': ('phone',)}, "--aot_targets: found 'phone'"),
    ({'programs': ('prose',)}, "--aot_programs: found 'prose'"),
    ({'changes': ('steps',)}, "--aot_set: found 'steps'"),
    ({'changes': ('teacher.kernel_size=1',)}, 'teacher.kernel_size: found 1'),
  ],
)
def test_what_cannot_be_compiled_is_said(changes, expected, tmp_path):
  python = interpreter(tmp_path, 'false')
  with pytest.raises(UserError, match=expected):
    table.measure(request(**{'python': python} | changes), lambda _: None)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
