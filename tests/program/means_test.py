"""All means for a better voice at once, from recordings to what is exported."""

import json

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from data.conditioning import inputs
from data.recordings import corpora
from modes import judging, learning, runs, speaking
from tests.support.miniature import miniature
from tests.support.recordings import speech_like, write
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.synthesis import Synthesizer

MEANS = {
  'audio__preemphasis': 0.85,
  'data__highpass_hz': 70.0,
  'distillation__power_weight': 0.0,
  'distillation__stft_weight': 1.0,
  'distillation__stft_window_samples': (128, 64),
  'distillation__divergence_from_step': 1,
  'distillation__divergence_ramp_steps': 2,
  'distillation__log_scale_floor_weight': 1.0,
  'evaluate__tail_share': 0.01,
  'evaluate__least_weight_share': 0.05,
  'evaluate__scale_factor': 0.8,
  'evaluate__redraw_excess': 0.1,
  'evaluate__redraw_tries': 2,
  'evaluate__noise_factor': 0.8,
}
SHORT = {
  'data__min_seconds': 0.1,
  'teacher__cycles': 1,
  'teacher__layers_per_cycle': 2,
  'student__flow_layers': (2,),
  'train_teacher__steps': 1,
  'train_student__steps': 3,
  'train_teacher__jit_compile': False,
  'train_student__jit_compile': False,
  'evaluate__audio_utterances': 1,
  'evaluate__audio_seconds': 0.1,
  'evaluate__utterances': 1,
}


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch):
  """XLA takes longer than these models run."""
  for voice in Generator, Synthesizer:
    monkeypatch.setattr(voice.__init__, '__defaults__', (False,))


@pytest.mark.large
def test_a_run_with_all_means_trains_speaks_and_is_judged(tmp_path, capsys):
  corpus = tmp_path / 'corpus'
  for i in range(4):
    write(corpus / f'{i}.wav', speech_like(0.3, seed=i))
  config = miniature(**SHORT, **MEANS)
  workdir = tmp_path / 'run'
  run = learning.prepare(runs.Run(config, workdir, config), str(corpus))
  learning.train_teacher(run)
  learning.train_student(run)
  learning.export(run)  # Compares with what it loads again.
  judging.evaluate(run)
  results = json.loads((workdir / 'report' / 'results.json').read_text())
  assert results['preemphasis'] == 0.85
  assert 'bits per pre-emphasised sample' in capsys.readouterr().out
  # The divergence is measured whenever it was trained with.
  assert np.isfinite(results['student_at_end']['kl'])
  assert results['student_at_end']['stft_loss'] > 0
  # A teacher of one step is louder than its mel, whatever it draws.
  assert results['teacher_audio']['redraws'] > 0
  for model in 'teacher', 'student':
    output = tmp_path / f'{model}.wav'
    recording = str(corpus / '0.wav')
    request = speaking.Request(model, recording, str(output), 1, inputs.Wish())
    speaking.generate(run, request)
    assert soundfile.info(output).frames == 2400
  assert 'chunks drawn again' in capsys.readouterr().out
  # What is exported says what the student says.
  said = soundfile.read(tmp_path / 'student.wav')[0]
  exported = tf.saved_model.load(str(workdir / 'export' / '1')).signatures
  wish = inputs.Wish(input=corpora.recording(corpus / '0.wav'))
  told = inputs.model_inputs(wish, run.told, run.prosody_file).features
  audio = exported['serving_default'](
    mel=tf.constant(told), seed=tf.constant([[1, 0]])
  )['audio'].numpy()
  np.testing.assert_allclose(audio[0, :2400], said, atol=1e-4)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
