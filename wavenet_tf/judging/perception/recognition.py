"""Word errors: what a recogniser hears, beside what was to be said."""

import re


def words(text: str) -> list[str]:
  """Lower case, letters, digits and apostrophes; nothing else is a word."""
  return re.findall(r"[a-z0-9]+(?:'[a-z]+)*", text.lower())


def errors(said: list[str], heard: list[str]) -> int:
  """Least number of words replaced, left out and put in (Levenshtein)."""
  row = list(range(len(heard) + 1))
  for i, word in enumerate(said, 1):
    before, row = row, [i]
    for j, other in enumerate(heard, 1):
      row.append(
        min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other))
      )
  return row[-1]
