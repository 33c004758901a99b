"""Preparation of many hours: throughput of a core, memory, interruption.

    python -m benchmarks.hours --hours=1,3,10 --interrupted=3

The recordings are those of `data/sample`, each copy of them louder or softer
and begun elsewhere, in a temporary folder. Each line is a process of its own;
a core's throughput is seconds of audio by seconds of processor time, which
other work on the machine does not change much.
"""

import multiprocessing
import pathlib
import resource
import tempfile
import time
from typing import NamedTuple

from absl import app, flags
import numpy as np

from data.preparing import preparation
from data.preparing.runners import KINDS, Runner, SIMPLE
from data.recordings import decoding
from data.recordings.corpora import read_corpus
from data.shards.manifest import read_manifest
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.config import override
from wavenet_tf.signal import quantization

_SAMPLE = pathlib.Path(__file__).parents[1] / 'data' / 'sample'
_SECONDS_PER_HOUR = 3600
_UTTERANCE_SECONDS = 10

_HOURS = flags.DEFINE_list('hours', ['1', '3', '10'], 'Sizes of corpora.')
_INTERRUPTED = flags.DEFINE_float(
  'interrupted', 3.0, 'Hours of the corpus that is killed half-way.'
)
_PRESET = flags.DEFINE_string('preset', 'voice', 'Configuration.')
_THREADS = flags.DEFINE_integer('threads', 2, 'That decode.')
_RUNNER = flags.DEFINE_enum('runner', SIMPLE, KINDS, 'Who prepares.')
_OPTIONS = flags.DEFINE_list('beam_options', [], 'Of Beam.')


class Measured(NamedTuple):
  """Of one preparation: seconds, seconds of processors, bytes."""

  seconds: float
  processor_seconds: float
  most_bytes: int


def write_corpus(folder: pathlib.Path, hours: float) -> None:
  """Variations of the bundled recordings, 16-bit WAV files of about 10 s."""
  folder.mkdir(parents=True)
  paths = [utterance.path for utterance in read_corpus(_SAMPLE).utterances]
  rate = decoding.sample_rate_hz(paths[0])
  voice = np.concatenate([decoding.load(path, rate) for path in paths])
  voice = voice.astype(np.float32) / quantization.FULL_SCALE
  generator = np.random.default_rng(0)
  for i in range(round(hours * _SECONDS_PER_HOUR / _UTTERANCE_SECONDS)):
    samples = int(rate * _UTTERANCE_SECONDS * generator.uniform(0.5, 1.5))
    start = generator.integers(len(voice) - samples)
    gain = generator.uniform(0.3, 0.9)
    part = gain * voice[start : start + samples]
    decoding.write_wav(folder / f'{i:06d}.wav', part, rate)


def _prepare(connection, corpus, output, asked, runner):
  start = time.perf_counter()
  preparation.prepare(_config(*asked), corpus, output, runner)
  seconds = time.perf_counter() - start
  who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
  used = [resource.getrusage(one) for one in who]
  connection.send(
    Measured(
      seconds,
      sum(one.ru_utime + one.ru_stime for one in used),
      1024 * max(one.ru_maxrss for one in used),
    )
  )


def _config(preset, threads):
  return override(presets.preset(preset), {'data.workers': threads})


def prepared(
  corpus: pathlib.Path,
  output: pathlib.Path,
  asked: tuple[str, int],
  runner: Runner,
  stop_after_parts: int | None = None,
) -> Measured | None:
  """By a process of its own; None where it was killed after so many parts."""
  context = multiprocessing.get_context('spawn')
  ours, theirs = context.Pipe()
  process = context.Process(
    target=_prepare, args=(theirs, corpus, output, asked, runner)
  )
  process.start()
  while stop_after_parts is not None and process.is_alive():
    done = output.parent.glob(f'{output.name}.unfinished-*/part-*[0-9].json')
    if len(list(done)) >= stop_after_parts:
      process.kill()
    time.sleep(0.1)
  process.join()
  return ours.recv() if process.exitcode == 0 else None


def _line(hours, measured):
  seconds = hours * _SECONDS_PER_HOUR
  print(
    f'{hours:g} h: {measured.seconds:.0f} s, '
    f'{measured.processor_seconds:.0f} s of processors, '
    f'{seconds / measured.processor_seconds:.0f} x real time a core, '
    f'at most {measured.most_bytes / 2**20:.0f} MiB',
    flush=True,
  )


def _hashes(folder):
  return {path.name: path.read_bytes() for path in folder.iterdir()}


def main(argv):
  del argv
  asked = _PRESET.value, _THREADS.value
  runner = Runner(_RUNNER.value, tuple(_OPTIONS.value))
  for hours in map(float, _HOURS.value):
    with tempfile.TemporaryDirectory() as name:
      root = pathlib.Path(name)
      write_corpus(root / 'corpus', hours)
      _line(hours, prepared(root / 'corpus', root / 'data', asked, runner))
      megabytes = sum(p.stat().st_size for p in (root / 'data').iterdir()) / 1e6
      times = []
      for _ in range(2):
        time.sleep(3)  # What changed a moment ago is not remembered.
        start = time.perf_counter()
        read_manifest(root / 'data', _config(*asked).audio)
        times.append(f'{time.perf_counter() - start:.2f}')
      print(
        f'  {megabytes:,.0f} MB, verified in {times[0]} s, then {times[1]} s'
      )
  hours = _INTERRUPTED.value
  if hours:
    with tempfile.TemporaryDirectory() as name:
      root = pathlib.Path(name)
      write_corpus(root / 'corpus', hours)
      data, again = root / 'data', root / 'again'
      config = _config(*asked)
      parts = hours * _SECONDS_PER_HOUR * 2 * config.audio.sample_rate_hz
      half = int(parts / 2 / (config.data.shard_megabytes * 2**20))
      killed = prepared(root / 'corpus', again, asked, runner, max(1, half))
      if killed is not None:
        print(f'{hours:g} h: ended before it could be killed; ask for more')
        return
      print(f'{hours:g} h, killed after {max(1, half)} parts')
      _line(hours, prepared(root / 'corpus', again, asked, runner))
      prepared(root / 'corpus', data, asked, runner)
      print(f'  the same bytes: {_hashes(data) == _hashes(again)}')


if __name__ == '__main__':
  app.run(main)
