"""Speaks through TensorFlow Serving: a recording in, its copy out.

  python -m serving.client --input=a.wav --output=b.wav              # gRPC
  python -m serving.client --input=a.wav --output=b.wav --protocol=rest
  python -m serving.client --input=a.wav --output=- | aplay

The copy is written while it is spoken. The front end runs in the server too, so
this needs nothing of the project: numpy, soundfile, soxr, absl-py, and
tensorflow-serving-api for gRPC.
"""

from collections.abc import Iterable, Iterator
import contextlib
import os
import pathlib
import sys
from typing import BinaryIO
import wave

from absl import app, flags
import numpy as np
import soundfile
import soxr

from serving.asking import Asker, MODEL, PORTS, ServerError, SERVERS
from serving.speaking import Voice


class _UserError(Exception):
  """A sentence for who started the program."""


def _read(path: str) -> tuple[np.ndarray, int]:
  """-> float32 `[T]`, its channels mixed, and the rate in Hz."""
  try:
    waveform, rate = soundfile.read(path, dtype='float32', always_2d=True)
  except (soundfile.LibsndfileError, OSError) as error:
    raise _UserError(f'--input: {error}') from error
  return waveform.mean(1), rate


def _global(words: Iterable[str]) -> list[float]:
  try:
    return [float(word) for word in words]
  except ValueError as error:
    raise _UserError(f'--global: {error}, expected numbers') from error


@contextlib.contextmanager
def _output(path: str) -> Iterator[BinaryIO]:
  """A file appears under its name when all of it is there, or not at all."""
  if path == '-':
    try:
      yield sys.stdout.buffer
      sys.stdout.flush()
    except BrokenPipeError:
      # Python would try to write the rest when it ends.
      os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
      raise
    return
  final = pathlib.Path(path)
  partial = final.with_name(final.name + '.partial')
  try:
    with partial.open('wb') as file:
      yield file
    partial.replace(final)
  finally:
    partial.unlink(missing_ok=True)


def _write(
  file: BinaryIO, pieces: Iterable[np.ndarray], samples: int, rate_hz: int
) -> None:
  """A WAV whose header says how long it is before it is spoken."""
  with wave.open(file, 'wb') as wav:
    wav.setparams((1, 2, rate_hz, samples, 'NONE', ''))
    for piece in pieces:
      piece = np.rint(piece[:samples].clip(-1, 1) * 32767)
      wav.writeframesraw(piece.astype('<i2').tobytes())
      file.flush()
      samples -= len(piece)


def copy(
  voice: Voice, by: str, waveform: np.ndarray, rate_hz: int, seed: int,
  global_: Iterable[float], path: str,
) -> int:  # fmt: skip
  """Writes the copy of `waveform` `[T]` to `path` -> its number of samples."""
  to_hz = voice.limits.sample_rate_hz
  if rate_hz != to_hz:
    waveform = soxr.resample(waveform, rate_hz, to_hz, quality='VHQ')
  # Between samples of full scale there may be more.
  mel = voice.features(waveform.clip(-1, 1))
  pieces = voice.speak(by, mel, seed, list(global_))
  with _output(path) as file:
    _write(file, pieces, len(waveform), to_hz)
  return len(waveform)


def define_flags(values: flags.FlagValues) -> None:
  """The flags of a command, defined in `values`."""
  here = {'flag_values': values}
  flags.DEFINE_string('input', None, 'Recording.', **here)
  flags.DEFINE_string(
    'output', None, 'WAV file to write; - is standard output.', **here
  )
  flags.DEFINE_enum(
    'voice', 'student', ['student', 'teacher'], 'Who speaks.', **here
  )
  flags.DEFINE_enum('protocol', 'grpc', list(SERVERS), 'How to ask.', **here)
  flags.DEFINE_string('host', 'localhost', 'Where the server runs.', **here)
  flags.DEFINE_integer(
    'port', None, 'Its port (default: 8500 gRPC, 8501 REST).', **here
  )
  flags.DEFINE_string('model', MODEL, 'Its name on the server.', **here)
  flags.DEFINE_integer(
    'seed',
    0,
    'The same seed gives the same audio.',
    lower_bound=0,
    upper_bound=2**31 - 1,
    **here,
  )
  flags.DEFINE_list(
    'global',
    [],
    'Numbers of the global vector (speaker, tags), where the model has one.',
    **here,
  )
  flags.DEFINE_float('timeout_seconds', 60.0, 'For one answer.', **here)
  flags.DEFINE_float(
    'patience_seconds',
    30.0,
    'How long to ask again where a server is not there or has too much to do.',
    **here,
  )
  flags.mark_flags_as_required(['input', 'output'], values)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> int:
  """One copy; what goes wrong is a sentence -> the exit status."""
  if len(argv) > 1:
    raise app.UsageError(f'Not a flag: {argv[1]!r}.')
  target = f'{values.host}:{values.port or PORTS[values.protocol]}'
  try:
    global_ = _global(values['global'].value)
    waveform, rate_hz = _read(values.input)
    server = SERVERS[values.protocol](
      target, values.model, values.timeout_seconds
    )
    voice = Voice(Asker(server, values.patience_seconds))
    samples = copy(
      voice, values.voice, waveform, rate_hz, values.seed, global_,
      values.output,
    )  # fmt: skip
  except (_UserError, ServerError) as error:
    print(error, file=sys.stderr)
    return 1
  except OSError as error:
    print(f'--output: {error}', file=sys.stderr)
    return 1
  except KeyboardInterrupt:
    return 130
  seconds = samples / voice.limits.sample_rate_hz
  print(f'{values.output}: {seconds:.2f} s', file=sys.stderr)
  return 0


if __name__ == '__main__':
  define_flags(flags.FLAGS)
  app.run(main)
