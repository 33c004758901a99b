"""STFT and log-mel. Pure functions."""

import tensorflow as tf

from wavenet_tf.configuration.corpus import AudioConfig


def stft_magnitude(
  waveform: tf.Tensor, window_samples: int, hop_samples: int
) -> tf.Tensor:
  """|STFT| with a Hann window, scaled so that a full-scale sine peaks at 1.

  Args:
    waveform: float32 `[B, T]`.
    window_samples: window length; the FFT is the next power of two.
    hop_samples: frame step.

  Returns:
    float32 `[B, 1 + (T - window_samples) // hop_samples, bins]`.
  """
  spectrum = tf.signal.stft(waveform, window_samples, hop_samples)
  # A bare absolute value has no gradient at zero.
  power = tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2
  return tf.sqrt(power + 1e-14) * magnitude_scale(window_samples)


def magnitude_scale(window_samples: int) -> float:
  """What a full-scale sine's |STFT| is multiplied with, to peak at 1."""
  return 4.0 / window_samples


def log_mel(waveform: tf.Tensor, audio: AudioConfig) -> tf.Tensor:
  """Ln max(mel filters . |STFT|, floor): the front end of copy synthesis.

  Frame f is centred on samples [f hop, (f + 1) hop); silence is assumed
  before and after the recording.

  Args:
    waveform: float32 `[B, T]` in [-1, 1].
    audio: rate, window, hop, mel range and floor.

  Returns:
    float32 `[B, ceil(T / hop), mel_bins]` in [ln floor, about 0].
  """
  hop, before = audio.hop_samples, samples_before(audio)
  missing = -tf.shape(waveform)[1] % hop
  after = audio.window_samples - hop - before
  return log_mel_within(
    tf.pad(waveform, [[0, 0], [before, after + missing]]), audio
  )


def samples_before(audio: AudioConfig) -> int:
  """Samples before its own that the window of a frame reaches back to."""
  return (audio.window_samples - audio.hop_samples) // 2


def log_mel_within(waveform: tf.Tensor, audio: AudioConfig) -> tf.Tensor:
  """`log_mel` of the frames whose windows lie within `[B, T]`, no silence."""
  magnitude = stft_magnitude(waveform, audio.window_samples, audio.hop_samples)
  mel = tf.tensordot(magnitude, mel_filters(audio), 1)
  return tf.math.log(tf.maximum(mel, audio.mel_floor))


def mel_filters(audio: AudioConfig) -> tf.Tensor:
  """Triangles on the mel scale, float32 `[bins of the STFT, mel_bins]`."""
  return tf.signal.linear_to_mel_weight_matrix(
    audio.mel_bins,
    fft_samples(audio.window_samples) // 2 + 1,
    audio.sample_rate_hz,
    audio.mel_min_hz,
    audio.mel_max_hz,
  )


def fft_samples(window_samples: int) -> int:
  """The least power of two that a window fits into."""
  return 1 << (window_samples - 1).bit_length()
