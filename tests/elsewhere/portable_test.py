"""A student in other formats says what the synthesizer says.

What calls it is the Python of docs/elsewhere.md.
"""

import functools
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

from modes.runs import Run
from tests.support import program, trained_run
from tests.support.miniature import miniature, random_student
from tests.support.project_imports import ROOT
from tests.support.variants import NOTHING, PITCH, SPEAKER
from wavenet_tf.speaking import eight_bits
from wavenet_tf.speaking.portable import PortableStudent
from wavenet_tf.speaking.synthesis import NOISE_BLOCK_FRAMES, Synthesizer

pytestmark = pytest.mark.medium
FRAMES = 20
PAGE = (ROOT / 'docs' / 'elsewhere.md').read_text('utf-8')
(LOOP,) = (
  code
  for code in re.findall(r'```python\n(.*?)```', PAGE, re.S)
  if "np.load('mel.npy')" in code
)


class SameNoise(Synthesizer):
  """With the noise that the page draws."""

  def noise(self, seed, blocks):
    generator = np.random.default_rng(0)
    drawn = generator.logistic(size=[FRAMES, self._block_samples])
    drawn = tf.constant(drawn, tf.float32)
    return tf.reshape(tf.gather(drawn, blocks), [1, -1])


class Told:
  """A run, an utterance, and what the synthesizer says of it."""

  def __init__(self, workdir):
    config = trained_run.make(
      workdir, **PITCH, **SPEAKER, audio__preemphasis=0.85
    )
    self.workdir = workdir
    student = Run(config, workdir, config).student()
    generator = np.random.default_rng(1)
    self.mel = generator.uniform(
      config.silence, 0, [FRAMES, config.local_channels]
    ).astype(np.float32)
    channels = config.conditioning.global_channels
    self.vector = generator.normal(size=[1, channels]).astype(np.float32)
    speak = SameNoise(student, config, jit_compile=False)
    self.expected = speak(self.mel[None], [0, 0], tf.constant(self.vector))[0]

  def described(self, kind):
    return json.loads((self.workdir / kind / 'student.json').read_text())

  def decibels(self, described, chunk, monkeypatch):
    """Signal to noise of the page's way to call `chunk`."""
    monkeypatch.setattr(np, 'load', lambda path: self.mel)
    names = {
      'told': described,
      'chunk': functools.partial(chunk, global_vector=self.vector),
    }
    exec(LOOP, names)
    noise = names['audio'] - self.expected
    return 10 * np.log10(
      np.sum(np.square(self.expected)) / np.sum(np.square(noise))
    )


@pytest.fixture(scope='module')
def told(tmp_path_factory):
  return Told(tmp_path_factory.mktemp('portable') / 'run')


# Of the interpreter; `ai_edge_litert`, which follows it, is no package of ours.
@pytest.mark.filterwarnings('ignore:.*tf.lite.Interpreter is deprecated')
def test_litert(told, monkeypatch):
  # No layer here has more; what is no layer's kernel has less.
  monkeypatch.setattr(eight_bits, '_LEAST_SIZE', 97)
  program.run(told.workdir, '--mode=export', '--format=litert')
  described = told.described('litert')
  assert described['chunk_frames'] == NOISE_BLOCK_FRAMES
  quality, sizes = {}, {}
  for name in 'student', 'student_int8':
    path = told.workdir / 'litert' / f'{name}.tflite'
    chunk = tf.lite.Interpreter(str(path)).get_signature_runner('chunk')
    details = {
      name: (list(tensor['shape']), np.dtype(tensor['dtype']).name)
      for name, tensor in chunk.get_input_details().items()
    }
    assert details == {
      a['name']: (a['shape'], a['type']) for a in described['arguments']
    }
    quality[name] = told.decibels(described, chunk, monkeypatch)
    sizes[name] = path.stat().st_size
  assert quality['student'] > 80
  assert 40 < quality['student_int8'] < 80  # Rounded weights were used.
  assert sizes['student_int8'] < sizes['student']


def test_stablehlo(told, monkeypatch):
  program.run(told.workdir, '--mode=export', '--format=stablehlo')
  described = told.described('stablehlo')
  module = (told.workdir / 'stablehlo' / 'student.mlirbc').read_bytes()
  results = described['results']

  @tf.function(jit_compile=True)
  def call(*given):
    return xla.call_module(
      given,
      version=5,
      module=module,
      Tout=[r['type'] for r in results],
      Sout=[r['shape'] for r in results],
      platforms=['CPU'],
    )

  def chunk(**given):
    returned = call(
      *(tf.constant(given[a['name']]) for a in described['arguments'])
    )
    return {
      r['name']: x.numpy() for r, x in zip(results, returned, strict=True)
    }

  assert told.decibels(described, chunk, monkeypatch) > 80


def test_what_is_not_told_is_no_argument():
  config = miniature(**NOTHING)
  portable = PortableStudent(random_student(config), config)
  names = [a.spec.name for a in portable.arguments]
  assert names == ['noise', 'state', 'phase']
  told = [tf.zeros(a.spec.shape, a.spec.dtype) for a in portable.arguments]
  found = portable.chunk(*told)
  assert {name: x.shape for name, x in found.items()} == {
    r.spec.name: r.spec.shape for r in portable.results
  }


def test_a_run_without_a_student_is_refused(tmp_path):
  trained_run.make(tmp_path / 'run', student__flow_layers=())
  program.refused(
    tmp_path / 'run', '--mode=export', '--format=litert',
    words=['--format', 'student.flow_layers'],
  )  # fmt: skip


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
