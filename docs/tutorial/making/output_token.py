"""Pictures and sounds of the chapter on what a network says of a sample."""

import functools

import keras
from matplotlib.figure import Figure
import numpy as np
import scipy.stats
import tensorflow as tf

from docs.tutorial.example import as_heard, recording, Sound, VOICE, voice
from wavenet_tf.configuration.config import override
from wavenet_tf.probability.outputs import bits, MuLawSoftmax, WaveformMixture
from wavenet_tf.probability.sampling import PREDICTED, Sampling
from wavenet_tf.showing.figures.predictions import (
  amplitudes_around,
  densities,
  draw_densities,
)
from wavenet_tf.signal import quantization
from wavenet_tf.signal.emphasis import pre_emphasise
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.voice import load_run

CODES = MuLawSoftmax(256)
# Of what the teacher says: a vowel, after as many frames as it hears.
_FIRST_FRAME, _LAST_FRAME = 60, 124
_SHOWN = slice(10 * 256 - 110, 10 * 256)
# With some others a sound breaks out into noise in spite of second tries.
_SEED = 0, 1
_DEVIATIONS = np.linspace(-5.0, 5.0, 401)
# Fits of a distribution to a few samples.
_EXAMPLES = 10, 30, 100, 300, 1000, 3000
_HELD_OUT = 20_000
_FIT_STEPS = 500
_FIT_RATE = 0.05


class BestGaussian(WaveformMixture):
  """The one Gaussian that comes closest to a mixture of logistics.

  It has its mean and variance: no other Gaussian is likelier, on the average,
  to give what the mixture draws.
  """

  def moments(self, parameters):
    """Mean and standard deviation, `[...]`."""
    logits, loc, log_scale = self.split(parameters)
    weights = tf.nn.softmax(logits)
    mean = tf.reduce_sum(weights * loc, -1)
    # A logistic's variance is (pi s)^2 / 3.
    squares = (loc - mean[..., None]) ** 2
    squares += (np.pi * tf.exp(log_scale)) ** 2 / 3.0
    return mean, tf.sqrt(tf.reduce_sum(weights * squares, -1))

  def log_density(self, parameters, waveform):
    mean, deviation = map(np.asarray, self.moments(parameters))
    return scipy.stats.norm.logpdf(waveform, mean, deviation)

  def sample(self, parameters, noise_, sampling=PREDICTED):
    mean, deviation = self.moments(parameters)
    standard = tf.math.ndtri(tf.sigmoid(noise_[..., -1]))  # Was logistic.
    return self.waveform(
      quantization.levels_from_waveform(mean + deviation * standard)
    )


class ThroughCodes(WaveformMixture):
  """What a mixture draws, told in 256 mu-law codes: draws of a softmax."""

  def sample(self, parameters, noise_, sampling=PREDICTED):
    drawn = super().sample(parameters, noise_, sampling)
    return CODES.waveform(quantization.levels_from_waveform(drawn))


def spoken(
  output: type = WaveformMixture, temperature: float = 1.0, tries: bool = True
) -> Sound:
  """The sentence as the teacher draws it from its predictions.

  Args:
    output: what its 30 numbers are read as.
    temperature: of the draws, which are not sharpened otherwise.
    tries: whether a chunk that is too loud is drawn again, as in a voice.
  """
  sampling = Sampling(temperature)._asdict()
  fields = {f'evaluate.{name}': x for name, x in sampling.items()}
  if not tries:
    fields['evaluate.redraw_excess'] = 0.0
  teacher = load_run(VOICE).teacher
  teacher.output_kind = output(*teacher.output_kind)
  generate = Generator(teacher, override(voice().config, fields))
  waveform, rate_hz = recording()
  return Sound(generate(voice().features(waveform)[None], _SEED)[0], rate_hz)


@functools.cache
def mixture() -> Sound:
  return spoken()


def three_readings() -> Figure:
  """Of a narrow prediction, of a usual one and of the least usual one."""
  _, parameters = _predicted()
  output = voice().teacher.output_kind
  mean, deviation = map(np.asarray, _gaussian().moments(parameters))
  grids = mean[:, None] + deviation[:, None] * _DEVIATIONS
  density = np.exp(output.log_density(parameters[:, None], grids))
  inner, least = density[:, 1:-1], 0.1 * density.max(1, keepdims=True)
  is_hump = (inner > density[:, :-2]) & (inner > density[:, 2:])
  humps = np.sum(is_hump & (inner > least), 1)
  by_width = np.argsort(deviation)
  shown = {
    'one of the surest': by_width[len(by_width) // 50],
    'the median': by_width[len(by_width) // 2],
    'the most humps': np.argmax(humps),
  }
  figure = Figure(figsize=(11, 5.6), layout='constrained')
  grid = figure.subplots(2, len(shown), sharex='col')
  for column, (name, t) in zip(grid.T, shown.items()):
    for axes in column:
      _draw_readings(axes, grids[t], density[t], parameters[t])
    highest = density[t].max()
    column[0].set(title=name, ylim=(0, 1.15 * highest))
    column[1].set(xlabel='amplitude (pre-emphasised)', yscale='log',
                  ylim=(1e-4 * highest, 2 * highest))  # fmt: skip
    column[1].locator_params(axis='x', nbins=4)
  grid[0, 0].set_ylabel('density')
  grid[1, 0].set_ylabel('density, logarithmic')
  figure.legend(
    *grid[0, 0].get_legend_handles_labels(), loc='outside lower center', ncol=3
  )
  drawn = output.sample(
    parameters, output.noise([len(parameters)], tf.constant([0, 0]))
  )
  lost = output.log_density(parameters, drawn) - _gaussian().log_density(
    parameters, drawn
  )
  figure.suptitle(
    f'{np.sum(humps > 1)} of {len(humps):,} predictions have two humps or '
    f'more; a Gaussian loses {bits(np.mean(lost)):.3f} bits a sample'
  )
  return figure


def _draw_readings(axes, amplitudes, density, parameters):
  logits, loc, log_scale = map(
    np.asarray, voice().teacher.output_kind.split(parameters)
  )
  weights = np.exp(logits) / np.exp(logits).sum()
  axes.fill_between(amplitudes, density, color='C0', alpha=0.3,
                    label='mixture of 10 logistics')  # fmt: skip
  for weight, at, scale in zip(weights, loc, np.exp(log_scale)):
    axes.plot(
      amplitudes,
      weight * scipy.stats.logistic.pdf(amplitudes, at, scale),
      color='C0',
      linewidth=0.7,
    )
  codes = _densities_of_codes(parameters[None], amplitudes)[:, 0]
  axes.plot(amplitudes, codes, color='C1', linewidth=1.2,
            label='256 mu-law codes')  # fmt: skip
  one = np.exp(_gaussian().log_density(parameters, amplitudes))
  axes.plot(amplitudes, one, color='C3', linestyle='--', label='one Gaussian')
  axes.grid(alpha=0.3)


def predictions_three_ways() -> Figure:
  """Predicted densities under the waveform that came."""
  waveform, parameters = (x[_SHOWN] for x in _predicted())
  rate_hz = voice().config.audio.sample_rate_hz
  times = 1000 * np.arange(len(waveform)) / rate_hz
  amplitudes = amplitudes_around(waveform)
  teacher = voice().teacher
  one = _gaussian().log_density(parameters, amplitudes[:, None])
  found = {
    'one Gaussian: 2 numbers': np.exp(one),
    'mu-law codes: 256 numbers': _densities_of_codes(parameters, amplitudes),
    '10 logistics: 30 numbers': densities(teacher, parameters, amplitudes),
  }
  figure = Figure(figsize=(11, 4.4), layout='constrained')
  grid = figure.subplots(
    2, 3, sharex='col', sharey=True, height_ratios=(1, 2.4)
  )
  for column, (name, density) in zip(grid.T, found.items()):
    draw_densities(figure, column, times, waveform, amplitudes, density)
    column[0].set_title(name)
    column[1].set_xlabel('milliseconds')
  for axes in grid[:, 0]:
    axes.set_ylabel('amplitude')
  return figure


def few_examples() -> Figure:
  """Bits on unseen samples of one distribution, by how many were seen."""
  levels = pre_emphasise(
    np.asarray(quantization.levels_from_waveform(mixture().waveform)),
    voice().config.audio.preemphasis,
  )
  levels = np.random.default_rng(0).permutation(np.asarray(levels))
  unseen, rest = levels[:_HELD_OUT], levels[_HELD_OUT:]
  outputs = {
    'softmax over 256 mu-law codes': CODES,
    'mixture of 10 logistics': voice().teacher.output_kind,
  }
  figure = Figure(figsize=(8, 3.8), layout='constrained')
  axes = figure.subplots()
  for name, output in outputs.items():
    needed = [
      np.mean(_nats(output, _fit(output, rest[:n]), unseen)) for n in _EXAMPLES
    ]
    axes.semilogx(_EXAMPLES, bits(np.array(needed)), 'o-', label=name)
  axes.set(
    title='one distribution, learned from a few samples of it',
    xlabel='samples that were seen',
    ylabel='bits per unseen 16-bit sample',
  )
  axes.set_xticks(_EXAMPLES, [f'{n:,}' for n in _EXAMPLES])
  axes.minorticks_off()
  axes.grid(alpha=0.3)
  axes.legend()
  return figure


def _nats(output, parameters, levels):
  """Of 16-bit levels, `[...]`; those of one mu-law code are equally likely."""
  nats = -output.log_prob(parameters, levels).numpy()
  if isinstance(output, MuLawSoftmax):
    codes, counts = _code_of_levels()
    nats = nats + np.log(counts[codes[levels + quantization.LEVELS // 2]])
  return nats


def _fit(output, levels):
  """Parameters `[P]` that are likeliest to give some levels."""
  levels = tf.constant(levels, tf.int32)
  parameters = keras.Variable(output.initial_bias(), dtype='float32')
  optimizer = keras.optimizers.Adam(_FIT_RATE)
  optimizer.build([parameters])

  @tf.function
  def step():
    with tf.GradientTape() as tape:
      nats = -tf.reduce_mean(output.log_prob(parameters.value, levels))
    slope = tape.gradient(nats, parameters.value)
    optimizer.apply([slope], [parameters])

  for _ in range(_FIT_STEPS):
    step()
  return tf.constant(parameters.numpy())


@functools.cache
def _code_of_levels():
  """Mu-law code of each 16-bit level, and how many levels each code has."""
  levels = np.arange(quantization.LEVELS) - quantization.LEVELS // 2
  codes = quantization.mu_law_encode(
    quantization.waveform_from_levels(levels), CODES.levels
  ).numpy()
  return codes, np.bincount(codes)


def _densities_of_codes(parameters, amplitudes):
  """What the codes of a mixture `[T, P]` say at amplitudes, `[A, T]`."""
  codes, counts = _code_of_levels()
  highest = np.cumsum(counts) - 1 - quantization.LEVELS // 2
  below = (
    voice()
    .teacher.output_kind.distribution(parameters[:, None])
    .cdf(quantization.waveform_from_levels(highest))
  )
  masses = np.maximum(np.diff(below, axis=1, prepend=0.0), 0.0)  # Rounding.
  at = quantization.levels_from_waveform(amplitudes).numpy()
  at = codes[at + quantization.LEVELS // 2]
  return (masses / (counts * 2.0 / quantization.LEVELS))[:, at].T


@functools.cache
def _predicted():
  """What the teacher said, and its predictions: `[T]`, `[T, P]`."""
  teacher = voice().teacher
  heard = as_heard(voice(), mixture().waveform, _FIRST_FRAME, _LAST_FRAME)
  waveform = teacher.output_kind.waveform(heard.levels)
  return waveform[0].numpy(), teacher(waveform, heard.conditioning)[0]


def _gaussian():
  return BestGaussian(*voice().teacher.output_kind)


PICTURES = {
  'three_readings.png': three_readings,
  'predictions_three_ways.png': predictions_three_ways,
  'few_examples.png': few_examples,
}
SOUNDS = {
  'from_one_gaussian': functools.partial(spoken, BestGaussian),
  'from_mu_law_codes': functools.partial(spoken, ThroughCodes),
  'from_mixture': mixture,
  'temperature_05': functools.partial(spoken, temperature=0.5),
  'temperature_07': functools.partial(spoken, temperature=0.7),
  'without_second_tries': functools.partial(spoken, tries=False),
}
