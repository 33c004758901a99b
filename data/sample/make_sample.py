"""Makes the bundled corpus: speaks each sentence with espeak-ng.

  python data/sample/make_sample.py

needs the system package espeak-ng and rewrites `metadata.csv`, `wavs/` (LJ
Speech layout) and `lab/` beside this file. A synthesizer is silent to the last
bit between words, a room is not: noise at -66 dBFS stands in for it.

`lab/` holds what the synthesizer spoke and when, as HTS label files: `start end
label`, in units of 100 ns, with the labels of `data/text/full_context.py`.
`questions.hed` asks them about the phone, its neighbours, and its place in
syllable, word, phrase and utterance.
"""

import pathlib
import sys

import numpy as np
import soundfile

_FOLDER = pathlib.Path(__file__).parent
sys.path.insert(0, str(_FOLDER.parents[1]))

from data.text import front_end as text_front_end

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

_VOWELS = '@ 3 A A@ E I O: O@ OI U V a aI aU e@ eI i: i@ oU u: @L'
_CONSONANTS = 'p b t d k g tS dZ f v T D s z S Z h m n N l r w j'
_PHONES = f'pau {_VOWELS} {_CONSONANTS}'
_CLASSES = {
  'Vowel': f'{_VOWELS} A: U@ @n',
  'Consonant': _CONSONANTS,
  'Front_Vowel': 'E I a e@ eI i: i@',
  'Central_Vowel': '@ 3 V @L @n',
  'Back_Vowel': 'A A: A@ O: O@ U U@ u: oU OI',
  'High_Vowel': 'I i: i@ U U@ u:',
  'Low_Vowel': 'A A: A@ a aI aU',
  'Long_Vowel': 'A: A@ O: O@ i: u: 3',
  'Diphthong': 'OI aI aU e@ eI i@ oU U@',
  'Rounded': 'O: O@ OI U U@ u: oU w',
  'Stop': 'p b t d k g',
  'Affricate': 'tS dZ',
  'Fricative': 'f v T D s z S Z h',
  'Nasal': 'm n N @n',
  'Approximant': 'l r w j @L',
  'Voiced_Consonant': 'b d g dZ v D z Z m n N l r w j',
  'Labial': 'p b f v m w',
  'Coronal': 't d tS dZ T D s z S Z n l r',
  'Dorsal': 'k g N j w',
}
# Of the phones p1 to p5 of a label.
_PLACES = {
  'LL': '{}^*',
  'L': '*^{}-*',
  'C': '*-{}+*',
  'R': '*+{}=*',
  'RR': '*={}@?_?/A:*',
}
_NUMBERS = {
  'Seg_Fw': r'*@(\d+)_*',
  'Seg_Bw': r'*_(\d+)/A:*',
  'L-Syl_Stress': r'*/A:(\d+)_*',
  'L-Syl_Num-Segs': r'*_(\d+)/B:*',
  'C-Syl_Stress': r'*/B:(\d+)-*',
  'C-Syl_Num-Segs': r'*-(\d+)@*',
  'Pos_C-Syl_in_C-Word(Fw)': r'*@(\d+)-*',
  'Pos_C-Syl_in_C-Word(Bw)': r'*-(\d+)&*',
  'Pos_C-Syl_in_C-Phrase(Fw)': r'*&(\d+)-*',
  'Pos_C-Syl_in_C-Phrase(Bw)': r'*-(\d+)#*',
  'Num-StressedSyl_before_C-Syl': r'*#(\d+)-*',
  'Num-StressedSyl_after_C-Syl': r'*-(\d+)$*',
  'Num-Syl_from_prev-StressedSyl': r'*!(\d+)-*',
  'Num-Syl_from_next-StressedSyl': r'*-(\d+);*',
  'R-Syl_Stress': r'*/C:(\d+)+*',
  'R-Syl_Num-Segs': r'*+(\d+)/D:*',
  'L-Word_Num-Syls': r'*_(\d+)/E:*',
  'C-Word_Num-Syls': r'*+(\d+)@*',
  'Pos_C-Word_in_C-Phrase(Fw)': r'*@(\d+)+*',
  'Pos_C-Word_in_C-Phrase(Bw)': r'*+(\d+)&*',
  'Num-ContWord_before_C-Word': r'*&(\d+)+*',
  'Num-ContWord_after_C-Word': r'*+(\d+)#*',
  'Num-Words_from_prev-ContWord': r'*#(\d+)+*',
  'Num-Words_from_next-ContWord': r'*+(\d+)/F:*',
  'R-Word_Num-Syls': r'*_(\d+)/G:*',
  'L-Phrase_Num-Syls': r'*/G:(\d+)_*',
  'L-Phrase_Num-Words': r'*_(\d+)/H:*',
  'C-Phrase_Num-Syls': r'*/H:(\d+)=*',
  'C-Phrase_Num-Words': r'*/H:*=(\d+)@*',
  'Pos_C-Phrase_in_Utterance(Fw)': r'*/H:*@(\d+)=*',
  'Pos_C-Phrase_in_Utterance(Bw)': r'*=(\d+)|*',
  'R-Phrase_Num-Syls': r'*/I:(\d+)=*',
  'R-Phrase_Num-Words': r'*=(\d+)/J:*',
  'Num-Syls_in_Utterance': r'*/J:(\d+)+*',
  'Num-Words_in_Utterance': r'*+(\d+)-*',
  'Num-Phrases_in_Utterance': r'*-(\d+)',
}


def _questions():
  """Lines of a question set for espeak-ng's English phones."""
  for place, pattern in _PLACES.items():
    for name, phones in [*_CLASSES.items(), *((p, p) for p in _PHONES.split())]:
      yield _question(f'{place}-{name}', pattern, phones)
  for name in _VOWELS.split():
    yield _question(f'C-Syl_{name}', '*|{}/C:*', name)
  for place, section in ('L', 'D:{}_'), ('C', 'E:{}+'), ('R', 'F:{}_'):
    yield _question(f'{place}-Word_Content', f'*/{section}*', 'content')
  for name, pattern in _NUMBERS.items():
    yield f'CQS "{name}" {{{pattern}}}\n'


def _question(name, pattern, items):
  patterns = ','.join(pattern.format(item) for item in items.split())
  return f'QS "{name}" {{{patterns}}}\n'


def main() -> None:
  for folder in 'wavs', 'lab':
    (_FOLDER / folder).mkdir(exist_ok=True)
  random = np.random.default_rng(0)
  rows = []
  for i, text in enumerate(_SENTENCES, 1):
    (speech, rate, _), labels = text_front_end.read_text(text)
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
      text_front_end.write_labels(labels), 'utf-8'
    )
    rows.append(f'{name}|{text}|{text}\n')
  (_FOLDER / 'questions.hed').write_text(''.join(_questions()), 'utf-8')
  (_FOLDER / 'metadata.csv').write_text(''.join(rows), 'utf-8')


if __name__ == '__main__':
  main()
