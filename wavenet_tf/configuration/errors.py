"""What a user gave cannot be used; and what the system said of it."""

import re


class UserError(Exception):
  """Something the user gave cannot be used; the text is one clear sentence."""


def reason(error: Exception | str) -> str:
  """The first line of what an error says, to stand within a sentence.

  TensorFlow puts the node of its graph before it, and the operation after.
  """
  lines = str(error).strip().splitlines() or [type(error).__name__]
  line = re.sub(r'^\{\{.*?\}\} | \[Op:.*?\]', '', lines[0])
  return line.strip().rstrip('.')
