"""A student in every format: speed, size, and what it costs.

    python -m benchmarks.portable --threads=1 --repeats=5

The synthesizer, LiteRT with weights of 32 and of 8 bits, and StableHLO that XLA
compiled say the same recording from the same noise, in turns. How far each is
from the synthesizer stands beside how far another draw of its noise is.
"""

from collections.abc import Callable, Iterator
import functools
import itertools
import pathlib
from typing import NamedTuple

from absl import app, flags
import numpy as np
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

from benchmarks.measuring import harness, machine, processes
from data.recordings import decoding
from wavenet_tf.configuration.files import path_of
from wavenet_tf.judging.distances import spectral_distance
from wavenet_tf.signal import quantization
from wavenet_tf.speaking.chunks import windows
from wavenet_tf.speaking.portable import PortableStudent
from wavenet_tf.speaking.synthesis import Synthesizer
from wavenet_tf.voice import load_run

_ROOT = pathlib.Path(__file__).parents[1]
_SEED, _ANOTHER_SEED = (0, 0), (1, 0)
# What a chunk leaves to the next.
_STATE = 'state', 'phase'

_WORKDIR = flags.DEFINE_string(
  'workdir',
  str(_ROOT / 'voices' / 'kathleen'),
  'Run of the student, of one voice.',
)
_INPUT = flags.DEFINE_string(
  'input',
  str(_ROOT / 'data' / 'sample' / 'wavs' / 'sample-01.flac'),
  'Recording that is copied.',
)
_THREADS = flags.DEFINE_integer('threads', 1, 'Cores.', lower_bound=1)
_REPEATS = flags.DEFINE_integer('repeats', 5, 'Rounds.', lower_bound=1)

# A chunk of arguments by name -> what follows it, by name.
_Chunk = Callable[..., dict[str, np.ndarray]]


class Line(NamedTuple):
  """Of one format, beside the synthesizer.

  Attributes:
    name: of the format.
    samples_per_second: median.
    ratio: to the synthesizer's, the median of the ratios within a round.
    size: of the file, bytes.
    signal_to_noise_db: from the synthesizer.
    log_mel_db: from the synthesizer, see `distances.SpectralDistance`.
  """

  name: str
  samples_per_second: float
  ratio: float
  size: int
  signal_to_noise_db: float
  log_mel_db: float


def _measure(workdir, recording, threads, repeats):
  """-> a line for each format, and how far another draw of noise is."""
  tf.config.threading.set_intra_op_parallelism_threads(threads)
  voice = load_run(workdir)
  audio = voice.config.audio
  levels = decoding.load(path_of(recording), audio.sample_rate_hz)
  mel = voice.features(quantization.waveform_from_levels(levels).numpy())
  features = tf.constant(mel[None])
  synthesizer = Synthesizer(voice.student, voice.config)
  portable = PortableStudent(voice.student, voice.config)
  litert, hlo = portable.litert(), portable.stablehlo()
  small = portable.in_8_bits(litert)
  told = list(_told(portable, synthesizer, features))
  formats = {
    'LiteRT, float32': (litert, _interpreted(litert, threads)),
    'LiteRT, weights in 8 bits': (small, _interpreted(small, threads)),
    'StableHLO by XLA': (hlo, _compiled(portable, hlo)),
  }
  first = 'Synthesizer'
  speakers = {first: lambda: synthesizer(features, _SEED)[0]}
  for name, (_, chunk) in formats.items():
    speakers[name] = functools.partial(_speak, portable, chunk, told)
  seconds = harness.alternate(
    {name: harness.timed(speak) for name, speak in speakers.items()}, repeats
  )
  expected = speakers[first]()
  lines = []
  for name, speak in speakers.items():
    lines.append(
      Line(
        name,
        len(expected) / harness.median(seconds[name]),
        harness.ratio(seconds[first], seconds[name]),
        len(formats[name][0]) if name in formats else 0,
        *_distances(speak()[: len(expected)], expected, audio),
      )
    )
  another = synthesizer(features, _ANOTHER_SEED)[0]
  return lines, _distances(another, expected, audio)


def _distances(found, expected, audio) -> tuple[float, float]:
  """-> signal to noise and distance of log-mels, decibels."""
  power = np.sum(np.square(expected), dtype=np.float64)
  noise = np.sum(np.square(found - expected), dtype=np.float64)
  with np.errstate(divide='ignore'):
    signal_to_noise = 10 * np.log10(power / noise)
  return signal_to_noise, spectral_distance(found, expected, audio).log_mel_db


def _told(portable, synthesizer, features) -> Iterator[dict[str, np.ndarray]]:
  """What a chunk is told of itself, with the synthesizer's noise."""
  sizes = portable.described()
  lengths = itertools.repeat(sizes['chunk_frames'])
  margins = sizes['silence'], sizes['margin_frames']
  for i, window in enumerate(windows(features, lengths, *margins)):
    noise = synthesizer.noise(tf.constant([_SEED]), tf.constant([i]))
    yield {'noise': noise.numpy(), 'features': window.numpy()}


def _speak(portable, chunk, told) -> np.ndarray:
  """An utterance, and what is beyond its end to that of the last chunk."""
  state = {
    a.spec.name: np.zeros(a.spec.shape, a.spec.dtype.as_numpy_dtype)
    for a in portable.arguments
    if a.spec.name in _STATE
  }
  said = []
  for given in told:
    answer = chunk(**given, **state)
    state = {name: answer[name] for name in _STATE}
    said.append(answer['audio'][0])
  return np.concatenate(said)


def _interpreted(content, threads) -> _Chunk:
  # TensorFlow has it until `ai_edge_litert`, a package of its own, takes over.
  interpreter = tf.lite.Interpreter(model_content=content, num_threads=threads)
  return interpreter.get_signature_runner()


def _compiled(portable, content) -> _Chunk:
  results = portable.results
  call = tf.function(
    functools.partial(
      xla.call_module,
      version=5,
      module=content,
      Tout=[r.spec.dtype for r in results],
      Sout=[r.spec.shape for r in results],
      platforms=['CPU'],
    ),
    jit_compile=True,
  )

  def chunk(**given):
    answer = call([tf.constant(given[a.spec.name]) for a in portable.arguments])
    return {r.spec.name: x.numpy() for r, x in zip(results, answer)}

  return chunk


def _print(lines: list[Line]) -> None:
  print(
    "| | samples/s | of the synthesizer's | MB "
    '| SNR dB | log-mel dB |\n|---|---|---|---|---|---|'
  )
  for x in lines:
    print(
      f'| {x.name} | {x.samples_per_second:,.0f} | {x.ratio:.2f} '
      f'| {x.size / 1e6:.1f} '
      f'| {x.signal_to_noise_db:.1f} | {x.log_mel_db:.2f} |'
    )


def main(argv):
  del argv
  # Before a process that has not imported TensorFlow yet.
  machine.pin(_THREADS.value)
  load = machine.Load()
  lines, others = processes.call(
    _measure, _WORKDIR.value, _INPUT.value, _THREADS.value, _REPEATS.value
  )
  _print(lines)
  print(f'Another draw of the noise: {others[0]:.1f} dB, {others[1]:.2f} dB.')
  print(f'Other programs took {load.others_share():.0%} of the time.')


if __name__ == '__main__':
  app.run(main)
