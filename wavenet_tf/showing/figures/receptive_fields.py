"""Pictures of what a network sees: receptive fields as measured."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.networks.conditioning.conditioning import (
  Conditioning,
  UNCONDITIONED,
)
from wavenet_tf.networks.stack import dilated_stack
from wavenet_tf.networks.teacher import Teacher

# Layers of a cycle that are drawn, as in figs. 2 and 3 of 1609.03499.
SHOWN_LAYERS = 4


class Dependence(NamedTuple):
  """Who depends on whom in a stack of L layers over T samples.

  Attributes:
    edges: bool `[L, T, T]`; `[i, t, s]` where the output of layer i at t
      depends on its input at s.
    reached: bool `[L + 1, T]`; what the last output depends on, from the
      input to the output.
    dilations: of the layers.
  """

  edges: np.ndarray
  reached: np.ndarray
  dilations: tuple[int, ...]

  @property
  def field_samples(self) -> int:
    return int(np.sum(self.reached[0]))

  def of(self, t: int) -> 'Dependence':
    """The same stack, with what its output at t depends on."""
    reached = [np.arange(self.edges.shape[1]) == t]
    for layer in self.edges[::-1]:
      reached.append(layer[reached[-1]].any(0))
    return self._replace(reached=np.array(reached[::-1]))


def measure_dependence(
  blocks: Sequence, local_channels: int = 0, samples: int | None = None
) -> Dependence:
  """Dependence by derivatives: where one is not zero, there is a path.

  Args:
    blocks: `GatedResidualBlock`s with an output, one after the other.
    local_channels: of their local conditioning, which is silent here.
    samples: T; None: as many as the last output depends on.
  """
  if samples is None:
    samples = 1 + sum(block.convolution.history_samples for block in blocks)
  local = tf.zeros([1, samples, local_channels]) if local_channels else None
  generator = np.random.default_rng(0)
  channels = blocks[0].residual_channels
  x = tf.constant(generator.normal(size=[1, samples, channels]), tf.float32)
  edges = []
  for block in blocks:
    weights = tf.constant(generator.normal(size=[channels]), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
      tape.watch(x)
      state = block.convolution.initial_state(1, channels)
      y, _, _ = block(x, local, None, state)
      of_time = tf.tensordot(y, weights, 1)[0]
    jacobian = tape.jacobian(of_time, x, experimental_use_pfor=False)[
      :, 0
    ]  # [T, T, R]
    edges.append(np.abs(jacobian).max(-1) > 0)
    x = y
  return Dependence(
    np.array(edges),
    np.zeros([len(edges) + 1, samples], bool),
    tuple(block.convolution.dilation for block in blocks),
  ).of(samples - 1)


def dependences(
  teacher: Teacher, samples: int | None = None
) -> tuple[Dependence, Dependence]:
  """Of a stack without dilation, and of the teacher's own first layers.

  Args:
    teacher: any.
    samples: T of both; None: as many as the last output of each depends on.
  """
  stack = teacher.network.stack
  ours = [b for b in stack.blocks[:SHOWN_LAYERS] if b.projection is not None]
  first = ours[0].convolution
  plain = dilated_stack.DilatedStack(
    [1] * len(ours),
    stack.residual_channels,
    ours[0].gate_channels,
    first.kernel_size,
    returns_gates=False,
  )
  plain(
    tf.zeros([1, 1, stack.residual_channels]),
    conditioning=UNCONDITIONED,
    state=plain.initial_state(1),
  )
  return (
    measure_dependence(plain.blocks, samples=samples),
    measure_dependence(ours, first.beside_channels, samples),
  )


def influence(
  teacher: Teacher, waveform: np.ndarray, conditioning: Conditioning
) -> np.ndarray:
  """RMS derivative of the last sample's parameters by each sample, `[T]`.

  By the sample as the network hears it, since no gradient passes a mu-law
  code, and as the context stack hears it.
  """
  waveform = tf.constant(waveform, tf.float32)[None]
  total = np.zeros(waveform.shape[1])
  inputs = [teacher.encode(waveform)]
  if teacher.context:
    inputs.append(teacher.context_frames(waveform))
  with tf.GradientTape(persistent=True) as tape:
    tape.watch(inputs)
    parameters, _ = teacher.chunk_of_inputs(
      inputs[0],
      inputs[1] if teacher.context else None,
      conditioning,
      teacher.initial_state(1),
    )
    parameters = parameters[0, -1]
    # A few directions at random stand for all parameters.
    directions = tf.unstack(
      tf.random.stateless_normal([4, parameters.shape[0]], [0, 0])
    )
    projected = [tf.reduce_sum(d * parameters) for d in directions]
  for value in projected:
    for gradient in tape.gradient(value, inputs):
      # Channels of the input and samples of a frame lie side by side.
      squares = tf.reshape(gradient, [len(total), -1]) ** 2
      total += tf.reduce_sum(squares, 1).numpy()
  return np.sqrt(total / len(projected))


def receptive_fields(
  teacher: Teacher,
  config: Config,
  waveform: np.ndarray,
  conditioning: Conditioning,
) -> Figure:
  """Figs. 2 and 3 of 1609.03499 as measured, and the whole network's reach."""
  plain, dilated = dependences(teacher)
  figure = Figure(figsize=(11, 8.5), layout='constrained')
  grid = figure.add_gridspec(2, 2, height_ratios=(1.1, 1))
  titles = 'causal, without dilation', "dilated: the teacher's first layers"
  for column, (title, found) in enumerate(zip(titles, (plain, dilated))):
    axes = figure.add_subplot(grid[0, column])
    draw_dependence(axes, found, len(dilated.reached[0]))
    axes.set_title(
      f'{title}\n{len(found.edges)} layers see {found.field_samples} samples'
    )
  _draw_influence(
    figure.add_subplot(grid[1, :]), teacher, config, waveform, conditioning
  )
  return figure


def draw_dependence(axes: Axes, found: Dependence, width: int) -> None:
  """Layers above each other, `width` samples wide; what is reached is lit."""
  layer_count, samples = found.edges.shape[:2]
  times = np.arange(samples) - (samples - 1)
  for i in range(layer_count):
    for t, s in zip(*np.nonzero(found.edges[i])):
      on_path = found.reached[i + 1, t]
      axes.plot(
        [times[s], times[t]],
        [i, i + 1],
        color='C0' if on_path else '0.88',
        linewidth=1.3 if on_path else 0.6,
        zorder=2 if on_path else 1,
      )
  for i, reached in enumerate(found.reached):
    color = {0: 'C2', layer_count: 'C1'}.get(i, 'C0')
    axes.scatter(times[reached], np.full(reached.sum(), i), 45, color, zorder=3)
    axes.scatter(
      times[~reached],
      np.full((~reached).sum(), i),
      45,
      'white',
      edgecolors='0.75',
      zorder=3,
    )
  axes.set_yticks(
    range(layer_count + 1),
    ['input', *(f'layer {i}\nd = {d}' for i, d in enumerate(found.dilations))],
  )
  axes.set_xlim(-width + 0.3, 0.7)
  axes.set_xlabel('time, samples from the last')
  axes.xaxis.set_major_formatter(lambda t, _: f'{round(t)}')
  axes.spines[['top', 'right', 'left']].set_visible(False)
  axes.tick_params(left=False)


def _draw_influence(axes, teacher, config, waveform, conditioning):
  reach = config.teacher.receptive_field_samples
  plain = 1 + (config.teacher.kernel_size - 1) * (
    len(config.teacher.dilations) + 1
  )
  measured = influence(teacher, waveform, conditioning)[::-1]
  # measured[0] is the sample whose own parameters these are: not seen.
  delay = np.arange(len(measured))
  rate = config.audio.sample_rate_hz
  seen = measured > 0
  farthest = int(delay[seen].max()) if seen.any() else 0
  # A context stack hears further back than the network itself.
  limit = 1.15 * max(reach, farthest)
  shown = slice(1, min(len(measured), int(limit)))
  axes.semilogy(
    delay[shown],
    np.where(seen, measured, np.nan)[shown],
    color='C0',
    linewidth=0.8,
    label='dependence, measured on a recording',
  )
  axes.axvline(
    reach,
    color='C3',
    label=f'receptive field: {reach:,} samples, {1000 * reach / rate:.1f} ms',
  )
  axes.axvline(
    plain,
    color='C3',
    linestyle=':',
    label=f'as many layers without dilation: {plain} samples, '
    f'{1000 * plain / rate:.1f} ms',
  )
  axes.set(
    title='the whole teacher: how its prediction depends on the past '
    f'(farthest dependence: {farthest:,} samples back)',
    xlabel='samples before the predicted one',
    ylabel='RMS derivative of the parameters',
    xlim=(0, limit),
  )
  axes.grid(alpha=0.3)
  axes.legend(loc='upper right')
