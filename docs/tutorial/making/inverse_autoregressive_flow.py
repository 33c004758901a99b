"""Pictures and sounds of the chapter on the inverse autoregressive flow."""

import functools

from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

from docs.tutorial.example import as_heard, recording, Sound, voice
from wavenet_tf.showing.figures.flow_steps import flow_pictures, flow_steps
from wavenet_tf.signal import quantization
from wavenet_tf.signal.emphasis import de_emphasise

# Of the recording: what is drawn; all of it is played.
_FIRST_FRAME, _LAST_FRAME = 60, 120
_ASKED = 24
# RMS of what is played, in front of `example.as_played`.
_LOUDNESS = 0.02


def noise_becomes_speech() -> Figure:
  """Noise, every flow, and the recording whose log-mel was told."""
  heard = as_heard(voice(), recording().waveform, _FIRST_FRAME, _LAST_FRAME)
  audio = voice().config.audio
  samples = heard.levels.shape[1]
  start = _FIRST_FRAME * audio.hop_samples
  student = voice().student
  figure = flow_pictures(
    flow_steps(student, heard.conditioning, samples, [0, 0]),
    recording().waveform[start : start + samples],
    voice().config.student.base,
    audio,
  )
  figure.set_size_inches(6.2, 7.6)
  return figure


def noise_is_heard() -> Figure:
  """Derivative of each sample by each noise: a triangle with its diagonal."""
  heard = as_heard(voice(), recording().waveform, _FIRST_FRAME, 68)
  student = voice().student
  z = student.family.standard_noise(heard.levels.shape, [0, 0])
  with tf.GradientTape(persistent=True) as tape:
    tape.watch(z)
    said = student(z, heard.conditioning).waveform
    asked = tf.unstack(said[0, -_ASKED:], _ASKED)
  rows = [tape.gradient(x, z)[0, -_ASKED:].numpy() for x in asked]
  found = np.abs(np.stack(rows))
  figure = Figure(figsize=(5.6, 4.6), layout='constrained')
  axes = figure.subplots()
  drawn = axes.imshow(
    np.log10(np.where(found > 0, found, np.nan)),
    cmap='viridis',
    extent=(-0.5, _ASKED - 0.5, _ASKED - 0.5, -0.5),
  )
  axes.set(
    title='which sample hears which noise, measured\n(white: not at all)',
    xlabel='noise s',
    ylabel='sample t',
  )
  figure.colorbar(drawn, label='log10 of the derivative')
  return figure


@functools.cache
def _steps():
  waveform = recording().waveform
  heard = as_heard(voice(), waveform)
  samples = heard.levels.shape[1]
  return flow_steps(voice().student, heard.conditioning, samples, [0, 0])


def after_flow(number: int) -> Sound:
  """What has become of the noise; all are equally loud."""
  step = tf.constant(_steps()[number][None])
  if number:
    step = de_emphasise(step, voice().config.audio.preemphasis)
  waveform = step[0].numpy()
  loudness = 10 ** (quantization.rms_dbfs(waveform) / 20)
  return Sound(waveform * _LOUDNESS / loudness, recording().rate_hz)


PICTURES = {
  'noise_becomes_speech.png': noise_becomes_speech,
  'noise_is_heard.png': noise_is_heard,
}
SOUNDS = {
  'noise': functools.partial(after_flow, 0),
  'after_flow_1': functools.partial(after_flow, 1),
  'after_flow_2': functools.partial(after_flow, 2),
  'after_flow_3': functools.partial(after_flow, 3),
  'after_flow_4': functools.partial(after_flow, 4),
}
