"""The page's side of HTTP, in process: what is asked, refused and streamed."""

import base64
import json
import types

from absl import flags
import numpy as np
import pytest

from serving.asking import Asker, GrpcServer
from serving.local_model import LocalModel
from serving.local_server import serving
from serving.page import __main__ as program
from serving.page import web
from tests.serving import stand_in_voice
from tests.support.project_imports import ROOT

TOLD = [0.5, -0.25]  # The global vector.
# More than a line's frames, and an end within a frame.
SAMPLES = 530 * stand_in_voice.HOP + 7
SOUND = 'application/octet-stream'
STATIC = ROOT / 'serving' / 'page' / 'static'


class Counting(Asker):
  """Knows how often it was asked for audio."""

  spoken = 0

  def ask(self, signature, inputs):
    self.spoken += signature in ('stream', 'teacher')
    return super().ask(signature, inputs)


@pytest.fixture(scope='module')
def target(tmp_path_factory):
  folder = tmp_path_factory.mktemp('voice')
  stand_in_voice.save(folder / '1')
  with serving(LocalModel(folder, 'wavenet')) as ports:
    yield f'127.0.0.1:{ports.grpc}'


@pytest.fixture
def asker(target):
  return Counting(GrpcServer(target, 'wavenet', 20.0), 0.0)


@pytest.fixture
def client(asker):
  return web.make_app(asker, 'wavenet', TOLD).test_client()


def recording(samples=SAMPLES):
  generator = np.random.default_rng(1)
  return generator.uniform(-0.9, 0.9, samples).astype('<f4')


def speak(client, body=None, query='by=student&seed=3', content_type=SOUND):
  body = recording().tobytes() if body is None else body
  return client.post(f'/speak?{query}', data=body, content_type=content_type)


def numbers(lines, name, dtype):
  return np.concatenate([
    np.frombuffer(base64.b64decode(line[name]), dtype)
    for line in lines if name in line
  ])  # fmt: skip


def refusal(answer, status):
  assert answer.status_code == status, answer.data
  sentence = answer.get_json()['refusal']
  assert sentence.endswith('.') and '\n' not in sentence
  return sentence


@pytest.mark.parametrize('by', ['student', 'teacher'])
def test_the_lines_hold_the_whole_copy_and_both_spectrograms(by, asker, client):
  answer = speak(client, query=f'by={by}&seed=3')
  assert answer.status_code == 200
  first, *lines = map(json.loads, answer.text.splitlines())

  def features(waveform):
    return asker.ask('features', {'audio': waveform[None]})['mel'][0]

  mel = features(recording())
  assert (first['frames'], first['bins']) == mel.shape
  assert first['loudest'] == mel.max()
  np.testing.assert_array_equal(numbers(lines, 'recording', '<f4'), mel.ravel())
  said = stand_in_voice.expected(mel, by, 3, TOLD)[:SAMPLES]
  assert said.std() > 0.1
  np.testing.assert_allclose(
    numbers(lines, 'audio', '<i2'), said * 32767, atol=1
  )
  assert numbers(lines, 'copy', '<f4').size == mel.size
  assert lines[-1] == {'end': True}
  # The picture never is ahead of the sound, nor much behind.
  assert sum('audio' in line for line in lines) > 5
  assert sum('copy' in line for line in lines) > 5


@pytest.mark.parametrize('piece', [1, 30, 160, 5000])
def test_frames_by_pieces_are_those_of_the_whole(piece):
  """Where the windows reach over four frames on either side."""
  hop = 10

  def features(waveform):
    padded = np.pad(waveform, (4 * hop, 4 * hop + -len(waveform) % hop))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 9 * hop)[::hop]
    return windows @ np.random.default_rng(0).normal(size=[9 * hop, 3])

  voice = types.SimpleNamespace(
    features=features, limits=types.SimpleNamespace(hop_samples=hop)
  )
  wave = recording(1234)
  pieces = np.split(wave, range(piece, len(wave), piece))
  lines = web._lines(np.zeros([124, 3]), pieces, voice)
  found = numbers(list(map(json.loads, lines)), 'copy', '<f4')
  np.testing.assert_allclose(
    found.reshape(-1, 3), features(wave), rtol=1e-5, atol=1e-5
  )


@pytest.mark.parametrize(
  ('told', 'status', 'word'),
  [
    ({'query': 'by=parrot&seed=0'}, 400, 'parrot'),
    ({'query': 'by=student'}, 400, 'seed'),
    ({'query': 'by=student&seed=-1'}, 400, '-1'),
    ({'query': f'by=student&seed={2**31}'}, 400, str(2**31)),
    ({'content_type': 'text/plain'}, 415, 'text/plain'),
    ({'body': b''}, 400, '0 bytes'),
    ({'body': b'12345'}, 400, '5 bytes'),
    (
      {'body': bytes(4 * stand_in_voice.MOST_FRAMES * stand_in_voice.HOP + 4)},
      413,
      'longer than 1.5 s',
    ),
  ],
)
def test_what_is_wrong_is_a_sentence(told, status, word, asker, client):
  assert word in refusal(speak(client, **told), status)
  assert not asker.spoken


def test_the_longest_recording_is_copied(client):
  samples = stand_in_voice.MOST_FRAMES * stand_in_voice.HOP
  assert speak(client, bytes(4 * samples)).text.endswith('{"end": true}\n')


def test_a_server_that_is_not_there_is_a_sentence():
  asker = Asker(GrpcServer('127.0.0.1:1', 'wavenet', 5.0), 0.0)
  client = web.make_app(asker, 'wavenet').test_client()
  for answer in client.get('/limits'), speak(client):
    assert answer.status_code == 502
    assert '127.0.0.1:1' in answer.get_json()['refusal']


def test_what_the_server_refuses_is_told_after_the_first_lines(asker):
  """A model with a global vector that is not given one."""
  client = web.make_app(asker, 'wavenet').test_client()
  first, *_, last = map(json.loads, speak(client).text.splitlines())
  assert first['frames'] == 531
  assert 'global_vector' in last['refusal']


def test_who_goes_away_is_not_spoken_to_and_leaves_a_place(asker, client):
  """The model server is not asked for what nobody hears."""
  held = []
  for _ in range(web._MOST_AT_ONCE):
    answer = speak(client)
    lines = answer.iter_encoded()
    while b'audio' not in next(lines):
      pass
    held.append(answer)
  assert 'at once' in refusal(speak(client), 503)
  for answer in held:
    answer.close()
  assert asker.spoken == web._MOST_AT_ONCE
  assert speak(client).text.endswith('{"end": true}\n')


def test_a_refusal_leaves_a_place(client):
  for _ in range(web._MOST_AT_ONCE + 1):
    refusal(speak(client, b''), 400)


def test_the_page_is_told_the_limits(client):
  told = client.get('/limits').get_json()
  assert told['model'] == 'wavenet'
  assert told['most_frames'] == stand_in_voice.MOST_FRAMES
  assert told['mel_max_hz'] == 4000


def test_files_ask_nothing_of_anybody_else(client):
  """Scripts and styles come from here; a policy holds the browser to it."""
  for path in STATIC.iterdir():
    text = path.read_text('utf-8').replace('http://www.w3.org/2000/svg', '')
    assert '//' not in text.replace('// ', '').replace('//\n', ''), path
    answer = client.get('/' if path.name == 'index.html' else f'/{path.name}')
    assert answer.data == path.read_bytes()
    policy = answer.headers['Content-Security-Policy']
    assert policy.startswith("default-src 'self'")


@pytest.mark.parametrize(
  ('flag', 'word'),
  [('--global=0,loud', 'loud'), ('--local=nowhere', 'nowhere')],
)
def test_a_wrong_flag_is_a_sentence(flag, word, capsys):
  values = flags.FlagValues()
  program.define_flags(values)
  assert program.main(values(['page', flag]), values) == 1
  assert word in capsys.readouterr().err


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
