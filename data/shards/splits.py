"""Which recordings learn and which validate."""

import hashlib

from data.recordings.corpora import Utterance
from wavenet_tf.configuration.corpus import DataConfig
from wavenet_tf.configuration.errors import UserError

TRAIN = 'train'
VALIDATION = 'validation'


def split_sides(
  utterances: list[Utterance], data: DataConfig
) -> dict[str, str]:
  """The side of each recording by name; '' for one that is left out.

  `data.split`:

  - random: a share of the groups, ranked by a hash of their names;
  - speaker: every recording of some speakers;
  - index: the highest indices, a share of them, of all speakers;
  - speaker_and_index: the highest indices of some speakers; what has one of
    the two in common with training and one with validation is left out.

  Raises:
    UserError: if the corpus has no speakers or indices, or too few.
  """
  if data.split == 'random':
    held_out = validation_names(utterances, data.validation_share, data.seed)
    return {
      u.name: VALIDATION if u.name in held_out else TRAIN for u in utterances
    }
  speakers, indices = set(), set()
  if data.split in ('speaker', 'speaker_and_index'):
    speakers = _held_out_speakers(utterances, data)
  if data.split in ('index', 'speaker_and_index'):
    indices = _held_out_indices(utterances, data)
  return {u.name: _side(u, data.split, speakers, indices) for u in utterances}


def validation_names(
  utterances: list[Utterance], share: float, seed: int
) -> set[str]:
  """Names kept for validation: at least one group, at most all but one.

  Groups are ranked by a hash, so the choice depends on names and seed alone.
  """
  groups = _ranked({u.group or u.name for u in utterances}, seed)
  chosen = set(groups[: _count(share, len(groups))])
  return {u.name for u in utterances if (u.group or u.name) in chosen}


def _side(utterance, split, speakers, indices):
  held_out = [
    held
    for part, held in (
      ('speaker', utterance.speaker in speakers),
      ('index', utterance.index in indices),
    )
    if part in split
  ]
  if all(held_out):
    return VALIDATION
  return '' if any(held_out) else TRAIN


def _held_out_speakers(utterances, data):
  names = {u.speaker for u in utterances} - {''}
  if len(names) <= data.held_out_speakers or data.held_out_speakers < 1:
    raise UserError(
      f'data.held_out_speakers: found {data.held_out_speakers}, expected at '
      f'least 1 and fewer than the {len(names)} speakers of the recordings, '
      f'for data.split = {data.split!r}; change it, or use another split.'
    )
  return set(_ranked(names, data.seed)[: data.held_out_speakers])


def _held_out_indices(utterances, data):
  found = sorted({u.index for u in utterances if u.index is not None})
  if len(found) < 2:
    raise UserError(
      f'data.split: found {data.split!r}, expected recordings with two indices '
      'at least, as in 7_george_12.wav; use the random split.'
    )
  return set(found[-_count(data.validation_share, len(found)) :])


def _count(share, total):
  """At least one, at most all but one."""
  return min(max(1, round(share * total)), max(1, total - 1))


def _ranked(names, seed):
  def rank(name):
    return hashlib.sha256(f'{seed}/{name}'.encode()).digest()

  return sorted(names, key=rank)
