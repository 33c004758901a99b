"""Who depends on whom in time: nothing on the future, all on the whole field.

Three probes, as each is blind somewhere. A NaN reaches everything that is
computed from it, even where weights are zero, but not through quantization. A
gradient is what learning sees. A perturbed sample leaves what does not depend
on it identical, bit by bit, whatever lies between; but a small move of what
does depend on it may be lost in rounding.
"""

import functools
import random
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import (
  miniature,
  random_student,
  random_teacher,
  randomize,
)
from tests.support.variants import LINGUISTIC, OUTPUTS, PITCH
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.configuration.networks import TeacherConfig
from wavenet_tf.networks import causal_network
from wavenet_tf.networks.conditioning.conditioning import (
  Conditioning,
  UNCONDITIONED,
)
from wavenet_tf.networks.stack import convolution
from wavenet_tf.networks.stack.dilated_stack import DilatedStack

pytestmark = pytest.mark.medium


class Reach(NamedTuple):
  """Delays, in samples, after which an input is heard, by probe."""

  nan: list[int]
  gradient: list[int]
  perturbation: list[int]


def indices(condition) -> list[int]:
  return np.flatnonzero(condition).tolist()


def delays_of_change(function, x, t, value, row=0) -> list[int]:
  """Delays at which the outputs differ once x[row, t] is replaced.

  Negative ones would be leaks. Other rows of the batch must not notice.
  """
  changed = np.array(x)
  changed[row, t] = value
  before = function(tf.constant(x)).numpy()
  after = function(tf.constant(changed)).numpy()
  assert np.isfinite(before).all()
  same = (before == after).reshape(*before.shape[:2], -1).all(-1)
  assert np.delete(same, row, 0).all()
  return [time - t for time in indices(~same[row])]


def delays_of_gradient(function, x, t, row=0) -> list[int]:
  """Delays from which the outputs at t have a gradient, in ascending order."""
  x = tf.constant(x)
  with tf.GradientTape() as tape:
    tape.watch(x)
    y = function(x)[row, t]
    # Random cotangents, as plain sums of outputs could cancel.
    total = tf.reduce_sum(y * normal(*y.shape, seed=2))
  gradient = np.abs(tape.gradient(total, x).numpy())
  moved = gradient.reshape(*gradient.shape[:2], -1).max(-1) > 0
  assert not np.delete(moved, row, 0).any()
  return [t - time for time in indices(moved[row])][::-1]


def reach(function, x, t, row=0) -> Reach:
  """All three probes of a function `[B, T]` or `[B, T, C]` -> `[B, T, ...]`.

  The first and the last probe the outputs that follow input t, the gradient
  the inputs that the last output but one follows.
  """
  return Reach(
    delays_of_change(function, x, t, np.nan, row),
    delays_of_gradient(function, x, x.shape[1] - 2, row),
    delays_of_change(function, x, t, x[row, t] + 0.7, row),
  )


def normal(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_hears(found: Reach, delays) -> None:
  """Exactly these delays; a perturbation may be lost in rounding later on."""
  delays = list(delays)
  assert found.nan == delays
  assert found.gradient == delays
  assert set(found.perturbation) <= set(delays)
  assert found.perturbation[:1] == delays[:1]


def open_rectifiers(net):
  """Lifts what ReLUs see above zero: a closed one would hide its past."""
  before = net.stack.blocks[-1].projection if net.skip is None else net.skip
  for layer in before, net.hidden:
    layer.bias.assign(layer.bias + 6.0)
  return net


# Layers, which see the present.


@pytest.mark.parametrize('kernel_size', [2, 3])
@pytest.mark.parametrize('dilation', [2**i for i in range(10)])
def test_convolution_hears_its_taps_alone(dilation, kernel_size):
  layer = convolution.CausalConvolution(3, kernel_size, dilation)
  layer.build((None, None, 2))
  randomize(layer)
  t = 11
  samples = t + kernel_size * dilation + 5
  found = reach(
    lambda x: layer(x, layer.initial_state(2, 2))[0], normal(2, samples, 2), t
  )
  assert_hears(found, range(0, kernel_size * dilation, dilation))


STACKS = [
  # Kernel size, layers per cycle, cycles.
  (2, 4, 1),
  (2, 3, 3),
  (3, 1, 1),
  (3, 2, 3),
]


def dilations_of(layers_per_cycle, cycles):
  return [2**i for _ in range(cycles) for i in range(layers_per_cycle)]


def field_of(kernel_size, dilations):
  """Samples before t that a causal network sees at t, counted hop by hop.

  Starting from sample t - 1, the shift's, every convolution steps back by all
  multiples of its dilation that its taps allow.
  """
  offsets = {1}
  for dilation in (1, *dilations):  # The entrance has dilation 1.
    offsets = {o + j * dilation for o in offsets for j in range(kernel_size)}
  assert offsets == set(range(1, max(offsets) + 1))  # Without holes.
  return max(offsets)


@pytest.mark.parametrize('returns_gates', [True, False])
@pytest.mark.parametrize('sizes', STACKS)
def test_stack_hears_its_reach_and_the_present(sizes, returns_gates):
  kernel_size, *cycles = sizes
  dilations = dilations_of(*cycles)
  stack = DilatedStack(dilations, 5, 4, kernel_size, returns_gates)
  stack(
    tf.zeros([1, 1, 5]),
    conditioning=UNCONDITIONED,
    state=stack.initial_state(1),
  )
  randomize(stack)
  past = (kernel_size - 1) * sum(dilations)
  # Gates of the last block see it all, or the last residual does.
  t = 9
  found = reach(
    lambda x: stack(
      x, conditioning=UNCONDITIONED, state=stack.initial_state(3)
    ).output,
    normal(3, t + past + 6, 5), t, row=1,
  )  # fmt: skip
  assert_hears(found, range(past + 1))


def build_network(kernel_size, dilations, skip_channels, inputs=1, outputs=2):
  random.seed(0)
  net = causal_network.CausalNetwork(
    dilations=dilations,
    kernel_size=kernel_size,
    residual_channels=5,
    gate_channels=4,
    skip_channels=skip_channels,
    outputs=outputs,
    output_bias=[0.0] * outputs,
    output_scale=1.0,
    input_gain=1.0,
  )
  outputs_of(net, tf.zeros([1, 1, inputs]))
  return net


def outputs_of(net, x):
  """Of input `[B, T, C]`, from its beginning."""
  state = net.initial_state(x.shape[0], x.shape[-1])
  return net(x, conditioning=UNCONDITIONED, state=state)[0]


@pytest.mark.parametrize('skip_channels', [6, None])
@pytest.mark.parametrize('sizes', STACKS)
def test_network_hears_its_field_and_not_the_present(sizes, skip_channels):
  kernel_size, *cycles = sizes
  dilations = dilations_of(*cycles)
  net = build_network(kernel_size, dilations, skip_channels)
  open_rectifiers(randomize(net))
  field = field_of(kernel_size, dilations)
  t = 7
  found = reach(
    lambda x: outputs_of(net, x), normal(3, t + field + 8, 1), t, row=2
  )
  assert_hears(found, range(1, field + 1))


# Configured fields, against those of networks with these dilations.


def networks_of_presets():
  for name in presets.PRESETS:
    config = presets.preset(name)
    teacher = config.teacher
    yield pytest.param(
      [(teacher.kernel_size, teacher.dilations, 6)],
      teacher.receptive_field_samples, id=f'teacher {name}',
    )  # fmt: skip
    student = config.student
    flows = range(len(student.flow_layers))
    if flows:
      yield pytest.param(
        [(student.kernel_size, student.dilations(i), None) for i in flows],
        student.receptive_field_samples, id=f'student {name}',
      )  # fmt: skip


@functools.cache
def measured_field(kernel_size, dilations, skip_channels):
  """At full depth and dilation, with few channels."""
  net = build_network(kernel_size, dilations, skip_channels)
  t = 3
  samples = t + field_of(kernel_size, dilations) + 9
  found = delays_of_change(
    lambda x: outputs_of(net, x), normal(1, samples, 1), t, np.nan
  )
  assert found == list(range(1, len(found) + 1))
  assert t + len(found) < samples - 1
  return len(found)


@pytest.mark.parametrize(('stacks', 'field'), list(networks_of_presets()))
def test_configured_field_is_the_measured_one(stacks, field):
  """Fields of a chain add up."""
  assert sum(measured_field(*stack) for stack in stacks) == field


# Models.


def features_of(config, batch, samples):
  frames = samples // config.audio.hop_samples + 2 * MARGIN_FRAMES
  features = -5 + 2 * normal(batch, frames, config.local_channels, seed=1)
  return Conditioning(tf.constant(features))


@pytest.mark.parametrize(
  ('name', 'batch', 'samples', 't'),
  [
    ('mixture', 1, 80, 0),
    *((name, 3, 120, 33) for name in OUTPUTS),
    *(
      pytest.param(name, 1, 80, 0, marks=pytest.mark.large)
      for name in OUTPUTS
      if name != 'mixture'
    ),
  ],
)
def test_teacher_hears_its_field(name, batch, samples, t):
  config = miniature(**OUTPUTS[name])
  teacher = random_teacher(config)
  conditioning = features_of(config, batch, samples)
  waveform = 0.1 * normal(batch, samples)
  field = config.teacher.receptive_field_samples
  assert t + field < samples - 2

  def parameters(x):
    return teacher(x, conditioning)

  row = batch - 1
  louder = waveform[row, t] + 0.5
  delays = list(range(1, field + 1))
  assert delays_of_change(parameters, waveform, t, louder, row) == delays
  # Behind the quantization, which has no gradient and no NaN.
  open_rectifiers(teacher.network)
  encoded = teacher.encode(tf.constant(waveform)).numpy()
  told = teacher.encoder(conditioning)
  state = teacher.initial_state(batch).network
  found = reach(
    lambda x: teacher.network(x, conditioning=told, state=state)[0],
    encoded,
    t,
    row,
  )
  assert_hears(found, delays)


@pytest.mark.parametrize('name', OUTPUTS)
def test_a_distribution_moves_with_its_parameters(name):
  """Ln P of sample t + 1 depends on sample t; that of sample t, on itself."""
  config = miniature(**OUTPUTS[name])
  teacher = random_teacher(config)
  conditioning = features_of(config, 1, 80)
  waveform, t = 0.1 * normal(1, 80), 20

  def log_prob(x):
    levels = tf.cast(tf.round(x * 32768.0), tf.int32)
    return teacher.output_kind.log_prob(teacher(x, conditioning), levels)

  # A single move may be lost in rounding at some delay.
  found = set()
  for value in -0.7, 0.2, 0.6, 0.9:
    found.update(delays_of_change(log_prob, waveform, t, value))
  assert found == set(range(config.teacher.receptive_field_samples + 1))


STUDENTS = {
  'two flows': {},
  'three flows, kernel 3': {
    'student__flow_layers': (2, 3, 1), 'student__kernel_size': 3,
  },
  'one flow': {'student__flow_layers': (4,)},
  'phase of F0': PITCH,
  'phase of F0 that is told': LINGUISTIC | PITCH,
}  # fmt: skip


def parameters_of(flow, x):
  """Location and log-scale of a flow that is given x, `[B, T, 2]`."""
  return tf.stack(flow.function.whole(x), -1)


def build_chain(name, batch, samples):
  config = miniature(**STUDENTS[name])
  student = random_student(config)
  for net in student.networks:
    open_rectifiers(net)
    # Random log-scales would reach their ceiling, and not move there.
    net.output_layer.kernel.assign(0.1 * net.output_layer.kernel)
  return config, student, features_of(config, batch, samples)


@pytest.mark.parametrize(('batch', 'samples', 't'), [(2, 80, 13)])
@pytest.mark.parametrize('name', STUDENTS)
def test_each_flow_hears_its_field(name, batch, samples, t):
  config, student, conditioning = build_chain(name, batch, samples)
  z = normal(batch, samples)
  total = 0
  for i, flow in enumerate(student.flows(conditioning)):
    field = field_of(config.student.kernel_size, config.student.dilations(i))
    found = reach(lambda x, flow=flow: parameters_of(flow, x), z, t, batch - 1)
    assert_hears(found, range(1, field + 1))
    for part in 0, 1:  # Location and log-scale each on their own.
      assert delays_of_change(
        lambda x, flow=flow, part=part: flow.function.whole(x)[part],
        z, t, np.nan, batch - 1,
      ) == list(range(1, field + 1))  # fmt: skip
    total += field
  assert total == config.student.receptive_field_samples


@pytest.mark.parametrize(('batch', 'samples', 't'), [(1, 60, 0), (2, 80, 13)])
@pytest.mark.parametrize('name', STUDENTS)
def test_the_composition_hears_the_sum_of_the_fields(name, batch, samples, t):
  config, student, conditioning = build_chain(name, batch, samples)
  z, row = normal(batch, samples), batch - 1
  field = config.student.receptive_field_samples
  assert t + field < samples - 2

  def parameters(z):
    output = student(z, conditioning)
    return tf.stack([output.location, output.log_scale], -1)

  def waveform(z):
    return student(z, conditioning).waveform

  assert_hears(reach(parameters, z, t, row), range(1, field + 1))
  assert_hears(reach(waveform, z, t, row), range(field + 1))


def test_the_probes_find_a_leak():
  """A convolution that sees one sample too far must not pass."""
  kernel = tf.constant([0.5, 1.0, 0.25])[:, None, None]

  def leaking(x):
    return tf.nn.conv1d(x[..., None], kernel, 1, 'SAME')[..., 0]

  found = reach(leaking, normal(1, 9), 4)
  assert found.nan == found.gradient == found.perturbation == [-1, 0, 1]


def test_the_probes_see_rows_apart():
  x = normal(2, 9)
  with pytest.raises(AssertionError):
    reach(lambda x: x + tf.reverse(x, [0]), x, 4)


def test_fields_of_the_papers():
  """The table of 1609.03499 sec. 2.1: 1 + (k - 1) sum d, plus the entrance."""
  for kernel_size, cycles, field in (2, 3, 3070), (2, 1, 1024), (3, 3, 6139):
    sizes = TeacherConfig(
      cycles=cycles, layers_per_cycle=10, kernel_size=kernel_size
    )
    assert sizes.receptive_field_samples == field + kernel_size - 1


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
