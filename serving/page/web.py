"""The page's side of HTTP: files, what the voice can do, and copies in lines.

An answer to `speak` is a line of JSON for each thing as soon as it is known, so
that the page draws and plays while the voice still speaks:

  {"frames": 130, "bins": 80, "loudest": -2.1}   of the recording's log-mel
  {"recording": <float32>}   some of its frames
  {"audio": <int16>}         the next samples of the copy
  {"copy": <float32>}        the next frames of its log-mel
  {"end": true}              or {"refusal": "A sentence."}

Numbers are little-endian, in base64.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
import json
import threading

import flask
import numpy as np
from werkzeug.exceptions import HTTPException

from serving.asking import Asker, ServerError
from serving.speaking import Voice

# A request holds its recording while it is spoken.
_MOST_AT_ONCE = 4
# Frames that a window reaches beyond its own: windows of up to nine hops.
_REACH_FRAMES = 4
# Of a long recording's log-mel in a line.
_FRAMES_OF_LINE = 512
_BYTES_OF_SAMPLE = 4
_LARGEST_SEED = 2**31 - 1
_HEADERS = {
  # The browser itself refuses whatever is not from here.
  'Content-Security-Policy': "default-src 'self'; media-src blob:",
  'Cache-Control': 'no-cache',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}


def make_app(
  asker: Asker, model: str, global_: Sequence[float] = ()
) -> flask.Flask:
  """A WSGI application.

  Args:
    asker: of the model server.
    model: name for the page to show.
    global_: vector of a model that has one.
  """
  app = flask.Flask(__name__, static_folder='static', static_url_path='')
  places = threading.BoundedSemaphore(_MOST_AT_ONCE)

  @app.get('/')
  def index():
    return app.send_static_file('index.html')

  @app.get('/limits')
  def tell_limits():
    return {'model': model, **Voice(asker).limits._asdict()}

  @app.post('/speak')
  def speak_copy():
    by, seed = _asked(flask.request.args)
    if not places.acquire(blocking=False):
      flask.abort(503, f'The page speaks {_MOST_AT_ONCE} copies at once at '
                  'most. Wait until one has ended.')  # fmt: skip
    try:
      voice = Voice(asker)
      waveform = _waveform(flask.request, voice.limits)
      mel = voice.features(waveform)
      copy = _until(len(waveform), voice.speak(by, mel, seed, global_))
      lines = _lines(mel, copy, voice)
      answer = flask.Response(lines, mimetype='application/x-ndjson')
    except BaseException:
      places.release()
      raise
    answer.call_on_close(places.release)
    return answer

  @app.errorhandler(ServerError)
  def server_refuses(error):
    return {'refusal': str(error)}, 502

  @app.errorhandler(HTTPException)
  def page_refuses(error):
    return {'refusal': error.description}, error.code

  @app.after_request
  def add_headers(answer):
    answer.headers.update(_HEADERS)
    return answer

  return app


def _asked(arguments):
  """-> who speaks, and the seed."""
  by, seed = arguments.get('by'), arguments.get('seed', '')
  if by not in ('student', 'teacher'):
    flask.abort(400, f'by: found {by}, expected student or teacher.')
  if not (seed.isascii() and seed.isdigit() and int(seed) <= _LARGEST_SEED):
    flask.abort(
      400, f'seed: found {seed}, expected a number from 0 to {_LARGEST_SEED}.'
    )
  return by, int(seed)


def _waveform(request, limits):
  """The body, never longer than the server's limit -> float32 `[T]`."""
  # Another site's form cannot send this type without asking.
  if request.mimetype != 'application/octet-stream':
    flask.abort(415, f'Content-Type: found {request.mimetype or "none"}, '
                'expected application/octet-stream.')  # fmt: skip
  samples = limits.most_frames * limits.hop_samples
  request.max_content_length = samples * _BYTES_OF_SAMPLE
  try:
    body = request.get_data(cache=False)
  except HTTPException as error:
    error.description = (
      'The recording is longer than '
      f'{samples / limits.sample_rate_hz:g} s. Choose a shorter one.'
    )
    raise
  if not body or len(body) % _BYTES_OF_SAMPLE:
    flask.abort(400, f'The recording: found {len(body)} bytes, expected '
                'samples of 4 bytes each, float32.')  # fmt: skip
  # A decoder gives more than full scale between two samples of it.
  return np.frombuffer(body, '<f4').clip(-1, 1)


def _until(samples: int, pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
  """The pieces, cut where the recording ended within a frame."""
  for piece in pieces:
    yield piece[:samples]
    samples -= len(piece)


def _lines(mel, copy, voice) -> Iterator[str]:
  """See the top of this file."""
  hop_samples = voice.limits.hop_samples
  frames, bins = mel.shape
  yield _line(frames=frames, bins=bins, loudest=float(mel.max()))
  for first in range(0, len(mel), _FRAMES_OF_LINE):
    yield _line(recording=_base64(mel[first : first + _FRAMES_OF_LINE], '<f4'))
  heard = np.zeros(0, np.float32)
  # Of the copy's frames: that of heard[0], and the next one to be told.
  first = told = 0
  try:
    for piece in copy:
      yield _line(audio=_base64(np.rint(piece.clip(-1, 1) * 32767), '<i2'))
      heard = np.concatenate([heard, piece])
      known = first + len(heard) // hop_samples - _REACH_FRAMES
      if known > told:
        new = voice.features(heard)[told - first : known - first]
        yield _line(copy=_base64(new, '<f4'))
        told = known
        kept = max(first, told - _REACH_FRAMES)
        heard = heard[(kept - first) * hop_samples :]
        first = kept
    yield _line(copy=_base64(voice.features(heard)[told - first :], '<f4'))
  except ServerError as error:
    yield _line(refusal=str(error))
  else:
    yield _line(end=True)


def _line(**values):
  return json.dumps(values) + '\n'


def _base64(numbers, dtype):
  return base64.b64encode(numbers.astype(dtype).tobytes()).decode()
