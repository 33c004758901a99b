"""Full-context labels and the text front end."""

import ctypes.util
import subprocess

import numpy as np
import pytest

from data.text import front_end, labels, synthesizer
from data.text.full_context import (
  full_context,
  is_vowel,
  PAUSE,
  Spoken,
  syllables_of,
)
from tests.support.project_imports import ROOT
from wavenet_tf.configuration.errors import UserError

needs_espeak = pytest.mark.skipif(
  ctypes.util.find_library('espeak-ng') is None,
  reason='the system package espeak-ng is not installed',
)
SAMPLE = ROOT / 'data' / 'sample'


def parse(label):
  """Label -> its sections, `p` being what comes before /A:."""
  head, *rest = label.split('/')
  found = {'p': head}
  for section in rest:
    name, _, value = section.partition(':')
    # A phone name may hold a colon, but no section but p and B has phones.
    found[name] = value
  return found


# "the teacher | never": pause, two phrases.
UTTERANCE = [
  Spoken(PAUSE, 0, -1, -1),
  Spoken('D', 0, 0, 0), Spoken('@', 0, 0, 0),
  Spoken('t', 0, 1, 0), Spoken('i:', 2, 1, 0),
  Spoken('tS', 0, 1, 0), Spoken('3', 0, 1, 0),
  Spoken(PAUSE, 0, -1, -1),
  Spoken('n', 0, 2, 1), Spoken('E', 2, 2, 1),
  Spoken('v', 0, 2, 1), Spoken('3', 0, 2, 1),
]  # fmt: skip


def test_a_label_by_hand():
  """The i: of teacher, every field of it."""
  assert full_context(UTTERANCE)[4] == (
    '@^t-i:+tS=3@2_1'
    # The syllable before has two phones, this one is the second of three.
    '/A:0_x_2/B:2-x-2@1-2&2-2#0-0$x-x!0-0;x-x|i:/C:0+x+2'
    # function word | content word of two syllables, second of two | content
    '/D:function_1/E:content+2@2+1&0+0#0+0/F:content_2'
    # no phrase | three syllables, two words, first of two | two and one
    '/G:0_0/H:3=2@1=2|0/I:2=1/J:5+3-2'
  )


def test_a_pause_belongs_to_nothing_and_knows_its_neighbours():
  found = [parse(label) for label in full_context(UTTERANCE)]
  assert found[0]['p'] == 'x^x-pau+D=@@x_x'
  assert [found[0][s] for s in 'ACDFGI'] == [
    '0_x_0', '0+x+2', '0_0', 'function_1', '0_0', '3=2'
  ]  # fmt: skip
  assert [found[7][s] for s in 'ACDFGI'] == [
    '0_x_2', '2+x+2', 'content_2', 'content_2', '3_2', '2=1'
  ]  # fmt: skip
  assert found[7]['H'] == 'x=x@x=x|0'
  assert found[7]['J'] == '5+3-2'


def test_a_phrase_counts_for_itself():
  found = [parse(label) for label in full_context(UTTERANCE)]
  # In the second phrase positions begin anew, its word is the only one.
  assert found[9]['B'].startswith('2-x-2@1-2&1-2#0-0$')
  assert found[9]['E'] == 'content+2@1+1&0+0#0+0'
  assert found[11]['B'].startswith('0-x-2@2-1&2-1#1-0$x-x!1-0;')


@pytest.mark.parametrize(
  'word,expected',
  [
    ('D @', 'D @'),
    ('n E v 3', 'n E . v 3'),
    ('I n s t r @ m @ n t', 'I n . s t r @ . m @ n t'),
    ('f I N g 3', 'f I N . g 3'),
    ('I N I N', 'I N . I N'),
    ('s I k s T', 's I k s T'),
    ('b A t @L', 'b A . t @L'),
    ('E k s p l eI n', 'E k . s p l eI n'),
    ('A t l @ s', 'A t . l @ s'),
    ('h m', 'h m'),
  ],
)
def test_syllables_begin_with_as_much_as_english_allows(word, expected):
  names = word.split()
  found = [[names[i] for i in s] for s in syllables_of(names)]
  assert ' . '.join(' '.join(s) for s in found) == expected


def test_every_phone_is_in_one_syllable_of_the_bundled_corpus():
  for path in sorted((SAMPLE / 'lab').glob('*.lab')):
    for label in labels.read_label_file(path):
      position = label.context.partition('/A:')[0].rpartition('@')[2]
      if label.name == PAUSE:
        assert position == 'x_x'
        continue
      forward, backward = map(int, position.split('_'))
      size = int(parse(label.context)['B'].split('-')[2].partition('@')[0])
      assert forward + backward == size + 1
      assert label.name in label.context.partition('/A:')[0]


def test_times_and_stress_are_joined():
  events = [(0, '_'), (5, 'D'), (9, '@2'), (20, 't'), (30, 'i:'), (40, '_:')]
  assert synthesizer.phones_of(events, "D_@2 t_'i:\n") == [
    (0, '_', 0, -1, -1), (5, 'D', 0, 0, 0), (9, '@2', 0, 0, 0),
    (20, 't', 0, 1, 0), (30, 'i:', 2, 1, 0), (40, '_', 0, -1, -1),
  ]  # fmt: skip
  # The pauses around quotation marks.
  events = [(0, '_:'), (5, '_:'), (9, 'h'), (20, 'oU'), (30, '_:'), (40, 'D')]
  assert synthesizer.phones_of(events, "_:__:h_'oU__:__: D\n") == [
    (0, '_', 0, -1, -1), (5, '_', 0, -1, -1), (9, 'h', 0, 0, 0),
    (20, 'oU', 2, 0, 0), (30, '_', 0, -1, -1), (40, 'D', 0, 1, 0),
  ]  # fmt: skip
  with pytest.raises(synthesizer.Unfollowed, match="'t', the trace 'd'"):
    synthesizer.phones_of([(0, 't')], 'd\n')
  with pytest.raises(synthesizer.Unfollowed, match='the trace None'):
    synthesizer.phones_of([(0, 't')], '\n')


@needs_espeak
def test_a_text_speaks_as_the_bundled_corpus_does():
  """Labels and samples of one path; a text gives them again."""
  sentence = (SAMPLE / 'metadata.csv').read_text('utf-8').splitlines()[16]
  first = front_end.read_text(sentence.split('|')[1])
  path = SAMPLE / 'lab' / 'sample-17.lab'
  assert front_end.write_labels(first.labels) == path.read_text('utf-8')
  again = front_end.read_text(sentence.split('|')[1])
  assert again.labels == first.labels
  np.testing.assert_array_equal(again.speech.waveform, first.speech.waveform)


@needs_espeak
@pytest.mark.parametrize('nothing', ['', '  \n', '...'])
def test_a_text_with_nothing_to_speak(nothing):
  with pytest.raises(UserError, match=r'--text: found .* nothing to speak'):
    front_end.read_text(nothing)


@needs_espeak
@pytest.mark.parametrize(
  'said', ['"Hello"', '(hello) there', 'He said, "Hello."', '"Apple," he said.']
)
def test_quotation_marks_and_parentheses_are_pauses(said):
  names = [label.name for label in front_end.read_text(said).labels]
  assert PAUSE in names and len(set(names)) > 4


@needs_espeak
def test_words_of_another_language_are_refused():
  with pytest.raises(UserError, match=r'--text: .* the language en-us'):
    front_end.read_text('Привет')


@pytest.mark.parametrize('character', ['\0', '\udcff'])
def test_a_text_with_what_is_no_character(character):
  with pytest.raises(UserError, match=r'--text: found the character .* UTF-8'):
    front_end.read_text(f'Hello{character}there.')


@needs_espeak
def test_a_text_longer_than_a_command_line_may_be():
  """An argument of a process may have 128 KiB."""
  with pytest.raises(UserError, match='nothing to speak'):
    front_end.read_text('. ' * 70_000 + '\n')


def test_a_system_without_the_synthesizer(monkeypatch):
  def absent(*args, **kwargs):
    return subprocess.CompletedProcess(args, 3, b'', b'no such library\n')

  monkeypatch.setattr(synthesizer.subprocess, 'run', absent)
  with pytest.raises(
    UserError, match=r'espeak-ng \(no such library\); install'
  ):
    front_end.read_text('Hello.')


def test_vowels_are_the_nuclei():
  assert all(map(is_vowel, ['@', 'i:', 'O@', '3', '@L', 'aI']))
  assert not any(map(is_vowel, ['t', 'dZ', 'N', 'j', PAUSE, '?']))


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
