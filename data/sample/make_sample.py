"""Makes the bundled corpus: speaks each sentence with espeak-ng.

  python data/sample/make_sample.py

needs the system package espeak-ng and rewrites `metadata.csv`, `wavs/` (LJ
Speech layout) and `lab/` beside this file. A synthesizer is silent to the last
bit between words, a room is not: noise at -66 dBFS stands in for it.

`lab/` holds what the synthesizer spoke and when, as HTK label files: `start end
phone`, in units of 100 ns. Phones have espeak-ng's own names, without stress
(its events have none); names of one sound in different contexts are merged
(`_MERGED`), and every pause is `pau`.
"""

import ctypes
import multiprocessing
import pathlib

import numpy as np
import soundfile

_FOLDER = pathlib.Path(__file__).parent
_NOISE_DBFS = -66.0
_PEAK_DBFS = -6.0

_SENTENCES = (
  'A recording is a long row of numbers, one for every moment.',
  'This network looks at the numbers so far and guesses the next one.',
  'It does not give one answer, but says how likely each answer is.',
  'Early layers look at neighbours, later layers look far into the past.',
  'Every layer doubles the distance between the samples that it joins.',
  'Sixteen thousand guesses make a single second of speech.',
  'That is slow, because each guess has to wait for the one before.',
  'A second network turns noise into speech in one single step.',
  'It learns from the first one, which acts as a patient teacher.',
  'The teacher never speaks to the student; it only marks the work.',
  'A student that copies the likeliest sound would learn to be silent.',
  'So the student is rewarded for keeping its answers varied.',
  'Good morning, the weather today is cold and bright.',
  'The train to the coast leaves from platform nine at noon.',
  'Please turn left at the old stone bridge, then follow the river.',
  'She sells fresh oysters and lemons by the harbour wall.',
  'Five quick foxes jumped over the lazy brown dogs.',
  'How much wood could a carpenter carve before evening?',
  'Blue glass, green bottles and yellow jars stood on the shelf.',
  'We measured the loudness, the spectrum and the noise.',
  'Nobody knew who had left the window open all night.',
  'The museum closes at half past six on Thursdays.',
  'Thank you for listening to this rather small voice.',
  'What you hear was never recorded by anyone.',
)


# A phoneme's allophones, reduced forms and lengths -> one name.
_MERGED = {
  '_': 'pau',
  '_:': 'pau',
  'a#': '@',
  '@2': '@',
  'I#': 'I',
  'I2': 'I',
  'i': 'i:',
  'aa': 'a',
  '0': 'A',
  'O2': 'O:',
  'o@': 'O@',
  'i@3': 'i@',
  '3:': '3',
  't#': 't',
  't2': 't',
  'r-': 'r',
  ';': 'j',
}

# Of espeak-ng/speak_lib.h.
_LIBRARY = 'libespeak-ng.so.1'
_SYNCHRONOUS, _PHONEME_EVENTS, _RATE_PARAMETER = 2, 1, 1
_CHARACTER_POSITION, _END_PAUSE = 1, 0x1000
_END_OF_LIST, _PHONEME = 0, 7


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


def _speak(text: str) -> tuple[np.ndarray, int, list[tuple[int, str]]]:
  """Speech in [-1, 1), its rate, and (first sample, name) of each phone."""
  library = ctypes.CDLL(_LIBRARY)
  rate = library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS)
  library.espeak_SetVoiceByName(b'en-us')
  library.espeak_SetParameter(_RATE_PARAMETER, 150, 0)
  chunks, phones = [], []

  def receive(levels, count, events):
    if levels and count:
      chunks.append(np.ctypeslib.as_array(levels, (count,)).copy())
    index = 0
    while events[index].type != _END_OF_LIST:
      event = events[index]
      if event.type == _PHONEME:
        phones.append((event.sample, event.id.string.decode()))
      index += 1
    return 0

  callback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_short),
    ctypes.c_int,
    ctypes.POINTER(_Event),
  )(receive)
  library.espeak_SetSynthCallback(callback)
  encoded = text.encode()
  library.espeak_Synth(
    encoded,
    len(encoded) + 1,
    0,
    _CHARACTER_POSITION,
    0,
    _END_PAUSE,
    None,
    None,
  )
  return np.concatenate(chunks) / 32768.0, rate, phones


def _label_lines(phones, samples, rate):
  """HTK lines that cover the recording; equal neighbours become one."""
  merged = []
  for start, name in phones:
    name = _MERGED.get(name, name)
    if merged and merged[-1][1] == name == 'pau':
      continue
    if merged and merged[-1][0] == start:  # A phone without a length.
      merged.pop()
    merged.append((start, name))
  starts = [round(start / rate * 1e7) for start, _ in merged]
  ends = [*starts[1:], round(samples / rate * 1e7)]
  return [
    f'{start} {end} {name}\n'
    for start, end, (_, name) in zip(starts, ends, merged)
  ]


def main():
  for folder in 'wavs', 'lab':
    (_FOLDER / folder).mkdir(exist_ok=True)
  random = np.random.default_rng(0)
  rows = []
  # What was spoken before changes the voice, hence a process a sentence.
  with multiprocessing.get_context('spawn').Pool(1, maxtasksperchild=1) as pool:
    spoken = pool.map(_speak, _SENTENCES, chunksize=1)
  for i, (text, (speech, rate, phones)) in enumerate(
    zip(_SENTENCES, spoken), 1
  ):
    speech *= 10 ** (_PEAK_DBFS / 20) / np.abs(speech).max()
    speech += random.normal(0, 10 ** (_NOISE_DBFS / 20), speech.shape)
    name = f'sample-{i:02d}'
    soundfile.write(
      _FOLDER / 'wavs' / f'{name}.flac',
      speech,
      rate,
      subtype='PCM_16',
      compression_level=1.0,
    )
    (_FOLDER / 'lab' / f'{name}.lab').write_text(
      ''.join(_label_lines(phones, len(speech), rate)), 'utf-8'
    )
    rows.append(f'{name}|{text}|{text}\n')
  (_FOLDER / 'metadata.csv').write_text(''.join(rows), 'utf-8')


if __name__ == '__main__':
  main()
