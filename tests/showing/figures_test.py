"""Figures of a run: measured dependence, counts that add up, pictures."""

from matplotlib import image
import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import miniature, random_student, random_teacher
from tests.support.recordings import example
from tests.support.variants import CONTEXT, MU_LAW
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.showing.figures import pages, receptive_fields
from wavenet_tf.showing.figures.flow_steps import flow_steps
from wavenet_tf.showing.figures.histograms import entropy_bits, histograms
from wavenet_tf.showing.figures.predictions import densities, loudest_stretch
from wavenet_tf.signal.framing import pad_margin

pytestmark = pytest.mark.medium


def test_every_sample_is_counted_once(generator):
  recordings = [generator.integers(-32768, 32768, n) for n in (1000, 77)]
  found = histograms(recordings, 64)
  assert found.plain.sum() == found.companded.sum() == 1077
  ends = histograms([np.array([-32768, 32767])], 64)
  for counts in ends:
    assert counts[0] == counts[-1] == 1


def test_companding_evens_out_quiet_samples(generator):
  quiet = [np.round(generator.laplace(0, 600, 20000)).astype(int)]
  plain, companded = map(entropy_bits, histograms(quiet))
  assert plain + 2 < companded < 8


def test_entropy_of_equal_shares_is_the_size_of_the_alphabet():
  assert entropy_bits(np.full(32, 7)) == pytest.approx(5)


@pytest.mark.parametrize('kernel_size', [2, 3])
def test_dependence_is_that_of_the_equation(kernel_size):
  config = miniature(
    teacher__kernel_size=kernel_size, teacher__layers_per_cycle=4
  )
  plain, dilated = receptive_fields.dependences(random_teacher(config))
  assert plain.field_samples == 1 + (kernel_size - 1) * 4
  assert dilated.field_samples == 1 + (kernel_size - 1) * 15
  assert dilated.dilations == (1, 2, 4, 8)
  # No line leads into the past from the future.
  layer, later, earlier = np.nonzero(dilated.edges)
  reach = (kernel_size - 1) * np.array(dilated.dilations)[layer]
  assert (later - earlier >= 0).all()
  assert (later - earlier <= reach).all()


def test_the_field_fills_up_sample_by_sample():
  teacher = random_teacher(miniature(teacher__layers_per_cycle=4))
  plain, dilated = receptive_fields.dependences(teacher, samples=20)
  for stack, field in (plain, 5), (dilated, 16):
    for t in range(20):
      lit = np.flatnonzero(stack.of(t).reached[0])
      assert lit.tolist() == list(range(max(0, t + 1 - field), t + 1))


TEACHERS = {
  'mixture': {'student__flow_layers': ()},
  'mu-law, scalar': MU_LAW | {'teacher__input': 'scalar'},
  'mu-law, one-hot': MU_LAW | {'teacher__input': 'one_hot'},
}


@pytest.mark.parametrize('name', TEACHERS)
def test_influence_ends_with_the_receptive_field(name, generator):
  config = miniature(
    conditioning__local='none', train_teacher__crop_samples=400,
    **TEACHERS[name],
  )  # fmt: skip
  teacher = random_teacher(config)
  waveform = generator.normal(0, 0.05, 60).astype(np.float32)
  found = receptive_fields.influence(teacher, waveform, Conditioning())
  field = config.teacher.receptive_field_samples
  assert np.flatnonzero(found).min() == 59 - field
  assert np.flatnonzero(found).max() == 58


@pytest.mark.parametrize('name', TEACHERS)
def test_influence_goes_by_the_context_and_by_the_network(name, generator):
  config = miniature(
    conditioning__local='none', **CONTEXT, **TEACHERS[name]
  )  # fmt: skip
  teacher = random_teacher(config)
  waveform = generator.normal(0, 0.05, 400).astype(np.float32)
  found = receptive_fields.influence(teacher, waveform, Conditioning())
  field = config.teacher.receptive_field_samples
  farthest = 399 - np.flatnonzero(found).min()
  assert field < farthest
  assert farthest <= (field + config.context.receptive_field_samples + 10)
  # The frame of the predicted sample: no context stack has heard it yet.
  assert (found[390:399] > 0).any()


@pytest.mark.parametrize('output', ['mu_law', 'logistic_mixture'])
def test_densities_integrate_to_one(output, generator):
  config = miniature(teacher__output=output, student__flow_layers=())
  teacher = random_teacher(config)
  size = teacher.output_kind.parameter_size
  parameters = tf.constant(generator.normal(0, 1, [3, size]), tf.float32)
  amplitudes = np.linspace(-20, 20, 400_001)
  if output == 'mu_law':
    amplitudes = np.linspace(-1, 1, 400_001)
  found = densities(teacher, parameters, amplitudes)
  total = found.sum(0) * (amplitudes[1] - amplitudes[0])
  np.testing.assert_allclose(total, 1, atol=0.02)


def test_the_loudest_stretch_brings_its_past(generator):
  config = miniature()
  utterance = example(config, 2000, generator)
  levels = utterance.levels // 100
  levels[1290:1400] *= 100
  utterance = utterance._replace(levels=levels)
  found = loudest_stretch(utterance, config, 12.5, 300)
  assert found.samples == 100
  assert found.start == 1300
  np.testing.assert_array_equal(found.levels, levels[1000:1400])
  margin = pad_margin(utterance.features[None], config.silence)
  np.testing.assert_array_equal(
    found.conditioning.local, margin[:, 50 : 70 + 6]
  )


def test_the_last_step_of_the_flows_is_the_student(generator):
  config = miniature()
  student = random_student(config)
  conditioning = loudest_stretch(
    example(config, 400, generator), config, 50, 0
  ).conditioning
  steps = flow_steps(student, conditioning, 400, [3, 0])
  z = student.family.standard_noise([1, 400], [3, 0])
  np.testing.assert_array_equal(steps[0], z[0])
  np.testing.assert_allclose(
    steps[-1], student(z, conditioning).waveform[0], rtol=1e-4, atol=1e-6
  )
  assert len(steps) == 3


def drawn(folder, with_student, generator):
  config = miniature()
  utterance = example(config, 3000, generator)
  own = pages.Source(random_teacher(config), config, utterance)
  student = other = None
  if with_student:
    student = random_student(config)
    other_config = miniature(
      teacher__output='mu_law', student__flow_layers=(),
      teacher__input='one_hot',
    )  # fmt: skip
    other = pages.Source(random_teacher(other_config), other_config, utterance)
  return pages.draw(folder, own, [utterance.levels], student, other)


@pytest.mark.parametrize(
  ('heard', 'context'),
  [
    ('scalar', {}),
    ('one_hot', CONTEXT),
    pytest.param('scalar', CONTEXT, marks=pytest.mark.large),
    pytest.param('one_hot', {}, marks=pytest.mark.large),
  ],
)
def test_a_mu_law_teacher_has_its_own_pictures(
  tmp_path, heard, context, generator
):
  config = miniature(**MU_LAW, **context, teacher__input=heard)
  utterance = example(config, 3000, generator)
  own = pages.Source(random_teacher(config), config, utterance)
  pictures = pages.draw(tmp_path / 'figures', own, [utterance.levels])
  assert len(pictures) == 4


@pytest.mark.parametrize('with_student', [True, False])
def test_pictures_and_page(tmp_path, with_student, generator):
  folder = tmp_path / 'figures'
  pictures = drawn(folder, with_student, generator)
  names = [picture.name for picture in pictures]
  assert ('flows.png' in names) == with_student
  assert len(names) == 4 + with_student
  page = (folder / 'index.html').read_text()
  for name in names:
    pixels = image.imread(folder / name)
    assert min(pixels.shape[:2]) > 300
    assert np.var(pixels) > 1e-3
    assert f'src="{name}"' in page
  assert sorted(p.name for p in folder.iterdir()) == sorted(
    [*names, 'index.html']
  )


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
