"""The pictures that the README begins with.

python -m docs.front a.wav    # writes docs/front_light.png, front_dark.png and
                              # speaking.gif

Everything in them is computed by voices/kathleen: what its student says of the
log-mel of a recording, what its teacher expects of each next sample of that
recording, and how either of them speaks.
"""

from collections.abc import Iterator
import pathlib
import sys

from matplotlib import style
from matplotlib.animation import PillowWriter
from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

from data.recordings import decoding
from docs.tutorial.example import as_heard
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.showing.figures.flow_steps import flow_steps
from wavenet_tf.showing.figures.predictions import densities
from wavenet_tf.signal import quantization, spectra
from wavenet_tf.signal.emphasis import de_emphasise
from wavenet_tf.signal.framing import pad_margin
from wavenet_tf.voice import load_run, Voice

_HERE = pathlib.Path(__file__).parent
_VOICE = _HERE.parent / 'voices' / 'kathleen'
_FIELD_FRAMES = 9  # As much of the past as the teacher hears.
_SHOWN_SAMPLES = 220  # Ten milliseconds.
_DECADES = 3.5
# Of the animation.
_SPOKEN_SAMPLES = 320
_SAMPLES_A_PICTURE = 8
_PICTURES_A_SECOND = 10
_REST_PICTURES = 15
_PAGE = '#0d1117'  # Of a code host at night.


def front(voice: Voice, waveform: np.ndarray, dark: bool) -> Figure:
  """What the student says, and what the teacher expects of the recording.

  Args:
    voice: with both.
    waveform: float `[T]` at its rate, as loud as it is used to.
    dark: for a dark page.
  """
  with style.context('dark_background' if dark else 'default'):
    figure = Figure(figsize=(10, 5.2), layout='constrained')
    if dark:
      figure.set_facecolor(_PAGE)
    top, middle, bottom = figure.subplots(3, 1, height_ratios=(1, 1.8, 1.6))
    top.set_facecolor(figure.get_facecolor())
    spoken = voice.speak(voice.features(waveform), model='student')
    _draw_copy(top, middle, spoken, voice.config.audio)
    _draw_prediction(bottom, voice, waveform)
  return figure


def _draw_copy(top, middle, spoken, audio):
  seconds = len(spoken) / audio.sample_rate_hz
  times = np.linspace(0, seconds, len(spoken))
  top.plot(times, spoken, linewidth=0.3, color='C0')
  top.set(xlim=(0, seconds), yticks=[])
  top.set_title('the student speaks: 22,050 samples a second, all at once',
                loc='left', fontsize='medium')  # fmt: skip
  top.tick_params(labelbottom=False)
  mel = spectra.log_mel(tf.constant(spoken[None], tf.float32), audio)[0]
  middle.imshow(
    mel.numpy().T, origin='lower', aspect='auto', cmap='magma',
    extent=(0, seconds, 0, audio.mel_bins),
  )  # fmt: skip
  middle.set(yticks=[], ylabel='log-mel', xlabel='seconds')


def _draw_prediction(axes, voice, waveform):
  """Ten milliseconds in the loudest place."""
  teacher, hop = voice.teacher, voice.config.audio.hop_samples
  power = np.convolve(np.square(waveform), np.ones(hop), 'same')
  last = max(_FIELD_FRAMES, int(np.argmax(power)) // hop) + 1
  heard = as_heard(voice, waveform, last - _FIELD_FRAMES, last)
  x = teacher.output_kind.waveform(heard.levels)
  parameters = teacher(x, heard.conditioning)[0, -_SHOWN_SAMPLES:]
  shown = x[0, -_SHOWN_SAMPLES:].numpy()
  limit = 1.3 * np.abs(shown).max()
  density = densities(teacher, parameters, np.linspace(-limit, limit, 301))
  image = np.log10(density + 1e-30)
  highest = np.percentile(image.max(0), 95)
  milliseconds = 1000 * _SHOWN_SAMPLES / voice.config.audio.sample_rate_hz
  axes.imshow(
    image, origin='lower', aspect='auto', cmap='magma',
    extent=(0, milliseconds, -limit, limit),
    vmin=highest - _DECADES, vmax=highest,
  )  # fmt: skip
  times = np.linspace(0, milliseconds, _SHOWN_SAMPLES)
  axes.plot(times, shown, '.-', color='cyan', linewidth=0.6, markersize=2.5)
  axes.set(yticks=[], xlabel='milliseconds')
  axes.set_title('the teacher expects: how likely each next sample is, before '
                 'it comes (cyan)', loc='left', fontsize='medium')  # fmt: skip


def speaking(voice: Voice, waveform: np.ndarray) -> Iterator[Figure]:
  """The teacher, sample after sample, above the student, flow after flow.

  Both say the same frames of a log-mel, from the beginning of a loud place.
  """
  hop = voice.config.audio.hop_samples
  mel = voice.features(waveform)
  first = max(0, int(np.argmax(mel.mean(1))) - 12)
  part = mel[first : first + 24]
  said = voice.speak(part, model='teacher')
  padded = pad_margin(tf.constant(part[None]), voice.config.silence)
  steps = flow_steps(
    voice.student, Conditioning(padded), 24 * hop, tf.constant([0, 0])
  )
  start = 12 * hop
  shown = slice(start, start + _SPOKEN_SAMPLES)
  said = said[shown] / np.abs(said[shown]).max()
  steps = [_heard(step, voice)[shown] for step in steps]
  steps = [step / np.abs(step).max() for step in steps]
  figure = Figure(figsize=(9, 3.6), layout='constrained')
  counts = range(0, _SPOKEN_SAMPLES + 1, _SAMPLES_A_PICTURE)
  for count in [*counts, *[_SPOKEN_SAMPLES] * _REST_PICTURES]:
    figure.clear()
    upper, lower = figure.subplots(2, 1, sharex=True)
    upper.plot(said[:count], color='C0', linewidth=1)
    upper.set_title(f'WaveNet: one sample after the other, {count} of '
                    f'{_SPOKEN_SAMPLES}', loc='left')  # fmt: skip
    flow = min(count // _SAMPLES_A_PICTURE, len(steps) - 1)
    lower.plot(steps[flow], color='C3', linewidth=1)
    now = 'noise' if flow == 0 else f'flow {flow} of {len(steps) - 1}'
    lower.set_title(f'Parallel WaveNet: all samples at once, {now}', loc='left')
    for axes in upper, lower:
      axes.set(xlim=(0, _SPOKEN_SAMPLES), ylim=(-1.1, 1.1), yticks=[])
    lower.set_xlabel('sample')
    yield figure


def _heard(step, voice):
  """Without the pre-emphasis in which networks speak."""
  coefficient = voice.config.audio.preemphasis
  return de_emphasise(tf.constant(step[None]), coefficient)[0].numpy()


def main(path: str) -> None:
  """Writes the pictures of a recording."""
  voice = load_run(_VOICE)
  rate_hz = voice.config.audio.sample_rate_hz
  levels = decoding.load(pathlib.Path(path), rate_hz)
  waveform = quantization.waveform_from_levels(levels).numpy()
  for name, dark in ('light', False), ('dark', True):
    front(voice, waveform, dark).savefig(_HERE / f'front_{name}.png', dpi=80)
  writer = PillowWriter(_PICTURES_A_SECOND)
  for i, figure in enumerate(speaking(voice, waveform)):
    if i == 0:
      writer.setup(figure, _HERE / 'speaking.gif', 60)
    writer.grab_frame()
  writer.finish()


if __name__ == '__main__':
  main(sys.argv[1])
