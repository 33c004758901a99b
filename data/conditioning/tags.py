"""Tags of recordings, from a table beside them (1609.03499 sec. 3.3).

Two tables are read:

  file,tags                 one line a recording, its tags separated by `;`
  clip_id <tab> TAG <tab> ... <tab> mp3_path      0 or 1 a tag: MagnaTagATune

A file is named by its path in the corpus, with or without its suffix.
"""

import csv
import pathlib

from data.recordings.corpora import Utterance
from wavenet_tf.configuration.choices import TAGS
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of


def with_tags(
  utterances: list[Utterance], config: Config, data_dir: pathlib.Path
) -> list[Utterance]:
  """Utterances with the tags of a table; without a line, one has none.

  Args:
    utterances: of a corpus.
    config: `data.tags_file`, or `tags.csv` of the corpus; read where
      `conditioning.globals` asks for tags.
    data_dir: the corpus.

  Raises:
    UserError: naming the field, or the file and the line that cannot be used.
  """
  if TAGS not in config.conditioning.globals:
    return utterances
  path = path_of(config.data.tags_file or data_dir / 'tags.csv')
  found = _read(path)
  tagged = [
    u._replace(tags=found.get(u.name, found.get(_stem(u.name), ())))
    for u in utterances
  ]
  if not any(u.tags for u in tagged):
    raise UserError(
      f'{path}: has no tags for any recording of {data_dir}, such as '
      f'{utterances[0].name!r}; name files by their path in that folder.'
    )
  return tagged


def _stem(name):
  return name.rpartition('.')[0] or name


def _read(path):
  try:
    lines = path.read_text('utf-8-sig').splitlines()
  except OSError as error:
    raise UserError(
      f'data.tags_file: {path} cannot be read ({error.strerror}); name a table '
      "of tags, which conditioning.globals asks for with 'tags'."
    ) from error
  except UnicodeDecodeError as error:
    raise UserError(
      f'{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8.'
    ) from error
  (_, header), *rows = list(_rows(path, lines)) or [(1, [])]
  if header == ['file', 'tags']:
    parse = _listed
  elif header[:1] == ['clip_id'] and header[-1:] == ['mp3_path']:
    parse = _columns
  else:
    raise UserError(
      f'{path}, line 1: found {",".join(header)[:60]!r}, expected file,tags or '
      'the header of MagnaTagATune, clip_id to mp3_path.'
    )
  found, numbers = {}, {}
  for number, row in rows:
    if not row:
      continue
    if len(row) != len(header):
      raise UserError(
        f'{path}, line {number}: has {len(row)} fields, expected '
        f'{len(header)} as in its header.'
      )
    name, tags = parse(path, number, header, row)
    if name in numbers:
      raise UserError(
        f'{path}, line {number}: has tags of {name!r}, as line '
        f'{numbers[name]} does, expected one line a recording; remove one of '
        'them, or join their tags.'
      )
    numbers[name] = number
    found[name] = found[_stem(name)] = tags
  return found


def _rows(path, lines):
  """Yields the number of the first line of each row, and the row."""
  delimiter = '\t' if lines and '\t' in lines[0] else ','
  reader, number = csv.reader(lines, delimiter=delimiter, strict=True), 1
  try:
    for row in reader:
      yield number, row
      number = reader.line_num + 1
  except csv.Error as error:
    raise UserError(
      f'{path}, line {number}: is no row of a table ({error}), expected fields '
      'whose quotation marks are closed; mend the line.'
    ) from error


def _listed(path, number, header, row):
  del path, number, header
  tags = {tag.strip() for tag in row[1].split(';')} - {''}
  return row[0], tuple(sorted(tags))


def _columns(path, number, header, row):
  if not set(row[1:-1]) <= {'0', '1'}:
    raise UserError(f'{path}, line {number}: expected 0 or 1 for every tag.')
  tags = [tag for tag, value in zip(header[1:-1], row[1:-1]) if value == '1']
  return row[-1], tuple(sorted(tags))
