"""What a network is told, in every combination: from training to export.

The modes are called as `train_main.py` calls them, in one process; that a
command resumes bit by bit is `end_to_end_test.py`.
"""

import ctypes.util

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from data.conditioning import inputs
from data.text import trees
from modes import judging, learning, runs, speaking
from tests.support.miniature import short
from tests.support.recordings import speech_like, write
from tests.support.replay import replayed
from tests.support.rules import write_rules
from tests.support.variants import (
  COMBINATIONS,
  GAUSSIAN,
  LARGE,
  NOTHING,
  SPEAKERS,
  TEXT,
)
from wavenet_tf.configuration.config import flatten
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.showing import tensorboard
from wavenet_tf.signal.framing import pad_margin
from wavenet_tf.speaking.generation import Generator

pytestmark = [pytest.mark.medium, pytest.mark.usefixtures('uncompiled')]


@pytest.fixture(autouse=True)
def without_spectrograms(monkeypatch):
  """What is heard while training is drawn in `end_to_end_test.py`."""
  monkeypatch.setattr(tensorboard, 'write_audio', lambda *_: None)


def write_told(folder):
  """Named words of two speakers, with tags."""
  lines = ['file,tags']
  for speaker in 'ab':
    for i in range(3):
      name = f'{i % 2}_{speaker}_{i}.wav'
      write(folder / name, speech_like(0.3, seed=i))
      lines.append(f'{name},{"low;slow" if i else "fast"}')
  (folder / 'tags.csv').write_text('\n'.join(lines) + '\n')
  return folder


@pytest.fixture(scope='module')
def corpora(tmp_path_factory):
  root = tmp_path_factory.mktemp('corpora')
  return {
    'told': write_told(root / 'told'),
    'text': write_rules(root / 'text'),
  }


def opened(workdir, **overrides):
  flat = {name.replace('__', '.'): v for name, v in overrides.items()}
  return runs.open_run(workdir, None, flat, 'train_teacher')


def request(run, corpus, output, model):
  """One of everything that this run is told."""
  told = run.config.conditioning
  recording = sorted(corpus.glob('*.wav'))[0]
  wish = inputs.Wish(
    labels=recording.with_suffix('.lab')
    if told.local == 'linguistic'
    else None,
    seconds=0.05 if told.local == 'none' else 0.0,
    speaker='a' if 'speaker' in told.globals else '',
    tags=('low',) if 'tags' in told.globals else (),
  )
  source = str(recording) if told.local == 'mel' else None
  return speaking.Request(model, source, str(output), 1, wish)


def assert_cache_is_the_plain_pass(run):
  config, teacher = run.config, run.teacher()
  example = judging.shortened(run, run.validation(1)[0], 0.01)
  features, global_ = example.features[None], example.global_[None]
  waveform = Generator(teacher, config)(
    tf.constant(features), [7, 0], tf.constant(global_)
  )
  told = Conditioning.of(pad_margin(features, config.silence), global_)
  again = replayed(teacher, config, waveform, told, [7, 0])
  assert np.mean(np.abs(again - waveform) < 1e-4) > 0.99


@pytest.mark.parametrize(
  'name',
  [*COMBINATIONS, *(pytest.param(n, marks=pytest.mark.large) for n in LARGE)],
)
def test_a_combination_trains_resumes_speaks_and_exports(
  name, corpora, tmp_path, capsys
):
  config = short(**(COMBINATIONS | LARGE)[name])
  is_text = config.conditioning.local == 'linguistic'
  corpus = corpora['text' if is_text else 'told']
  workdir = tmp_path / 'run'
  run = learning.prepare(runs.Run(config, workdir, config), str(corpus))
  if is_text:
    learning.train_prosody(run)
  learning.train_teacher(run)
  assert 'receptive field 5 samples, 1 ms' in capsys.readouterr().out
  # As a later command finds it, and goes on.
  run = opened(workdir, train_teacher__steps=2)
  learning.train_teacher(run)
  newest = tf.train.latest_checkpoint(str(workdir / 'teacher'))
  assert newest.endswith('ckpt-2')
  assert_cache_is_the_plain_pass(run)
  speakers = ['teacher']
  if config.student.flow_layers:
    learning.train_student(run)
    learning.export(run)  # Compares with what it loads again.
    assert (workdir / 'export' / '1' / 'saved_model.pb').is_file()
    speakers.append('student')
  for model in speakers:
    output = tmp_path / f'{model}.wav'
    speaking.generate(run, request(run, corpus, output, model))
    assert soundfile.info(output).frames > 0


def test_what_copies_nothing_is_not_compared_as_a_copy(corpora, tmp_path):
  """A Gaussian pair, which is trained and measured on the way."""
  config = short(**NOTHING, **GAUSSIAN, distillation__divergence='closed_form')
  run = learning.prepare(
    runs.Run(config, tmp_path / 'run', config), str(corpora['told'])
  )
  learning.train_teacher(run)
  learning.train_student(run)
  judging.evaluate(run)
  text = (tmp_path / 'run' / 'report' / 'summary.txt').read_text()
  assert 'given the past alone' in text
  assert 'no copies' in text
  for word in 'mel cepstrum', 'conditioning', 'log-mel':
    assert word not in text


def test_a_run_keeps_what_preparation_found(corpora, tmp_path):
  config = short(**SPEAKERS)
  run = learning.prepare(
    runs.Run(config, tmp_path / 'run', config), str(corpora['told'])
  )
  assert run.config.conditioning.global_channels == 2
  again = opened(tmp_path / 'run')
  assert again.config == run.config
  with pytest.raises(UserError, match='global_channels: found 3, but'):
    opened(tmp_path / 'run', conditioning__global_channels=3)
  with pytest.raises(UserError, match=r'globals: found \(\), but the rec'):
    learning.train_teacher(opened(tmp_path / 'run', conditioning__globals=()))
  preset = flatten(config)
  overrides = {k: v for k, v in preset.items() if 'channels' not in k}
  sizes = {k: v for k, v in preset.items() if 'channels' in k}
  for name in 'linguistic_channels', 'global_channels':
    del sizes[f'conditioning.{name}']
  reopened = runs.open_run(
    tmp_path / 'run', 'tiny', overrides | sizes, 'train_teacher'
  )
  assert reopened.config == run.config


def test_prosody_needs_text(corpora, tmp_path):
  config = short()
  run = runs.Run(config, tmp_path / 'run', config)
  with pytest.raises(UserError, match=r'conditioning\.local: found .mel.'):
    learning.train_prosody(run)


def test_speak_needs_text_or_labels(tmp_path):
  config = short()
  run = runs.Run(config, tmp_path / 'run', config)
  wish = speaking.Request('teacher', None, None, 0, inputs.Wish())
  with pytest.raises(UserError, match='--text or --labels, found neither'):
    speaking.speak(run, wish)


@pytest.mark.large
@pytest.mark.skipif(
  not ctypes.util.find_library('espeak-ng'), reason='needs espeak-ng'
)
def test_the_bundled_voice_says_a_text(tmp_path, monkeypatch):
  """By models of a step, few trees; the text has phones of the corpus."""
  monkeypatch.setitem(trees.BOOSTING, 'n_estimators', 10)
  config = short(**TEXT)
  run = learning.prepare(runs.Run(config, tmp_path / 'run', config), None)
  learning.train_prosody(run)
  learning.train_teacher(run)
  learning.train_student(run)
  wish = inputs.Wish(text='Good morning.')
  for model in 'teacher', 'student':
    output = tmp_path / f'{model}.wav'
    speaking.speak(run, speaking.Request(model, None, str(output), 0, wish))
    assert 0.3 < soundfile.info(output).duration < 3
  nothing = speaking.Request(
    'student', None, None, 0, inputs.Wish(text=' ... ')
  )
  with pytest.raises(UserError, match='--text'):
    speaking.speak(run, nothing)


def test_a_command_that_the_data_refuses_leaves_the_run_as_it_was(
  corpora, tmp_path
):
  run = runs.Run(short(**SPEAKERS), tmp_path, short(**SPEAKERS))
  learning.prepare(run, str(corpora['told']))
  before = (tmp_path / 'config.json').read_bytes()
  refused = opened(tmp_path, conditioning__globals=())
  with pytest.raises(UserError, match=r'conditioning\.globals: found \(\)'):
    learning.train_teacher(refused)
  assert (tmp_path / 'config.json').read_bytes() == before
  assert not (tmp_path / 'teacher').exists()


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
