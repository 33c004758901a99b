"""Pictures and sounds of the chapter on dilated convolution."""

from collections.abc import Iterator
import functools
import itertools

from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

from docs.tutorial.example import as_heard, recording, Sound, voice
from wavenet_tf.configuration.config import override
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.probability.outputs import bits
from wavenet_tf.probability.sampling import PREDICTED
from wavenet_tf.showing.figures import receptive_fields
from wavenet_tf.speaking.generation import Generator

_SHOWN_SAMPLES = 16
# Frames of a crop: more than the receptive field of 8 frames.
_CROP_FRAMES = 9
_CROPS_OF_A_RECORDING = 16
_RECORDING_NUMBERS = 1, 2
_FADE_SAMPLES = 32


def lights_up() -> Iterator[Figure]:
  """What each output depends on, one output after the other."""
  stacks = receptive_fields.dependences(voice().teacher, _SHOWN_SAMPLES)
  titles = 'without dilation', 'dilated'
  figure = Figure(figsize=(11, 3.6), layout='constrained')
  for t in range(_SHOWN_SAMPLES):
    figure.clear()
    for axes, title, stack in zip(figure.subplots(1, 2), titles, stacks):
      found = stack.of(t)
      receptive_fields.draw_dependence(axes, found, _SHOWN_SAMPLES)
      axes.set_title(f'{title}: sees {found.field_samples}')
    yield figure


def reach() -> Figure:
  """Figs. 2 and 3 of the paper as measured, and the whole teacher's reach."""
  config = voice().config
  heard = as_heard(voice(), recording().waveform, 60, 70)
  waveform = voice().teacher.output_kind.waveform(heard.levels)[0]
  return receptive_fields.receptive_fields(
    voice().teacher, config, waveform.numpy(), heard.conditioning
  )


def worth_of_the_past() -> Figure:
  """Bits that a prediction loses by a past that is shorter than the field."""
  field = voice().config.teacher.receptive_field_samples
  said = {
    'the teacher, after itself': [_said(n) for n in _RECORDING_NUMBERS],
    'the synthesizer, whom it never heard': [
      recording(n).waveform for n in _RECORDING_NUMBERS
    ],
  }
  figure = Figure(figsize=(8, 3.8), layout='constrained')
  axes = figure.subplots()
  for name, waveforms in said.items():
    lost = _lost_bits(waveforms)
    edges = [0, *(2**i for i in range(12)), lost.shape[1]]
    means = [lost[:, a:b].mean() for a, b in itertools.pairwise(edges)]
    pasts = [max(edge, 0.5) for edge in edges[:-1]]
    axes.plot(pasts, means, 'o-', label=f'said by {name}')
  axes.axhline(0, color='black', linewidth=0.8)
  axes.axvline(field, color='C3', label=f'receptive field: {field:,} samples')
  axes.set_xscale('log', base=2)
  axes.xaxis.set_major_formatter(lambda x, _: f'{x:g}' if x >= 1 else '0')
  axes.set(
    title='what it costs to know a part of the past only',
    xlabel='samples of the past that are known: this many, up to twice as many',
    ylabel='bits per sample more',
  )
  axes.grid(alpha=0.3)
  axes.legend()
  return figure


def _said(number):
  """A sentence as the teacher says it: drawn from its predictions, as they are.

  On what is drawn from a distribution no other one is better on the average.
  """
  mel = voice().features(recording(number).waveform)
  return _generator()(mel[None], (number, 0))[0]


@functools.cache
def _generator():
  """Without the sharpening that a voice is given.

  Its second tries remain: without them most sentences break out into noise.
  """
  plain = {f'evaluate.{name}': x for name, x in PREDICTED._asdict().items()}
  return Generator(voice().teacher, override(voice().config, plain))


def _lost_bits(waveforms):
  """Of crops `[crops, T]`, by samples since their start.

  The past of a crop is cut off where it begins, as it is in training. What
  that costs is known by scoring the same samples once more, in a crop that
  begins earlier by the receptive field.
  """
  hop = voice().config.audio.hop_samples
  score = tf.function(_nats)
  lost = []
  for waveform in waveforms:
    frames = len(waveform) // hop
    for first in np.linspace(
      _CROP_FRAMES, frames - _CROP_FRAMES, _CROPS_OF_A_RECORDING, dtype=int
    ):
      last = first + _CROP_FRAMES
      long = as_heard(voice(), waveform, first - _CROP_FRAMES, last)
      short = as_heard(voice(), waveform, first, last)
      known = score(*long)[0, -_CROP_FRAMES * hop :]
      lost.append(bits(score(*short)[0] - known).numpy())
  return np.stack(lost)


def _nats(levels: tf.Tensor, conditioning: Conditioning) -> tf.Tensor:
  teacher = voice().teacher
  return -teacher.log_prob(levels, conditioning, teacher.initial_state(1))[0]


def shuffled(pieces_samples: int, seed: int = 0) -> Sound:
  """The recording in pieces of a length, in another order, with soft ends."""
  waveform, rate_hz = recording()
  count = len(waveform) // pieces_samples
  pieces = waveform[: count * pieces_samples].reshape(count, pieces_samples)
  fade = min(_FADE_SAMPLES, pieces_samples // 8)
  ends = np.minimum(np.arange(pieces_samples) + 1, fade + 1) / (fade + 1)
  pieces = pieces * np.minimum(ends, ends[::-1])
  order = np.random.default_rng(seed).permutation(count)
  return Sound(pieces[order].reshape(-1), rate_hz)


PICTURES = {
  'lights_up.gif': lights_up,
  'reach.png': reach,
  'worth_of_the_past.png': worth_of_the_past,
}
SOUNDS = {
  'pieces_of_1_ms': functools.partial(shuffled, 22),
  'pieces_of_93_ms': functools.partial(shuffled, 2048),
  'pieces_of_half_a_second': functools.partial(shuffled, 11025),
}
