"""The student: an utterance, and the first chunk of a stream."""

import dataclasses

import numpy as np

from benchmarks.measuring import ceilings, configurations, flops, harness
from benchmarks.measuring.results import Figure, Lines
from benchmarks.peers import sources
from benchmarks.tables.settings import Settings
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.choices import PRODUCT_DTYPES
from wavenet_tf.configuration.config import Config, override
from wavenet_tf.networks.student import build_student
from wavenet_tf.speaking.synthesis import NOISE_BLOCK_FRAMES, Synthesizer


def measure(
  settings: Settings,
  configs: dict[str, Config] | None = None,
  seconds: float = 1.0,
) -> Lines:
  """Its lines.

  Args:
    settings: of the command line.
    configs: by name; the first one is compared with the peers.
    seconds: of audio that a pass computes, about.
  """
  configs = configs or _configs()
  figures, limits = [], []
  for name, config in configs.items():
    speaker = _Speaker(config, seconds)
    with_peers = len(config.student.flow_layers) == 1
    figures.append(_figure(settings, name, speaker, with_peers))
    limits += [
      limit
      for limit in ceilings.rates(
        speaker.samples, *_largest(speaker.products), settings.repeats
      )
      if limit.what not in [known.what for known in limits]
    ]
  return Lines(
    '; '.join(
      f'{name}: {configurations.sizes(config, "student")}'
      for name, config in configs.items()
    ),
    limits,
    figures,
  )


def _configs() -> dict[str, Config]:
  """One flow, the size of the peers, and the second paper's student.

  The flow is there with both kinds of conditioning: at audio rate, as the peers
  have theirs, and held for a frame.
  """
  found = {}
  for name, config in (
    ('one flow of 30', configurations.single_flow()),
    ('one flow of 30, held', configurations.single_flow('repeat')),
    ('the student of 2017', presets.preset('parallel_wavenet_2017')),
  ):
    for dtype in PRODUCT_DTYPES:
      found[f'{name}, {dtype}'] = override(
        config, {'student.product_dtype': dtype}
      )
  return found


def _largest(found):
  """The shape of the product with most operations in a pass."""
  at_audio_rate = [p for p in found if p.waiting_inputs]
  best = max(at_audio_rate, key=lambda p: p.flops_per_sample)
  return best.inputs, best.outputs


class _Speaker:
  """A student with random weights and something to say."""

  def __init__(self, config: Config, seconds: float):
    self.config = config
    student = configurations.randomize(build_student(config))
    self.weights = student.count_params()
    self.products = flops.products(
      student, config.conditioning.upsample_factors
    )
    audio = config.audio
    self.frames = max(
      1, round(seconds * audio.sample_rate_hz / audio.hop_samples)
    )
    self.samples = self.frames * audio.hop_samples
    self._mel = configurations.features(audio, 1, self.frames)
    self._synthesizer = Synthesizer(student, config)
    # A stream needs more than a chunk, or its length would be no stream's.
    self._long = configurations.features(audio, 1, 2 * NOISE_BLOCK_FRAMES)

  def speak(self):
    """In chunks that XLA compiled, as `generate` and `evaluate` do."""
    check(self._synthesizer(self._mel, [1, 2]))

  def first_chunk(self):
    check(next(self._synthesizer.chunks(self._long, [1, 2])).waveform.numpy())


def check(waveform: np.ndarray) -> None:
  """Silence is no answer, nor are numbers that are none."""
  if not np.isfinite(waveform).all() or not waveform.any():
    raise ArithmeticError('The student said nothing.')


def _figure(settings, name, speaker, with_peers) -> Figure:
  compile_seconds = harness.first_call_seconds(speaker.speak)
  harness.first_call_seconds(speaker.first_chunk)
  limits = {
    f'its products at the best {dtype} rate': ceilings.Products(
      speaker.products, speaker.samples, dtype
    )
    for dtype in ceilings.TYPES
  }
  others = settings if with_peers else without_peers(settings)
  work = {'frames': speaker.frames, 'mel_bins': speaker.config.audio.mel_bins}
  with (
    sources.working(
      others, sources.PARALLEL_WAVEGAN, 'student', **work
    ) as gans,
    sources.working(others, sources.CLARINET, 'student', **work) as clarinets,
  ):
    rivals = [*gans, *clarinets]
    contenders = {
      'ours': harness.timed(speaker.speak),
      'first': harness.timed(speaker.first_chunk),
      **limits,
      **{peer.name: peer for peer in rivals},
    }
    seconds = harness.alternate(contenders, settings.repeats)
    ours = seconds['ours']
    return Figure(
      name,
      speaker.samples,
      ours,
      speaker.config.audio.sample_rate_hz,
      first_chunk_seconds=harness.median(seconds['first']),
      compile_seconds=compile_seconds,
      flops_per_sample=flops.total(speaker.products),
      ceilings={limit: harness.ratio(seconds[limit], ours) for limit in limits},
      peers=[
        peer.compare(seconds[peer.name], ours, speaker.samples)
        for peer in rivals
      ],
      notes={'weights': speaker.weights},
    )


def without_peers(settings: Settings) -> Settings:
  return dataclasses.replace(settings, sources=())
