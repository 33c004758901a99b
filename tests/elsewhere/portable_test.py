"""A student in other formats says what the synthesizer says."""

import itertools
import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

from modes.runs import Run
from tests.support import program, trained_run
from tests.support.variants import SPEAKER
from wavenet_tf.speaking.chunks import windows
from wavenet_tf.speaking.synthesis import NOISE_BLOCK_FRAMES, Synthesizer
from wavenet_tf.voice import load_run

pytestmark = pytest.mark.medium
FRAMES = 20
OVERRIDES = {'student__phase_harmonics': 2, 'audio__preemphasis': 0.85}


@pytest.fixture(params=['phase of F0, pre-emphasis', 'speaker'], scope='module')
def run(request, tmp_path_factory):
  workdir = tmp_path_factory.mktemp('portable') / 'run'
  overrides = SPEAKER if request.param == 'speaker' else OVERRIDES
  config = trained_run.make(workdir, **overrides)
  return Run(config, workdir, config)


class Told:
  """An utterance, and what the synthesizer says of it."""

  def __init__(self, run):
    generator = np.random.default_rng(0)
    config = run.config
    self.features = generator.uniform(
      config.silence, 0, [1, FRAMES, config.local_channels]
    ).astype(np.float32)
    channels = config.conditioning.global_channels
    self.global_ = generator.normal(size=[1, channels]).astype(np.float32)
    self.synthesizer = Synthesizer(load_run(run.workdir).student, config)
    self.waveform = self.synthesizer(
      tf.constant(self.features), [3, 0], tf.constant(self.global_)
    )[0]

  def joined(self, config, described, chunk):
    """The utterance by a function of a chunk's arguments, by name."""
    shapes = {a['name']: a['shape'] for a in described['arguments']}
    told = {
      'state': np.zeros(shapes['state'], np.float32),
      'phase': np.zeros([1], np.int32),
    }
    if 'global' in shapes:
      told['global'] = self.global_
    found = []
    lengths = itertools.repeat(described['chunk_frames'])
    for i, window in enumerate(
      windows(
        self.features, lengths, described['silence'], described['margin_frames']
      )
    ):
      noise = self.synthesizer.noise(tf.constant([[3, 0]]), tf.constant([i]))
      returned = chunk(
        told | {'noise': noise.numpy(), 'features': window.numpy()}
      )
      found.append(returned['audio'][0])
      told |= {'state': returned['state'], 'phase': returned['phase']}
    return np.concatenate(found)[: FRAMES * config.audio.hop_samples]


def signal_to_noise(found, expected):
  """Decibels."""
  noise = np.sum(np.square(found - expected), dtype=np.float64)
  return 10 * np.log10(np.sum(np.square(expected)) / noise)


def test_litert(run):
  program.run(run.workdir, '--mode=export', '--format=litert')
  folder, told = run.workdir / 'litert', Told(run)
  described = json.loads((folder / 'student.json').read_text())
  assert described['chunk_frames'] == NOISE_BLOCK_FRAMES
  quality, sizes = {}, {}
  for name in 'student', 'student_int8':
    path = folder / f'{name}.tflite'
    interpreter = tf.lite.Interpreter(str(path))
    chunk = interpreter.get_signature_runner()
    assert {a['name'] for a in described['arguments']} == set(
      chunk.get_input_details()
    )
    found = told.joined(
      run.config, described, lambda given, chunk=chunk: chunk(**given)
    )
    quality[name] = signal_to_noise(found, told.waveform)
    sizes[name] = path.stat().st_size
  assert quality['student'] > 60
  assert 20 < quality['student_int8'] < 70  # Rounded weights were used.
  assert sizes['student_int8'] < sizes['student']


def test_stablehlo(run):
  program.run(run.workdir, '--mode=export', '--format=stablehlo')
  folder, told = run.workdir / 'stablehlo', Told(run)
  described = json.loads((folder / 'student.json').read_text())
  module = (folder / 'student.mlirbc').read_bytes()
  names = [a['name'] for a in described['arguments']]
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

  def chunk(given):
    returned = call(*(tf.constant(given[name]) for name in names))
    return {
      r['name']: x.numpy() for r, x in zip(results, returned, strict=True)
    }

  found = told.joined(run.config, described, chunk)
  assert signal_to_noise(found, told.waveform) > 60


def test_a_run_without_a_student_is_refused(tmp_path):
  trained_run.make(tmp_path / 'run', student__flow_layers=())
  program.refused(
    tmp_path / 'run', '--mode=export', '--format=litert',
    words=['--format', 'student.flow_layers'],
  )  # fmt: skip


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
