"""What layers and densities are held to: plain NumPy and SciPy in float64."""

import numpy as np
from scipy import special

from wavenet_tf.probability.discretized import (
  DiscretizedGaussian,
  DiscretizedLogistic,
)

LOG_CDF = {
  DiscretizedLogistic: special.log_expit,
  DiscretizedGaussian: special.log_ndtr,
}


def convolution_reference(x, kernel, bias, dilation):
  """y_t = sum_j W_j x_{t - (k - 1 - j) d} + b in float64; zeros before x_0."""
  k = kernel.shape[0]
  y = np.tile(bias.astype(np.float64), (*x.shape[:2], 1))
  for t in range(x.shape[1]):
    for j in range(k):
      past = t - (k - 1 - j) * dilation
      if past >= 0:
        y[:, t] += x[:, past] @ kernel[j].astype(np.float64)
  return y


def bin_centres(levels=2**16):
  return (np.arange(levels) * (2.0 / levels) - 1.0).astype(np.float32)


def log_mass_reference(family, x, loc, log_scale, levels=2**16):
  """Ln of the mass of the bin centred on x, float64, from whichever tail."""
  loc = np.float64(np.float32(loc))
  scale = np.exp(np.float64(np.float32(log_scale)))
  x = x.astype(np.float64)
  upper = np.where(x > 1 - 3 / levels, np.inf, (x + 1 / levels - loc) / scale)
  lower = np.where(x < -1 + 1 / levels, -np.inf, (x - 1 / levels - loc) / scale)
  # F(a) - F(b) = F(-b) - F(-a): use the small side.
  flip = lower > 0
  upper, lower = np.where(flip, -lower, upper), np.where(flip, -upper, lower)
  a, b = LOG_CDF[family](upper), LOG_CDF[family](lower)
  with np.errstate(divide='ignore'):
    return a + np.log(-np.expm1(b - a))
