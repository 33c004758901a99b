"""How much is tried: little among the other tests, much by `make torture`."""

import os

LONG = os.environ.get('TORTURE') == 'long'


def amount(short, long):
  return long if LONG else short
