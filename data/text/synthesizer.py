"""The synthesizer espeak-ng: text in, speech and its phones with times out.

  echo "Good morning." | python data/text/synthesizer.py > spoken.npz

The system library is loaded by name. What it spoke before changes its voice
a little, so `speak` runs this file as a process of its own for every text, and
a text always gives the same result.
"""

import ctypes
import io
import json
import subprocess
import sys
import tempfile
from typing import NamedTuple

import numpy as np

VOICE = 'en-us'
WORDS_PER_MINUTE = 150
# Of espeak-ng/speak_lib.h.
_LIBRARY = 'libespeak-ng.so.1'
_SYNCHRONOUS, _PHONEME_EVENTS, _RATE_PARAMETER = 2, 1, 1
_CHARACTER_POSITION, _UTF8, _END_PAUSE = 1, 1, 0x1000
_END_OF_LIST, _PHONEME = 0, 7
# Shows phones as text, with `_` between the phones of a word.
_TRACE = 1 | ord('_') << 8
_PAUSES = ('_', '_:', '_!', '_|', '_::', '_^')
# Before a vowel: secondary, primary, emphasized; unstressed.
_MARKS = {',': 1, "'": 2, '"': 2, '%': 0, '=': 0, '|': 0}
# What a process says with its exit status.
_NOT_INSTALLED, _UNFOLLOWED = 3, 4


class NotInstalled(Exception):
  """The system has no espeak-ng library, or no voice for it."""


class Unfollowed(Exception):
  """The times of a text's phones do not fit their stress and words."""


class Phone(NamedTuple):
  """A phone as spoken.

  Attributes:
    start: its first sample.
    name: espeak-ng's, '_' for a pause.
    stress: 0 none, 1 secondary, 2 primary; vowels alone have any.
    word: number of its word in the text, -1 for a pause.
    clause: number of the clause of its word, -1 for a pause.
  """

  start: int
  name: str
  stress: int
  word: int
  clause: int


class Speech(NamedTuple):
  """What was spoken.

  Attributes:
    waveform: float64 `[T]` in [-1, 1).
    sample_rate_hz: of it.
    phones: in order; pauses in between.
  """

  waveform: np.ndarray
  sample_rate_hz: int
  phones: list[Phone]


def speak(text: str) -> Speech:
  """Speaks a text; the same text gives the same samples and times.

  Raises:
    NotInstalled: if the system has no espeak-ng.
    Unfollowed: for words of another language, which it reads with phones of
      that one.
  """
  child = subprocess.run(
    [sys.executable, '-P', __file__],
    input=text.encode(),
    capture_output=True,
    check=False,
  )
  if child.returncode:
    kind = {_NOT_INSTALLED: NotInstalled, _UNFOLLOWED: Unfollowed}
    raise kind.get(child.returncode, RuntimeError)(
      child.stderr.decode(errors='replace').strip()
    )
  with np.load(io.BytesIO(child.stdout)) as spoken:
    return Speech(
      spoken['levels'] / 32768.0,
      int(spoken['rate']),
      [Phone(*phone) for phone in json.loads(str(spoken['phones']))],
    )


def phones_of(
  events: list[tuple[int, str]], trace: str
) -> list[tuple[int, str, int, int, int]]:
  """Joins the times of the events with the stress and words of the trace.

  Args:
    events: (first sample, name) of each phone and pause.
    trace: the same phones without pauses, `_` between phones, a space between
      words, a line for each clause, a mark of stress before a vowel.

  Returns:
    Fields of `Phone`.

  Raises:
    Unfollowed: if the two are not of one utterance.
  """
  traced = _traced(trace)
  found = []
  for start, name in events:
    if name in _PAUSES or not name:
      found.append((start, '_', 0, -1, -1))
      continue
    expected, *rest = next(traced, (None,))
    if name != expected:
      raise Unfollowed(f'an event says {name!r}, the trace {expected!r}')
    found.append((start, name, *rest))
  return found


def _traced(trace):
  """(name, stress, word, clause) of every phone that is not a pause."""
  word = -1
  clauses = [line for line in trace.splitlines() if line.strip()]
  for clause, line in enumerate(clauses):
    for group in line.split():
      names = [_without_mark(name) for name in group.split('_')]
      names = [(name, stress) for name, stress in names if name]
      word += bool(names)
      yield from ((name, stress, word, clause) for name, stress in names)


def _without_mark(name):
  # A pause `_:` is split at its `_`; its colon may stick to what follows.
  name, stress = name.lstrip(':'), 0
  while name and name[0] in _MARKS:
    stress, name = max(stress, _MARKS[name[0]]), name[1:]
  return name, stress


class _Id(ctypes.Union):
  _fields_ = [('number', ctypes.c_int), ('string', ctypes.c_char * 8)]


class _Event(ctypes.Structure):
  """`espeak_EVENT`; `sample` counts from the beginning of the utterance."""

  _fields_ = [
    ('type', ctypes.c_int),
    ('unique_identifier', ctypes.c_uint),
    ('text_position', ctypes.c_int),
    ('length', ctypes.c_int),
    ('audio_position', ctypes.c_int),
    ('sample', ctypes.c_int),
    ('user_data', ctypes.c_void_p),
    ('id', _Id),
  ]


_CALLBACK = ctypes.CFUNCTYPE(
  ctypes.c_int,
  ctypes.POINTER(ctypes.c_short),
  ctypes.c_int,
  ctypes.POINTER(_Event),
)


def _open():
  """The library, ready to speak, and its sample rate in Hz."""
  try:
    library = ctypes.CDLL(_LIBRARY)
  except OSError as error:
    raise NotInstalled(str(error)) from error
  rate = library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS)
  if rate <= 0 or library.espeak_SetVoiceByName(VOICE.encode()):
    raise NotInstalled(f'it has no voice {VOICE}')
  library.espeak_SetParameter(_RATE_PARAMETER, WORDS_PER_MINUTE, 0)
  return library, rate


def _synthesize(library, text):
  """int16 levels, and (first sample, name) of each phone."""
  chunks, events = [np.zeros(0, np.int16)], []

  def receive(levels, count, found):
    if levels and count:
      chunks.append(np.ctypeslib.as_array(levels, (count,)).copy())
    index = 0
    while found[index].type != _END_OF_LIST:
      event = found[index]
      if event.type == _PHONEME:
        events.append((event.sample, event.id.string.decode()))
      index += 1
    return 0

  callback = _CALLBACK(receive)
  library.espeak_SetSynthCallback(callback)
  encoded = text.encode()
  library.espeak_Synth(
    encoded,
    len(encoded) + 1,
    0,
    _CHARACTER_POSITION,
    0,
    _UTF8 | _END_PAUSE,
    None,
    None,
  )
  return np.concatenate(chunks), events


def _speak_here(text):
  """Once a process: `levels`, `rate` and `phones` as arrays."""
  library, rate = _open()
  c = ctypes.CDLL(None)
  c.fopen.restype = ctypes.c_void_p
  with tempfile.NamedTemporaryFile('r', encoding='utf-8') as trace:
    file = ctypes.c_void_p(c.fopen(trace.name.encode(), b'w'))
    library.espeak_SetPhonemeTrace(_TRACE, file)
    levels, events = _synthesize(library, text)
    c.fclose(file)
    phones = phones_of(events, trace.read())
  return {'levels': levels, 'rate': rate, 'phones': json.dumps(phones)}


def _stop(error, status):
  print(error, file=sys.stderr)
  sys.exit(status)


def main() -> None:
  try:
    spoken = _speak_here(sys.stdin.buffer.read().decode())
  except NotInstalled as error:
    _stop(error, _NOT_INSTALLED)
  except Unfollowed as error:
    _stop(error, _UNFOLLOWED)
  buffer = io.BytesIO()
  np.savez(buffer, **spoken)
  sys.stdout.buffer.write(buffer.getvalue())


if __name__ == '__main__':
  main()
