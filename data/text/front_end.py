"""The text front end: text -> full-context labels with espeak-ng's times.

Phones have espeak-ng's names; names of one sound in different contexts are
merged (`_MERGED`), and every pause is `pau`.
"""

from typing import NamedTuple

from data.text import full_context, synthesizer
from data.text.labels import TimedLabel, UNITS_PER_SECOND
from wavenet_tf.configuration.errors import UserError

# A phoneme's allophones, reduced forms and lengths -> one name. Names with a
# delimiter of full-context labels, or their x for none, get another one.
_MERGED = {
  '_': full_context.PAUSE,
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
  'n-': '@n',
  'x': 'X',
}


class Utterance(NamedTuple):
  """A text as the synthesizer speaks it.

  Attributes:
    speech: its waveform, which a corpus is made of.
    labels: its phones, covering the waveform.
  """

  speech: synthesizer.Speech
  labels: list[TimedLabel]


def read_text(text: str) -> Utterance:
  """Phones, words and phrases of a text, and when a synthesizer spoke them.

  Raises:
    UserError: if the text holds nothing to speak, a character that is none, or
      words of a language that is not the voice's, or if the system has no
      espeak-ng.
  """
  _check_characters(text)
  try:
    speech = synthesizer.speak(text) if text.strip() else None
  except synthesizer.NotInstalled as error:
    raise UserError(
      f'--text: needs the system package espeak-ng ({error}); install it.'
    ) from error
  except synthesizer.Unfollowed as error:
    raise UserError(
      f'--text: {text[:40]!r} cannot be followed phone by phone ({error}); use '
      f'words of the language {synthesizer.VOICE}.'
    ) from error
  if speech is None or all(phone.name == '_' for phone in speech.phones):
    raise UserError(
      f'--text: found {text[:40]!r}, expected words; there is nothing to speak.'
    )
  return Utterance(speech, _labels(speech))


def _check_characters(text):
  for character in text:
    # NUL ends a text early; a surrogate is a byte that is not UTF-8.
    if character == '\0' or '\ud800' <= character <= '\udfff':
      raise UserError(
        f'--text: found the character {character!r}, expected text in UTF-8 '
        'without NUL; leave it out.'
      )


def write_labels(labels: list[TimedLabel]) -> str:
  """The text of an HTS label file."""
  return ''.join(
    f'{label.start} {label.end} {label.context}\n' for label in labels
  )


def _labels(speech):
  """Labels that cover the speech; equal neighbours are one pause."""
  merged = []
  for phone in speech.phones:
    phone = phone._replace(name=_MERGED.get(phone.name, phone.name))
    if merged and merged[-1].name == phone.name == full_context.PAUSE:
      continue
    if merged and merged[-1].start == phone.start:  # It has no length.
      merged.pop()
    merged.append(phone)
  contexts = full_context.full_context(
    [full_context.Spoken(*phone[1:]) for phone in merged]
  )
  starts = [_units(phone.start, speech) for phone in merged]
  ends = [*starts[1:], _units(len(speech.waveform), speech)]
  return [
    TimedLabel(start, end, phone.name, full)
    for start, end, phone, full in zip(starts, ends, merged, contexts)
  ]


def _units(sample, speech):
  return round(sample / speech.sample_rate_hz * UNITS_PER_SECOND)
