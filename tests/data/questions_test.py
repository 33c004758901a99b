"""Question sets: answers counted by hand, patterns, files that do not parse."""

import numpy as np
import pytest

from data.text import labels, questions
from data.text.questions import QuestionSet
from tests.support.project_imports import ROOT
from wavenet_tf.configuration.errors import UserError

LABEL = 'x^sil-hh+iy=t@1_2/A:0_0_0/B:1-1-2@1-1&1-4/C:x+x/J:13+9-2'
SAMPLE = ROOT / 'data' / 'sample'


def ask(line, label=LABEL):
  return QuestionSet(line).answers([label])[0, 0]


@pytest.mark.parametrize(
  'line,answer',
  [
    ('QS "C-hh" {-hh+}', 1),
    ('QS "C-h" {-h+}', 0),
    ('QS "C-hh" {*-hh+*}', 1),
    ('QS "any" {-aa+, -hh+}', 1),
    ('QS any {"*-aa+*","*-hh+*"}', 1),
    # Where a pattern has a *, its ends are the label's.
    ('QS "first" {x^*}', 1),
    ('QS "first" {sil-*}', 0),
    ('QS "last" {*-2}', 1),
    ('QS "last" {*9-}', 0),
    ('QS "inside" {*=t@*/C:x*}', 1),
    ('QS "one" {*-h?+*}', 1),
    ('QS "one" {*-?+*}', 0),
    # Merlin looks for a question of LL at the beginning.
    ('QS "LL-il" {il-hh}', 0),
    ('QS "L-il" {il-hh}', 1),
    # Everything but * and ? is itself.
    ('QS "dot" {x.sil}', 0),
    (r'CQS "Seg_Fw" {@(\d+)_}', 1),
    (r'CQS "Seg_Bw" {_(\d+)/A:}', 2),
    (r'CQS "Syls" {/J:(\d+)+}', 13),
    (r'CQS "anchored" {*/J:*+(\d+)-*}', 9),
    # A number at the end of its pattern ends the label: 2, not the 1 of B.
    (r'CQS "Phrases" {-(\d+)}', 2),
    (r'CQS "none" {/C:(\d+)+}', -1),
    (r'CQS "absent" {/K:(\d+)}', -1),
  ],
)
def test_answers(line, answer):
  assert ask(line) == answer


@pytest.mark.parametrize(
  'text,answer', [('1.5', 1.5), ('15', 15), ('x', -1), ('1.5.2', -1)]
)
def test_numbers_with_a_point(text, answer):
  assert ask(r'CQS "k" {/K:([\d\.]+)_}', f'a/K:{text}_') == answer


def test_answers_of_many_labels_keep_their_order():
  found = QuestionSet('# phones\n\nQS "a" {-a+}\nQS "b" {-b+}\n')
  assert found.names == ['a', 'b']
  assert found.is_numeric.tolist() == [False, False]
  answers = found.answers(['x-a+', 'x-b+', 'x-a+', 'x-c+'])
  assert answers.dtype == np.float32
  assert answers.tolist() == [[1, 0], [0, 1], [1, 0], [0, 0]]
  assert found.answers([]).shape == (0, 2)


@pytest.mark.parametrize(
  'text,words',
  [
    ('', r'q\.hed: holds no question'),
    ('QS "a" {-a+}\nnonsense', r"q\.hed, line 2: found 'nonsense', expected"),
    ('QS "a" -a+', r'line 1: found'),
    ('QS "a" {-a+', r'line 1: found'),
    ('QS {-a+}', r'line 1: found'),
    ('QS "a" {}', r"line 1: 'a' has an empty pattern"),
    ('QS "a" {-a+,}', r"line 1: 'a' has an empty pattern"),
    ('QS "a" {*}', r"line 1: 'a' has an empty pattern"),
    ('CQS "a" {-a+}', r"line 1: CQS 'a' has '-a\+', expected one pattern"),
    (r'CQS "a" {(\d+)-,(\d+)+}', r'line 1: CQS .* expected one pattern'),
    (r'CQS "a" {(\d+)-(\d+)}', r'line 1: CQS .* expected one pattern'),
    ('QS "a" {-a+}\nQS "a" {-b+}', r"line 2: asks 'a', as line 1 does"),
  ],
)
def test_a_set_that_does_not_parse_is_named_by_line(text, words, tmp_path):
  (tmp_path / 'q.hed').write_text(text)
  with pytest.raises(UserError, match=words):
    questions.read_questions(tmp_path / 'q.hed')


def test_a_set_that_cannot_be_read(tmp_path):
  with pytest.raises(UserError, match=r'question_file: .*q\.hed cannot be'):
    questions.read_questions(tmp_path / 'q.hed')
  (tmp_path / 'q.hed').write_bytes(b'QS "\xe9" {a}')
  with pytest.raises(UserError, match=r'q\.hed: is not UTF-8'):
    questions.read_questions(tmp_path / 'q.hed')


def test_the_bundled_set_knows_each_phone_of_the_bundled_labels():
  """Exactly one identity at each of the five places, and it is right."""
  found = questions.read_questions(SAMPLE / 'questions.hed')
  files = sorted((SAMPLE / 'lab').glob('*.lab'))
  timed = [t for file in files for t in labels.read_label_file(file)]
  phones = {t.name for t in timed}
  answers = found.answers([t.context for t in timed])
  for k, place in enumerate(('LL', 'L', 'C', 'R', 'RR')):
    columns = {p: found.names.index(f'{place}-{p}') for p in sorted(phones)}
    for t, row in zip(timed, answers):
      quinphone = t.context.partition('/A:')[0].rpartition('@')[0]
      for mark in '^-+=':
        quinphone = quinphone.replace(mark, ' ')
      expected = quinphone.split()[k]
      named = [p for p, column in columns.items() if row[column]]
      assert named == ([] if expected == 'x' else [expected])


def test_a_pattern_of_many_stars_is_answered_at_once():
  """Where all places of all parts were tried, six of them took minutes."""
  label = 'x^x-a+b=c@1_2/A:' + 'a' * 120
  many = '*'.join(['a'] * 12)
  questions = QuestionSet(f'QS "no" {{*{many}b*}}\nQS "yes" {{*{many}**}}')
  assert questions.answers([label]).tolist() == [[0.0, 1.0]]
  with pytest.raises(UserError, match=r'line 1: CQS .* at most 2 \* within'):
    QuestionSet('CQS "many" {*a*b*c*@(\\d+)_*}')


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
