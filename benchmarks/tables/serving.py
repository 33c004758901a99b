"""What is served: every way to ask a SavedModel for speech, and its memory."""

from collections.abc import Callable, Iterator
import pathlib
import tempfile

import numpy as np
import tensorflow as tf

from benchmarks.measuring import configurations, harness, machine, processes
from benchmarks.measuring.results import Figure, Lines
from benchmarks.tables.settings import Settings
from benchmarks.tables.student import check
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.config import Config, override
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.networks.student import build_student
from wavenet_tf.speaking import chunks
from wavenet_tf.speaking.served import export
from wavenet_tf.speaking.synthesis import Synthesizer

_MEGABYTE = 1e6
# Frames that a stream asks for at a time: a chunk of the model's, and eight.
_PIECES = (8, 64)
_MOST_ROWS = 8


def measure(
  settings: Settings,
  configs: dict[str, Config] | None = None,
  seconds: float = 1.0,
) -> Lines:
  """Its lines.

  Args:
    settings: of the command line.
    configs: by name; of the first one memory is measured, too.
    seconds: of audio that an utterance has, about.
  """
  configs = configs or _configs()
  figures = []
  for name, config in configs.items():
    student = configurations.randomize(build_student(config))
    served = override(config, {'export.compiled': True})
    with tempfile.TemporaryDirectory() as folder:
      path = export.export(student, served, pathlib.Path(folder))
      frames = _frames(config, seconds)
      mel = configurations.features(config.audio, 1, frames)
      client = _Client(tf.saved_model.load(str(path)), config, mel)
      compiled = Synthesizer(student, config)
      lines = _lines(settings, name, config, compiled, client)
      if settings.memory_seconds and not figures:
        lines[1].notes.update(
          processes.call(
            _peaks, path, settings.threads, config, settings.memory_seconds
          )
        )
      figures += lines
  return Lines(
    '; '.join(
      f'{name}: {configurations.sizes(config, "student")}'
      for name, config in configs.items()
    ),
    [],
    figures,
  )


def _configs():
  """A voice that is worth listening to, and the second paper's student."""
  return {
    name: presets.preset(preset)
    for name, preset in (
      ('voice', 'voice'),
      ('student of 2017', 'parallel_wavenet_2017'),
    )
  }


def _frames(config, seconds):
  audio = config.audio
  return max(1, round(seconds * audio.sample_rate_hz / audio.hop_samples))


def _lines(settings, name, config, compiled, client) -> list[Figure]:
  """Of the compiled student, and of every way to ask, in one run."""
  ways = {
    'the compiled Synthesizer': lambda: compiled(client.mel, [1, 2]),
    'serving_default': lambda: client.whole('serving_default').numpy(),
    'compiled': lambda: client.whole('compiled').numpy(),
  }
  for length in _PIECES:
    ways[f'stream, {length} frames'] = lambda n=length: client.streamed(n)
    ways[f'chunk, {length} frames'] = lambda n=length: client.chunked(n)
  work = {way: _spoken(ask) for way, ask in ways.items()}
  work['first'] = lambda: check(next(client.stream(_PIECES[0])))
  seconds = harness.alternate(
    {way: harness.timed(ask) for way, ask in work.items()}, settings.repeats
  )
  first, *_ = ways
  return [
    Figure(
      f'{name}, {way}',
      client.samples,
      seconds[way],
      config.audio.sample_rate_hz,
      first_chunk_seconds=(
        harness.median(seconds['first'])
        if way == f'stream, {_PIECES[0]} frames'
        else None
      ),
      ceilings={}
      if way == first
      else {first: harness.ratio(seconds[first], seconds[way])},
    )
    for way in ways
  ]


def _spoken(ask: Callable[[], np.ndarray]):
  return lambda: check(ask())


class _Client:
  """Asks an exported model for one utterance, in every way.

  Args:
    model: as loaded.
    config: of the run.
    mel: `[B, frames, mel_bins]`.
  """

  def __init__(self, model, config: Config, mel: tf.Tensor):
    self.mel = mel
    self._config = config
    self._signatures = model.signatures
    self._rows, self._frames = mel.shape[:2]
    self.samples = self._rows * self._frames * config.audio.hop_samples
    self._seed = tf.tile([[1, 2]], [self._rows, 1])
    limits = self._signatures['limits'](rows=self._each(0))
    self._limits = {name: x.numpy()[0] for name, x in limits.items()}

  def whole(self, signature: str) -> tf.Tensor:
    ask = self._signatures[signature]
    return ask(mel=self.mel, seed=self._seed)['audio']

  def streamed(self, length: int) -> np.ndarray:
    return np.concatenate(list(self.stream(length)), 1)

  def stream(self, length: int) -> Iterator[np.ndarray]:
    """Any replica answers any piece, from what it depends on."""
    state = self._phase()
    for first in range(0, self._frames, length):
      frames = min(length, self._frames - first)
      start = max(0, first - self._limits['context_frames'])
      state = self._signatures['stream'](
        mel=self.mel[:, start : first + frames + MARGIN_FRAMES],
        seed=self._seed,
        first_frame=self._each(first),
        frames=self._each(frames),
        **state,
      )
      yield state.pop('audio').numpy()

  def chunked(self, length: int) -> np.ndarray:
    """The state of one answer goes into the next question."""
    state = {
      'state': tf.zeros([self._rows, self._limits['state_size']]),
      **self._phase(),
    }
    heard = []
    firsts = range(0, self._frames, length)
    lengths = [min(length, self._whole_chunks(first)) for first in firsts]
    windows = chunks.windows(self.mel, lengths, self._config.silence)
    for first, window in zip(firsts, windows):
      state = self._signatures['chunk'](
        mel=window, seed=self._seed, first_frame=self._each(first), **state
      )
      heard.append(state.pop('audio').numpy())
    return np.concatenate(heard, 1)

  def _whole_chunks(self, first):
    """Frames from `first` to the end, rounded up to chunks of the model's."""
    chunk = self._limits['chunk_frames']
    return -(-(self._frames - first) // chunk) * chunk

  def _phase(self):
    has = 'phase' in self._signatures
    return {'phase': self._each(0)} if has else {}

  def _each(self, number):
    return tf.fill([self._rows], number)


def _peaks(path, threads, config, seconds) -> dict[str, float]:
  """Peak memory of longer and longer requests, in a fresh process."""
  machine.pin(threads)
  tf.config.threading.set_intra_op_parallelism_threads(threads)
  model = tf.saved_model.load(str(path))
  found, before = {}, None
  for rows, length in (1, 1.0), (1, seconds), (_MOST_ROWS, seconds):
    mel = configurations.features(config.audio, rows, _frames(config, length))
    client = _Client(model, config, mel)
    # Looked at where it is: a copy would be our memory, not the model's.
    check(tf.reduce_max(client.whole('serving_default'), keepdims=True).numpy())
    peak = machine.peak_memory_bytes() / _MEGABYTE
    what = f'peak memory, {rows} x {length:g} s, MB'
    if before is None:
      before = found[what] = peak
    else:
      found[f'{what} above that'] = peak - before
      found[f'audio of {rows} x {length:g} s, MB'] = (
        4 * client.samples / _MEGABYTE
      )
  return found
