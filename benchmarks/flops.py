"""Multiplications that a model cannot avoid, counted from its kernels."""

import math
from typing import NamedTuple

import keras


class Product(NamedTuple):
  """A matrix product, `[rows, inputs] x [inputs, outputs]`.

  Attributes:
    inputs, outputs: of its kernel.
    per_sample: how often it runs for a sample of audio, 1 but in upsamplers.
    waits: whether it needs the sample before, as all but conditioning do.
  """

  inputs: int
  outputs: int
  per_sample: float = 1.0
  waits: bool = True

  @property
  def flops_per_sample(self) -> float:
    """A multiplication and an addition for every weight."""
    return 2.0 * self.inputs * self.outputs * self.per_sample


def products(model: keras.Model, upsample_factors) -> list[Product]:
  """The products of one forward pass, one for every kernel.

  Args:
    model: a teacher or a student.
    upsample_factors: of its conditioning. The first kernel of the upsampler
      runs once a frame, its stage i after the factors before it.
  """
  found = []
  for variable in model.variables:
    owner, _, name = variable.path.rpartition('/')
    if name != 'kernel':
      continue
    *copies, inputs, outputs = variable.shape
    rate, waits = 1.0, 'local_projection' not in owner
    if '/upsampler/' in owner:
      rate, waits = 1 / math.prod(upsample_factors), False
      if 'stage_' in owner:
        stage = int(owner.rpartition('stage_')[2])
        rate *= math.prod(upsample_factors[:stage])
    found += math.prod(copies) * [Product(inputs, outputs, rate, waits)]
  return found


def total(found: list[Product]) -> float:
  """Operations for a sample of audio."""
  return sum(product.flops_per_sample for product in found)
