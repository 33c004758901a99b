"""Continuous distributions collected in the equal bins of quantized audio.

Everything runs in float32, whatever the compute type; a distribution is a
value, built per call from parameters, and owns no variable.
"""

import math

import tensorflow as tf
import tensorflow_probability as tfp

from wavenet_tf.signal import quantization

tfd = tfp.distributions

# From this bin width on, in scales, a difference of two tails is precise.
_WIDE_BIN = 0.25


def quantize(
  waveform: tf.Tensor, levels: int = quantization.LEVELS
) -> tf.Tensor:
  """Waveform -> the nearest of `levels` bin centres in [-1, 1)."""
  half_levels = levels / 2
  rounded = tf.round(waveform * half_levels) / half_levels
  return tf.clip_by_value(rounded, -1.0, 1.0 - 1.0 / half_levels)


class Discretized(tfd.Distribution):
  """A location-scale family whose mass is collected in bins over [-1, 1).

  With F the standard cumulative distribution, bin width w = 2 / levels, bin
  centres x = -1, -1 + w, ..., 1 - w, and

    a = (x + w/2 - loc) / scale,  b = (x - w/2 - loc) / scale,
    P(x) = F(a) - F(b)                                  (1701.05517, eq. 2).

  The lowest bin reaches to minus infinity, the highest to plus infinity, so
  the masses of all bins sum to one. Between bin centres the formula is the
  mass of a bin centred on x: smooth in x, so that gradients of a student pass.

  Args:
    loc: location, float32, any shape, in waveform units.
    log_scale: natural logarithm of the scale, of the shape of `loc`.
    levels: number of bins, 2^16 for 16 bits.
    open_ends: False takes the mass of a bin of width w around x everywhere,
      also beyond [-1, 1): divided by w that is a density on the whole line,
      F's own smoothed by a bin, and what a waveform that is not quantized is
      scored with.

  Example:
    ```python
    d = DiscretizedLogistic(loc=[0.1], log_scale=[-5.0])
    d.log_prob([0.1])   # nats
    ```
  """

  def __init__(
    self,
    loc: tf.Tensor,
    log_scale: tf.Tensor,
    levels: int = quantization.LEVELS,
    open_ends: bool = True,
    validate_args: bool = False,
    allow_nan_stats: bool = True,
    name: str | None = None,
  ):
    parameters = dict(locals())
    name = name or type(self).__name__
    with tf.name_scope(name):
      self._loc = tf.convert_to_tensor(loc, tf.float32)
      self._log_scale = tf.convert_to_tensor(log_scale, tf.float32)
      self._levels = levels
      self._open_ends = open_ends
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
  def loc(self) -> tf.Tensor:
    return self._loc

  @property
  def log_scale(self) -> tf.Tensor:
    return self._log_scale

  def _event_shape(self):
    return tf.TensorShape([])

  def _event_shape_tensor(self):
    return tf.constant([], tf.int32)

  def _log_prob(self, x):
    half = 1.0 / self._levels
    inverse_scale = tf.exp(-self._log_scale)
    centred = x - self._loc
    inner = self._log_between(
      centred * inverse_scale, 2.0 * half * inverse_scale
    )
    if not self._open_ends:
      return inner
    # Both families are symmetric: 1 - F(b) = F(-b).
    above = self._log_below((half - centred) * inverse_scale)
    below = self._log_below((half + centred) * inverse_scale)
    inner = tf.where(x > 1.0 - 3.0 * half, above, inner)
    return tf.where(x < -1.0 + half, below, inner)

  def _cdf(self, x):
    """P(X <= x) at bin centres x: all mass up to the upper edge of the bin."""
    self._require_open_ends()
    half = 1.0 / self._levels
    upper = (x + half - self._loc) * tf.exp(-self._log_scale)
    return tf.where(x > 1.0 - 3.0 * half, 1.0, tf.exp(self._log_below(upper)))

  def _mean(self):
    """E[X] = -1 + sum of P(X > edge) w, the sum taken as an integral.

    Within w^2 / 24 of the sum where the scale is not below a bin's width, and
    within half a bin everywhere; mass beyond [-1, 1) counts where quantization
    puts it.
    """
    self._require_open_ends()
    scale = tf.exp(self._log_scale)
    lowest = (-1.0 - self._loc) / scale
    highest = (1.0 - 2.0 / self._levels - self._loc) / scale
    return -1.0 + scale * (
      self._mass_beyond(lowest) - self._mass_beyond(highest)
    )

  def _require_open_ends(self):
    if not self._open_ends:
      raise NotImplementedError('Only log_prob is known without open ends.')

  def _log_below(self, standard):
    """Ln F(standard)."""
    raise NotImplementedError

  def _log_between(self, standard, width):
    """Ln(F(standard + width / 2) - F(standard - width / 2))."""
    raise NotImplementedError

  def _mass_beyond(self, standard):
    """E[max(Z - standard, 0)], the integral of 1 - F from `standard` on."""
    raise NotImplementedError


class DiscretizedLogistic(Discretized):
  """A discretized logistic, F(u) = sigmoid(u); see `Discretized`.

  With a - b = w / scale, which needs no x,

    ln P(x) = ln(e^(a-b) - 1) + b - softplus(a) - softplus(b)

  is precise in float32 at any distance and any scale: where a bin is narrow,
  nothing is subtracted that is nearly equal.
  """

  def _log_below(self, standard):
    return -tf.nn.softplus(-standard)

  def _log_between(self, standard, width):
    upper, lower = standard + width / 2, standard - width / 2
    return (
      _log_expm1(width) + lower - tf.nn.softplus(upper) - tf.nn.softplus(lower)
    )

  def _mass_beyond(self, standard):
    return tf.nn.softplus(-standard)

  def _sample_n(self, n, seed=None):
    return _sample(self, tfd.Logistic(0.0, 1.0), n, seed)


class DiscretizedGaussian(Discretized):
  """A discretized Gaussian, F = Phi; see `Discretized`.

  F(a) - F(b) cancels where a bin is narrow. There, with m the distance of x
  from loc in scales, d = w / scale and c = m d / 2,

    ln P(x) = ln phi(m) + ln d + ln(sinh(c) / c) - g(c) d^2 / 8 + O(d^4),

  the density times the width, corrected for its slope (exactly) and for its
  curvature (g is the mean square of a point of the bin, in half bins, under
  that slope). Where d > 1/4, ln F(a) + ln(1 - F(b) / F(a)) on the side of the
  smaller tail has nothing left to cancel.
  """

  def _log_below(self, standard):
    return tfd.Normal(0.0, 1.0).log_cdf(standard)

  def _log_between(self, standard, width):
    distance = tf.abs(standard)
    narrow = width < _WIDE_BIN
    return tf.where(
      narrow,
      _log_narrow_bin(distance, tf.where(narrow, width, _WIDE_BIN)),
      self._log_wide_bin(distance, tf.where(narrow, _WIDE_BIN, width)),
    )

  def _log_wide_bin(self, distance, width):
    upper = self._log_below(-distance + width / 2)
    lower = self._log_below(-distance - width / 2)
    # F(b) / F(a) <= e^(-m d): far out, where the difference of two large
    # numbers is noise, the bound is exact.
    ratio = tf.minimum(lower - upper, -distance * width)
    # Nor may rounding call the two equal.
    return upper + tf.math.log(-tf.math.expm1(tf.minimum(ratio, -1e-3)))

  def _mass_beyond(self, standard):
    normal = tfd.Normal(0.0, 1.0)
    return normal.prob(standard) - standard * normal.cdf(-standard)

  def _sample_n(self, n, seed=None):
    return _sample(self, tfd.Normal(0.0, 1.0), n, seed)


def _log_narrow_bin(distance, width):
  slope = distance * width / 2
  log_density = -0.5 * (distance**2 + math.log(2.0 * math.pi))
  # Series where the closed forms would divide nought by nought.
  steep = slope > 0.1
  c = tf.where(steep, slope, 0.1)
  s = tf.where(steep, 0.1, slope) ** 2
  log_sinhc = tf.where(
    steep,
    c + tf.math.log(-tf.math.expm1(-2.0 * c) / (2.0 * c)),
    s / 6.0 - s**2 / 180.0,
  )
  mean_square = tf.where(
    steep,
    1.0 - 2.0 / c * (1.0 / tf.tanh(c) - 1.0 / c),
    1.0 / 3.0 + 2.0 * s / 45.0,
  )
  return (
    log_density + tf.math.log(width) + log_sinhc - mean_square * width**2 / 8.0
  )


def _log_expm1(x):
  """ln(e^x - 1) for x > 0 without overflow."""
  small = tf.minimum(x, 20.0)
  return tf.where(x > 20.0, x, tf.math.log(tf.math.expm1(small)))


def _sample(distribution: Discretized, standard: tfd.Distribution, n, seed):
  distribution._require_open_ends()
  shape = tf.concat([[n], distribution.batch_shape_tensor()], 0)
  noise = standard.sample(shape, seed)
  scale = tf.exp(distribution.log_scale)
  return quantize(distribution.loc + scale * noise, distribution._levels)
