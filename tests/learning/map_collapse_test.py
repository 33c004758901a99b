"""Without its entropy term, distillation of white noise ends in silence."""

import functools
import math

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from docs import map_collapse
from tests.support.compilation import without_xla

SIGMA = map_collapse.TEACHER_DEVIATION


@functools.cache
def train(with_entropy):
  with without_xla():
    return map_collapse.train(with_entropy)


def divergence(scale):
  """KL(Logistic(0, s) || Normal(0, sigma)) by numerical integration."""
  student, teacher = stats.logistic(0, scale), stats.norm(0, SIGMA)
  cross_entropy = integrate.quad(
    lambda x: -student.pdf(x) * teacher.logpdf(x), -50 * scale, 50 * scale
  )[0]
  return cross_entropy - student.entropy()


def test_the_closest_logistic_is_as_loud_as_the_teacher():
  found = optimize.minimize_scalar(
    divergence, bounds=(0.1 * SIGMA, 10 * SIGMA), method='bounded'
  ).x
  assert found == pytest.approx(SIGMA * math.sqrt(3) / math.pi, rel=1e-3)
  assert stats.logistic(0, found).std() == pytest.approx(SIGMA, rel=1e-3)


def test_the_closed_forms_of_the_script():
  scale = 0.03
  cross_entropy = (
    math.log(SIGMA * math.sqrt(2 * math.pi))
    + (scale * math.pi / SIGMA) ** 2 / 6
  )
  entropy = math.log(scale) + 2
  assert cross_entropy - entropy == pytest.approx(divergence(scale), abs=1e-6)


def test_the_teacher_is_white_noise():
  x = np.linspace(-0.3, 0.3, 7)
  np.testing.assert_allclose(
    map_collapse.log_density(x), stats.norm(0, SIGMA).logpdf(x), rtol=1e-6
  )


def test_both_start_equal_and_off_the_teacher():
  start = train(True).deviations[0]
  assert start == train(False).deviations[0]
  assert abs(math.log(start / SIGMA)) > 0.1


def test_with_the_entropy_term_the_scale_is_recovered():
  course = train(True)
  assert np.mean(course.deviations[-20:]) == pytest.approx(SIGMA, rel=0.03)
  assert np.std(course.waveform) == pytest.approx(SIGMA, rel=0.2)


def test_without_it_the_student_falls_silent():
  course = train(False)
  assert course.deviations[-1] < 0.01 * SIGMA
  assert np.abs(course.waveform).max() < 0.05 * SIGMA


def test_the_picture_is_drawn():
  figure = map_collapse.draw(train(True), train(False))
  assert len(figure.axes) == 4
  assert figure.axes[0].get_yscale() == 'log'


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
