"""Audio files <-> 16-bit mono levels: the only module that knows formats.

tensorflow-io decodes where its ops load and are right; soundfile does
elsewhere. Both see the same checks (`containers.py`), and soxr resamples for
both, so that shards do not depend on which of them ran.
"""

import functools
import io
import pathlib

import numpy as np
import soundfile
import soxr
import tensorflow as tf

from data import containers
from wavenet_tf import audio
from wavenet_tf.config import UserError

SUFFIXES = ('.wav', '.flac', '.mp3', '.ogg', '.oga')
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
  mono = waveform.mean(1) if waveform.shape[1] > 1 else waveform[:, 0]
  if rate != sample_rate_hz:
    mono = soxr.resample(mono, rate, sample_rate_hz, quality='VHQ')
  levels = np.round(mono * audio.FULL_SCALE)
  return np.clip(levels, -audio.FULL_SCALE, audio.FULL_SCALE - 1).astype(
    np.int16
  )


def sample_rate_hz(path: pathlib.Path) -> int:
  """The rate that a file's header states."""
  return _info(path, _read(path)).samplerate


def write_wav(path: pathlib.Path, waveform, rate_hz: int) -> None:
  """Writes 16-bit mono to a temporary name, then renames it."""
  partial = path.with_name(path.name + '.partial')
  levels = audio.levels_from_waveform(waveform).numpy().astype(np.int16)
  soundfile.write(partial, levels, rate_hz, format='WAV', subtype='PCM_16')
  partial.replace(path)


def flac_bytes(levels: np.ndarray, rate_hz: int) -> int:
  """Size of the FLAC file at the highest compression level (`flac -8`)."""
  buffer = io.BytesIO()
  soundfile.write(
    buffer,
    levels,
    rate_hz,
    format='FLAC',
    subtype='PCM_16',
    compression_level=1.0,
  )
  return len(buffer.getvalue())


def _read(path):
  try:
    return path.read_bytes()
  except OSError as error:
    raise BadRecording(f'{path}: cannot be read ({error.strerror}).') from error


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
    reason = getattr(error, 'error_string', None) or str(error)
    raise BadRecording(
      f'{path}: is damaged ({reason.splitlines()[0].strip()})'
      '; copy or record it again.'
    ) from error
  if samples.dtype == np.int32:
    return samples / 2.0**31, info.samplerate
  return samples.astype(np.float64), info.samplerate


def _decode_with_soundfile(info, blob):
  """-> int32 (left-justified) for PCM, else float32; `[T, channels]`."""
  dtype = 'int32' if info.subtype in _PCM_BITS else 'float32'
  return soundfile.read(io.BytesIO(blob), dtype=dtype, always_2d=True)[0]


@functools.cache
def _tensorflow_io_audio():
  """The module, or None where it is not installed for this TensorFlow."""
  try:
    import tensorflow_io  # pylint: disable=g-import-not-at-top

    return tensorflow_io.audio
  except ImportError:
    return None


def _decode_with_tensorflow_io(info, blob):
  """As `_decode_with_soundfile`; None where its ops fall short.

  Measured: 32-bit integer WAV comes back as NaN and 64-bit float not at all.
  """
  ops = _tensorflow_io_audio()
  if ops is None:
    return None
  if (info.format, info.subtype) == ('OGG', 'VORBIS'):
    return ops.decode_vorbis(blob).numpy()
  if info.format == 'MP3':
    return ops.decode_mp3(blob).numpy()
  decode = {'FLAC': ops.decode_flac, 'WAV': ops.decode_wav}.get(info.format)
  dtype = {'PCM_U8': tf.uint8, 'PCM_16': tf.int16, 'PCM_24': tf.int32}.get(
    info.subtype
  )
  if decode is None or dtype is None:
    return None
  samples = decode(blob, dtype=dtype).numpy().astype(np.int32)
  if info.subtype == 'PCM_U8':
    return (samples - 128) << 24
  return samples << 16 if info.subtype == 'PCM_16' else samples
