"""Laws of the waveform's number systems."""

import numpy as np
import pytest
import tensorflow as tf

from wavenet_tf.signal import quantization


def compand(x, levels):
  """f(x) of the paper, in float64."""
  mu = levels - 1
  return np.sign(x) * np.log1p(mu * np.abs(x)) / np.log1p(mu)


def code_position(x, levels):
  """Where x lies among the codes, a real number; codes are its rounding."""
  return (compand(np.asarray(x, np.float64), levels) + 1) / 2 * (levels - 1)


def mu_law_reference(x, levels):
  """The paper's formula in float64, rounded to the nearest of the codes."""
  return np.floor(code_position(x, levels) + 0.5)


def mu_law_boundaries(levels, offset=0.0):
  """float32 waveforms `offset` codes above where each code ends."""
  y = 2 * (np.arange(levels - 1) + 0.5 + offset) / (levels - 1) - 1
  x = np.sign(y) * np.expm1(np.abs(y) * np.log1p(levels - 1)) / (levels - 1)
  return x.astype(np.float32)


# `companded + 1` lies in [0, 2], where float32 has steps of up to 2^-23; with
# those of the logarithm, codes within this of a boundary may fall either way.
def undecided(levels):
  return (levels - 1) * 2.0**-23


ENCODERS = {
  'eager': quantization.mu_law_encode,
  'compiled': tf.function(quantization.mu_law_encode, jit_compile=True),
}
ENCODE = pytest.mark.parametrize('encode', ENCODERS.values(), ids=ENCODERS)


def test_levels_survive_the_waveform():
  levels = np.arange(-32768, 32768)
  waveform = quantization.waveform_from_levels(levels)
  np.testing.assert_array_equal(
    quantization.levels_from_waveform(waveform), levels
  )
  assert waveform.numpy().min() == -1.0
  assert waveform.numpy().max() < 1.0


def test_levels_clip_beyond_full_scale():
  np.testing.assert_array_equal(
    quantization.levels_from_waveform(tf.constant([-1.5, 1.0, 2.0])),
    [-32768, 32767, 32767],
  )


@ENCODE
def test_mu_law_of_all_16_bit_levels_is_the_formula_exactly(encode):
  """None of them lies where float32 cannot decide; each code has some."""
  x = np.arange(-32768, 32768) / 32768.0
  codes = encode(tf.constant(x, tf.float32)).numpy()
  np.testing.assert_array_equal(codes, mu_law_reference(x, 256))
  np.testing.assert_array_equal(np.unique(codes), np.arange(256))


@ENCODE
@pytest.mark.parametrize('levels', [4, 256, 1024])
def test_mu_law_is_the_formula_up_to_rounding_at_boundaries(levels, encode):
  """The 100 float32 numbers on either side of every boundary."""
  middle = mu_law_boundaries(levels)[:, None]
  x = middle + np.arange(-100, 101) * np.spacing(np.abs(middle))
  codes = encode(tf.constant(x, tf.float32), levels).numpy()
  expected = mu_law_reference(x, levels)
  fraction = (code_position(x, levels) + 0.5) % 1
  decided = np.minimum(fraction, 1 - fraction) > undecided(levels)
  assert decided.any()
  np.testing.assert_array_equal(codes[decided], expected[decided])
  np.testing.assert_allclose(codes, expected, atol=1)
  # Every boundary has both its sides, as soon as float32 can tell them apart.
  for side, sign in enumerate((-1, 1)):
    x = mu_law_boundaries(levels, 2 * sign * undecided(levels))
    codes = encode(tf.constant(x), levels)
    np.testing.assert_array_equal(codes, np.arange(levels - 1) + side)


@ENCODE
@pytest.mark.parametrize('levels', [4, 256, 1024])
def test_mu_law_is_monotone_odd_and_clips(levels, encode):
  x = np.linspace(0, 1, 100_001)[1:].astype(np.float32)
  fraction = (code_position(x, levels) + 0.5) % 1
  x = x[np.minimum(fraction, 1 - fraction) > undecided(levels)]
  codes = encode(tf.constant(x), levels).numpy()
  assert (np.diff(codes) >= 0).all()
  assert codes[0] == levels // 2
  np.testing.assert_array_equal(
    encode(tf.constant(-x), levels), levels - 1 - codes
  )
  beyond = tf.constant([-np.inf, -1e9, -1.0001, 1.0001, 1e9, np.inf])
  np.testing.assert_array_equal(
    encode(beyond, levels), [0] * 3 + [levels - 1] * 3
  )


@ENCODE
@pytest.mark.parametrize('levels', [4, 256, 1024])
def test_decoding_is_within_half_a_step_of_what_was_encoded(levels, encode):
  """Half a step of 2 / (levels - 1), in the companded domain."""
  x = np.linspace(-1, 1, 100_001).astype(np.float32)
  decoded = quantization.mu_law_decode(
    encode(tf.constant(x), levels), levels
  ).numpy()
  error = np.abs(code_position(decoded, levels) - code_position(x, levels))
  assert error.max() <= 0.5 + 2 * undecided(levels)
  assert error.max() > 0.49  # No finer than it has to be.


@pytest.mark.parametrize('levels', [4, 256, 1024])
def test_decoding_is_the_inverse_formula(levels):
  codes = np.arange(levels)
  y = 2 * codes / (levels - 1) - 1
  expected = np.sign(y) * (float(levels) ** np.abs(y) - 1) / (levels - 1)
  decoded = quantization.mu_law_decode(codes, levels).numpy()
  np.testing.assert_allclose(decoded, expected, rtol=1e-4, atol=1e-7)
  np.testing.assert_allclose(decoded, -decoded[::-1], rtol=1e-4, atol=1e-7)
  assert (decoded[0], decoded[-1]) == pytest.approx((-1, 1), abs=1e-6)


@pytest.mark.parametrize('levels', [4, 256, 1024])
def test_every_mu_law_code_comes_back(levels):
  codes = np.arange(levels)
  waveform = quantization.mu_law_decode(codes, levels)
  np.testing.assert_array_equal(
    quantization.mu_law_encode(waveform, levels), codes
  )
  assert (np.diff(waveform) > 0).all()


def test_mu_law_of_the_extremes():
  np.testing.assert_array_equal(
    quantization.mu_law_encode(tf.constant([-1.0, 0.0, 1.0, -2.0, 2.0])),
    [0, 128, 255, 0, 255],
  )


def test_loudness_of_a_full_scale_sine():
  sine = np.sin(np.linspace(0, 200 * np.pi, 100000, endpoint=False))
  assert quantization.rms_dbfs(sine) == pytest.approx(-3.0103, abs=1e-3)
  assert quantization.rms_dbfs(np.zeros(10)) == -120.0


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
