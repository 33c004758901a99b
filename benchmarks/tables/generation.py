"""Cached autoregressive generation against its bare chain of products."""

import itertools
import time

import numpy as np

from benchmarks.measuring import (
  ceilings,
  configurations,
  flops,
  harness,
  machine,
  second_start,
)
from benchmarks.measuring.results import Ceiling, Figure, Lines
from benchmarks.peers import sources
from benchmarks.tables.settings import Settings
from wavenet_tf.configuration.config import Config
from wavenet_tf.networks.teacher import build_teacher
from wavenet_tf.speaking.generation import Generator

_SEED = [1, 2]
_MEBIBYTE = 2**20


def measure(
  settings: Settings,
  config: Config | None = None,
  batches: tuple[int, ...] = (1, 8, 16),
  chunks: int = 4,
  peer_samples: int = 200,
  chain_steps: int = 2000,
) -> Lines:
  """Its lines.

  Args:
    settings: of the command line.
    config: of the teacher; by default that of `configurations`.
    batches: streams at once.
    chunks: of a timed run.
    peer_samples: steps of a peer's timed run.
    chain_steps: steps of the bare chain's timed run.
  """
  config = config or configurations.autoregressive()
  teacher = configurations.randomize(build_teacher(config))
  found = flops.products(teacher, config.conditioning.upsample_factors)
  waiting = flops.of_a_step(found)
  generator = Generator(teacher, config)
  figures, limits = [], []
  for batch in batches:
    streams = _Streams(generator, config, batch, chunks)
    figure, limit = _figure(
      settings, config, streams, waiting, peer_samples, chain_steps
    )
    figures.append(figure)
    limits += limit
    limits += _rates(settings, config, batch)
  figures += _lengths(settings, generator, config, batches[0])
  if settings.second_start:
    figures[0].notes.update(second_start.seconds(settings.threads, config))
  return Lines(
    configurations.sizes(config, 'teacher')
    + f'; {teacher.count_params():,} weights, {len(waiting)} products a step',
    limits,
    figures,
  )


class _Streams:
  """Streams of audio that are generated side by side."""

  def __init__(self, generator, config, batch, chunks):
    self._generator = generator
    frames = chunks * config.evaluate.chunk_frames
    self._features = configurations.features(config.audio, batch, frames)
    self.batch = batch
    self.samples = batch * frames * config.audio.hop_samples

  def run(self, chunks=None):
    found = self._generator.chunks(self._features, _SEED)
    for chunk in itertools.islice(found, chunks):
      waveform = chunk.waveform.numpy()
      if not np.isfinite(waveform).all() or not waveform.any():
        raise ArithmeticError('The generator drew no waveform.')

  def first(self):
    self.run(chunks=1)


def _figure(settings, config, streams, waiting, peer_samples, chain_steps):
  """Ours, the chains and the peers in turns -> a figure and its ceilings."""
  compile_seconds = harness.first_call_seconds(streams.first)
  chains = {}
  for dtype in ceilings.TYPES:
    name, chain = ceilings.best_chain(
      waiting, streams.batch, chain_steps, (dtype,)
    )
    chains[f'the bare chain, batch {streams.batch}, {name}'] = chain
  work = _peer_work(config, streams.batch, peer_samples)
  with sources.working(
    settings, sources.WAVENET_VOCODER, 'generation', **work
  ) as others:
    contenders = {
      'ours': harness.timed(streams.run),
      'first': harness.timed(streams.first),
      **chains,
      **{peer.name: peer for peer in others},
    }
    seconds = harness.alternate(contenders, settings.repeats)
    ours = seconds['ours']
    steps = streams.samples / streams.batch
    figure = Figure(
      f'batch {streams.batch}',
      streams.samples,
      ours,
      config.audio.sample_rate_hz,
      first_chunk_seconds=harness.median(seconds['first']),
      compile_seconds=compile_seconds,
      flops_per_sample=flops.total(waiting),
      ceilings={
        name: steps * harness.ratio(seconds[name], ours) for name in chains
      },
      peers=[
        peer.compare(seconds[peer.name], ours, streams.samples)
        for peer in others
      ],
    )
  limits = [
    Ceiling(
      f'{name}: {harness.median(seconds[name]) * 1e6:.1f} us a step',
      chain.flops / harness.median(seconds[name]) / 1e9,
    )
    for name, chain in chains.items()
  ]
  return figure, limits


def _rates(settings, config, batch):
  """Of the product of a layer's taps, without a chain of other shapes."""
  sizes = config.teacher
  return ceilings.rates(
    batch,
    sizes.kernel_size * sizes.residual_channels,
    2 * sizes.gate_channels,
    settings.repeats,
  )


def _peer_work(config, batch, samples):
  return {'batch': batch, 'samples': samples, **teacher_sizes(config)}


def teacher_sizes(config: Config) -> dict[str, int]:
  """The sizes of the teacher as numbers, for a peer."""
  sizes = config.teacher
  return {
    'levels': sizes.mu_law_levels,
    'layers': sizes.cycles * sizes.layers_per_cycle,
    'cycles': sizes.cycles,
    'residual_channels': sizes.residual_channels,
    'gate_channels': sizes.gate_channels,
    'skip_channels': sizes.skip_channels,
    'kernel_size': sizes.kernel_size,
    'mel_bins': config.audio.mel_bins,
  }


def _lengths(settings, generator, config, batch):
  """What a second of audio costs and which memory it takes, by length."""
  figures = []
  audio = config.audio
  for seconds in settings.stream_seconds:
    frames = max(1, round(seconds * audio.sample_rate_hz / audio.hop_samples))
    features = configurations.features(audio, batch, frames)
    before = machine.memory_bytes()
    start = time.perf_counter()
    samples = sum(
      chunk.waveform.numpy().size for chunk in generator.chunks(features, _SEED)
    )
    elapsed = time.perf_counter() - start
    figures.append(
      Figure(
        f'a stream of {seconds:g} s, batch {batch}',
        samples,
        [elapsed],
        audio.sample_rate_hz,
        notes={
          'growth of memory, MiB': (machine.memory_bytes() - before)
          / _MEBIBYTE,
          'compilations so far, one for each batch': traces(generator),
        },
      )
    )
  return figures


def traces(generator: Generator) -> int:
  """How often the chunk was traced, and so compiled, in its life."""
  # There is no public way to the compiled chunk.
  return generator._compiled.experimental_get_tracing_count()
