"""Pictures and sounds of the chapter on the inverse autoregressive flow."""

import functools

from matplotlib.figure import Figure
import numpy as np
import scipy.signal
import tensorflow as tf

from docs.tutorial.example import as_heard, recording, Sound, voice
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.probability.flows import compose
from wavenet_tf.showing.figures.flow_steps import flow_pictures, flow_steps
from wavenet_tf.signal import quantization
from wavenet_tf.signal.emphasis import de_emphasise

_SEED = tf.constant([0, 0])
# Of the recording: what is drawn; all of it is played.
_FIRST_FRAME, _LAST_FRAME = 60, 120
# In few colours noise takes less room in a file.
_COLORS = 14
_ASKED = 24
# What the student scores, sample by sample.
_SCORED_FRAMES = 60, 66
_DISTURBANCE = 1e-4
_LOUDEST_OF = 32
_LOST = 1e9
# RMS of what is played, in front of `example.as_played`, and of what can be
# heard: flows on the way leave an offset.
_LOUDNESS = 0.02
_LOWEST_HZ = 60


def noise_becomes_speech() -> Figure:
  """Noise, every flow, and the recording whose log-mel was told."""
  heard = as_heard(voice(), recording().waveform, _FIRST_FRAME, _LAST_FRAME)
  audio = voice().config.audio
  samples = heard.levels.shape[1]
  start = _FIRST_FRAME * audio.hop_samples
  student = voice().student
  figure = flow_pictures(
    flow_steps(student, heard.conditioning, samples, _SEED),
    recording().waveform[start : start + samples],
    voice().config.student.base,
    audio,
  )
  figure.set_size_inches(8, 9.4)
  for image in (image for axes in figure.axes for image in axes.images):
    image.set(cmap=image.get_cmap().resampled(_COLORS), interpolation='nearest')
  return figure


def noise_is_heard() -> Figure:
  """Derivatives of sample, location and log-scale by each noise."""
  heard = as_heard(voice(), recording().waveform, _FIRST_FRAME, 68)
  samples = heard.levels.shape[1]
  z = voice().student.family.standard_noise([1, samples], _SEED)
  # A row for each noise that is moved.
  moved = tf.one_hot(range(samples - _ASKED, samples), samples)
  conditioning = Conditioning(tf.repeat(heard.conditioning.local, _ASKED, 0))
  z = tf.repeat(z, _ASKED, 0)
  with tf.autodiff.ForwardAccumulator(z, moved) as forward:
    output = compose(voice().student.flows(conditioning), z)
  figure = Figure(figsize=(11, 3.7), layout='constrained')
  titles = 'sample $x_t$', r'location $\mu_t$', r'log-scale $\ln s_t$'
  for axes, title, of_all in zip(figure.subplots(1, 3), titles, output):
    found = np.abs(forward.jvp(of_all)).T[-_ASKED:]
    drawn = axes.imshow(
      np.log10(np.where(found > 0, found, np.nan)),
      cmap='viridis',
      extent=(-0.5, _ASKED - 0.5, _ASKED - 0.5, -0.5),
    )
    axes.set(title=title, xlabel='noise s')
    figure.colorbar(drawn, ax=axes, shrink=0.8)
  figure.axes[0].set_ylabel('time t')
  figure.suptitle(
    'what hears which noise, through all four flows: log10 of the derivative '
    '(white: not at all)'
  )
  return figure


def noise_found() -> Figure:
  """The noise in which the student would say three waveforms.

  Its own speech, that with rounding errors of a few levels, and a recording.
  """
  heard = as_heard(voice(), recording().waveform, *_SCORED_FRAMES)
  recorded = voice().teacher.output_kind.waveform(heard.levels)
  student = voice().student
  z = student.family.standard_noise(recorded.shape, _SEED)
  said = student(z, heard.conditioning).waveform
  disturbance = np.random.default_rng(0).normal(0, _DISTURBANCE, said.shape)
  waveforms = {
    'its own speech': said,
    f'the same, disturbed by {_DISTURBANCE:g}': said + disturbance,
    'a recording': recorded,
  }
  z = tf.concat([tf.cast(x, tf.float32) for x in waveforms.values()], 0)
  local = tf.repeat(heard.conditioning.local, len(waveforms), 0)
  for flow in student.flows(Conditioning(local))[::-1]:
    z = tf.function(flow.inverse)(tf.identity(z))
  figure = Figure(figsize=(8, 3.2), layout='constrained')
  axes = figure.subplots()
  for name, found in zip(waveforms, np.abs(z)):
    loudest = found.reshape(-1, _LOUDEST_OF).max(1)
    lost = np.flatnonzero(~(loudest < _LOST))
    # What comes after that is arithmetic of infinities.
    loudest = loudest[: lost[0] + 1] if lost.size else loudest
    axes.plot(_LOUDEST_OF * np.arange(len(loudest)), loudest, label=name)
  axes.axhline(np.abs(z[0]).max(), color='black', linestyle='--', linewidth=0.8)
  axes.set(
    yscale='log',
    ylim=(1, _LOST),
    xlabel='sample',
    ylabel=f'loudest of {_LOUDEST_OF} noises',
    title='the noise in which the student would say it',
  )
  axes.grid(alpha=0.3)
  axes.legend(loc='upper right')
  return figure


@functools.cache
def _steps():
  waveform = recording().waveform
  heard = as_heard(voice(), waveform)
  samples = heard.levels.shape[1]
  return flow_steps(voice().student, heard.conditioning, samples, _SEED)


def after_flow(number: int) -> Sound:
  """What has become of the noise; all are equally loud."""
  step = _steps()[number]
  waveform = scipy.signal.sosfiltfilt(
    scipy.signal.butter(
      4, _LOWEST_HZ, 'highpass', fs=recording().rate_hz, output='sos'
    ),
    _heard(step) if number else step,
  )
  loudness = 10 ** (quantization.rms_dbfs(waveform) / 20)
  return Sound(waveform * _LOUDNESS / loudness, recording().rate_hz)


def without_noise() -> Sound:
  """What the flows say to no noise at all, as loud as it is."""
  heard = as_heard(voice(), recording().waveform)
  silence = tf.zeros(heard.levels.shape)
  said = voice().student(silence, heard.conditioning).waveform
  return Sound(_heard(said[0].numpy()), recording().rate_hz)


def _heard(waveform):
  coefficient = voice().config.audio.preemphasis
  return de_emphasise(tf.constant(waveform[None]), coefficient)[0].numpy()


PICTURES = {
  'noise_becomes_speech.png': noise_becomes_speech,
  'noise_is_heard.png': noise_is_heard,
  'noise_found.png': noise_found,
}
SOUNDS = {
  'noise': functools.partial(after_flow, 0),
  'after_flow_1': functools.partial(after_flow, 1),
  'after_flow_2': functools.partial(after_flow, 2),
  'after_flow_3': functools.partial(after_flow, 3),
  'after_flow_4': functools.partial(after_flow, 4),
  'without_noise': without_noise,
}
