"""Pictures and sounds of the chapter on distillation."""

import functools

from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

from docs import map_collapse
from docs.tutorial.distilling import course, Weights
from docs.tutorial.example import as_heard, recording, Sound, voice
from wavenet_tf.configuration.config import override
from wavenet_tf.learning import losses
from wavenet_tf.probability.flows import FlowOutput
from wavenet_tf.signal.emphasis import de_emphasise
from wavenet_tf.speaking.synthesis import Synthesizer

_FIRST_FRAME, _LAST_FRAME = 60, 92
_FACTORS = 2.0 ** np.arange(-4, 3.1, 0.5)
_DRAWS = 4


def divergence_over_scale() -> Figure:
  """Both terms and their difference, of a student with other scales."""
  heard = as_heard(voice(), recording().waveform, _FIRST_FRAME, _LAST_FRAME)
  student, teacher = voice().student, voice().teacher
  z = student.family.standard_noise(heard.levels.shape, [0, 0])
  said = student(z, heard.conditioning)
  draws = student.family.standard_noise([_DRAWS, *z.shape], [1, 0])
  hear = tf.function(teacher.call)
  found = []
  for factor in _FACTORS.astype(np.float32):
    log_scale = said.log_scale + np.log(factor)
    waveform = said.location + tf.exp(log_scale) * z
    parameters = hear(waveform, heard.conditioning)
    cross_entropy = losses.sampled_cross_entropy(
      functools.partial(teacher.output_kind.log_density, parameters),
      FlowOutput(waveform, said.location, log_scale),
      draws,
    )
    found.append((cross_entropy, student.family.entropy(log_scale)))
  cross_entropy, entropy = np.array(found).T
  figure = Figure(figsize=(7, 3.8), layout='constrained')
  axes = figure.subplots()
  axes.plot(_FACTORS, cross_entropy, 'o-', label='cross-entropy H(P_S, P_T)')
  axes.plot(_FACTORS, entropy, 'o-', label='entropy H(P_S)')
  axes.plot(_FACTORS, cross_entropy - entropy, 'o-', color='C3',
            label='their difference, the divergence')  # fmt: skip
  axes.axvline(1, color='black', linewidth=0.8)
  axes.set_xscale('log', base=2)
  axes.xaxis.set_major_formatter(lambda x, _: f'{x:g}')
  axes.set(xlabel="factor on the student's scales", ylabel='nats per sample')
  axes.grid(alpha=0.3)
  axes.legend()
  return figure


def collapse() -> Figure:
  """Trained in half a minute, with the entropy and without."""
  return map_collapse.draw(
    map_collapse.train(with_entropy=True),
    map_collapse.train(with_entropy=False),
  )


def with_noise(factor: float) -> Sound:
  """The student with its noise times a factor."""
  config = override(voice().config, {'evaluate.noise_factor': factor})
  speak = Synthesizer(voice().student, config)
  mel = voice().features(recording().waveform)
  return Sound(speak(tf.constant(mel[None]), [0, 0])[0], recording().rate_hz)


def a_row_of_draws() -> Sound:
  """Each sample drawn by itself from what the student has for it."""
  heard = as_heard(voice(), recording().waveform)
  student = voice().student
  z = student.family.standard_noise(heard.levels.shape, [0, 0])
  said = student(z, heard.conditioning)
  other = student.family.standard_noise(z.shape, [1, 0])
  drawn = said.location + tf.exp(said.log_scale) * other
  heard = de_emphasise(drawn, voice().config.audio.preemphasis)
  return Sound(heard[0].numpy(), recording().rate_hz)


def without_entropy() -> Sound:
  """What the student becomes by the cross-entropy alone."""
  said = course(Weights(cross_entropy=1.0)).waveform
  return Sound(said, recording().rate_hz)


PICTURES = {
  'divergence_over_scale.png': divergence_over_scale,
  'collapse.png': collapse,
}
SOUNDS = {
  'student': functools.partial(with_noise, 1.0),
  'most_likely': functools.partial(with_noise, 0.1),
  'too_much_chance': functools.partial(with_noise, 2.0),
  'a_row_of_draws': a_row_of_draws,
  'without_entropy': without_entropy,
}
