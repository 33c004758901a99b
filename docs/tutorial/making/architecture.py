"""Pictures and sounds of the chapter on the architecture."""

from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

from docs.tutorial.example import as_heard, Heard, recording, Sound, voice
from docs.tutorial.making.autoregressive_model import free_run
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.probability.outputs import bits
from wavenet_tf.showing.figures.residual_block import residual_block
from wavenet_tf.signal import quantization
from wavenet_tf.speaking.after_recording import AfterRecording

_FIRST_FRAME, _LAST_FRAME = 60, 124
_SHOWN_FRAMES = 16
_SMOOTHED_SAMPLES = 441  # 20 ms.
_VOWEL_FRAME, _HELD_FRAMES = 66, 172


def block_as_built() -> Figure:
  return residual_block(voice().teacher)


def what_the_teacher_hears() -> Figure:
  """Frames, what becomes of them, and how far a sample hears."""
  teacher, config = voice().teacher, voice().config
  heard = as_heard(
    voice(), recording().waveform, _FIRST_FRAME, _FIRST_FRAME + _SHOWN_FRAMES
  )
  told = teacher.encoder(heard.conditioning).local[0].numpy()
  told = told[:, np.argsort(np.argmax(np.abs(told - told.mean(0)), 0))]
  limit = np.percentile(np.abs(told), 99)
  frames = heard.conditioning.local[0].numpy()
  hop, rate_hz = config.audio.hop_samples, config.audio.sample_rate_hz
  milliseconds = 1000 * _SHOWN_FRAMES * hop / rate_hz
  margin = MARGIN_FRAMES * 1000 * hop / rate_hz
  figure = Figure(figsize=(11, 6.4), layout='constrained')
  grid = figure.add_gridspec(3, 2, width_ratios=(2.4, 1))
  wave = figure.add_subplot(grid[0, 0])
  waveform = teacher.output_kind.waveform(heard.levels)[0]
  wave.plot(np.linspace(0, milliseconds, len(waveform)), waveform, 'k',
            linewidth=0.6)  # fmt: skip
  wave.set(title='samples, pre-emphasised', ylabel='amplitude')
  local = figure.add_subplot(grid[1, 0], sharex=wave)
  local.imshow(
    frames.T, origin='lower', aspect='auto', interpolation='nearest',
    extent=(-margin, milliseconds + margin, 0, frames.shape[1]),
  )  # fmt: skip
  local.set(
    title=f'log-mel: a column for {hop} samples, {MARGIN_FRAMES} more on '
    'either side',
    ylabel='mel bin',
  )
  rate = figure.add_subplot(grid[2, 0], sharex=wave)
  rate.imshow(
    told.T, origin='lower', aspect='auto', interpolation='nearest',
    extent=(0, milliseconds, 0, told.shape[1]), cmap='coolwarm',
    vmin=-limit, vmax=limit,
  )  # fmt: skip
  rate.set(
    title=f'what all blocks hear of it: {told.shape[1]} channels, a column a '
    'sample',
    ylabel='channel',
    xlabel='milliseconds',
  )
  wave.set_xlim(-margin, milliseconds + margin)
  _draw_reach(figure.add_subplot(grid[:, 1]), heard)
  return figure


def _draw_reach(axes, heard: Heard):
  """How much the samples of a frame depend on the frames around it."""
  teacher, hop = voice().teacher, voice().config.audio.hop_samples
  local = heard.conditioning.local
  middle = _SHOWN_FRAMES // 2
  with tf.GradientTape() as tape:
    tape.watch(local)
    told = teacher.encoder(Conditioning(local)).local[0]
    asked = told[middle * hop : (middle + 1) * hop]
    direction = tf.random.stateless_normal(asked.shape, [0, 0])
    asked = tf.reduce_sum(asked * direction)
  found = np.abs(tape.gradient(asked, local)[0].numpy()).mean(-1)
  offsets = np.arange(len(found)) - MARGIN_FRAMES - middle
  near = np.abs(offsets) <= MARGIN_FRAMES + 2
  axes.bar(offsets[near], found[near] / found.max(), color='C0')
  axes.set(
    title=f'which frames {hop} samples hear',
    xlabel='frames from their own',
    ylabel='derivative, of the greatest',
  )
  axes.grid(alpha=0.3)


def wrong_conditioning() -> Figure:
  """Bits per sample of a recording by what the teacher is told."""
  heard = _of_recording()
  own = heard.conditioning
  other = as_heard(voice(), recording(2).waveform, _FIRST_FRAME, _LAST_FRAME)
  told = {
    'its own log-mel': own,
    'its own, a frame (12 ms) late': Conditioning(tf.roll(own.local, 1, 1)),
    "another sentence's": other.conditioning,
    'silence': Conditioning(tf.fill(own.local.shape, voice().config.silence)),
  }
  rate_hz = voice().config.audio.sample_rate_hz
  figure = Figure(figsize=(11, 5), layout='constrained')
  wave, cost = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2.4))
  waveform = voice().teacher.output_kind.waveform(heard.levels)[0].numpy()
  seconds = np.arange(len(waveform)) / rate_hz
  wave.plot(seconds, waveform, color='black', linewidth=0.5)
  wave.set(ylabel='amplitude')
  for name, conditioning in told.items():
    needed = bits(_nats(heard.levels, conditioning))
    smooth = np.convolve(
      needed, np.full(_SMOOTHED_SAMPLES, 1 / _SMOOTHED_SAMPLES), 'valid'
    )
    cost.plot(
      seconds[_SMOOTHED_SAMPLES // 2 :][: len(smooth)],
      smooth,
      label=f'{name}: {needed.mean():.2f} bits',
    )
  cost.set(
    xlabel='seconds', ylabel='bits per sample, over 20 ms',
    xlim=(0, seconds[-1]),
  )  # fmt: skip
  figure.legend(title='told', loc='outside lower center', ncol=2)
  cost.grid(alpha=0.3)
  return figure


def worth_of_the_blocks() -> Figure:
  """Bits that are lost if a block says the same to the head at all times."""
  teacher = voice().teacher
  heard = as_heard(voice(), free_run().waveform, _FIRST_FRAME, _LAST_FRAME)
  net, output = teacher.network, teacher.output_kind
  gates, _ = net.before_head(
    teacher.encode(output.waveform(heard.levels)),
    teacher.encoder(heard.conditioning),
    teacher.initial_state(1).network,
  )
  blocks = net.stack.blocks
  parts = tf.split(gates, len(blocks), -1)

  @tf.function
  def nats(parts):
    parameters = net.head(tf.concat(parts, -1))
    return -tf.reduce_mean(output.log_prob(parameters, heard.levels))

  whole, lost = nats(parts), []
  for i, part in enumerate(parts):
    mean = tf.broadcast_to(tf.reduce_mean(part, 1, keepdims=True), part.shape)
    without = nats([*parts[:i], mean, *parts[i + 1 :]])
    lost.append(bits(float(without - whole)))
  figure = Figure(figsize=(9, 3.6), layout='constrained')
  axes = figure.subplots()
  axes.bar(range(len(blocks)), lost, color='C0')
  axes.set_xticks(
    range(len(blocks)), [str(b.convolution.dilation) for b in blocks]
  )
  axes.set(
    title='what the skip connection of a block is worth',
    xlabel='block, by its dilation',
    ylabel='bits per sample more without it',
  )
  axes.grid(alpha=0.3, axis='y')
  return figure


def _of_recording() -> Heard:
  return as_heard(voice(), recording().waveform, _FIRST_FRAME, _LAST_FRAME)


def _nats(levels, conditioning):
  teacher = voice().teacher
  state = teacher.initial_state(1)
  return -teacher.log_prob(levels, conditioning, state)[0][0].numpy()


def told_another() -> Sound:
  """Draws after the real past of one sentence, told the other's log-mel."""
  levels = quantization.levels_from_waveform(recording().waveform)
  levels = levels.numpy().astype(np.int16)
  own, other = _mel(1), _mel(2)
  other = np.resize(other, own.shape)
  draw = AfterRecording(voice().teacher, voice().config)
  drawn = draw(levels, tf.constant(other[None]), seed=[0, 0])
  return Sound(drawn[0], recording().rate_hz)


def spoken(mel: np.ndarray) -> Sound:
  return Sound(voice().speak(mel, model='teacher'), recording().rate_hz)


def backwards() -> Sound:
  return spoken(_mel()[::-1])


def held() -> Sound:
  """One frame of a vowel for two seconds."""
  return spoken(np.repeat(_mel()[_VOWEL_FRAME][None], _HELD_FRAMES, 0))


def _mel(number: int = 1) -> np.ndarray:
  return voice().features(recording(number).waveform)


PICTURES = {
  'block_as_built.png': block_as_built,
  'worth_of_the_blocks.png': worth_of_the_blocks,
  'what_the_teacher_hears.png': what_the_teacher_hears,
  'wrong_conditioning.png': wrong_conditioning,
}
SOUNDS = {
  'told_another': told_another,
  'backwards': backwards,
  'held': held,
}
