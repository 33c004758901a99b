"""A training step against the products that it cannot avoid."""

import pathlib

import keras
import numpy as np

from benchmarks.measuring import ceilings, configurations, flops, harness
from benchmarks.measuring.flops import Product
from benchmarks.measuring.results import Figure
from benchmarks.peers.sources import Peer
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.learning import TrainingConfig
from wavenet_tf.learning.trainer import Trainer

# Products of a learning network: forward, to the input, to the weights; a
# frozen one needs no gradient of its weights.
LEARNING = 3
FROZEN = 2


class Step:
  """A compiled step of `Trainer` with a batch that does not change.

  Args:
    model, loss_fn, settings: as of `Trainer`.
    batch: what every step sees.
    folder: where the trainer would save.
  """

  def __init__(
    self,
    model: keras.Model,
    loss_fn,
    settings: TrainingConfig,
    batch,
    folder: pathlib.Path,
  ):
    self._trainer = Trainer(model, loss_fn, settings, folder)
    self._batch = batch
    self.samples = int(np.prod(batch.levels.shape))

  def run(self):
    # There is no public way to a single step.
    result = self._trainer._compiled_step(self._batch)
    if not np.isfinite(result.loss.numpy()) or int(result.skipped_steps):
      raise ArithmeticError('A step had no finite gradient and was skipped.')


def repeated(model: keras.Model, config: Config, times: int) -> list[Product]:
  """The products of a model's passes in a step."""
  factors = config.conditioning.upsample_factors
  return flops.products(model, factors) * times


def figure(
  what: str,
  step: Step,
  found: list[Product],
  repeats: int,
  rivals: list[Peer],
) -> Figure:
  """Step, ceilings and peers in turns."""
  compile_seconds = harness.first_call_seconds(step.run)
  limits = {
    f'its products at the best {dtype} rate': ceilings.Products(
      found, step.samples, dtype
    )
    for dtype in ceilings.TYPES
  }
  contenders = {
    'ours': harness.timed(step.run),
    **limits,
    **{peer.name: peer for peer in rivals},
  }
  seconds = harness.alternate(contenders, repeats)
  ours = seconds['ours']
  return Figure(
    what,
    step.samples,
    ours,
    compile_seconds=compile_seconds,
    flops_per_sample=flops.total(found),
    ceilings={limit: harness.ratio(seconds[limit], ours) for limit in limits},
    peers=[
      peer.compare(seconds[peer.name], ours, step.samples) for peer in rivals
    ],
    notes={'seconds a step': harness.median(ours)},
  )


def batch_of(config: Config, settings: TrainingConfig):
  return configurations.batch(
    config.audio, settings.batch_size, settings.crop_samples
  )
