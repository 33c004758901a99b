"""Phones, words and clauses -> HTS full-context labels.

The layout is that of the HTS demos, so that a question set for one of them can
ask a label of this module:

  p1^p2-p3+p4=p5@p6_p7/A:../B:../C:../D:../E:../F:../G:../H:../I:../J:..

p1 to p5 are the phones around p3; A, B, C the previous, this and the next
syllable (stress, accent, phones; positions); D, E, F the words (kind,
syllables; positions); G, H, I the phrases (syllables, words; positions); J the
utterance. Positions count from 1; a pause has an x instead. A synthesizer does
not say which syllables carry an accent: those fields are x. Stress is 0 (none),
1 (secondary) or 2 (primary); a word with a primary stress is `content`, any
other `function`.
"""

from collections.abc import Sequence
import itertools
from typing import NamedTuple

PAUSE = 'pau'
_PRIMARY = 2
_NO_B = 'x-x-x@x-x&x-x#x-x$x-x!x-x;x-x|x'
_NO_E = 'x+x@x+x&x+x#x+x'
_VOWELS = tuple('aAeEiIoOuUVQ03@')
_GLIDES = ('l', 'r', 'w', 'j')


class Spoken(NamedTuple):
  """A phone of an utterance; `PAUSE` has word and phrase -1."""

  name: str
  stress: int
  word: int
  phrase: int


class _Syllable(NamedTuple):
  phones: list[int]  # Places in the utterance.
  stress: int
  vowel: str
  word: int
  phrase: int


class _Word(NamedTuple):
  syllables: list[int]
  is_content: bool
  phrase: int


class _Phrase(NamedTuple):
  syllables: list[int]
  words: list[int]


class _Utterance(NamedTuple):
  phones: Sequence[Spoken]
  syllables: list[_Syllable]
  words: list[_Word]
  phrases: list[_Phrase]


def is_vowel(name: str) -> bool:
  """Whether an espeak-ng phone is the nucleus of a syllable."""
  return name.startswith(_VOWELS)


def full_context(phones: Sequence[Spoken]) -> list[str]:
  """One label for each phone and pause of an utterance."""
  utterance = _utterance(phones)
  of_phone = {
    phone: index
    for index, syllable in enumerate(utterance.syllables)
    for phone in syllable.phones
  }
  labels, before = [], -1  # The last syllable that began.
  for i in range(len(phones)):
    syllable = of_phone.get(i)
    before = before if syllable is None else syllable
    around = [_name(phones, i + k) for k in (-2, -1, 0, 1, 2)]
    labels.append(
      '{}^{}-{}+{}={}@'.format(*around)
      + (
        _pause_context(utterance, before)
        if syllable is None
        else _phone_context(utterance, i, syllable)
      )
    )
  return labels


def syllables_of(names: Sequence[str]) -> list[list[int]]:
  """Places of the phones of each syllable of a word.

  As many consonants as English allows begin a syllable (maximal onset). A word
  without a vowel is one syllable.
  """
  nuclei = [i for i, name in enumerate(names) if is_vowel(name)]
  starts = [0]
  for left, right in itertools.pairwise(nuclei):
    start = left + 1
    while not _is_onset(names[start:right]):
      start += 1
    starts.append(start)
  ends = [*starts[1:], len(names)]
  return [list(range(a, b)) for a, b in zip(starts, ends)]


def _is_onset(names):
  """Whether an English syllable may begin with these consonants."""
  if len(names) < 2:
    return 'N' not in names
  if names[0] == 's' and names[1] in ('p', 't', 'k'):
    return len(names) == 2 or (len(names) == 3 and names[2] in _GLIDES)
  if len(names) > 2:
    return False
  if names[0] == 's':
    return names[1] in ('m', 'n', 'f', 'l', 'w', 'j')
  stops = ('p', 'b', 't', 'd', 'k', 'g', 'f', 'T', 'S', 'v', 'm', 'n', 'h')
  if names[0] in ('t', 'd', 'T', 'n') and names[1] == 'l':
    return False
  return names[0] in stops and names[1] in _GLIDES


def _name(phones, i):
  return phones[i].name if 0 <= i < len(phones) else 'x'


def _utterance(phones):
  by_word = {}
  for i, phone in enumerate(phones):
    if phone.name != PAUSE:
      by_word.setdefault(phone.word, []).append(i)
  syllables, words, phrases, last = [], [], [], None
  for places in by_word.values():
    if phones[places[0]].phrase != last:
      phrases.append(_Phrase([], []))
      last = phones[places[0]].phrase
    first = len(syllables)
    for syllable in syllables_of([phones[i].name for i in places]):
      syllables.append(
        _syllable(phones, [places[k] for k in syllable], len(words), phrases)
      )
    own = list(range(first, len(syllables)))
    is_content = any(syllables[s].stress == _PRIMARY for s in own)
    phrases[-1].words.append(len(words))
    phrases[-1].syllables.extend(own)
    words.append(_Word(own, is_content, len(phrases) - 1))
  return _Utterance(phones, syllables, words, phrases)


def _syllable(phones, places, word, phrases):
  vowels = [phones[i].name for i in places if is_vowel(phones[i].name)]
  return _Syllable(
    places,
    max(phones[i].stress for i in places),
    vowels[0] if vowels else 'novowel',
    word,
    len(phrases) - 1,
  )


def _phone_context(utterance, i, index):
  syllable = utterance.syllables[index]
  forward, backward = _places(syllable.phones, i)
  return (
    f'{forward}_{backward}'
    f'/A:{_neighbour(utterance, index - 1, "_")}'
    f'/B:{_this_syllable(utterance, index)}'
    f'/C:{_neighbour(utterance, index + 1, "+")}'
    f'/D:{_word(utterance, syllable.word - 1)}'
    f'/E:{_this_word(utterance, syllable.word)}'
    f'/F:{_word(utterance, syllable.word + 1)}'
    f'/G:{_phrase(utterance, syllable.phrase - 1, "_")}'
    f'/H:{_this_phrase(utterance, syllable.phrase)}'
    f'/I:{_phrase(utterance, syllable.phrase + 1, "=")}'
    f'/J:{_whole(utterance)}'
  )


def _pause_context(utterance, before):
  """Of a pause after the syllable `before`, or at the beginning (-1)."""
  syllables = utterance.syllables
  word, phrase = syllables[before][3:] if before >= 0 else (-1, -1)
  after = (
    syllables[before + 1][3:]
    if before + 1 < len(syllables)
    else (
      len(utterance.words),
      len(utterance.phrases),
    )
  )
  return (
    f'x_x/A:{_neighbour(utterance, before, "_")}/B:{_NO_B}'
    f'/C:{_neighbour(utterance, before + 1, "+")}'
    f'/D:{_word(utterance, word)}/E:{_NO_E}/F:{_word(utterance, after[0])}'
    f'/G:{_phrase(utterance, phrase, "_")}/H:x=x@x=x|0'
    f'/I:{_phrase(utterance, after[1], "=")}/J:{_whole(utterance)}'
  )


def _places(holder, item):
  """Place from the front and from the back, both from 1."""
  place = holder.index(item)
  return place + 1, len(holder) - place


def _neighbour(utterance, index, mark):
  if not 0 <= index < len(utterance.syllables):
    return f'0{mark}x{mark}0'
  syllable = utterance.syllables[index]
  return f'{syllable.stress}{mark}x{mark}{len(syllable.phones)}'


def _this_syllable(utterance, index):
  syllable = utterance.syllables[index]
  own = utterance.phrases[syllable.phrase].syllables
  in_word = _places(utterance.words[syllable.word].syllables, index)
  in_phrase = _places(own, index)
  stressed = [s for s in own if utterance.syllables[s].stress]
  before, after, since, until = _counts(stressed, index)
  return (
    f'{syllable.stress}-x-{len(syllable.phones)}'
    f'@{in_word[0]}-{in_word[1]}&{in_phrase[0]}-{in_phrase[1]}'
    f'#{before}-{after}$x-x!{since}-{until};x-x|{syllable.vowel}'
  )


def _counts(chosen, index):
  """How many before and after, and the distances to the nearest; 0: none."""
  before = [c for c in chosen if c < index]
  after = [c for c in chosen if c > index]
  return (
    len(before),
    len(after),
    index - before[-1] if before else 0,
    after[0] - index if after else 0,
  )


def _word(utterance, index):
  if not 0 <= index < len(utterance.words):
    return '0_0'
  return f'{_kind(utterance, index)}_{len(utterance.words[index].syllables)}'


def _kind(utterance, index):
  return 'content' if utterance.words[index].is_content else 'function'


def _this_word(utterance, index):
  own = utterance.phrases[utterance.words[index].phrase].words
  forward, backward = _places(own, index)
  content = [w for w in own if utterance.words[w].is_content]
  before, after, since, until = _counts(content, index)
  return (
    f'{_kind(utterance, index)}+{len(utterance.words[index].syllables)}'
    f'@{forward}+{backward}&{before}+{after}#{since}+{until}'
  )


def _phrase(utterance, index, mark):
  if not 0 <= index < len(utterance.phrases):
    return f'0{mark}0'
  phrase = utterance.phrases[index]
  return f'{len(phrase.syllables)}{mark}{len(phrase.words)}'


def _this_phrase(utterance, index):
  phrases = len(utterance.phrases)
  return f'{_phrase(utterance, index, "=")}@{index + 1}={phrases - index}|0'


def _whole(utterance):
  return (
    f'{len(utterance.syllables)}+{len(utterance.words)}'
    f'-{len(utterance.phrases)}'
  )
