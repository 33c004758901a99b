"""The residual block as built: its shapes are read from a teacher's weights."""

import textwrap

from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from wavenet_tf.networks.stack import blocks
from wavenet_tf.networks.teacher import Teacher


def residual_block(teacher: Teacher) -> Figure:
  """Fig. 4 of 1609.03499 with the shapes of this teacher's own weights."""
  net = teacher.network
  block = net.stack.blocks[0]
  figure = Figure(figsize=(11, 8), layout='constrained')
  axes = figure.subplots()
  axes.set(xlim=(0, 11), ylim=(0, 8.2))
  axes.axis('off')
  _draw_block(axes, net, block)
  _draw_head(axes, net)
  dilations = ', '.join(str(b.convolution.dilation) for b in net.stack.blocks)
  axes.set_title(
    textwrap.fill(
      f'the residual block as built: {len(net.stack.blocks)} of them, '
      f'dilations {dilations}',
      100,
    )
  )
  return figure


def _shape(layer):
  """The shape of a layer's kernel, and whether a bias is added."""
  shape = ' x '.join(map(str, layer.kernel.shape))
  return f'[{shape}]' + (' + bias' if layer.use_bias else '')


def _draw_block(axes, net, block):
  convolution = block.convolution
  taps, channels = convolution.kernel_size, block.residual_channels
  gated = block.activate is blocks.gated_unit
  inputs = f'{taps} taps x {channels}'
  name = 'dilated convolution'
  if convolution.beside_channels:
    inputs += f' + {convolution.beside_channels} local'
    name += ' and local conditioning'
  axes.add_patch(
    Rectangle((0.3, 1.35), 5.9, 5.9, facecolor='0.96', edgecolor='0.7')
  )
  _box(axes, 3.2, 0.6, f'causal convolution (entrance)\n'
       f'{_shape(net.entrance.product)}', 'C7')  # fmt: skip
  _box(axes, 3.2, 2.3, f'{name}\n'
       f'{_shape(convolution.product)}: {inputs}', 'C0')  # fmt: skip
  if gated:
    for x, name in ((2.2, 'tanh'), (4.2, 'sigmoid')):
      _box(axes, x, 3.6, f'{name}\n{block.gate_channels} channels', 'C1', 1.6)
      _arrow(axes, (x, 2.65), (x, 3.25))
      _arrow(axes, (x, 3.95), (3.2, 4.55))
    _box(axes, 3.2, 4.75, 'product: gates z', 'C1', 2.2, 0.4)
  else:
    _box(axes, 3.2, 3.9, f'ReLU\n{block.gate_channels} channels', 'C1', 2.2)
    _arrow(axes, (3.2, 2.65), (3.2, 3.55))
    _arrow(axes, (3.2, 4.25), (3.2, 4.55))
    _box(axes, 3.2, 4.75, 'z', 'C1', 2.2, 0.4)
  projection = block.projection
  _box(axes, 3.2, 5.75, '1x1: residual\n'
       + (_shape(projection) if projection else 'none'), 'C2', 2.6)  # fmt: skip
  _box(axes, 3.2, 6.85, '+', 'C2', 0.5, 0.4)
  for start, end in (
    ((3.2, 0.95), (3.2, 1.95)),
    ((3.2, 4.95), (3.2, 5.4)),
    ((3.2, 6.1), (3.2, 6.65)),
    ((3.2, 7.05), (3.2, 7.6)),
  ):
    _arrow(axes, start, end)  # fmt: skip
  axes.plot([3.2, 0.5, 0.5], [1.6, 1.6, 6.85], color='0.3', linewidth=1.2)
  _arrow(axes, (0.5, 6.85), (2.95, 6.85))
  axes.text(0.6, 6.95, 'residual', color='0.3')
  axes.text(3.2, 7.7, f'next block: {channels} channels', ha='center')
  if net.stack.global_projection.built:
    embedded, width = net.stack.global_projection.kernel.shape
    _box(
      axes,
      8.9,
      2.3,
      f'global conditioning of all blocks [{embedded} x {width}]\n'
      f'{net.stack.width} channels of it are added in this one',
      'C4',
      4.0,
    )
    _arrow(axes, (6.9, 2.3), (5.7, 2.3))


def _draw_head(axes, net):
  _arrow(axes, (4.3, 4.75), (7.25, 4.75))
  parts = [('ReLU, 1x1', _shape(net.hidden)),
           ('ReLU, 1x1: parameters', _shape(net.output_layer))]  # fmt: skip
  if net.skip is not None:
    parts.insert(0, ('1x1: skip, of all gates at once', _shape(net.skip)))
  for i, (name, shape) in enumerate(parts):
    y = 4.75 + 1.1 * i
    _box(axes, 8.9, y, f'{name}\n{shape}', 'C3', 3.3)
    if i:
      _arrow(axes, (8.9, y - 0.75), (8.9, y - 0.35))
  axes.text(6.3, 4.9, 'skip', color='0.3')


def _box(axes, x, y, text, color, width=5.0, height=0.7):
  axes.add_patch(
    Rectangle(
      (x - width / 2, y - height / 2),
      width,
      height,
      facecolor=to_rgba(color, 0.25),
      edgecolor=color,
      zorder=3,
    )
  )
  axes.text(x, y, text, ha='center', va='center', zorder=4, fontsize='medium')


def _arrow(axes, start, end):
  axes.annotate(
    '', end, start, arrowprops={'arrowstyle': '-|>', 'color': '0.3'}, zorder=2
  )
