"""Many clients at a time, some of them hostile: none lost, none wrong."""

import random
import threading
import time
from typing import NamedTuple

import grpc
import numpy as np
import pytest
import tensorflow as tf

from serving.asking import Asker, GrpcServer, NotNowError, ServerError
from serving.local_model import Limits, LocalModel
from serving.local_server import serving
from serving.speaking import Voice
from tests.support.miniature import random_teacher
from tests.torture import voices
from tests.torture.amounts import amount, LONG
from tests.torture.server_process import raw_predict, server_process
from wavenet_tf.speaking.generation import Generator

pytestmark = pytest.mark.medium

# Of what is said, beside chunks of 8.
_FRAMES = (1, 7, 8, 61, *amount((), (24, 200)))
SECONDS = amount(1, 60)  # For each number of clients, and once more.
HOSTILE = 0.05
# What a server may keep of its first busy seconds, and what it may gain in as
# much time again.
MOST_GAINED_MEGABYTES = amount(150, 30)


class Utterance(NamedTuple):
  mel: np.ndarray
  seed: int
  audio: np.ndarray  # As `serving_default` says it in this process.


class Heard(NamedTuple):
  first_seconds: float
  whole_seconds: float
  samples: int


class Crowd:
  """Clients that ask at random until their time is over.

  Args:
    port: of the server.
    utterances: to ask for.
    hostile: messages that the server must refuse.
    refusals: codes with which it may.
  """

  def __init__(self, port, utterances, hostile, refusals=voices.REFUSALS):
    self._target = f'127.0.0.1:{port}'
    self._utterances = utterances
    self._hostile = hostile
    self._refusals = refusals
    self.heard = []
    self.refused = 0
    self.wrong = []

  def run(self, clients, seconds):
    self._end = time.monotonic() + seconds
    threads = [
      threading.Thread(target=self._client, args=(number,))
      for number in range(clients)
    ]
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join()

  def _client(self, number):
    """Anything that is not the right answer is kept, and fails the test."""
    generator = random.Random(number)
    try:
      voice = Voice(Asker(GrpcServer(self._target, 'wavenet', 60.0), 60.0))
      with grpc.insecure_channel(self._target) as channel:
        while time.monotonic() < self._end:
          if generator.random() < HOSTILE:
            self._attack(channel, generator.choice(self._hostile))
          else:
            self._listen(voice, generator.choice(self._utterances))
    except Exception as error:
      self.wrong.append(repr(error))

  def _listen(self, voice, utterance):
    begin = time.monotonic()
    pieces, first = [], None
    for piece in voice.speak('student', utterance.mel, utterance.seed):
      first = first or time.monotonic() - begin
      pieces.append(piece)
    whole, audio = time.monotonic() - begin, np.concatenate(pieces)
    self.heard.append(Heard(first, whole, len(audio)))
    if not np.array_equal(audio, utterance.audio):
      self.wrong.append('other samples than alone')

  def _attack(self, channel, message):
    try:
      raw_predict(channel, message)
    except grpc.RpcError as error:
      if error.code() in self._refusals:
        self.refused += 1
      else:
        self.wrong.append(f'{error.code()}: {error.details()}')
    else:
      self.wrong.append('a hostile request was answered')


@pytest.fixture(
  scope='module', params=['miniature', 'kathleen'] if LONG else ['miniature']
)
def voice(request, tmp_path_factory):
  """A small one answers often, one of real size works for its answers."""
  if request.param == 'kathleen':
    return voices.export_kathleen(tmp_path_factory.mktemp('kathleen'))
  return request.getfixturevalue('miniature_voice')


def spoken_alone(voice) -> list[Utterance]:
  model = LocalModel(voice.folder, 'wavenet')
  generator = np.random.default_rng(1)
  found = []
  for seed, frames in enumerate(_FRAMES):
    mel = voice.log_mel(generator, frames)
    inputs = {'mel': mel[None], 'seed': np.array([[seed, 0]], np.int32)}
    audio = model.predict('serving_default', inputs)['audio'][0]
    found.append(Utterance(mel, seed, audio))
  model.close()
  return found


def test_many_clients_hear_what_one_hears(voice):
  utterances = spoken_alone(voice)
  hostile = voices.hostile_messages(voice)
  with server_process(voice.folder) as server:
    megabytes = []
    for clients in 1, 8, 32:
      crowd = Crowd(server.ports.grpc, utterances, hostile)
      begin = time.monotonic()
      crowd.run(clients, SECONDS)
      seconds = time.monotonic() - begin
      megabytes.append(server.settled_megabytes())
      _print(voice, clients, crowd, seconds, megabytes[-1])
      assert not crowd.wrong, crowd.wrong[:3]
      assert len(crowd.heard) >= clients
    assert crowd.refused
    # Once more, all as before: memory is a level, not a slope.
    Crowd(server.ports.grpc, utterances, hostile).run(32, SECONDS)
    again = server.settled_megabytes()
    print(f'again: {again:.0f} MB')
    assert again - megabytes[-1] < MOST_GAINED_MEGABYTES
    assert server.lives()


def _print(voice, clients, crowd, seconds, megabytes):
  def percentiles(values):
    found = np.percentile(values, [50, 95, 99]) * 1000
    return ' / '.join(f'{value:.0f}' for value in found)

  first, whole, _ = zip(*crowd.heard)
  spoken = sum(heard.samples for heard in crowd.heard)
  rate = voice.config.audio.sample_rate_hz
  print(
    f'{clients} clients: {len(whole) / seconds:.1f} answers/s, '
    f'{spoken / rate / seconds:.2f} s of audio a second; ms of the first '
    f'piece {percentiles(first)}, of the whole {percentiles(whole)} (p50 / '
    f'p95 / p99); {crowd.refused} refused; {megabytes:.0f} MB'
  )


@pytest.mark.large
def test_one_too_many_is_told_so_and_comes_again(miniature_voice):
  """With no place to wait, clients are patient and none is lost."""
  folder = miniature_voice.folder
  model = LocalModel(folder, 'wavenet', Limits(computing=1, waiting=0))
  utterances = spoken_alone(miniature_voice)
  told = []

  def press(port):
    asker = Asker(GrpcServer(f'127.0.0.1:{port}', 'wavenet', 60.0), 0.0)
    for _ in range(50):
      try:
        Voice(asker)
      except ServerError as error:
        told.append(error)

  with serving(model) as ports:
    threads = [
      threading.Thread(target=press, args=(ports.grpc,)) for _ in range(8)
    ]
    for thread in threads:
      thread.start()
    crowd = Crowd(
      ports.grpc,
      utterances,
      voices.hostile_messages(miniature_voice),
      voices.REFUSALS | {grpc.StatusCode.RESOURCE_EXHAUSTED},
    )
    crowd.run(4, SECONDS)
    for thread in threads:
      thread.join()
  assert told and all(isinstance(error, NotNowError) for error in told)
  assert all('RESOURCE_EXHAUSTED' in str(error) for error in told)
  assert not crowd.wrong, crowd.wrong[:3]
  assert crowd.heard


def test_a_teacher_on_a_server_is_the_generator(miniature_voice):
  config = miniature_voice.config
  mel = miniature_voice.log_mel(np.random.default_rng(2), 10)
  generate = Generator(random_teacher(config), config, jit_compile=False)
  expected = generate(tf.constant(mel[None]), [5, 0])[0]
  with serving(LocalModel(miniature_voice.folder, 'wavenet')) as ports:
    server = GrpcServer(f'127.0.0.1:{ports.grpc}', 'wavenet', 60.0)
    pieces = list(Voice(Asker(server, 0.0)).speak('teacher', mel, 5))
  assert len(pieces) == 3
  np.testing.assert_array_equal(np.concatenate(pieces), expected)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__, '-s']))
