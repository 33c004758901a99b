"""Pictures and sounds of the chapter on what a student learns from."""

import dataclasses
import functools

from matplotlib.figure import Figure
import numpy as np
import scipy.signal
import tensorflow as tf

from docs.tutorial.distilling import (
  course,
  MEASURED_EVERY,
  untrained_classifier,
  Weights,
)
from docs.tutorial.example import as_heard, recording, Sound, voice
from wavenet_tf.learning import losses
from wavenet_tf.networks.conditioning.conditioning import Conditioning

_GAMMA = 0.3
DIVERGENCE = Weights(cross_entropy=1.0, entropy=1.0)
SPECTRA = Weights(stft=1.0)
# As the presets weigh them, if at other steps; and as the paper has it.
BOTH = SPECTRA._replace(cross_entropy=0.1, entropy=0.1)
POWER = DIVERGENCE._replace(power=10.0)
STYLE = DIVERGENCE._replace(style=1.0)
CONTRASTIVE = DIVERGENCE._replace(contrastive=_GAMMA)
_FIRST_FRAME, _LAST_FRAME = 60, 124
_TOLD_LAST_FRAME = 92
_DRAWS = 8
_HISS = 0.002
_BLENDS = np.linspace(0, 1, 6)


def losses_falling() -> Figure:
  """Divergence and STFT loss of three students that learn from either."""
  figure = Figure(figsize=(11, 3.2), layout='constrained')
  left, right = figure.subplots(1, 2)
  for name, weights in (
    ('learns from the divergence', DIVERGENCE),
    ('learns from spectra', SPECTRA),
    ('learns from both', BOTH),
  ):
    found = course(weights)
    steps = MEASURED_EVERY * np.arange(len(found.stft))
    left.plot(steps, found.divergence, 'o-', label=name)
    right.plot(steps, found.stft, 'o-', label=name)
  left.set(title='divergence', ylabel='nats a sample')
  right.set(title='STFT loss')
  for axes in figure.axes:
    axes.set(xlabel='steps')
    axes.grid(alpha=0.3)
  right.legend(loc='center right')
  return figure


def damages(waveform: np.ndarray) -> dict[str, np.ndarray]:
  """A recording `[T]`, worse in several ways."""
  random = np.random.default_rng(0)
  _, _, spectra = scipy.signal.stft(waveform, nperseg=1024)
  phases = np.exp(2j * np.pi * random.uniform(size=spectra.shape))
  _, whisper = scipy.signal.istft(np.abs(spectra) * phases, nperseg=1024)
  return {
    'half as loud': waveform / 2,
    '12 ms late': np.roll(waveform, voice().config.audio.hop_samples),
    'hiss': waveform + random.normal(0, _HISS, waveform.shape),
    'random phase': whisper[: len(waveform)],
    'another sentence': recording(2).waveform[: len(waveform)],
  }


def noticed(waveform: np.ndarray, recorded: np.ndarray) -> dict[str, float]:
  """Each loss of a waveform `[T]`, three quarters of a second of it."""
  config = voice().config
  settings = dataclasses.replace(config.distillation, power_relative=True)
  hop = config.audio.hop_samples
  crop = slice(_FIRST_FRAME * hop, _LAST_FRAME * hop)
  x, y = (tf.constant(w[None, crop], tf.float32) for w in (waveform, recorded))
  heard, wanted = (untrained_classifier().activations(w) for w in (x, y))
  rate_hz = config.audio.sample_rate_hz
  return {
    'power': float(losses.power_loss(x, y, settings, rate_hz)),
    'STFT': float(losses.stft_loss(x, y, settings)),
    'style': float(losses.style_loss(heard, wanted)),
    'features': float(losses.feature_loss(heard, wanted)),
    'teacher': _nats(waveform, recorded) - _nats(recorded, recorded),
  }


def _nats(waveform, recorded):
  """What a waveform costs the teacher, who is told the recording's log-mel."""
  told = as_heard(voice(), recorded, _FIRST_FRAME, _LAST_FRAME).conditioning
  levels = as_heard(voice(), waveform, _FIRST_FRAME, _LAST_FRAME).levels
  teacher = voice().teacher
  found = teacher.log_prob(levels, told, teacher.initial_state(1))[0]
  return -float(tf.reduce_mean(found))


def who_notices() -> Figure:
  """Losses of damaged recordings, as a share of that of another sentence."""
  length = min(len(recording(n).waveform) for n in (1, 2))
  recorded = recording().waveform[:length]
  rows = {
    name: noticed(np.float32(worse), recorded)
    for name, worse in damages(recorded).items()
  }
  values = np.array([list(row.values()) for row in rows.values()])
  shares = values / values[-1]
  figure = Figure(figsize=(8, 3.6), layout='constrained')
  axes = figure.subplots()
  axes.imshow(np.clip(shares, 0, 1), cmap='Blues', vmin=0, vmax=1.4,
              aspect='auto')  # fmt: skip
  axes.set_xticks(range(values.shape[1]), list(rows['hiss']))
  axes.set_yticks(range(len(rows)), list(rows))
  for (i, j), share in np.ndenumerate(shares):
    axes.text(j, i, f'{share:.0%}', ha='center', va='center')
  axes.set_title('what each loss charges, as a share of another sentence')
  return figure


def two_tellings() -> Figure:
  """Divergences of a student that is told between two sentences."""
  own, other = (
    as_heard(
      voice(), recording(number).waveform, _FIRST_FRAME, _TOLD_LAST_FRAME
    )
    for number in (1, 2)
  )
  told = [heard.conditioning.local for heard in (own, other)]
  of_own, of_other = np.array(
    [
      _divergences((1 - blend) * told[0] + blend * told[1], told)
      for blend in _BLENDS
    ]
  ).T
  figure = Figure(figsize=(8, 3.4), layout='constrained')
  axes = figure.subplots()
  axes.plot(_BLENDS, of_own, 'o-', label='from the teacher who is told A')
  axes.plot(_BLENDS, of_other, 'o-', label='from the teacher who is told B')
  axes.plot(_BLENDS, of_own - _GAMMA * of_other, 'o--', color='black',
            label=f'contrastive: A - {_GAMMA} B')  # fmt: skip
  axes.set(
    xlabel='what the student is told: A (0) to B (1)',
    ylabel='nats a sample',
    title='divergence of the student',
  )
  axes.grid(alpha=0.3)
  axes.legend()
  return figure


def _divergences(student_told, told) -> list[float]:
  """Of a student from teachers who are told something else, nats a sample."""
  student, teacher = voice().student, voice().teacher
  samples = (_TOLD_LAST_FRAME - _FIRST_FRAME) * voice().config.audio.hop_samples
  z = student.family.standard_noise([1, samples], [0, 0])
  draws = student.family.standard_noise([_DRAWS, 1, samples], [1, 0])
  said = student(z, Conditioning(student_told))
  heard = tf.repeat(said.waveform, len(told), 0)
  parameters = teacher(heard, Conditioning(tf.concat(told, 0)))
  cross_entropies = [
    losses.sampled_cross_entropy(
      functools.partial(teacher.output_kind.log_density, of_one[None]),
      said,
      draws,
    )
    for of_one in tf.unstack(parameters)
  ]
  entropy = student.family.entropy(said.log_scale)
  return [float(found - entropy) for found in cross_entropies]


def learned_from(weights: Weights) -> Sound:
  """The sentence by a student that went on learning."""
  return Sound(course(weights).waveform, recording().rate_hz)


def told_two_sentences() -> Sound:
  """The student, told the mean of the log-mels of two sentences."""
  mels = [voice().features(recording(n).waveform) for n in (1, 2)]
  frames = min(map(len, mels))
  said = voice().speak((mels[0][:frames] + mels[1][:frames]) / 2)
  return Sound(said, recording().rate_hz)


PICTURES = {
  'who_notices.png': who_notices,
  'losses_falling.png': losses_falling,
  'two_tellings.png': two_tellings,
}
SOUNDS = {
  'divergence_alone': functools.partial(learned_from, DIVERGENCE),
  'spectra_alone': functools.partial(learned_from, SPECTRA),
  'divergence_and_spectra': functools.partial(learned_from, BOTH),
  'divergence_and_power': functools.partial(learned_from, POWER),
  'divergence_and_style': functools.partial(learned_from, STYLE),
  'divergence_and_contrast': functools.partial(learned_from, CONTRASTIVE),
  'told_two_sentences': told_two_sentences,
}
