r"""HTS question sets: questions about a full-context label, answered.

A line asks one question; a blank line or one that begins with # asks none:

  QS  "C-Vowel"    {*-a+*,*-e+*}      is any of the patterns in the label?
  CQS "Seg_Fw"     {*@(\d+)_*}        which number stands there?

`*` stands for anything, `?` for one character. A pattern with a `*` is held to
the whole label, one without may lie anywhere in it (Merlin's style), where two
exceptions of Merlin's apply: a question whose name begins with LL looks at the
beginning of the label, and a number that ends its pattern ends the label.
`(\d+)` is a whole number, `([\d\.]+)` one with a point. Where there is none
(an `x`), the answer is -1.
"""

from collections.abc import Sequence
import functools
import pathlib
import re
from typing import NamedTuple

import numpy as np

from wavenet_tf.configuration.errors import UserError

NO_NUMBER = -1.0
_LINE = re.compile(r'(QS|CQS)\s+("[^"]+"|\S+)\s*\{(.*)\}')
_NUMBERS = (r'(\d+)', r'([\d\.]+)')
_MOST_INNER_STARS = 2


class Question(NamedTuple):
  """A line of a question set.

  Attributes:
    name: unique within the set.
    pattern: what a label is searched for; its one group is the number.
    is_numeric: whether the answer is a number or 0 and 1.
  """

  name: str
  pattern: re.Pattern
  is_numeric: bool

  def answer(self, label: str) -> float:
    match = self.pattern.search(label)
    if not self.is_numeric:
      return float(match is not None)
    return float(match[1]) if match and _is_number(match[1]) else NO_NUMBER


class QuestionSet:
  """Questions in the order of their file.

  Example:
    questions = QuestionSet('QS "vowel" {*-a+*}')
    questions.answers(['x^x-a+b=c@1_2', 'x^a-b+c=x@2_1'])  # [[1.], [0.]]
  """

  def __init__(self, text: str, source: str = 'question set'):
    """Parses the text of a question set.

    Args:
      text: its lines.
      source: where they come from, for the sentence of an error.

    Raises:
      UserError: naming the source and the line that is no question.
    """
    self.text = text
    self.questions = _parse(text, source)
    self._answer = functools.cache(self._answer)

  def __reduce__(self):
    return QuestionSet, (self.text,)  # Without the answers that it remembers.

  @property
  def names(self) -> list[str]:
    return [q.name for q in self.questions]

  @property
  def is_numeric(self) -> np.ndarray:
    """Bool `[questions]`."""
    return np.array([q.is_numeric for q in self.questions])

  def answers(self, labels: Sequence[str]) -> np.ndarray:
    """Float32 `[labels, questions]`: 0 and 1, or a number, -1 for none."""
    empty = np.zeros((0, len(self.questions)), np.float32)
    return np.array([self._answer(label) for label in labels] or empty)

  def _answer(self, label):
    return np.array([q.answer(label) for q in self.questions], np.float32)


def read_questions(path: pathlib.Path) -> QuestionSet:
  """Reads a question file.

  Raises:
    UserError: naming the file and the line that cannot be used.
  """
  try:
    return QuestionSet(path.read_text('utf-8-sig'), str(path))
  except OSError as error:
    raise UserError(
      f'data.question_file: {path} cannot be read ({error.strerror}); name an '
      "HTS question set, which conditioning.local = 'linguistic' needs."
    ) from error
  except UnicodeDecodeError as error:
    raise UserError(
      f'{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8.'
    ) from error


def _parse(text, source):
  found, lines = [], {}
  for number, line in enumerate(text.splitlines(), 1):
    if not line.strip() or line.lstrip().startswith('#'):
      continue
    try:
      question = _question(line.strip())
    except ValueError as error:
      raise UserError(f'{source}, line {number}: {error}') from error
    if question.name in lines:
      raise UserError(
        f'{source}, line {number}: asks {question.name!r}, as line '
        f'{lines[question.name]} does; give it another name or remove it.'
      )
    lines[question.name] = number
    found.append(question)
  if not found:
    raise UserError(f'{source}: holds no question; expected lines of QS, CQS.')
  return found


def _question(line):
  match = _LINE.fullmatch(line)
  if not match:
    raise ValueError(
      f'found {line[:60]!r}, expected QS or CQS, a name in quotation marks and '
      'patterns in braces.'
    )
  kind, name, patterns = match[1], match[2].strip('"'), match[3]
  patterns = [p.strip().strip('"') for p in patterns.split(',')]
  if not all(p.strip('*') for p in patterns):
    raise ValueError(f'{name!r} has an empty pattern; remove it.')
  is_numeric = kind == 'CQS'
  if any(len(_parts(p)) - 1 > _MOST_INNER_STARS for p in patterns * is_numeric):
    raise ValueError(
      f'CQS {name!r} has {patterns[0][:60]!r}, expected at most '
      f'{_MOST_INNER_STARS} * within it, as each of them may stand anywhere.'
    )
  if is_numeric and (
    len(patterns) != 1 or sum(patterns[0].count(n) for n in _NUMBERS) != 1
  ):
    raise ValueError(
      f'CQS {name!r} has {",".join(patterns)[:60]!r}, expected one pattern '
      r'with one (\d+) or ([\d\.]+).'
    )
  expressions = [_expression(p, name, is_numeric) for p in patterns]
  return Question(name, re.compile('|'.join(expressions)), is_numeric)


def _expression(pattern, name, is_numeric):
  """The regular expression of an HTS pattern, for `re.search`."""
  whole = '*' in pattern
  begins = not pattern.startswith('*') if whole else name.startswith('LL')
  ends = whole and not pattern.endswith('*')
  first, *rest = [
    re.escape(part).replace(r'\?', '.') for part in _parts(pattern)
  ]
  if is_numeric:
    ends |= not whole and pattern.endswith(tuple(_NUMBERS))
    expression = '.*'.join([first, *rest])
    for number in _NUMBERS:
      expression = expression.replace(re.escape(number), number)
  else:
    # What was found first is kept: another place for it would help none of what
    # follows, and trying all of them would take for ever.
    expression = first + ''.join(rf'(?>.*?{part})' for part in rest[:-1])
    expression += ''.join(rf'.*{part}' for part in rest[-1:])
  return r'\A' * begins + expression + r'\Z' * ends


def _parts(pattern):
  """What stands between the `*` of a pattern."""
  return re.split(r'\*+', pattern.strip('*'))


def _is_number(text):
  return text.count('.') <= 1 and text != '.'
