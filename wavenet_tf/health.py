"""Is a distillation healthy? A falling loss alone does not say so.

`measure` looks at what students are known to fail at: too quiet, deaf to the
conditioning, a collapsed or saturated scale, a missing band. `diagnosis.py`
reads what it finds.
"""

from collections.abc import Callable, Sequence
import itertools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from wavenet_tf import audio, flows
from wavenet_tf.config import Config
from wavenet_tf.layers import Conditioning

# Crops of a measurement: enough that a pause in some of them does not decide.
CROPS = 8
PERCENTILES = (5, 50, 95)
# Upper edges of the bands as shares of the Nyquist frequency: octaves, the
# lowest of which reaches down to 0 Hz.
BAND_EDGES = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
# Bands below this count as this loud: nobody hears how much they differ, and
# a recording that was an MP3 once has nothing at all in its highest bands.
BAND_FLOOR_DBFS = -80.0

# For full-scale sines, and for noise, sum_k |STFT_k|^2 in the scale of
# `audio.stft_magnitude` is three times the mean square, by Hann's window.
_SPECTRUM_OF_MEAN_SQUARE = 3.0
_SMALLEST_POWER = 1e-12


class Level(NamedTuple):
  """How loud waveforms are, all samples taken together; scalars."""

  mean_absolute: tf.Tensor
  standard_deviation: tf.Tensor
  loudness_dbfs: tf.Tensor  # RMS in decibels below full scale


class Health(NamedTuple):
  """What `measure` finds; float32.

  Attributes:
    student: level of the student's waveforms.
    recording: level of the recordings of the same conditioning.
    log_scale_percentiles: 5, 50, 95 % of ln s_tot, `[3]`.
    noise_deviation: median standard deviation of x_t given z_<t.
    band_edges_hz: `[bands + 1]`, ascending from 0 to the Nyquist frequency.
    band_difference_db: power of the student minus that of the recordings,
      `[bands]`.
    conditioning_nats: per sample, how much less likely the teacher finds the
      recordings when it is given the conditioning of others; None where
      there is no conditioning.
    clipped_share: samples of the student with |x| >= 1.
    floor_shares: log-scales at their floor, for each flow, `[flows]`.
    swapped_share: recordings for which there was other conditioning; where
      it is 0, `conditioning_nats` says nothing.
    hears_features: whether there is local conditioning.
  """

  student: Level
  recording: Level
  log_scale_percentiles: tf.Tensor
  noise_deviation: tf.Tensor
  band_edges_hz: tf.Tensor
  band_difference_db: tf.Tensor
  conditioning_nats: tf.Tensor | None
  clipped_share: tf.Tensor
  floor_shares: tf.Tensor
  swapped_share: tf.Tensor | float = 1.0
  hears_features: tf.Tensor | bool = True


class Measurement(NamedTuple):
  """`Health` and the total log-scales `[B, T]` themselves, for histograms."""

  health: Health
  log_scale: tf.Tensor


def fixed_batch(batches: Sequence, crops: int = CROPS):
  """Joins some of many batches of one crop, spread evenly over them."""
  count = min(crops, len(batches))
  chosen = [batches[i * len(batches) // count] for i in range(count)]
  return tf.nest.map_structure(
    lambda *x: None if x[0] is None else tf.concat(x, 0), *chosen
  )


def measurer(
  teacher, student, batches: Sequence, config: Config
) -> Callable[[], Measurement]:
  """-> `measure`, compiled, on one fixed batch and with fixed noise.

  Args:
    teacher: frozen.
    student: may go on learning between measurements.
    batches: validation crops, from which `fixed_batch` chooses.
    config: of the run.
  """
  batch = fixed_batch(batches)
  seed = tf.constant([config.evaluate.seed, 0], tf.int32)

  @tf.function(jit_compile=config.train_student.jit_compile, autograph=False)
  def compiled(batch):
    return measure(teacher, student, batch, seed, config)

  return lambda: compiled(batch)


def measure(teacher, student, batch, seed, config: Config) -> Measurement:
  """Measures a student and the conditioning of its teacher; pure.

  Args:
    teacher: frozen.
    student: at any point of its training.
    batch: `data.dataset.Batch` of validation crops `[B, T]`.
    seed: int32 `[2]`, of the student's noise.
    config: of the run; for the sample rate and the longest window of the
      power loss.
  """
  conditioning = Conditioning.of(batch.features, batch.global_)
  recording = teacher.output_kind.waveform(batch.levels)
  z = student.family.standard_noise(recording.shape, seed)
  output, log_scales = _run_flows(student, conditioning, z)
  window = max(config.distillation.power_window_samples)
  percentiles = tfp.stats.percentile(
    output.log_scale, PERCENTILES, interpolation='linear'
  )
  swap = conditioning_nats(teacher, batch)
  health = Health(
    student=level(output.waveform),
    recording=level(recording),
    log_scale_percentiles=percentiles,
    noise_deviation=tf.exp(percentiles[PERCENTILES.index(50)])
    * student.family.standard().stddev(),
    band_edges_hz=tf.constant([0.0, *BAND_EDGES], tf.float32)
    * (config.audio.sample_rate_hz / 2),
    band_difference_db=band_levels_db(output.waveform, window)
    - band_levels_db(recording, window),
    conditioning_nats=swap and swap.nats,
    clipped_share=_share(tf.abs(output.waveform) >= 1.0),
    floor_shares=tf.stack(
      [_share(x <= student.sizes.min_log_scale) for x in log_scales]
    ),
    swapped_share=swap.share if swap else 0.0,
    hears_features=conditioning.local is not None,
  )
  return Measurement(health, output.log_scale)


def _run_flows(student, conditioning, z):
  """-> `FlowOutput` of the student, and the log-scales of each flow."""
  output, log_scales = flows.identity(z), []
  for flow in student.flows(conditioning):
    loc, log_scale = flow.function.whole(output.waveform)
    output = flows.extend(output, loc, log_scale)
    log_scales.append(log_scale)
  return output, log_scales


def level(waveform) -> Level:
  """Waveforms `[B, T]` -> their common level."""
  return Level(
    tf.reduce_mean(tf.abs(waveform)),
    tf.math.reduce_std(waveform),
    _decibels(tf.reduce_mean(waveform**2), _SMALLEST_POWER),
  )


def band_levels_db(waveform, window_samples: int):
  """RMS level of each band of `BAND_EDGES` in dBFS, `BAND_FLOOR_DBFS` or more.

  Frequencies belong to the band that begins with them, the Nyquist frequency
  to the last. The levels of all bands add up to that of the waveform.

  Args:
    waveform: float32 `[B, T]`, T at least `window_samples`.
    window_samples: of the STFT; half-overlapping.

  Returns:
    float32 `[bands]`, averaged over the batch and time as powers.
  """
  magnitude = audio.stft_magnitude(
    waveform, window_samples, max(window_samples // 2, 1)
  )
  bins = magnitude.shape[-1]
  power = tf.reduce_mean(magnitude**2, [0, 1])
  # An FFT that is longer than its window has as many times more bins.
  power *= window_samples / (2 * (bins - 1)) / _SPECTRUM_OF_MEAN_SQUARE
  upper = [math.ceil(edge * (bins - 1)) for edge in BAND_EDGES[:-1]]
  counts = [b - a for a, b in zip([0, *upper], [*upper, bins])]
  by_band = [tf.reduce_sum(part) for part in tf.split(power, counts)]
  return _decibels(tf.stack(by_band), 10 ** (BAND_FLOOR_DBFS / 10))


class Swap(NamedTuple):
  """What it costs to be told another's conditioning; scalars.

  Attributes:
    nats: per sample of the recordings that were told another's; about 0 for
      a teacher that ignores its conditioning.
    share: of the recordings, those; with none of them `nats` is 0.
  """

  nats: tf.Tensor
  share: tf.Tensor


def conditioning_nats(teacher, batch) -> Swap | None:
  """Ln p(recording | its conditioning) - ln p(recording | another's).

  Recordings get the features and the global vector of the crop half a batch
  away or, where these are equal to their own (the same speaker, nothing
  else), of the next one before it whose are not. With a batch of one there is
  none, so that its features are moved in time by half of their frames (what
  is said elsewhere in the same utterance), and its global vector is rolled:
  another speaker, other tags.

  Returns:
    None for a teacher that has no conditioning.
  """
  told = Conditioning.of(batch.features, batch.global_)
  if told.local is None and told.global_ is None:
    return None
  waveform = teacher.output_kind.waveform(batch.levels)

  def log_prob(conditioning):
    parameters = teacher(waveform, conditioning)
    return tf.reduce_mean(
      teacher.output_kind.log_prob(parameters, batch.levels), 1
    )

  others = _of_others(told, batch.levels.shape[0])
  swapped = tf.cast(_differs(told, others), tf.float32)
  nats = tf.math.multiply_no_nan(log_prob(told) - log_prob(others), swapped)
  return Swap(
    tf.math.divide_no_nan(tf.reduce_sum(nats), tf.reduce_sum(swapped)),
    tf.reduce_mean(swapped),
  )


def _of_others(told, crops):
  def rolled(x):
    return None if x is None else tf.roll(x, max(x.shape[1] // 2, 1), 1)

  if crops == 1:
    return Conditioning(*map(rolled, told))
  # [B, B - 1]: all others, beginning half a batch away.
  away = crops // 2 + np.arange(crops - 1)
  away = np.where(away < crops, away, away - crops + 1)
  candidates = (np.arange(crops)[:, None] - away) % crops
  different = tf.stack(
    [_differs(told, _rows(told, of)) for of in candidates.T], 1
  )
  first = tf.argmax(tf.cast(different, tf.int32), 1)
  return _rows(told, tf.gather(tf.constant(candidates), first, batch_dims=1))


def _rows(told, indices):
  return Conditioning(
    *(None if x is None else tf.gather(x, indices) for x in told)
  )


def _differs(told, others):
  """Bool `[B]`: rows in which any number differs."""
  found = [
    tf.reduce_any(a != b, list(range(1, len(a.shape))))
    for a, b in zip(told, others)
    if a is not None
  ]
  return tf.reduce_any(tf.stack(found), 0)


def _share(condition):
  return tf.reduce_mean(tf.cast(condition, tf.float32))


def _decibels(power, floor):
  return 10.0 / math.log(10.0) * tf.math.log(tf.maximum(power, floor))


def scalars(health: Health) -> dict[str, float]:
  """Every number of `Health` under a name of its own."""
  found = {
    f'{who}/{name}': value
    for who in ('student', 'recording')
    for name, value in getattr(health, who)._asdict().items()
  }
  for percent, value in zip(PERCENTILES, health.log_scale_percentiles):
    found[f'log_scale/percentile_{percent}'] = value
  for name, value in zip(band_names(health), health.band_difference_db):
    found[f'band_difference_db/{name.replace(" ", "_")}'] = value
  found['noise_deviation'] = health.noise_deviation
  if health.conditioning_nats is not None and float(health.swapped_share) > 0:
    found['conditioning_nats'] = health.conditioning_nats
  found['clipped_share'] = health.clipped_share
  for flow, value in enumerate(health.floor_shares):
    found[f'floor_share/flow_{flow}'] = value
  return {name: float(value) for name, value in found.items()}


def band_names(health: Health) -> list[str]:
  """What each of `band_difference_db` is about: '0 to 250 Hz'."""
  edges = [round(float(edge)) for edge in health.band_edges_hz]
  return [f'{low} to {high} Hz' for low, high in itertools.pairwise(edges)]


def write_summaries(measurement: Measurement, step: int) -> None:
  """Scalars and a histogram into the current summary writer."""
  for name, value in scalars(measurement.health).items():
    tf.summary.scalar(f'health/{name}', value, step)
  tf.summary.histogram('health/log_scale', measurement.log_scale, step)
