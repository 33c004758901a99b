"""Flags and dispatch: what is done in which order, and what is refused.

What is refused is one sentence on standard error, exit status 1, nothing new.
"""

import pathlib

from absl import flags
import pytest

from modes.runs import Run
from tests.support.miniature import miniature
from tests.support.program import refused, run_without_space
from tests.support.recordings import write_corpus
import train_main
from wavenet_tf.configuration.errors import reason, UserError

PERCEPTUAL = {'distillation__style_weight': 1.0}
FIRST = ['prepare', 'train_teacher']
LAST = ['train_student', 'export', 'evaluate']
ORDERS = {
  'default': ({}, [*FIRST, *LAST]),
  'text': (
    {'conditioning__local': 'linguistic'},
    ['prepare', 'train_prosody', 'train_teacher', *LAST],
  ),
  'perceptual': (PERCEPTUAL, [*FIRST, 'train_classifier', *LAST]),
  'listener elsewhere': (
    PERCEPTUAL | {'distillation__classifier_workdir': 'elsewhere'},
    [*FIRST, *LAST],
  ),
  'no student': ({'student__flow_layers': ()}, [*FIRST, 'evaluate']),
}
MODES = {name for _, order in ORDERS.values() for name in order}


@pytest.mark.parametrize('name', ORDERS)
def test_all_does_what_its_models_need_in_order(name, monkeypatch, tmp_path):
  overrides, expected = ORDERS[name]
  done = []
  for module, names in (
    (train_main.learning, ('train_prosody', 'train_teacher', 'train_student',
                           'train_classifier', 'export')),
    (train_main.judging, ('evaluate',)),
  ):  # fmt: skip
    for name in names:
      monkeypatch.setattr(
        module, name, lambda run, name=name: done.append(name)
      )

  def prepare(run, data_dir, init_from, runner):
    done.append('prepare')
    assert data_dir == 'recordings'
    return run

  monkeypatch.setattr(train_main.learning, 'prepare', prepare)
  config = miniature(**overrides)
  run = train_main.runs.Run(config, tmp_path, config)
  train_main.everything(run, 'recordings')
  assert done == expected


def test_flags_of_one_call_do_not_meet_those_of_another():
  found = []
  for seed in '3', '4':
    argv = ['train_main.py', f'--seed={seed}', '--config.teacher.cycles=5']
    values = flags.FlagValues()
    train_main.define_flags(values, argv)
    assert values(argv) == argv[:1]
    found.append((values.seed, values.config.teacher.cycles))
  assert found == [(3, 5), (4, 5)]
  assert 'workdir' not in flags.FLAGS


def test_contradictory_configuration_makes_no_folder(tmp_path):
  refused(
    tmp_path / 'new', '--config.audio.hop_samples=90',
    words=['conditioning.upsample_factors', 'audio.hop_samples = 90'],
  )  # fmt: skip
  assert not (tmp_path / 'new').exists()


@pytest.mark.parametrize(
  ('flag', 'sentence'),
  [
    (
      '--config.teacher.cylces=3',
      '--config.teacher.cylces: .* teacher.cycles.',
    ),
    ('-config.student.bias', '--config.student.bias: .* student.base.'),
    # A section.
    ('--config.teacher=3', '--config.teacher: .* teacher.'),
  ],
)
def test_an_unknown_field_meets_the_nearest_one(flag, sentence):
  argv = ['train_main.py', '--config.teacher.cycles=5', flag]
  with pytest.raises(SystemExit, match=f'^{sentence}'):
    train_main.define_flags(flags.FlagValues(), argv)


def test_a_missing_corpus_makes_nothing(tmp_path):
  missing = tmp_path / 'nowhere'
  refused(tmp_path / 'new', f'--data_dir={missing}',
          words=[str(missing), 'does not exist'])  # fmt: skip
  assert not (tmp_path / 'new').exists()


def test_a_mode_that_needs_a_run(tmp_path):
  refused(tmp_path / 'new', '--mode=evaluate', words=['--mode=all'])
  assert not (tmp_path / 'new').exists()


def test_no_permission():
  refused(pathlib.Path('/proc/voice'), words=['/proc'])


def test_no_space(tmp_path):
  corpus = write_corpus(tmp_path / 'corpus')
  done = run_without_space(
    tmp_path / 'new', f'--data_dir={corpus}', '--mode=prepare', kilobytes=24
  )
  assert str(tmp_path / 'new') in done.stderr
  assert not list(tmp_path.glob('new/*'))


@pytest.mark.parametrize('content', ['{', '3', '["a", 1]'])
def test_damaged_names_of_classes(content, tmp_path):
  run = Run(miniature(), tmp_path, miniature())
  assert run.classes() == []
  run.classes_path.parent.mkdir()
  run.classes_path.write_text(content)
  with pytest.raises(UserError, match=r'classes\.json: found .* list of names'):
    run.classes()


def test_what_a_system_says_stands_within_a_sentence():
  said = '{{function_node a}} x.part; No space left. [Op:Save] \nmore'
  assert reason(OSError(said)) == 'x.part; No space left'
  assert reason(EOFError()) == 'EOFError'


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
