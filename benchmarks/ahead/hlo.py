"""A function as XLA gets it from TensorFlow: unoptimised HLO.

Asking for that traces the function and compiles nothing. Parameters are the
arguments, then the variables that the function reads; results those of the
function, then the variables that it changes.
"""

import math

import tensorflow as tf
from tensorflow.compiler.xla import xla_data_pb2
from tensorflow.compiler.xla.service import hlo_pb2

from benchmarks.ahead.programs import Program

# Of 64 bits; TPUs have none, and GPUs are slow with them.
_WIDE = xla_data_pb2.F64, xla_data_pb2.C128
# What makes or reads a size that is known only when it runs.
_DYNAMIC = 'set-dimension-size', 'get-dimension-size'


def export(program: Program) -> hlo_pb2.HloModuleProto:
  """The program as TensorFlow hands it to XLA, on whichever platform."""
  return hlo_pb2.HloModuleProto.FromString(_at('hlo_serialized', program))


def compiled(program: Program) -> str:
  """The program as XLA compiles it for this machine's CPU, as text."""
  return _at('optimized_hlo', program)


def _at(stage, program):
  flat = tf.nest.flatten(program.arguments)  # With None where nothing is told.

  @tf.function(jit_compile=True, autograph=False)
  def flattened(*given):
    told = iter(given)
    full = [None if x is None else next(told) for x in flat]
    return program.function(*tf.nest.pack_sequence_as(program.arguments, full))

  ask = flattened.experimental_get_compiler_ir(
    *(tf.TensorSpec(x.shape, x.dtype) for x in flat if x is not None)
  )
  return ask(stage=stage, platform_name='CPU')


def refused(module: hlo_pb2.HloModuleProto) -> list[str]:
  """What some device would refuse, one sentence an instruction.

  Shapes that are not static (they end the compiler's process), floats of 64
  bits, and calls of code that is not part of the program.
  """
  found = []
  for instruction in _instructions(module):
    shapes = list(_arrays(instruction.shape))
    if instruction.opcode in _DYNAMIC or any(
      any(shape.is_dynamic_dimension) for shape in shapes
    ):
      found.append(f'{_said(instruction)}: a shape that is not static')
    if any(shape.element_type in _WIDE for shape in shapes):
      found.append(f'{_said(instruction)}: 64 bits')
    if instruction.opcode == 'custom-call':
      found.append(f'{_said(instruction)}: {instruction.custom_call_target}')
  return found


def without_copies(module: hlo_pb2.HloModuleProto) -> hlo_pb2.HloModuleProto:
  """The same function without `copy`, which StableHLO does not have.

  TensorFlow writes one before a result; a `reshape` to the same shape is the
  same function.
  """
  changed = hlo_pb2.HloModuleProto()
  changed.CopyFrom(module)
  for instruction in _instructions(changed):
    if instruction.opcode == 'copy':
      instruction.opcode = 'reshape'
  return changed


def flops(module: hlo_pb2.HloModuleProto) -> float:
  """Multiplications and additions of all matrix products.

  A loop's body counts as often as it runs. Fourier transforms count nothing.

  Raises:
    ValueError: if a loop with products in it does not say how often it runs.
  """
  return _Counter(module).of(module.entry_computation_id)


class _Counter:
  """Operations of computations, by their ids."""

  def __init__(self, module):
    self._computations = {c.id: c for c in module.computations}
    self._counted = {}

  def of(self, computation: int) -> float:
    if computation not in self._counted:
      self._counted[computation] = sum(
        self._of_instruction(instruction, computation)
        for instruction in self._computations[computation].instructions
      )
    return self._counted[computation]

  def _of_instruction(self, instruction, computation):
    if instruction.opcode == 'dot':
      return self._product(instruction, computation)
    inside = sum(map(self.of, instruction.called_computation_ids))
    if instruction.opcode == 'conditional':
      return max(map(self.of, instruction.called_computation_ids))
    if instruction.opcode == 'while' and inside:
      return inside * self._times(instruction, computation)
    return inside

  def _product(self, instruction, computation):
    left = self._instruction(computation, instruction.operand_ids[0]).shape
    axes = instruction.dot_dimension_numbers.lhs_contracting_dimensions
    inputs = math.prod(left.dimensions[axis] for axis in axes)
    return 2.0 * inputs * math.prod(instruction.shape.dimensions)

  def _instruction(self, computation, id_):
    found = self._computations[computation].instructions
    return next(x for x in found if x.id == id_)

  def _times(self, loop, computation):
    """How often a loop runs: while counters are below constants, from zero."""
    ends = list(self._ends(loop.called_computation_ids[1]))
    if not ends:
      raise ValueError(f'{_said(loop)}: how often it runs is not known.')
    return min(ends)

  def _ends(self, condition):
    """Constants that a condition, or what it calls, compares with."""
    for instruction in self._computations[condition].instructions:
      for called in instruction.called_computation_ids:
        yield from self._ends(called)
      if instruction.opcode == 'compare':
        for operand in instruction.operand_ids:
          number = self._instruction(condition, operand)
          if number.opcode == 'constant':
            yield from number.literal.s32s


def _instructions(module):
  for computation in module.computations:
    yield from computation.instructions


def _arrays(shape):
  """Shapes of the arrays of a shape, which may be a tuple."""
  if shape.tuple_shapes:
    for inner in shape.tuple_shapes:
      yield from _arrays(inner)
  else:
    yield shape


def _said(instruction) -> str:
  return (
    f'{instruction.opcode} {instruction.name} ({instruction.metadata.op_name})'
  )
