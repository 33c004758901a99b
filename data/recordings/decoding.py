"""Audio files <-> 16-bit mono levels: the only module that knows formats.

tensorflow-io decodes Ogg Vorbis and MP3 where it loads; soundfile decodes the
rest, and everything elsewhere. Both see the same checks (`containers.py`), and
soxr resamples for both, so that shards do not depend on which of them ran.
"""

import functools
import io
import pathlib

import numpy as np
import soundfile
import tensorflow as tf

from data.recordings import containers
from wavenet_tf.configuration.errors import reason, UserError
from wavenet_tf.configuration.files import write_bytes
from wavenet_tf.signal import quantization, resampling

SUFFIXES = ('.wav', '.flac', '.mp3', '.ogg', '.oga')
# Rates beyond these come from damaged headers.
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 2_000, 768_000
_KINDS = ('WAV', 'WAVEX', 'RF64', 'FLAC', 'OGG', 'MP3')
_PCM_BITS = {'PCM_S8': 8, 'PCM_U8': 8, 'PCM_16': 16, 'PCM_24': 24, 'PCM_32': 32}


class BadRecording(UserError):
  """A file that cannot be used; the text begins with its name."""


def load(path: pathlib.Path, sample_rate_hz: int) -> np.ndarray:
  """Decodes, checks, mixes to mono and resamples one file.

  Args:
    path: a WAV (8, 16, 24, 32 bit, float), FLAC, MP3 or Ogg Vorbis file.
    sample_rate_hz: rate of the result.

  Returns:
    int16 levels `[T]`; bit-exact for 16-bit mono files at that rate.

  Raises:
    BadRecording: naming the file and what is wrong with it.
  """
  waveform, rate = _decode(path)
  if not len(waveform):
    raise BadRecording(f'{path}: has no samples; record it again or remove it.')
  if not np.isfinite(waveform).all():
    raise BadRecording(
      f'{path}: has samples that are not finite numbers; export it again.'
    )
  if np.abs(waveform).max() > quantization.LOUDEST:
    raise BadRecording(
      f'{path}: reaches {np.abs(waveform).max():g} times full scale, expected '
      'floats in [-1, 1]; divide by the largest and export it again.'
    )
  mono = waveform.mean(1) if waveform.shape[1] > 1 else waveform[:, 0]
  if not _LOWEST_RATE_HZ <= rate <= _HIGHEST_RATE_HZ:
    raise BadRecording(
      f'{path}: states a rate of {rate} Hz, expected {_LOWEST_RATE_HZ} to '
      f'{_HIGHEST_RATE_HZ}; its header is damaged.'
    )
  mono = resampling.resampled(mono, rate, sample_rate_hz)
  levels = np.round(mono * quantization.FULL_SCALE)
  return np.clip(
    levels, -quantization.FULL_SCALE, quantization.FULL_SCALE - 1
  ).astype(np.int16)


def sample_rate_hz(path: pathlib.Path) -> int:
  """The rate that a file's header states."""
  return _info(path, _read(path)).samplerate


def seconds(path: pathlib.Path) -> float:
  """How long a file lasts, as its header states."""
  info = _info(path, _read(path))
  return info.frames / info.samplerate


def write_wav(path: pathlib.Path, waveform: np.ndarray, rate_hz: int) -> None:
  """Writes 16-bit mono, a whole file or none; raises `OSError`."""
  levels = quantization.levels_from_waveform(waveform).numpy().astype(np.int16)
  buffer = io.BytesIO()
  soundfile.write(buffer, levels, rate_hz, format='WAV', subtype='PCM_16')
  write_bytes(path, buffer.getvalue())


def flac_bytes(levels: np.ndarray, rate_hz: int) -> int:
  """Size of the FLAC file of 16-bit levels."""
  return len(flac(levels, rate_hz))


def flac(levels: np.ndarray, rate_hz: int) -> bytes:
  """A FLAC file at the highest compression level (`flac -8`)."""
  buffer = io.BytesIO()
  soundfile.write(
    buffer,
    levels,
    rate_hz,
    format='FLAC',
    subtype='PCM_16',
    compression_level=1.0,
  )
  return buffer.getvalue()


def _read(path):
  try:
    return path.read_bytes()
  except (OSError, ValueError) as error:  # A list may name what is no name.
    said = getattr(error, 'strerror', error)
    raise BadRecording(f'{path}: cannot be read ({said}).') from error


def _info(path, blob):
  try:
    info = soundfile.info(io.BytesIO(blob))
  except soundfile.LibsndfileError as error:
    raise BadRecording(
      f'{path}: is not audio that can be read '
      f'({error.error_string.strip()}); expected WAV, FLAC, '
      'MP3 or Ogg Vorbis.'
    ) from error
  if info.format not in _KINDS:
    raise BadRecording(
      f'{path}: is {info.format} audio; expected WAV, FLAC, MP3 or Ogg Vorbis.'
    )
  return info


def _decode(path):
  """-> float64 `[T, channels]` in [-1, 1) and the rate in Hz."""
  blob = _read(path)
  info = _info(path, blob)
  try:
    containers.check_bytes(info.format, blob)
    samples = _decode_with_tensorflow_io(info, blob)
    if samples is None:
      samples = _decode_with_soundfile(info, blob)
    if info.format == 'FLAC':
      containers.check_flac_samples(blob, samples)
    if info.format != 'MP3' and len(samples) != info.frames:
      raise containers.Damaged(
        f'it decodes to {len(samples)} of {info.frames} samples'
      )
  except (
    containers.Damaged,
    soundfile.LibsndfileError,
    tf.errors.OpError,
  ) as error:
    said = getattr(error, 'error_string', error)
    raise BadRecording(
      f'{path}: is damaged ({reason(said)}); copy or record it again.'
    ) from error
  if samples.dtype == np.int32:
    return samples / 2.0**31, info.samplerate
  return samples.astype(np.float64), info.samplerate


def _decode_with_soundfile(info, blob):
  """-> int32 (left-justified) for PCM, else float32; `[T, channels]`."""
  dtype = 'int32' if info.subtype in _PCM_BITS else 'float32'
  try:
    return soundfile.read(io.BytesIO(blob), dtype=dtype, always_2d=True)[0]
  except (MemoryError, ValueError) as error:
    # Room is made for what the header promises, before anything is read.
    raise containers.Damaged(
      f'its header promises {info.frames} samples, more than fit into memory'
    ) from error


@functools.cache
def _tensorflow_io_audio():
  """The module, or None where it is not installed for this TensorFlow."""
  try:
    import tensorflow_io

    return tensorflow_io.audio
  except ImportError:
    return None


def _decode_with_tensorflow_io(info, blob):
  """As `_decode_with_soundfile`; None where its operations fall short.

  Its FLAC and WAV operations are not used: a flipped bit in a header makes them
  hang, which no caller can catch.
  """
  operations = _tensorflow_io_audio()
  if operations is None:
    return None
  if (info.format, info.subtype) == ('OGG', 'VORBIS'):
    return operations.decode_vorbis(blob).numpy()
  if info.format == 'MP3':
    return operations.decode_mp3(blob).numpy()
  return None
