"""Network outputs read as distributions over audio samples.

Everything here runs in float32, whatever the compute type. A distribution is
a value, built per call from parameters; it owns no variable.
"""

from collections.abc import Sequence
import math
from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from wavenet_tf.configuration.choices import MU_LAW
from wavenet_tf.configuration.networks import TeacherConfig
from wavenet_tf.probability import discretized
from wavenet_tf.probability.families import FAMILIES, Family
from wavenet_tf.probability.sampling import PREDICTED, Sampling
from wavenet_tf.signal import noise, quantization

tfd = tfp.distributions


class WaveformMixture(NamedTuple):
  """A mixture over waveform values (1711.10433 sec. 2.1; 1701.05517).

  Parameters `[..., 3 K]` hold K logits, K locations in units of `signal_unit`
  and K log-scales; a single component has no logit, `[..., 2]`. Log-scales are
  clipped to `min_log_scale`, here and so in the loss, in sampling and in
  distillation alike.

  Attributes:
    family: of the components.
    components: K.
    levels: 2^8 .. 2^16, the grid of the samples.
    discretized: whether a sample has the mass of its bin, or a density.
    min_log_scale: floor; waveforms lie in [-1, 1).
    signal_unit: the amplitude that is one inside the network.

  Example:
    ```python
    output = make_output(config.teacher)
    nats = -output.log_prob(teacher(waveform, conditioning), levels)
    ```
  """

  family: Family
  components: int
  levels: int
  discretized: bool
  min_log_scale: float
  signal_unit: float

  @property
  def parameter_size(self) -> int:
    return 2 if self.components == 1 else 3 * self.components

  @property
  def log_width(self) -> float:
    """Ln of a bin's width: what a density lacks to be the mass of a level."""
    return math.log(2.0 / self.levels)

  def initial_bias(self) -> list[float]:
    """Biases of the last layer: equal weights, spread locations, wide scales.

    Locations start apart, since equal components would stay equal.
    """
    logits = [0.0] * (self.parameter_size - 2 * self.components)
    spread = [
      (2 * i + 1) / self.components - 1.0 for i in range(self.components)
    ]
    return logits + spread + [-3.0] * self.components

  def split(
    self, parameters: tf.Tensor
  ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """-> logits, locations, clipped log-scales, each `[..., K]`, float32."""
    parameters = tf.cast(parameters, tf.float32)
    if self.components == 1:
      loc, log_scale = tf.split(parameters, 2, -1)
      logits = tf.zeros_like(loc)
    else:
      logits, loc, log_scale = tf.split(parameters, 3, -1)
    return (
      logits,
      loc * self.signal_unit,
      tf.maximum(log_scale, self.min_log_scale),
    )

  def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
    """Distribution over waveform values of shape `[...]`."""
    return self._mixture(parameters, open_ends=True)

  def _mixture(self, parameters, open_ends):
    logits, loc, log_scale = self.split(parameters)

    def component(loc, log_scale):
      if self.discretized:
        return self.family.discretized(loc, log_scale, self.levels, open_ends)
      return self.family.continuous(loc, tf.exp(log_scale))

    if self.components == 1:
      return component(loc[..., 0], log_scale[..., 0])
    return tfd.MixtureSameFamily(
      tfd.Categorical(logits=logits), component(loc, log_scale)
    )

  def waveform(self, levels: tf.Tensor) -> tf.Tensor:
    """The waveform `[...]` of 16-bit levels, on the grid of this output."""
    return discretized.quantize(
      quantization.waveform_from_levels(levels), self.levels
    )

  def log_prob(self, parameters: tf.Tensor, levels: tf.Tensor) -> tf.Tensor:
    """Ln P of 16-bit `levels` `[...]`, nats per sample.

    A density counts as the mass that it gives to a bin, so that bits per
    sample of all outputs of equal `levels` compare.
    """
    log_prob = self.distribution(parameters).log_prob(self.waveform(levels))
    return log_prob if self.discretized else log_prob + self.log_width

  def log_density(
    self, parameters: tf.Tensor, waveform: tf.Tensor
  ) -> tf.Tensor:
    """Ln p at any waveform values: differentiable in both, nats.

    A discretized output gives the mass of a bin around the value, divided by
    the bin's width: a density on the whole line, the family's own smoothed by
    a bin. So the divergence from it is never negative, and zero between equal
    distributions whose scale is not below a bin's width.
    """
    mixture = self._mixture(parameters, open_ends=False)
    log_prob = mixture.log_prob(waveform)
    return log_prob - self.log_width if self.discretized else log_prob

  def mean(self, parameters: tf.Tensor) -> tf.Tensor:
    """Expected waveform value `[...]`."""
    return self.distribution(parameters).mean()

  def noise(self, shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Noise for `sample`, `[*shape, K + 1]`: K Gumbel, one standard."""
    gumbel = noise.gumbel([*shape, self.components], seed)
    standard = self.family.standard_noise([*shape, 1], noise.another(seed))
    return tf.concat([gumbel, standard], -1)

  def sample(
    self,
    parameters: tf.Tensor,
    noise_: tf.Tensor,
    sampling: Sampling = PREDICTED,
  ) -> tf.Tensor:
    """A waveform value per position, by the Gumbel-max trick.

    Values are put on the grid of a discretized output, and clipped to [-1, 1)
    in any case.
    """
    logits, loc, log_scale = self.split(parameters)
    chosen = tf.argmax(sampling.logits(logits) + noise_[..., :-1], -1)
    mask = tf.one_hot(chosen, self.components)
    loc = tf.reduce_sum(loc * mask, -1)
    log_scale = tf.reduce_sum(log_scale * mask, -1)
    standard = sampling.noise(noise_[..., -1], self.family)
    value = loc + sampling.scale(log_scale) * standard
    if self.discretized:
      return discretized.quantize(value, self.levels)
    return tf.clip_by_value(value, -1.0, 1.0 - 2.0 / self.levels)


class MuLawSoftmax(NamedTuple):
  """A categorical over mu-law codes (1609.03499 sec. 2.2).

  Attributes:
    levels: number of codes; the paper's is 256.
  """

  levels: int

  @property
  def parameter_size(self) -> int:
    return self.levels

  def initial_bias(self) -> list[float]:
    return [0.0] * self.levels

  def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
    """Distribution over codes 0 .. levels - 1."""
    return tfd.Categorical(logits=tf.cast(parameters, tf.float32))

  def waveform(self, levels: tf.Tensor) -> tf.Tensor:
    """The waveform `[...]` of 16-bit levels, after companding and back."""
    return quantization.mu_law_decode(self._codes(levels), self.levels)

  def log_prob(self, parameters: tf.Tensor, levels: tf.Tensor) -> tf.Tensor:
    """Ln P of the mu-law code of 16-bit `levels`, nats per sample."""
    return self.distribution(parameters).log_prob(self._codes(levels))

  def _codes(self, levels):
    return quantization.mu_law_encode(
      quantization.waveform_from_levels(levels), self.levels
    )

  def mean(self, parameters: tf.Tensor) -> tf.Tensor:
    """Expected waveform value `[...]`."""
    waveform = quantization.mu_law_decode(tf.range(self.levels), self.levels)
    probabilities = tf.nn.softmax(tf.cast(parameters, tf.float32))
    return tf.tensordot(probabilities, waveform, 1)

  def noise(self, shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Gumbel noise for `sample`, `[*shape, levels]`."""
    return noise.gumbel([*shape, self.levels], seed)

  def sample(
    self,
    parameters: tf.Tensor,
    noise_: tf.Tensor,
    sampling: Sampling = PREDICTED,
  ) -> tf.Tensor:
    """A decoded waveform value per position, by the Gumbel-max trick.

    A code has neither a scale nor tails.
    """
    logits = sampling.logits(tf.cast(parameters, tf.float32))
    codes = tf.argmax(logits + noise_, -1)
    return quantization.mu_law_decode(codes, self.levels)


def make_output(teacher: TeacherConfig) -> WaveformMixture | MuLawSoftmax:
  """The output that `teacher.output` names."""
  if teacher.output == MU_LAW:
    return MuLawSoftmax(teacher.mu_law_levels)
  return WaveformMixture(
    FAMILIES[teacher.mixture_family],
    teacher.mixture_components,
    2**teacher.bits,
    teacher.discretized,
    teacher.min_log_scale,
    teacher.signal_unit,
  )


def bits(nats: tf.Tensor | float) -> tf.Tensor | float:
  """Nats -> bits."""
  return nats / math.log(2.0)
