"""Is this audio file whole? What its container promises, held to its bytes.

Decoders differ in what damage they let pass: some return noise for a flipped
bit, some half a recording for half a file. Every format but MP3 carries enough
to tell, so that is checked here, whichever decoder runs.
"""

import hashlib
import struct

import numpy as np

# The rates that a FLAC frame has a code for; other codes refer elsewhere.
_FLAC_RATES_HZ = dict(
  enumerate(
    (
      88_200,
      176_400,
      192_000,
      8_000,
      16_000,
      22_050,
      24_000,
      32_000,
      44_100,
      48_000,
      96_000,
    ),
    1,
  )
)
_OGG_POLYNOMIAL = 0x04C11DB7
_OGG_END_OF_STREAM = 4
# Formats of WAV whose frames are a number a channel: PCM, floats, "extensible".
_WAV_SAMPLES = (1, 3, 0xFFFE)
# Writers that cannot seek back leave these as the length of the data.
_UNKNOWN_LENGTHS = (0, 0xFFFFFFFF)


class Damaged(Exception):
  """The file contradicts its own container; the text says how."""


def check_bytes(kind: str, blob: bytes) -> None:
  """Raises `Damaged` where the bytes of a file are not whole.

  Args:
    kind: 'WAV', 'FLAC', 'OGG' or 'MP3', as soundfile names it.
    blob: the whole file.
  """
  if kind.startswith('WAV'):
    _check_wav(blob)
  elif kind == 'FLAC':
    _check_flac_rate(blob)
  elif kind == 'OGG':
    _check_ogg(blob)


def check_flac_samples(blob: bytes, samples: np.ndarray) -> None:
  """Raises `Damaged` where decoded FLAC differs from its own MD5.

  Args:
    blob: the whole file.
    samples: int32 `[T, channels]`, left-justified in 32 bits.
  """
  # STREAMINFO is always the first block: 4 bytes of magic, 4 of header, 10 of
  # sizes, then rate (20 bits), channels (3), bits - 1 (5), samples (36), MD5.
  packed = int.from_bytes(blob[18:26], 'big')
  bits = ((packed >> 36) & 31) + 1
  total, digest = packed & (2**36 - 1), blob[26:42]
  if total and total != len(samples):
    raise Damaged(
      f'it decodes to {len(samples)} samples, its header says {total}'
    )
  width = -(-bits // 8)
  right_justified = samples >> (32 - bits)
  raw = right_justified.astype('<i4').view(np.uint8).reshape(-1, 4)[:, :width]
  if any(digest) and hashlib.md5(raw.tobytes()).digest() != digest:
    raise Damaged('its samples do not match the MD5 in its header')


def _check_flac_rate(blob):
  """The rate of the header, which no checksum covers, is that of a frame."""
  position, last = 4, False
  while not last:
    last = bool(blob[position] & 128)
    position += 4 + int.from_bytes(blob[position + 1 : position + 4], 'big')
    if position + 4 > len(blob):
      raise Damaged('it ends within its header')
  stated = int.from_bytes(blob[18:21], 'big') >> 4
  in_frame = _FLAC_RATES_HZ.get(blob[position + 2] & 15, stated)
  if stated != in_frame:
    raise Damaged(f'its header says {stated} Hz, its samples {in_frame} Hz')


def _check_wav(blob):
  """Walks the RIFF chunks until the data and compares its length."""
  position = 12
  while position + 8 <= len(blob):
    name, size = struct.unpack_from('<4sI', blob, position)
    present = len(blob) - position - 8
    if name == b'fmt ' and present >= 16:
      _check_wav_rate(blob[position + 8 :])
    if name == b'data':
      if size not in _UNKNOWN_LENGTHS and size > present:
        raise Damaged(f'it ends after {present} of {size} bytes of samples')
      if size not in _UNKNOWN_LENGTHS:
        _check_rest_of_wav(blob[position + 8 + size :], size % 2)
      return
    position += 8 + size + size % 2
  raise Damaged('it has no samples (no data chunk)')


def _check_wav_rate(fmt):
  """What a fmt chunk says of a second and of a frame is what it says twice."""
  tag, channels, rate, of_second, of_frame, bits = struct.unpack_from(
    '<HHIIHH', fmt
  )
  frame = channels * -(-bits // 8)
  if tag in _WAV_SAMPLES and (of_frame, of_second) != (frame, rate * frame):
    raise Damaged('its header contradicts itself about rate and channels')


def _check_rest_of_wav(rest, padding):
  """After the samples there are chunks, or zeros, or nothing."""
  rest = rest[padding:].rstrip(b'\0')
  if rest and not (rest[:4].isascii() and rest[:4].decode().isprintable()):
    raise Damaged('more follows the samples that its header counts')


def _check_ogg(blob):
  """Checks the CRC of every page, and that the last one ends the stream."""
  position, flags = 0, 0
  while position < len(blob):
    if blob[position : position + 4] != b'OggS' or position + 27 > len(blob):
      raise Damaged(f'an Ogg page should begin at byte {position}')
    flags, segments = blob[position + 5], blob[position + 26]
    body = position + 27 + segments
    end = body + sum(blob[position + 27 : body])
    if end > len(blob):
      raise Damaged('it ends within an Ogg page')
    page = bytearray(blob[position:end])
    stored = struct.unpack_from('<I', page, 22)[0]
    page[22:26] = bytes(4)
    if _ogg_crc(page) != stored:
      raise Damaged(f'the Ogg page at byte {position} fails its checksum')
    position = end
  if not flags & _OGG_END_OF_STREAM:
    raise Damaged('its last Ogg page does not end the stream')


def _crc_table():
  table = []
  for byte in range(256):
    value = byte << 24
    for _ in range(8):
      value = (value << 1) ^ (_OGG_POLYNOMIAL if value & 0x80000000 else 0)
    table.append(value & 0xFFFFFFFF)
  return table


_OGG_TABLE = _crc_table()


def _ogg_crc(page):
  crc = 0
  for byte in page:
    crc = ((crc << 8) & 0xFFFFFFFF) ^ _OGG_TABLE[(crc >> 24) ^ byte]
  return crc
