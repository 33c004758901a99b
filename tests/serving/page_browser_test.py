"""The page in a headless Chromium: chosen, spoken, drawn, heard, saved."""

import numpy as np
import pytest
import soundfile

from serving.asking import Asker, GrpcServer
from serving.local_model import LocalModel
from serving.local_server import serving
from serving.page.__main__ import page
from serving.speaking import Voice
from tests.serving import stand_in_voice
from tests.serving.chromium import CHROMIUM, chromium
from tests.support.recordings import speech_like

pytestmark = [
  pytest.mark.medium,
  pytest.mark.skipif(not CHROMIUM, reason='Chromium is not installed.'),
]

RATE, HOP = stand_in_voice.RATE_HZ, stand_in_voice.HOP
TOLD = [0.5, -0.25]  # The global vector.
STATUS = "document.getElementById('status').textContent"
SPEAK = "document.getElementById('speak')"
# Colours of a picture, from the top row on.
PIXELS = """(() => {
  const canvas = document.querySelector('#%s canvas');
  const {width, height} = canvas;
  const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
  return {width, height, data: [...data]};
})()"""
# Names of what can be reached by the keyboard.
ROLES = ('button', 'radio', 'spinbutton', 'link', 'image', 'Audio')


@pytest.fixture(scope='module')
def target(tmp_path_factory):
  folder = tmp_path_factory.mktemp('voice')
  stand_in_voice.save(folder / '1')
  with serving(LocalModel(folder, 'wavenet')) as ports:
    yield f'127.0.0.1:{ports.grpc}'


@pytest.fixture(scope='module')
def address(target):
  with page(target, 'wavenet', '127.0.0.1', 0, 20.0, 0.0, TOLD) as address:
    yield address


@pytest.fixture(scope='module')
def microphone(tmp_path_factory):
  path = tmp_path_factory.mktemp('microphone') / 'heard.wav'
  soundfile.write(path, speech_like(3.0, 48000), 48000)
  return path


@pytest.fixture(scope='module')
def browser(microphone):
  with chromium(f'--use-file-for-fake-audio-capture={microphone}') as found:
    yield found


@pytest.fixture
def shown(browser, address):
  """The page, open and told what the model can do."""
  browser.requests.clear()
  browser.complaints.clear()
  browser.look_like(1200, 900)
  browser.open(address)
  browser.until("document.getElementById('about').textContent")
  return browser


def choose(shown, path):
  shown.choose('#file', path)
  shown.until(f'!{SPEAK}.disabled')


def spoken(shown, by):
  shown.until(f"{STATUS}.startsWith('The {by} has spoken ')")


def saved(shown, folder):
  """Presses the link -> rate and 16-bit samples of the file."""
  shown(
    'Browser.setDownloadBehavior', behavior='allow', downloadPath=str(folder)
  )
  shown.value("document.getElementById('download').click()")
  shown.wait(lambda: list(folder.glob('copy_by_*.wav')), 'saved')
  (path,) = folder.glob('copy_by_*.wav')
  samples, rate = soundfile.read(path, dtype='int16')
  return rate, samples


def picture(shown, of):
  """-> uint8 `[F, mels, 4]`, quiet to loud, low to high."""
  found = shown.value(PIXELS % of)
  pixels = np.array(found['data'], np.uint8)
  pixels = pixels.reshape(found['height'], found['width'], 4)
  return pixels[::-1].transpose(1, 0, 2)


@pytest.mark.parametrize('by', ['student', 'teacher'])
def test_a_chosen_file_is_spoken_drawn_and_saved(
  by, shown, target, address, tmp_path
):
  """By keyboard alone, but for the dialogue that chooses a file."""
  # Chromium has a scale of its own for integers.
  waveform = (speech_like(1.2)[:-7] / 32768).astype(np.float32)
  soundfile.write(tmp_path / 'in.wav', waveform, RATE, subtype='FLOAT')
  choose(shown, tmp_path / 'in.wav')
  shown.value("document.getElementById('student').focus()")
  if by == 'teacher':
    shown.press('ArrowRight')
  for _ in range(2):  # Past the seed.
    shown.press('Tab')
  shown.press('Enter')
  spoken(shown, by)

  voice = Voice(Asker(GrpcServer(target, 'wavenet', 20.0), 0.0))
  mel = voice.features(waveform)
  said = np.concatenate(list(voice.speak(by, mel, 0, TOLD)))[: len(waveform)]
  rate, samples = saved(shown, tmp_path)
  assert rate == RATE
  np.testing.assert_array_equal(samples, np.rint(said * 32767))
  assert samples.std() > 1000
  for name in 'recording', 'copy':
    pixels = picture(shown, name)
    assert pixels.shape[:2] == mel.shape
    assert (pixels[..., 3] == 255).all()  # No frame is missing.
    assert pixels.std() > 10
  # Louder is brighter.
  bright = picture(shown, 'recording')[..., :3].sum(2)
  order = np.argsort(mel, axis=None)
  assert (np.diff(bright.ravel()[order].astype(int)) > -8).all()
  assert (
    shown.value("document.querySelectorAll('#copy .hertz span').length") > 3
  )
  measured = shown.value("document.getElementById('first-sound').textContent")
  assert 0 < float(measured.removesuffix(' ms')) < 60_000
  assert not shown.complaints
  # `data:` are the icons of the browser's own players.
  here = (address, f'blob:{address}', 'data:')
  assert all(request.startswith(here) for request in shown.requests)


def test_the_microphone_is_recorded_and_copied(shown, tmp_path):
  record = "document.getElementById('record')"
  shown.value(f'{record}.click()')
  shown.until(f"{record}.getAttribute('aria-pressed') === 'true'")
  # The model takes no more than a second and a half, and so it ends by itself.
  shown.until(f'!{SPEAK}.disabled')
  shown.value(f'{SPEAK}.click()')
  spoken(shown, 'student')
  _, samples = saved(shown, tmp_path)
  assert 0.3 * RATE < len(samples) <= stand_in_voice.MOST_FRAMES * HOP
  # It is the tone in the file, not silence.
  assert picture(shown, 'recording').std() > 10
  assert not shown.complaints


def test_a_line_shows_what_is_heard_until_it_is_stopped(shown, tmp_path):
  soundfile.write(tmp_path / 'in.wav', speech_like(1.4), RATE)
  choose(shown, tmp_path / 'in.wav')
  shown.value(f'{SPEAK}.click()')
  head = "document.querySelector('#copy .playhead')"
  shown.until(f'!{head}.hidden && parseFloat({head}.style.left) > 5')
  early = float(shown.value(f'{head}.style.left').removesuffix('%'))
  shown.until(f'parseFloat({head}.style.left) > {early + 5}')
  shown.value("document.getElementById('stop').click()")
  shown.until(f'{head}.hidden')
  assert shown.value("document.getElementById('stop').disabled")
  assert not shown.complaints


def test_the_sound_ends_by_itself(shown, tmp_path):
  soundfile.write(tmp_path / 'in.wav', speech_like(0.5), RATE)
  choose(shown, tmp_path / 'in.wav')
  shown.value(f'{SPEAK}.click()')
  spoken(shown, 'student')
  shown.until("document.getElementById('stop').disabled")
  # The finished files can be played again.
  for name in 'recording', 'copy':
    audio = f"document.querySelector('#{name} audio')"
    shown.value(f'{audio}.play()')
    shown.until(f'{audio}.currentTime > 0.1')
    assert abs(shown.value(f'{audio}.duration') - 0.5) < 0.05
  assert not shown.complaints


@pytest.mark.parametrize(
  ('name', 'word'), [('long.wav', 'at most 1.5 s'), ('words.txt', 'decode')]
)
def test_what_cannot_be_copied_is_a_sentence(name, word, shown, tmp_path):
  if name.endswith('.wav'):
    soundfile.write(tmp_path / name, speech_like(2.0), RATE)
  else:
    (tmp_path / name).write_text('no sound')
  shown.choose('#file', tmp_path / name)
  shown.until(f"{STATUS}.startsWith('{name}: ')")
  assert word in shown.value(STATUS)
  assert shown.value(f'{SPEAK}.disabled')


def test_a_refusal_of_the_server_is_its_sentence(shown, tmp_path):
  soundfile.write(tmp_path / 'in.wav', speech_like(1.0), RATE)
  choose(shown, tmp_path / 'in.wav')
  shown.value("document.getElementById('student').value = 'parrot'")
  shown.value(f'{SPEAK}.click()')
  shown.until(f"{STATUS} === 'by: found parrot, expected student or teacher.'")
  assert not shown.value(f'{SPEAK}.disabled')


@pytest.mark.parametrize('width', [320, 390, 768, 1200])
def test_it_fits_every_width(width, shown):
  shown.look_like(width, 800)
  assert shown.value('document.documentElement.scrollWidth') <= width


def test_light_and_dark_differ(shown):
  paper = 'getComputedStyle(document.body).backgroundColor'
  light = shown.value(paper)
  shown.look_like(1200, 900, dark=True)
  assert shown.value(paper) != light


def test_all_controls_and_pictures_have_names(shown):
  nodes = shown('Accessibility.getFullAXTree')['nodes']
  names = [
    (node['role']['value'], node['name']['value'])
    for node in nodes
    if not node['ignored'] and node['role']['value'] in ROLES
  ]
  assert {role for role, _ in names} >= {'button', 'radio', 'spinbutton'}
  assert all(name for _, name in names), names


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
