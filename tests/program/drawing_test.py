"""`--mode=figures`: it draws, and what it cannot compare is a sentence."""

import pytest

from modes import drawing
from tests.support.miniature import miniature, random_student, random_teacher
from tests.support.recordings import example
from tests.support.variants import MU_LAW
from wavenet_tf.configuration.config import override
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.saved_config import save_config


class FakeRun:
  """What the mode asks of a run, without a corpus or training."""

  def __init__(self, config, workdir, recording):
    self.config = config
    self.workdir = workdir
    self._recording = recording

  def validation(self, count):
    return [self._recording][:count]

  def spread(self, split, count):
    del split
    return [self._recording][:count]

  def teacher(self):
    return random_teacher(self.config)

  def student(self):
    return random_student(self.config)


def fake_run(workdir, generator, name='x', **overrides):
  config = miniature(**overrides)
  workdir.mkdir()
  save_config(config, workdir / 'config.json')
  recording = example(config, 3000, generator)._replace(name=name)
  return FakeRun(config, workdir, recording)


def refused(run, compare_workdir):
  with pytest.raises(UserError) as error:
    drawing.figures(run, compare_workdir and str(compare_workdir))
  assert not (run.workdir / 'figures').exists()
  return str(error.value)


def test_a_run_beside_another(tmp_path, generator, monkeypatch, capsys):
  own = fake_run(tmp_path / 'own', generator)
  (own.workdir / 'student').mkdir()
  (own.workdir / 'student' / 'ckpt-1.index').touch()
  other = fake_run(tmp_path / 'other', generator, **MU_LAW)
  monkeypatch.setattr(drawing, 'other_run', lambda *_: other)
  drawing.figures(own, str(other.workdir))
  drawn = sorted(p.name for p in (own.workdir / 'figures').iterdir())
  assert len(drawn) == 6 and 'flows.png' in drawn
  assert '5 figures' in capsys.readouterr().out


def test_without_a_student_the_flows_are_left_out(tmp_path, generator, capsys):
  own = fake_run(tmp_path / 'own', generator, **MU_LAW)
  drawing.figures(own, None)
  assert not (own.workdir / 'figures' / 'flows.png').exists()
  output = capsys.readouterr().out
  assert 'no trained student' in output and '4 figures' in output


def test_a_folder_that_is_no_run(tmp_path, generator):
  own = fake_run(tmp_path / 'own', generator)
  found = refused(own, tmp_path / 'nothing')
  assert found.startswith('--compare_workdir: ')
  assert 'nothing' in found and 'does not exist' in found


def test_a_run_at_another_rate(tmp_path, generator):
  own = fake_run(tmp_path / 'own', generator)
  other = tmp_path / 'other'
  other.mkdir()
  rate = own.config.audio.sample_rate_hz
  config = override(own.config, {'audio.sample_rate_hz': 2 * rate})
  save_config(config, other / 'config.json')
  found = refused(own, other)
  assert found.startswith('--compare_workdir: ')
  assert f'{2 * rate} Hz' in found and f'expected {rate} ' in found


def test_a_run_that_validates_on_other_recordings(
  tmp_path, generator, monkeypatch
):
  own = fake_run(tmp_path / 'own', generator)
  other = fake_run(tmp_path / 'other', generator, name='y')
  monkeypatch.setattr(drawing, 'other_run', lambda *_: other)
  found = refused(own, other.workdir)
  assert found.startswith('--compare_workdir: ')
  assert 'does not validate on x' in found


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
