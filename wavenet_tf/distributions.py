"""Network outputs read as TFP distributions over audio samples.

Everything here runs in float32 (`design`: whatever the compute type). A
distribution is a value, built per call from parameters; it owns no variable.
"""

import math
from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from wavenet_tf import audio
from wavenet_tf.config import LOGISTIC_MIXTURE, TeacherConfig

tfd = tfp.distributions


class DiscretizedLogistic(tfd.Distribution):
  """A logistic whose mass is collected in equal bins over [-1, 1).

  With bin width w = 2 / levels, bin centres x = -1, -1 + w, ..., 1 - w, and
  a = (x + w/2 - loc) / scale, b = (x - w/2 - loc) / scale,

    P(x) = sigmoid(a) - sigmoid(b)                     (1701.05517, eq. 2)
    ln P(x) = ln(e^(a-b) - 1) + b - softplus(a) - softplus(b),

  the second form being exact in float32 at any distance and any scale: nothing
  is subtracted that is nearly equal, and a - b = w / scale needs no x. The
  lowest bin reaches to minus infinity, the highest to plus infinity, so the
  masses of all bins sum to one.

  Between bin centres the formula is the mass of a bin centred on x. It is
  smooth in x, which lets gradients of a student pass through.

  Args:
    loc: location, float32, any shape, in waveform units.
    log_scale: natural logarithm of the scale, broadcasts with `loc`.
    levels: number of bins, 65536 for 16 bits.

  Example:
    ```python
    d = DiscretizedLogistic(loc=[0.1], log_scale=[-5.0])
    d.log_prob([0.1])   # nats
    ```
  """

  def __init__(
    self,
    loc,
    log_scale,
    levels: int = audio.LEVELS,
    validate_args=False,
    allow_nan_stats=True,
    name='DiscretizedLogistic',
  ):
    parameters = dict(locals())
    with tf.name_scope(name):
      self._loc = tf.convert_to_tensor(loc, tf.float32)
      self._log_scale = tf.convert_to_tensor(log_scale, tf.float32)
      self._levels = levels
      super().__init__(
        dtype=tf.float32,
        reparameterization_type=tfd.NOT_REPARAMETERIZED,
        validate_args=validate_args,
        allow_nan_stats=allow_nan_stats,
        parameters=parameters,
        name=name,
      )

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return dict(
      loc=tfp.util.ParameterProperties(),
      log_scale=tfp.util.ParameterProperties(),
    )

  @property
  def loc(self):
    return self._loc

  @property
  def log_scale(self):
    return self._log_scale

  def _event_shape(self):
    return tf.TensorShape([])

  def _event_shape_tensor(self):
    return tf.constant([], tf.int32)

  def _log_prob(self, x):
    half = 1.0 / self._levels
    inverse_scale = tf.exp(-self._log_scale)
    centred = x - self._loc
    upper = (centred + half) * inverse_scale
    lower = (centred - half) * inverse_scale
    below_upper = tf.nn.softplus(upper)
    below_lower = tf.nn.softplus(lower)
    middle = (
      _log_expm1(2.0 * half * inverse_scale) + lower - below_upper - below_lower
    )
    lowest, highest = -1.0 + half, 1.0 - 3.0 * half
    return tf.where(
      x < lowest,
      upper - below_upper,
      tf.where(x > highest, -below_lower, middle),
    )

  def _sample_n(self, n, seed=None):
    shape = tf.concat([[n], self.batch_shape_tensor()], 0)
    noise = tfd.Logistic(0.0, 1.0).sample(shape, seed)
    return quantize(self._loc + tf.exp(self._log_scale) * noise, self._levels)

  def _mean(self):
    # Exact up to the two open bins.
    return self._loc + tf.zeros_like(self._log_scale)


def _log_expm1(x):
  """ln(e^x - 1) for x > 0 without overflow."""
  small = tf.minimum(x, 20.0)
  return tf.where(x > 20.0, x, tf.math.log(tf.math.expm1(small)))


def quantize(waveform, levels: int = audio.LEVELS):
  """Waveform -> the nearest of `levels` bin centres in [-1, 1)."""
  half_levels = levels / 2
  rounded = tf.round(waveform * half_levels) / half_levels
  return tf.clip_by_value(rounded, -1.0, 1.0 - 1.0 / half_levels)


class LogisticMixture(NamedTuple):
  """16-bit output: a mixture of discretized logistics (1711.10433 sec. 2.1).

  Parameters `[..., 3 K]` hold K logits, K locations in units of `signal_unit`,
  and K log-scales; the latter are clipped to `min_log_scale`, here and so in
  the loss, in sampling and in distillation alike.
  """

  components: int
  min_log_scale: float
  signal_unit: float

  @property
  def parameter_size(self) -> int:
    return 3 * self.components

  def initial_bias(self):
    """Biases of the last layer: equal weights, spread locations, wide scales.

    Locations start apart, since equal components would stay equal.
    """
    zeros = [0.0] * self.components
    spread = [
      (2 * i + 1) / self.components - 1.0 for i in range(self.components)
    ]
    return zeros + spread + [-3.0] * self.components

  def split(self, parameters):
    """-> logits, locations, clipped log-scales, each `[..., K]`, float32."""
    parameters = tf.cast(parameters, tf.float32)
    logits, loc, log_scale = tf.split(parameters, 3, -1)
    loc = loc * self.signal_unit
    return logits, loc, tf.maximum(log_scale, self.min_log_scale)

  def distribution(self, parameters) -> tfd.Distribution:
    """Distribution over waveform values of shape `[...]`."""
    logits, loc, log_scale = self.split(parameters)
    return tfd.MixtureSameFamily(
      tfd.Categorical(logits=logits), DiscretizedLogistic(loc, log_scale)
    )

  def log_prob(self, parameters, levels):
    """Ln P of 16-bit `levels` `[...]`, nats per sample."""
    return self.distribution(parameters).log_prob(
      audio.waveform_from_levels(levels)
    )

  def noise(self, shape, seed):
    """Uniform noise for `sample`, `[*shape, K + 1]`, from an int32 [2] seed."""
    return _uniform([*shape, self.components + 1], seed)

  def sample(self, parameters, noise, temperature=1.0):
    """A waveform value per position, by the Gumbel-max trick.

    Temperature divides the logits and multiplies the scales.
    """
    logits, loc, log_scale = self.split(parameters)
    chosen = tf.argmax(logits / temperature + _gumbel(noise[..., :-1]), -1)
    mask = tf.one_hot(chosen, self.components)
    loc = tf.reduce_sum(loc * mask, -1)
    log_scale = tf.reduce_sum(log_scale * mask, -1)
    u = noise[..., -1]
    logistic = tf.math.log(u) - tf.math.log1p(-u)
    return quantize(loc + temperature * tf.exp(log_scale) * logistic)


class MuLawSoftmax(NamedTuple):
  """8-bit output: a categorical over mu-law codes (1609.03499 sec. 2.2)."""

  levels: int

  @property
  def parameter_size(self) -> int:
    return self.levels

  def initial_bias(self):
    return [0.0] * self.levels

  def distribution(self, parameters) -> tfd.Distribution:
    """Distribution over codes 0 .. levels - 1."""
    return tfd.Categorical(logits=tf.cast(parameters, tf.float32))

  def log_prob(self, parameters, levels):
    """Ln P of the mu-law code of 16-bit `levels`, nats per sample."""
    codes = audio.mu_law_encode(audio.waveform_from_levels(levels), self.levels)
    return self.distribution(parameters).log_prob(codes)

  def noise(self, shape, seed):
    """Uniform noise for `sample`, `[*shape, levels]`."""
    return _uniform([*shape, self.levels], seed)

  def sample(self, parameters, noise, temperature=1.0):
    """A decoded waveform value per position, by the Gumbel-max trick."""
    logits = tf.cast(parameters, tf.float32) / temperature
    codes = tf.argmax(logits + _gumbel(noise), -1)
    return audio.mu_law_decode(codes, self.levels)


def make_output(teacher: TeacherConfig):
  """The output that `teacher.output` names."""
  if teacher.output == LOGISTIC_MIXTURE:
    return LogisticMixture(
      teacher.mixture_components, teacher.min_log_scale, teacher.signal_unit
    )
  return MuLawSoftmax(teacher.mu_law_levels)


def bits(nats):
  """Nats -> bits."""
  return nats / math.log(2.0)


def standard_logistic(shape, seed):
  """Logistic(0, 1) noise, the same with and without XLA."""
  u = _uniform(shape, seed)
  return tf.math.log(u) - tf.math.log1p(-u)


def _uniform(shape, seed):
  """Uniform noise in the open interval (0, 1), in steps of 2^-23.

  Compiled and plain execution agree on Philox's bits, but not on how they make
  floats of them; so that is done here.
  """
  bits = tf.random.stateless_uniform(
    shape, seed, None, None, tf.uint32, alg='philox'
  )
  mantissa = tf.cast(tf.bitwise.right_shift(bits, 9), tf.int32)
  return (tf.cast(mantissa, tf.float32) + 0.5) * 2.0**-23


def _gumbel(uniform):
  return -tf.math.log(-tf.math.log(uniform))
