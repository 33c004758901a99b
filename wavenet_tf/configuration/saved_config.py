"""A configuration's file, `<workdir>/config.json`, and those of older releases.

A release that changes a field says here what an older file means by it:

- A new field goes to `ADDED`, with what releases did that had no such field;
  its default, which is for new runs, may be another.
- A field with a new name goes to `RENAMED`; its values mean what they meant.
- A field that is gone goes to `REMOVED`, with what this release does in its
  place; a file that asks for something else is refused.
- Any other change raises `FORMAT`; `config_from_dict` converts the one before.

All else that is unknown or missing is an error that names the field.
"""

import dataclasses
import json
import os
import typing

from wavenet_tf.configuration.config import Config, flatten, override
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of, write_text

# Of the file, stored in it as `format`; release 0.3.0 wrote this one without.
FORMAT = 1
# By dotted name, such as `teacher.cycles`.
ADDED: dict[str, object] = {
  'audio.preemphasis': 0.0,
  'conditioning.context_frames': 1,
  'data.highpass_hz': 0.0,
  'distillation.divergence_from_step': 0,
  'distillation.divergence_ramp_steps': 0,
  'distillation.log_scale_floor_weight': 0.0,
  'distillation.log_scale_floor': -8.0,
  'distillation.stft_weight': 0.0,
  'distillation.stft_window_samples': (1024, 512, 256),
  'distillation.stft_floor': 2e-6,
  'evaluate.draws': 1,
  'evaluate.scale_factor': 1.0,
  'evaluate.tail_share': 0.0,
  'evaluate.least_weight_share': 0.0,
  'evaluate.redraw_excess': 0.0,
  'evaluate.redraw_tries': 5,
  'evaluate.noise_factor': 1.0,
  'export.most_seconds': 120.0,
  'export.most_rows': 32,
  'export.teacher': True,
  'export.compiled': False,
  'student.phase_harmonics': 0,
  'train_teacher.microbatches': 1,
  'train_teacher.recompute': False,
  'train_student.microbatches': 1,
  'train_student.recompute': False,
  'train_classifier.microbatches': 1,
  'train_classifier.recompute': False,
}
RENAMED: dict[str, str] = {}
REMOVED: dict[str, object] = {}


def save_config(config: Config, path: str | os.PathLike) -> None:
  """Writes JSON to a temporary name, then renames it."""
  text = json.dumps(config_to_dict(config), indent=2) + '\n'
  write_text(path_of(path), text)


def load_config(path: str | os.PathLike) -> Config:
  """Reads what `save_config` wrote, in this release or an older one.

  Raises:
    UserError: if the file is no configuration or one of a later format, or if
      a field is unknown, missing or of another type.
  """
  try:
    return config_from_dict(json.loads(path_of(path).read_text('utf-8')))
  except (ValueError, TypeError, AttributeError, RecursionError) as error:
    raise UserError(
      f'{path}: not a configuration that this release reads ({error}); use '
      'the release that wrote it, or another --workdir.'
    ) from error


def config_to_dict(config: Config) -> dict:
  """What `config.json` holds: its format, sections with their fields."""
  return {'format': FORMAT, **dataclasses.asdict(config)}


def config_from_dict(content: dict) -> Config:
  """Inverse of `config_to_dict`, after JSON and in older releases too.

  Raises:
    ValueError: naming the format that is not known, or the field that is
      unknown, missing or of another type.
  """
  fields = {'format': FORMAT} | _flat(content)
  number = fields.pop('format')
  if number != FORMAT:
    raise ValueError(f'format {number!r}, expected {FORMAT}')
  fields = _of_this_release(fields)
  defaults = flatten(Config())
  for problem, names in (
    ('unknown', fields.keys() - defaults.keys()),
    ('missing', defaults.keys() - fields.keys()),
  ):
    if names:
      listed = ', '.join(sorted(names)[:3])
      raise ValueError(f'{len(names)} {problem}: {listed}')
  kinds = _kinds(Config)
  for name, value in fields.items():
    if not _is_a(kinds[name], value):
      expected = getattr(kinds[name], '__name__', kinds[name])
      raise ValueError(f'{name} is {value!r:.60}, expected {expected}')
  return override(Config(), fields)


def _flat(content, where=''):
  """Nested dictionaries -> values by dotted name; lists become tuples."""
  flat = {}
  for name, value in content.items():
    if isinstance(value, dict) and value:
      flat |= _flat(value, f'{where}{name}.')
    else:
      flat[where + name] = tuple(value) if isinstance(value, list) else value
  return flat


def _kinds(section, where=''):
  """The types of all fields by dotted name, as their sections declare them."""
  kinds = {}
  for field in dataclasses.fields(section):
    if dataclasses.is_dataclass(field.type):
      kinds |= _kinds(field.type, f'{where}{field.name}.')
    else:
      kinds[where + field.name] = field.type
  return kinds


def _is_a(kind, value):
  """Whether a field of that type holds the value; in 64 bits, if a number."""
  if typing.get_origin(kind) is tuple:
    (element, _) = typing.get_args(kind)
    return isinstance(value, tuple) and all(_is_a(element, x) for x in value)
  if isinstance(value, int) and not isinstance(value, bool):
    return kind in (int, float) and abs(value) < 2**63
  return type(value) is kind


def _of_this_release(fields):
  """The fields of an older file -> those of this release."""
  fields = ADDED | {RENAMED.get(name, name): v for name, v in fields.items()}
  for name in REMOVED.keys() & fields.keys():
    value = fields.pop(name)
    if value != REMOVED[name]:
      raise ValueError(
        f'{name} is {value!r}, but there is no such field any more and '
        f'this release does as if it were {REMOVED[name]!r}'
      )
  return fields
