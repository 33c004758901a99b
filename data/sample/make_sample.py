"""Makes the bundled corpus: speaks each sentence with espeak-ng.

  python data/sample/make_sample.py

needs the system package espeak-ng and rewrites `metadata.csv` and `wavs/`
beside this file (LJ Speech layout). A synthesizer is silent to the last bit
between words, a room is not: noise at -66 dBFS stands in for it.
"""

import io
import pathlib
import subprocess

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


def _speak(text: str) -> tuple[np.ndarray, int]:
  wav = subprocess.run(
    ['espeak-ng', '-v', 'en-us', '-s', '150', '--stdout', text],
    check=True,
    capture_output=True,
  ).stdout
  return soundfile.read(io.BytesIO(wav))


def main():
  (_FOLDER / 'wavs').mkdir(exist_ok=True)
  random = np.random.default_rng(0)
  rows = []
  for i, text in enumerate(_SENTENCES, 1):
    speech, rate = _speak(text)
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
    rows.append(f'{name}|{text}|{text}\n')
  (_FOLDER / 'metadata.csv').write_text(''.join(rows), 'utf-8')


if __name__ == '__main__':
  main()
