"""How draws may differ from the distribution that a network predicts."""

import math
from typing import NamedTuple

import tensorflow as tf

from wavenet_tf.configuration.learning import EvaluationConfig
from wavenet_tf.probability.families import Family


class Sampling(NamedTuple):
  """Sharper draws: less noise, at the cost of no longer being samples.

  The defaults draw from the prediction itself. `evaluate` of the configuration
  has the same fields.

  Attributes:
    temperature: divides the logits and multiplies the scales.
    scale_factor: multiplies the scales alone; 0 draws a component's location.
    tail_share: of a component's distribution that is never drawn, on either
      side: draws lie between its quantiles `tail_share` and 1 - `tail_share`.
    least_weight_share: components (or codes) whose weight is below this share
      of the likeliest one's are never drawn.
  """

  temperature: float = 1.0
  scale_factor: float = 1.0
  tail_share: float = 0.0
  least_weight_share: float = 0.0

  @classmethod
  def of(cls, evaluate: EvaluationConfig) -> 'Sampling':
    return cls(*(getattr(evaluate, field) for field in cls._fields))

  def logits(self, logits: tf.Tensor) -> tf.Tensor:
    """What to choose a component by, `[..., K]`: minus infinity for never."""
    if self.least_weight_share:
      likeliest = tf.reduce_max(logits, -1, keepdims=True)
      least = likeliest + math.log(self.least_weight_share)
      logits = tf.where(logits < least, -math.inf, logits)
    return logits / self.temperature

  def noise(self, noise: tf.Tensor, family: Family) -> tf.Tensor:
    """What to draw from a component of a family by, of standard noise."""
    if self.tail_share:
      noise = family.without_tails(noise, self.tail_share)
    return noise

  def scale(self, log_scale: tf.Tensor) -> tf.Tensor:
    """The scale of what is drawn."""
    return self.temperature * self.scale_factor * tf.exp(log_scale)


PREDICTED = Sampling()
