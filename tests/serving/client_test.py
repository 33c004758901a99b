"""The client against the local server, in processes and in this one."""

import contextlib
import io
import subprocess
import sys

from absl import flags
import numpy as np
import pytest
import soundfile

from serving import client
from serving.asking import Asker, GrpcServer, NotNowError, ServerError, SERVERS
from serving.local_model import LocalModel
from serving.local_server import serving
from serving.speaking import Voice
from tests.serving import stand_in_voice, tiny_model
from tests.support.project_imports import ROOT
from tests.support.recordings import speech_like

GLOBAL = [0.5, -0.25]
SAMPLES = 8000 + 7  # The last frame and the last chunk are not full.


@pytest.fixture(scope='module')
def ports(tmp_path_factory):
  folder = tmp_path_factory.mktemp('voice')
  stand_in_voice.save(folder / '1')
  with serving(LocalModel(folder, 'wavenet')) as found:
    yield found._asdict()


def run(*flags_):
  """-> the exit status, and what is said on standard error."""
  values = flags.FlagValues()
  client.define_flags(values)
  errors = io.StringIO()
  with contextlib.redirect_stderr(errors):
    status = client.main(values(['client', *flags_]), values)
  return status, errors.getvalue()


def arguments(tmp_path, port, protocol='grpc', *flags_):
  """Of a command that copies a stereo recording of twice the model's rate."""
  path = tmp_path / 'in.wav'
  wave = speech_like(SAMPLES / 8000, 16000)
  soundfile.write(path, np.stack([wave, wave // 2], 1), 16000)
  return [
    '--host=127.0.0.1', f'--port={port}', f'--protocol={protocol}',
    f'--input={path}', f'--output={tmp_path / "out.wav"}',
    '--patience_seconds=0', '--global=' + ','.join(map(str, GLOBAL)), *flags_,
  ]  # fmt: skip


def voice_on(ports, protocol):
  server = SERVERS[protocol](f'127.0.0.1:{ports[protocol]}', 'wavenet', 60.0)
  return Voice(Asker(server, 0.0))


@pytest.mark.parametrize('protocol', ['grpc', 'rest'])
@pytest.mark.parametrize('by', ['student', 'teacher'])
@pytest.mark.parametrize('frames', [1, 8, 9, 23, 24, 300])
def test_pieces_are_the_utterance(ports, protocol, by, frames):
  mel = np.random.default_rng(frames).normal(-5, 3, (frames, 8))
  mel = mel.astype(np.float32)
  pieces = list(voice_on(ports, protocol).speak(by, mel, 3, GLOBAL))
  expected = stand_in_voice.expected(mel, by, 3, GLOBAL)
  np.testing.assert_allclose(np.concatenate(pieces), expected, atol=1e-4)
  if by == 'student':
    assert len(pieces[0]) == min(8, frames) * stand_in_voice.HOP
    assert len(pieces) <= 1 + frames // 8


def test_another_process_says_the_same_by_rest_and_grpc(ports, tmp_path):
  written = []
  for protocol, port in ports.items():
    for output in (), ('--output=-',):
      done = subprocess.run(
        [
          sys.executable, '-m', 'serving.client',
          *arguments(tmp_path, port, protocol, *output),
        ],
        capture_output=True, cwd=ROOT, timeout=300,
      )  # fmt: skip
      assert done.returncode == 0, done.stderr
      written.append(done.stdout or (tmp_path / 'out.wav').read_bytes())
  assert written[0] == written[1]
  assert written[2] == written[3]
  copy, rate = soundfile.read(tmp_path / 'out.wav', dtype='int16')
  assert rate == 8000 and len(copy) == SAMPLES
  assert np.abs(copy).max() > 10_000
  by_grpc, _ = soundfile.read(io.BytesIO(written[0]), dtype='int16')
  np.testing.assert_allclose(by_grpc, copy, atol=2)


class Stub:
  """A voice of three pieces; `look` sees what is there before each."""

  def __init__(self, look, rate_hz=8000):
    self.limits = type('Limits', (), {'sample_rate_hz': rate_hz})
    self._look = look

  def features(self, waveform):
    return waveform

  def speak(self, by, mel, seed, global_):
    for piece in np.split(mel, 3):
      self._look()
      yield piece


def test_a_file_grows_while_it_is_spoken_and_then_has_its_name(tmp_path):
  path = tmp_path / 'out.wav'
  path.write_bytes(b'old')
  sizes = []

  def look():
    assert path.read_bytes() == b'old'
    sizes.append((tmp_path / 'out.wav.partial').stat().st_size)

  wave = np.linspace(-1, 1, 300).astype(np.float32)
  client.copy(Stub(look), 'student', wave, 8000, 0, [], str(path))
  # The first look is before the header is flushed, or after.
  assert sizes[1:] == [44 + 200, 44 + 400]
  copy, _ = soundfile.read(path, dtype='int16')
  np.testing.assert_array_equal(copy, np.rint(wave * 32767))
  assert list(tmp_path.iterdir()) == [path]


def test_a_copy_that_breaks_off_leaves_what_was_there(tmp_path):
  path = tmp_path / 'out.wav'
  path.write_bytes(b'old')

  def look():
    if (tmp_path / 'out.wav.partial').stat().st_size > 44:
      raise ServerError('the server is gone')

  with pytest.raises(ServerError):
    client.copy(
      Stub(look), 'student', np.zeros(300, 'f'), 8000, 0, [], str(path)
    )
  assert path.read_bytes() == b'old'
  assert list(tmp_path.iterdir()) == [path]


def test_a_reader_that_goes_away_is_one_sentence(ports, tmp_path):
  done = subprocess.run(
    [
      '/bin/bash', '-c',
      '"$0" -m serving.client "$@" | head -c 10 > /dev/null; '
      'exit ${PIPESTATUS[0]}',
      sys.executable,
      *arguments(tmp_path, ports['rest'], 'rest', '--output=-'),
    ],
    capture_output=True, text=True, cwd=ROOT, timeout=300,
  )  # fmt: skip
  assert done.returncode == 1
  assert done.stderr.splitlines()[-1].startswith('--output: ')
  assert 'Traceback' not in done.stderr and 'Exception' not in done.stderr


@pytest.mark.parametrize('protocol', ['grpc', 'rest'])
@pytest.mark.parametrize(
  ('flag', 'sentence'),
  [
    ('--model=nobody', 'Servable not found'),
    ('--global=0,loud', '--global: could not convert'),
    ('--global=', 'Missing but required: {global_vector}'),
    ('--input=missing.wav', '--input: Error opening'),
    ('--output=missing/out.wav', '--output: '),
    ('--port=1', '127.0.0.1:1'),
  ],
)
def test_each_failure_is_one_sentence(
  ports, tmp_path, protocol, flag, sentence
):
  status, said = run(*arguments(tmp_path, ports[protocol], protocol, flag))
  assert status == 1
  assert sentence in said and said.count('\n') == 1
  assert not (tmp_path / 'out.wav').exists()


@pytest.mark.parametrize('protocol', ['grpc', 'rest'])
def test_what_the_graph_refuses_is_its_own_sentence(ports, tmp_path, protocol):
  told = arguments(tmp_path, ports[protocol], protocol)
  soundfile.write(tmp_path / 'in.wav', np.zeros(12_020), 8000)
  status, said = run(*told)
  assert status == 1
  assert said.endswith(': audio: found too many samples, expected fewer.\n'), (
    said
  )


def test_a_model_that_is_no_voice_is_one_sentence(tmp_path):
  tiny_model.save(tmp_path / 'tiny' / '1')
  with serving(LocalModel(tmp_path / 'tiny', 'wavenet')) as found:
    _, said = run(*arguments(tmp_path, found.grpc))
  assert 'no signature `limits`' in said


class Moody:
  """A server that raises some errors before it answers."""

  def __init__(self, *errors):
    self.left = list(errors)

  def ask(self, signature, inputs):
    if self.left:
      raise self.left.pop(0)
    return inputs

  inputs = None


def test_what_may_be_asked_again_is_asked_again():
  server = Moody(NotNowError('busy'), NotNowError('busy'))
  assert Asker(server, 10.0).ask('x', {'a': 1}) == {'a': 1}


def test_what_is_refused_is_asked_once():
  server = Moody(ServerError('no'), ServerError('not reached'))
  with pytest.raises(ServerError, match='no'):
    Asker(server, 10.0).ask('x', {})
  assert len(server.left) == 1


def test_patience_ends():
  server = Moody(*[NotNowError('busy')] * 1000)
  with pytest.raises(NotNowError, match='busy'):
    Asker(server, 0.5).ask('x', {})
  assert 990 < len(server.left) < 999


def test_which_refusals_of_grpc_may_be_asked_again(tmp_path):
  with pytest.raises(NotNowError, match='UNAVAILABLE'):
    GrpcServer('127.0.0.1:1', 'wavenet', 5.0).inputs()


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
