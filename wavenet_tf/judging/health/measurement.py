"""Is a distillation healthy? A falling loss alone does not say so.

`measure` looks at what students are known to fail at: too quiet, deaf to the
conditioning, a collapsed or saturated scale, a missing band. `diagnosis.py`
reads what it finds.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from wavenet_tf.configuration.config import Config
from wavenet_tf.judging.health.hearing import conditioning_nats
from wavenet_tf.judging.health.loudness import (
  BAND_EDGES,
  band_levels_db,
  Level,
  level,
)
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.student import Student
from wavenet_tf.networks.teacher import Teacher
from wavenet_tf.probability import flows
from wavenet_tf.signal import emphasis

# Crops of a measurement: enough that a pause in some of them does not decide.
CROPS = 8
PERCENTILES = (5, 50, 95)


class Health(NamedTuple):
  """What `measure` finds; float32.

  Attributes:
    student: level of the student's waveforms, as they are heard.
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


def fixed_batch(batches: Sequence, crops: int = CROPS) -> Any:
  """Joins some of many batches of one crop, spread evenly over them."""
  count = min(crops, len(batches))
  chosen = [batches[i * len(batches) // count] for i in range(count)]
  return tf.nest.map_structure(
    lambda *x: None if x[0] is None else tf.concat(x, 0), *chosen
  )


def measurer(
  teacher: Teacher, student: Student, batches: Sequence, config: Config
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


def measure(
  teacher: Teacher,
  student: Student,
  batch: Any,
  seed: tf.Tensor,
  config: Config,
) -> Measurement:
  """Measures a student and the conditioning of its teacher; pure.

  Args:
    teacher: frozen.
    student: at any point of its training.
    batch: `data.shards.crops.Batch` of validation crops `[B, T]`.
    seed: int32 `[2]`, of the student's noise.
    config: of the run; for the sample rate and the longest window of the
      power loss.
  """
  conditioning = Conditioning.of(batch.features, batch.global_)
  preemphasis = config.audio.preemphasis
  recording = emphasis.de_emphasise(
    teacher.output_kind.waveform(batch.levels), preemphasis
  )
  z = student.family.standard_noise(recording.shape, seed)
  output, log_scales = _run_flows(student, conditioning, z)
  waveform = emphasis.de_emphasise(output.waveform, preemphasis)
  window = max(config.distillation.power_window_samples)
  percentiles = tfp.stats.percentile(
    output.log_scale, PERCENTILES, interpolation='linear'
  )
  swap = conditioning_nats(teacher, batch)
  health = Health(
    student=level(waveform),
    recording=level(recording),
    log_scale_percentiles=percentiles,
    noise_deviation=tf.exp(percentiles[PERCENTILES.index(50)])
    * student.family.standard().stddev(),
    band_edges_hz=tf.constant([0.0, *BAND_EDGES], tf.float32)
    * (config.audio.sample_rate_hz / 2),
    band_difference_db=band_levels_db(waveform, window)
    - band_levels_db(recording, window),
    conditioning_nats=swap and swap.nats,
    clipped_share=_share(tf.abs(waveform) >= 1.0),
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


def _share(condition):
  return tf.reduce_mean(tf.cast(condition, tf.float32))
