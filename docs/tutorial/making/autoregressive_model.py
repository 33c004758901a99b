"""Pictures and sounds of the chapter on autoregression."""

import functools
import itertools

from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

from docs.tutorial.example import as_heard, recording, Sound, voice
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.showing.figures.predictions import densities
from wavenet_tf.signal import quantization
from wavenet_tf.speaking.after_recording import AfterRecording
from wavenet_tf.speaking.chunks import recorded_windows

# Of the recording: a vowel, after as many frames as the teacher hears.
_FIRST_FRAME, _LAST_FRAME = 60, 70
_SHOWN_SAMPLES = 56
_DRAWN = 4
_ASKED = 24


def predict_draw_append() -> Figure:
  """Four steps of generation: the prediction, the draw, the longer past."""
  teacher = voice().teacher
  output = teacher.output_kind
  heard = as_heard(voice(), free_run().waveform, _FIRST_FRAME, _LAST_FRAME)
  waveform = output.waveform(heard.levels).numpy()
  start = waveform.shape[1] - _DRAWN
  limit = 1.3 * np.abs(waveform[0, start - _SHOWN_SAMPLES :]).max()
  amplitudes = np.linspace(-limit, limit, 400)
  figure = Figure(figsize=(11, 3.2), layout='constrained')
  for i, axes in enumerate(figure.subplots(1, _DRAWN, sharey=True)):
    t = start + i
    parameters = teacher(waveform, heard.conditioning)[0, t : t + 1]
    density = densities(teacher, parameters, amplitudes)[:, 0]
    drawn = output.sample(parameters, output.noise([1], tf.constant([4, i])))
    waveform[0, t] = drawn[0]
    times = np.arange(-_SHOWN_SAMPLES, 0)
    axes.plot(times, waveform[0, t - _SHOWN_SAMPLES : t], '.-', color='black',
              linewidth=0.8, markersize=3)  # fmt: skip
    axes.fill_betweenx(
      amplitudes, 0, 14 * density / density.max(), color='C0', alpha=0.45
    )
    axes.plot(0, drawn[0], 'o', color='C3', markersize=5)
    axes.set(title=f'sample {i + 1}', xlim=(-_SHOWN_SAMPLES, 15))
    axes.set_xlabel('samples from the next one')
    axes.grid(alpha=0.3)
  figure.axes[0].set_ylabel('amplitude (pre-emphasised)')
  figure.suptitle(
    'what was said (black), how likely the next sample is (blue), what is '
    'drawn (red)'
  )
  return figure


def who_hears_whom() -> Figure:
  """Derivative of each prediction by each sample: a strict triangle."""
  teacher = voice().teacher
  heard = as_heard(voice(), recording().waveform, _FIRST_FRAME, _LAST_FRAME)
  inputs = teacher.encode(teacher.output_kind.waveform(heard.levels))
  with tf.GradientTape(persistent=True) as tape:
    tape.watch(inputs)
    parameters, _ = teacher.chunk_of_inputs(
      inputs, None, heard.conditioning, teacher.initial_state(1)
    )
    direction = tf.random.stateless_normal(parameters.shape[-1:], [0, 0])
    asked = tf.unstack(
      tf.tensordot(parameters[0, -_ASKED:], direction, 1), _ASKED
    )
  rows = [tape.gradient(y, inputs)[0, -_ASKED:, 0].numpy() for y in asked]
  found = np.abs(np.stack(rows))
  figure = Figure(figsize=(5.6, 4.6), layout='constrained')
  axes = figure.subplots()
  drawn = axes.imshow(
    np.log10(np.where(found > 0, found, np.nan)),
    cmap='viridis',
    extent=(-0.5, _ASKED - 0.5, _ASKED - 0.5, -0.5),
  )
  axes.set(
    title='which prediction hears which sample, measured\n(white: not at all)',
    xlabel='sample s that is heard',
    ylabel='sample t that is predicted',
  )
  figure.colorbar(drawn, label='log10 of the derivative')
  return figure


def after_recording() -> Sound:
  """A draw of every sample, each after the real past."""
  draw = AfterRecording(voice().teacher, voice().config)
  drawn = draw(_levels(), _mel(), seed=[0, 0])
  return Sound(drawn[0], recording().rate_hz)


def surprise() -> Sound:
  """What the past does not tell: sample minus expected sample, 12 dB louder.

  Pre-emphasis adds to both the same share of the past, so that this is the
  surprise of what is heard.
  """
  teacher, config = voice().teacher, voice().config
  output, state = teacher.output_kind, teacher.initial_state(1)
  found = []
  for chunk in recorded_windows(
    _levels(), _mel(), itertools.repeat(config.evaluate.chunk_frames), config
  ):
    waveform = output.waveform(chunk.levels)
    parameters, state = teacher.chunk(
      waveform, Conditioning(chunk.features), state
    )
    difference = waveform - output.mean(parameters)
    found.append(difference[0, : chunk.samples].numpy())
  return Sound(4 * np.concatenate(found), recording().rate_hz)


@functools.cache
def free_run() -> Sound:
  """The teacher after its own samples."""
  spoken = voice().speak(_mel()[0].numpy(), model='teacher')
  return Sound(spoken, recording().rate_hz)


def _levels():
  levels = quantization.levels_from_waveform(recording().waveform)
  return levels.numpy().astype(np.int16)


def _mel():
  return tf.constant(voice().features(recording().waveform)[None])


PICTURES = {
  'predict_draw_append.png': predict_draw_append,
  'who_hears_whom.png': who_hears_whom,
}
SOUNDS = {
  'recording': recording,
  'after_recording': after_recording,
  'surprise': surprise,
  'free_run': free_run,
}
