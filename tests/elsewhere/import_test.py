"""Imported models say what the code that trained them says.

`imported/r9y9.npz` was made by that code; `imported/README.md` says how.
"""

import json
import pathlib
import sys
import types
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from modes.runs import open_run
from tests.support import program
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.probability.outputs import MuLawSoftmax
from wavenet_tf.signal import quantization
from wavenet_tf.signal.framing import pad_margin
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.voice import load_run

KINDS = ['mixture of logistics', 'gaussian', 'mu-law']
MADE = np.load(pathlib.Path(__file__).parent / 'imported' / 'r9y9.npz')
SPEAKER = 1


class Imported(NamedTuple):
  kind: str
  workdir: pathlib.Path
  made: dict

  @property
  def voice(self):
    return load_run(self.workdir)

  @property
  def global_(self):
    """Of the speaker, where there are any."""
    channels = self.voice.config.conditioning.global_channels
    return np.eye(channels)[SPEAKER : SPEAKER + 1].astype(np.float32)


def made_of(kind):
  names = [n for n in MADE.files if n.startswith(f'{kind}/')]
  return {n.partition('/')[2]: MADE[n] for n in names}


def write_checkpoint(folder, kind, changed=None, hparams=None):
  """Their checkpoint as arrays, and the hyper-parameters beside it."""
  made = made_of(kind)
  state = {
    name.partition('/')[2]: array
    for name, array in made.items()
    if name.startswith('state_dict/')
  }
  state.update(changed or {})
  state = {name: array for name, array in state.items() if array is not None}
  folder.mkdir(parents=True, exist_ok=True)
  np.savez(folder / 'x.npz', **state)
  values = json.loads(str(made['hparams'])) | (hparams or {})
  (folder / 'hparams.json').write_text(json.dumps(values))
  return f'--checkpoint={folder / "x.npz"}'


@pytest.fixture(params=KINDS, scope='module')
def imported(request, tmp_path_factory):
  folder = tmp_path_factory.mktemp('imported')
  flag = write_checkpoint(folder / 'theirs', request.param)
  program.run(folder / 'run', '--mode=import', '--from=r9y9', flag)
  return Imported(request.param, folder / 'run', made_of(request.param))


def as_waveform(voice, samples):
  """Samples or codes as their code writes them -> a waveform."""
  output = voice.teacher.output_kind
  if isinstance(output, MuLawSoftmax):
    return quantization.mu_law_decode(tf.constant(samples), output.levels)
  return tf.constant(samples)


def test_outputs_are_theirs(imported):
  voice, made = imported.voice, imported.made
  config = voice.config
  told = Conditioning.of(
    pad_margin(made['features'][None], config.silence, config.margin_frames),
    tf.constant(imported.global_),
  )
  waveform = as_waveform(voice, made['waveform'])[None]
  found = voice.teacher(waveform, told)[0].numpy()
  assert np.ptp(made['parameters'], 0).min() > 0.05
  np.testing.assert_allclose(found, made['parameters'], atol=1e-4)


def noise_of(kind, uniform):
  """What the generator draws with, of the numbers that theirs drew with."""
  if kind == 'gaussian':
    return np.stack([np.zeros_like(uniform), uniform], -1)
  gumbel = -np.log(-np.log(uniform[:, :-1]))
  if kind == 'mu-law':
    return gumbel
  last = uniform[:, -1:]
  return np.concatenate([gumbel, np.log(last) - np.log(1 - last)], 1)


def test_generation_is_theirs(imported, monkeypatch):
  """In three chunks, sample by sample, with the same noise."""
  voice, made = imported.voice, imported.made
  voice.config.audio.preemphasis = 0.0  # Theirs is undone later.
  voice.config.evaluate.chunk_frames = 2
  noise = noise_of(imported.kind, made['noise'])[:, None].astype(np.float32)
  left = [noise]

  def next_noise(self, samples, batch, seed):
    del self, batch, seed
    now, left[0] = left[0][:samples], left[0][samples:]
    return tf.constant(now)

  monkeypatch.setattr(Generator, '_noise', next_noise)
  generate = Generator(voice.teacher, voice.config)
  monkeypatch.setattr(generate, '_compiled', generate._generate_chunk)
  found = generate(
    tf.constant(made['features'][None]), [0, 0], tf.constant(imported.global_)
  )[0]
  expected = as_waveform(voice, made['generated']).numpy()
  assert len(np.unique(expected)) > 10
  # Mixtures of ours draw levels of 16 bits, which theirs is rounded to later.
  np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize('imported', KINDS[:1], indirect=True)
def test_a_run_speaks_from_a_file_of_features(imported, tmp_path):
  path = tmp_path / 'x-feats.npy'
  np.save(path, imported.made['features'])
  flags = ['--mode=generate', '--model=teacher', f'--output={tmp_path}/x.wav']
  flags.append(f'--speaker={SPEAKER}')
  program.run(imported.workdir, *flags, f'--input={path}')
  assert (tmp_path / 'x.wav').stat().st_size > 44 + 2 * 6 * 16 - 1
  np.save(path, imported.made['features'][:, :3])
  program.refused(
    imported.workdir, *flags, f'--input={path}', words=['(6, 3)', '[frames, 4]']
  )


def test_pth_files_are_read_where_there_is_pytorch(tmp_path, monkeypatch):
  """A stand-in for it, which is not among the packages."""
  write_checkpoint(tmp_path, 'gaussian')
  arrays = dict(np.load(tmp_path / 'x.npz'))
  checkpoint = tmp_path / 'x.pth'
  checkpoint.write_bytes(b'')
  flags = ['--mode=import', f'--checkpoint={checkpoint}']
  monkeypatch.setitem(sys.modules, 'torch', None)
  program.refused(
    tmp_path / 'run', *flags, words=['needs PyTorch', 'numpy.savez']
  )

  def load(path, map_location, weights_only):
    assert (path, map_location, weights_only) == (checkpoint, 'cpu', True)
    tensors = {
      name: types.SimpleNamespace(numpy=lambda array=array: array)
      for name, array in arrays.items()
    }
    return {'state_dict': tensors, 'global_step': 3}

  monkeypatch.setitem(sys.modules, 'torch', types.SimpleNamespace(load=load))
  program.run(tmp_path / 'run', *flags)
  assert load_run(tmp_path / 'run').teacher

  def fails(*_, **__):
    raise RuntimeError('no magic number')

  monkeypatch.setitem(sys.modules, 'torch', types.SimpleNamespace(load=fails))
  program.refused(
    tmp_path / 'other', *flags, words=['no magic number', 'torch.save']
  )


HOPELESS = {
  'of another shape': (
    {'first_conv.bias': np.zeros(7, np.float32)},
    {},
    ['first_conv.bias', '[7]', '[6]', '--hparams'],
  ),
  'unknown': (
    {'more.bias': np.zeros(7, np.float32)},
    {},
    ['more.bias', 'not known'],
  ),
  'missing': ({'first_conv.bias': None}, {}, ['has no first_conv.bias']),
  'not finite': (
    {'first_conv.bias': np.full(6, np.nan, np.float32)},
    {},
    ['first_conv.bias', 'not finite'],
  ),
  'another kernel': (
    {},
    {'kernel_size': 3},
    ['conv_layers.0.conv', '[8, 6, 2'],
  ),
  'one tap': ({}, {'kernel_size': 1}, ['kernel_size', '2 or more']),
  'another hop': ({}, {'hop_size': 20}, ['upsample_scales', 'hop_size=20']),
  'companded scalars': ({}, {'input_type': 'mulaw'}, ['input_type', 'mulaw']),
  'smoothed over frequency': (
    {},
    {'upsample_params': {'upsample_scales': [16], 'freq_axis_kernel_size': 3}},
    ['freq_axis_kernel_size', '3'],
  ),
  'a wide view': ({}, {'cin_pad': 9}, ['see 10 frames', 'at most 8']),
  'not of theirs': ({}, {'layers': None}, ['hparams.json', 'TypeError']),
}


@pytest.mark.parametrize('what', HOPELESS)
def test_what_does_not_fit_is_refused(what, tmp_path):
  changed, hparams, words = HOPELESS[what]
  flag = write_checkpoint(tmp_path, 'gaussian', changed, hparams)
  program.refused(tmp_path / 'run', '--mode=import', flag, words=words)
  assert not (tmp_path / 'run').exists()


def test_a_run_is_not_imported_into(imported):
  flag = f'--checkpoint={imported.workdir.parent / "theirs" / "x.npz"}'
  program.refused(
    imported.workdir, '--mode=import', flag, words=['is a run already']
  )
  program.refused(
    imported.workdir.with_name('new'), '--mode=import', flag + 'x',
    words=['does not exist'],
  )  # fmt: skip
  program.refused(
    imported.workdir.with_name('new'), '--mode=import', flag,
    '--hparams=nowhere.json', words=['nowhere.json does not exist'],
  )  # fmt: skip


def test_recordings_are_not_prepared_for_given_features(tmp_path):
  program.refused(
    tmp_path / 'run', '--mode=prepare', '--config.conditioning.local=given',
    '--config.student.phase_harmonics=0',
    words=['conditioning.local', 'made elsewhere'],
  )  # fmt: skip


def test_the_configuration_is_kept(imported):
  run = open_run(imported.workdir, None, {}, 'generate')
  assert run.config.conditioning.local == 'given'
  assert run.config.audio.preemphasis == 0.85


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
