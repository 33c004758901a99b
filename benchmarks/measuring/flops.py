"""Multiplications that a model cannot avoid, counted from its kernels."""

import math
from typing import NamedTuple

import keras


class Product(NamedTuple):
  """A matrix product, `[rows, inputs] x [inputs, outputs]`.

  Attributes:
    inputs, outputs: of its kernel.
    waiting_inputs: how many of the inputs need the sample before; the others
      are conditioning, which generation projects for many samples at once.
    per_sample: how often it runs for a sample of audio, 1 but in upsamplers.
  """

  inputs: int
  outputs: int
  waiting_inputs: int
  per_sample: float = 1.0

  @property
  def flops_per_sample(self) -> float:
    """A multiplication and an addition for every weight."""
    return 2.0 * self.inputs * self.outputs * self.per_sample


def products(model: keras.Model, upsample_factors) -> list[Product]:
  """The products of one forward pass, one for every kernel, or two where a
  part of it runs once a frame.

  Args:
    model: a teacher or a student with local conditioning alone.
    upsample_factors: of its conditioning. The first kernel of the upsampler
      runs once a frame, its stage i after the factors before it.

  Raises:
    ValueError: if the model has no local conditioning, or kernels that run at
      other rates.
  """
  if not model.encoder.local_channels:
    raise ValueError('Without local conditioning nothing is counted here.')
  beside, hold = _channels_beside(model), model.encoder.upsampler.hold
  found = []
  for variable in model.variables:
    owner, _, name = variable.path.rpartition('/')
    if name != 'kernel':
      continue
    inputs, outputs = variable.shape
    if '/upsampler/' in owner:
      rate = _upsampler_rate(owner, upsample_factors)
      found.append(Product(inputs, outputs, 0, rate))
    elif '/network/' in owner or '/flow_' in owner:
      told = beside.get(variable.path, 0)
      waiting = inputs - told
      if hold == 1:
        found.append(Product(inputs, outputs, waiting))
      else:  # Conditioning that is held is multiplied by itself.
        found.append(Product(waiting, outputs, waiting))
        if told:
          found.append(Product(told, outputs, 0, 1 / hold))
    else:
      raise ValueError(f'{variable.path}: how often it runs is not known here.')
  return found


def _channels_beside(model) -> dict[str, int]:
  """Channels of conditioning within a kernel, by the kernel's path."""
  networks = getattr(model, 'networks', None) or [model.network]
  convolutions = [b.convolution for n in networks for b in n.stack.blocks]
  return {c.product.kernel.path: c.beside_channels for c in convolutions}


def _upsampler_rate(owner, factors) -> float:
  rate = 1 / math.prod(factors)
  _, is_stage, stage = owner.rpartition('stage_')
  return rate * math.prod(factors[: int(stage)]) if is_stage else rate


def of_a_step(found: list[Product]) -> list[Product]:
  """What is left of them when conditioning has been projected before."""
  return [
    Product(p.waiting_inputs, p.outputs, p.waiting_inputs)
    for p in found
    if p.waiting_inputs
  ]


def total(found: list[Product]) -> float:
  """Operations for a sample of audio."""
  return sum(product.flops_per_sample for product in found)
