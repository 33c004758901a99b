"""What a user gave cannot be used."""


class UserError(Exception):
  """Something the user gave cannot be used; the text is one clear sentence."""
