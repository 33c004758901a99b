"""What copy synthesis reads, and where it writes: recordings, WAV files."""

import pathlib

from absl import logging
import numpy as np

from data.recordings import corpora, decoding
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of
from wavenet_tf.signal import cleaning


def targets(
  source: str | None, output: pathlib.Path
) -> dict[corpora.Utterance, pathlib.Path]:
  """The WAV file to write for every recording that --input names.

  Args:
    source: an audio file, or a folder of them.
    output: a .wav file or a folder for the one, a folder for the other.

  Raises:
    UserError: naming the flag, if a copy would have no place of its own.
  """
  if not source:
    raise UserError(
      '--input: found nothing, expected an audio file or a folder of them.'
    )
  source = path_of(source)
  if not source.exists():
    raise UserError(f'--input: {source} does not exist.')
  found = _of_file if source.is_file() else _of_folder
  copies = {
    s: target.with_suffix('.wav') for s, target in found(source, output).items()
  }
  if len(set(copies.values())) < len(copies):
    raise UserError(
      f'--input: some recordings in {source} differ in their suffix alone; '
      'rename them, as each becomes a .wav of the same name.'
    )
  for target in copies.values():
    if any(target.resolve() == s.path.resolve() for s in copies):
      raise UserError(
        f'--output: {target} is one of the recordings to read; '
        'name another place.'
      )
  return copies


def _of_file(source, output):
  if output.suffix and output.suffix.lower() != '.wav':
    raise UserError(f'--output: found {output}, expected .wav or a folder.')
  target = output if output.suffix else output / source.stem
  return {corpora.recording(source): target}


def _of_folder(source, output):
  if output.suffix.lower() == '.wav':
    raise UserError(
      f'--output: found {output}, expected a folder, as --input is one.'
    )
  utterances = corpora.read_corpus(source, '--input').utterances
  return {u: output / u.path.relative_to(source) for u in utterances}


def load(path: pathlib.Path, config: Config) -> np.ndarray:
  """Levels of a file to copy, cleaned as preparation cleans its recordings.

  Of a rate too low for the log-mel, what is missing is missing in the copy; a
  warning says so.

  Args:
    path: an audio file.
    config: sections `audio` and `data`.

  Raises:
    UserError: for a file that cannot be read.
  """
  rate = decoding.sample_rate_hz(path)
  if rate < 2 * config.audio.mel_max_hz:
    logging.warning(
      '%s: has %d Hz, so that its copy has nothing above %g Hz, where the '
      'model hears up to %g Hz.',
      path,
      rate,
      rate / 2,
      config.audio.mel_max_hz,
    )
  levels = decoding.load(path, config.audio.sample_rate_hz)
  if not len(levels):
    raise UserError(f'{path}: is too short to copy.')
  return cleaning.clean(levels, config)
