"""Location-scale families: what mixtures and flows are made of."""

from collections.abc import Callable
import math
from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from wavenet_tf.configuration.choices import GAUSSIAN, LOGISTIC
from wavenet_tf.probability import discretized
from wavenet_tf.signal import noise

tfd = tfp.distributions


class Family(NamedTuple):
  """A location-scale family: of a mixture's components, of a flow's noise.

  Attributes:
    standard_noise: (shape, int32 [2] seed) -> draws of the standard member.
    standard_entropy: of the standard member, nats.
    continuous: (loc, scale) -> `tfd.Distribution`.
    discretized: (loc, log_scale, levels, open_ends) -> `Discretized`.
  """

  standard_noise: Callable
  standard_entropy: float
  continuous: Callable
  discretized: Callable

  def standard(self) -> tfd.Distribution:
    """The member with location 0 and scale 1."""
    return self.continuous(0.0, 1.0)

  def without_tails(self, noise: tf.Tensor, share: float) -> tf.Tensor:
    """Standard noise squeezed between the quantiles `share` and 1 - `share`.

    F^-1(share + (1 - 2 share) F(noise)): the family without its tails, in the
    order of the noise.
    """
    standard = self.standard()
    return standard.quantile(share + (1.0 - 2.0 * share) * standard.cdf(noise))

  def entropy(self, log_scale: tf.Tensor) -> tf.Tensor:
    """H = E[ln s] + entropy of the standard member, nats per sample.

    1711.10433 sec. 4 for the logistic, whose constant is 2.
    """
    return tf.reduce_mean(log_scale) + self.standard_entropy


FAMILIES = {
  LOGISTIC: Family(
    noise.logistic, 2.0, tfd.Logistic, discretized.DiscretizedLogistic
  ),
  GAUSSIAN: Family(
    noise.gaussian,
    0.5 * math.log(2.0 * math.pi * math.e),
    tfd.Normal,
    discretized.DiscretizedGaussian,
  ),
}
