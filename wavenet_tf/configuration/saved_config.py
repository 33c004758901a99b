"""A configuration's file, `<workdir>/config.json`."""

import dataclasses
import json
import os
import pathlib
import typing

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import write_text


def save_config(config: Config, path: str | os.PathLike) -> None:
  """Writes JSON to a temporary name, then renames it."""
  text = json.dumps(config_to_dict(config), indent=2) + '\n'
  write_text(pathlib.Path(path), text)


def load_config(path: str | os.PathLike) -> Config:
  """Reads what `save` wrote; a field of another version is an error."""
  try:
    return config_from_dict(json.loads(pathlib.Path(path).read_text('utf-8')))
  except (ValueError, TypeError, AttributeError) as error:
    raise UserError(
      f'{path}: not a configuration of this version ({error}); use another '
      '--workdir.'
    ) from error


def config_to_dict(config: Config) -> dict:
  """What `config.json` holds: sections with their fields, plain data."""
  return dataclasses.asdict(config)


def config_from_dict(values: dict) -> Config:
  """Inverse of `config_to_dict`, after JSON too.

  Raises:
    ValueError: naming a field that is unknown, missing, or of another type.
  """
  return _from_dict(Config, values, '')


def _from_dict(cls, values, where):
  """Rebuilds nested dataclasses; JSON lists become tuples."""
  known = typing.get_type_hints(cls)
  if values.keys() != known.keys():
    odd = sorted(values.keys() ^ known.keys())
    raise ValueError(f'unknown or missing: {where}{odd[0]}')
  fields = {}
  for name, value in values.items():
    if dataclasses.is_dataclass(known[name]):
      fields[name] = _from_dict(known[name], value, f'{where}{name}.')
      continue
    value = tuple(value) if isinstance(value, list) else value
    expected = typing.get_origin(known[name]) or known[name]
    if not isinstance(value, (int, float) if expected is float else expected):
      raise ValueError(f'{where}{name} is {value!r}')
    fields[name] = value
  return cls(**fields)
