"""Elementary checks of a configuration's fields.

Each failure is one sentence: the field, what was found, what would do.
"""

from collections.abc import Sequence
import math
from typing import Any, NoReturn

from wavenet_tf.configuration.errors import UserError

# Ten times those of any network of the papers.
MOST_LAYERS = 600


def fail(field: str, found: object, expected: object) -> NoReturn:
  raise UserError(f'{field}: found {found}, expected {expected}.')


def check_choice(field: str, value: object, choices: Sequence[str]) -> None:
  if value not in choices:
    fail(field, repr(value), 'one of ' + ', '.join(choices))


def check_positive(section: str, fields: Any, *names: str) -> None:
  for name in names:
    value = getattr(fields, name)
    if not (value > 0 and math.isfinite(value)):
      fail(f'{section}.{name}', value, 'a number above 0')


def check_not_negative(section: str, fields: Any, *names: str) -> None:
  for name in names:
    value = getattr(fields, name)
    if not (value >= 0 and math.isfinite(value)):
      fail(f'{section}.{name}', value, '0 or more')


def check_layers(field: str, layers: int) -> None:
  """Before anything counts them one by one."""
  if layers > MOST_LAYERS:
    fail(field, f'{layers} layers', f'at most {MOST_LAYERS}')


def check_seed(section: str, fields: Any) -> None:
  if not 0 <= fields.seed < 2**31:
    fail(f'{section}.seed', fields.seed, 'an integer in [0, 2^31)')


def check_share(field: str, value: float) -> None:
  if not 0 <= value < 1:
    fail(field, value, 'a share in [0, 1)')
