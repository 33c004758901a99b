"""Why distillation needs its entropy term (appendix of 1711.10433).

python -m docs.map_collapse      # writes docs/map_collapse.png

The teacher here is white noise, x_t ~ Normal(0, sigma). Its most likely
waveform is silence, and a student that learns from H(P_S, P_T) alone becomes
that. With KL(P_S || P_T) = H(P_S, P_T) - H(P_S) it becomes noise as loud as
the teacher's. In closed form, for a student x_t ~ Logistic(0, s),

  H(P_S, P_T) = ln(sigma sqrt(2 pi)) + s^2 pi^2 / (6 sigma^2),
  H(P_S)      = ln s + 2;

the first is smallest for s = 0, their difference for s = sigma sqrt(3) / pi,
whose standard deviation s pi / sqrt(3) is sigma.
"""

import math
import pathlib
import random
from typing import NamedTuple

import keras
from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

from wavenet_tf.configuration import presets
from wavenet_tf.configuration.config import Config, override
from wavenet_tf.learning import losses
from wavenet_tf.networks.conditioning.upsampling import example_conditioning
from wavenet_tf.networks.student import build_student
from wavenet_tf.signal import noise

STEPS = 250
TEACHER_DEVIATION = 0.1
_CROP_FRAMES = 20
_CROPS = 4
_DRAWS = 8
_LEARNING_RATE = 4e-3
_SHOWN_SAMPLES = 200
_PICTURE = pathlib.Path(__file__).with_suffix('.png')


class Course(NamedTuple):
  """A training.

  Attributes:
    deviations: standard deviation of the student's waveform before each step,
      `[steps]`.
    waveform: what it says at the end, `[T]`.
  """

  deviations: np.ndarray
  waveform: np.ndarray


def miniature() -> Config:
  """A student of two flows of three layers, which trains in seconds."""
  return override(
    presets.preset('tiny'),
    {
      'audio.hop_samples': 20,
      'audio.mel_bins': 4,
      'conditioning.upsample_factors': (4, 5),
      'conditioning.channels': 4,
      'student.flow_layers': (3, 3),
      'student.layers_per_cycle': 3,
      'student.residual_channels': 8,
      'student.gate_channels': 8,
      # Too quiet at first, so that one has to rise and the other to fall.
      'student.initial_scale': 0.01,
    },
  )


def log_density(x):
  """Ln p_T(x_t | x_<t) of white noise, which has no memory; nats."""
  return -0.5 * (x / TEACHER_DEVIATION) ** 2 - math.log(
    TEACHER_DEVIATION * math.sqrt(2.0 * math.pi)
  )


def train(with_entropy: bool, steps: int = STEPS, seed: int = 0) -> Course:
  """Distils the white noise into a student.

  Args:
    with_entropy: whether H(P_S) is subtracted, as it should be.
    steps: of Adam.
    seed: of weights and noise.
  """
  config = miniature()
  random.seed(seed)  # Keras draws the seeds of its initializers from it.
  student = build_student(config)
  conditioning = example_conditioning(config, _CROP_FRAMES)
  samples = _CROP_FRAMES * config.audio.hop_samples
  optimizer = keras.optimizers.Adam(
    keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)
  )
  optimizer.build(student.trainable_variables)

  def speak(step):
    z = student.family.standard_noise([_CROPS, samples], [seed, step])
    return student(z, _repeated(conditioning, _CROPS))

  @tf.function(jit_compile=True, autograph=False)
  def take_step(step):
    draws = student.family.standard_noise(
      [_DRAWS, _CROPS, samples], noise.another(tf.stack([seed, step]))
    )
    with tf.GradientTape() as tape:
      output = speak(step)
      loss = losses.sampled_cross_entropy(log_density, output, draws)
      if with_entropy:
        loss -= student.family.entropy(output.log_scale)
    gradients = tape.gradient(
      loss, [v.value for v in student.trainable_variables]
    )
    optimizer.apply(gradients, student.trainable_variables)
    return tf.math.reduce_std(output.waveform)

  deviations = [take_step(tf.constant(step)) for step in range(steps)]
  return Course(np.array(deviations), speak(steps).waveform[0].numpy())


def _repeated(conditioning, crops):
  return conditioning._replace(local=tf.repeat(conditioning.local, crops, 0))


def draw(with_entropy: Course, without_entropy: Course):
  """Standard deviations against steps, and what each of them says."""
  teacher = np.random.default_rng(0).normal(0, TEACHER_DEVIATION, 1000)
  figure = Figure(figsize=(9.5, 4.5), layout='constrained')
  grid = figure.add_gridspec(3, 2, width_ratios=(1.15, 1))
  curves = figure.add_subplot(grid[:, 0])
  courses = {
    'student with entropy: $H(P_S, P_T) - H(P_S)$': (with_entropy, 'C0'),
    'student without entropy: $H(P_S, P_T)$': (without_entropy, 'C3'),
  }
  for name, (course, color) in courses.items():
    curves.plot(course.deviations, color=color, label=name)
  curves.axhline(
    TEACHER_DEVIATION,
    color='black',
    linestyle='--',
    label=f'teacher: $\\sigma$ = {TEACHER_DEVIATION}',
  )
  curves.set(
    yscale='log',
    xlabel='training step',
    ylabel='standard deviation (full scale is 1)',
  )
  curves.grid(alpha=0.3)
  curves.legend(loc='center right')
  shown = {
    'teacher': (teacher, 'black'),
    'student with entropy': (with_entropy.waveform, 'C0'),
    'student without entropy': (without_entropy.waveform, 'C3'),
  }
  for row, (name, (waveform, color)) in enumerate(shown.items()):
    axes = figure.add_subplot(grid[row, 1])
    axes.plot(waveform[:_SHOWN_SAMPLES], color=color, linewidth=0.8)
    axes.set_title(name, fontsize='medium', loc='left')
    axes.set_ylim(-4 * TEACHER_DEVIATION, 4 * TEACHER_DEVIATION)
    axes.set_ylabel('amplitude')
    axes.grid(alpha=0.3)
    axes.tick_params(labelbottom=row == len(shown) - 1)
  axes.set_xlabel('sample')
  return figure


def main() -> None:
  figure = draw(train(with_entropy=True), train(with_entropy=False))
  figure.savefig(_PICTURE, dpi=90)
  print(_PICTURE)


if __name__ == '__main__':
  main()
