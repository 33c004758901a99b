"""A headless Chromium, told what to do over its debugging pipe."""

import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
_PATIENCE_SECONDS = 60.0


class Page:
  """One page: the DevTools protocol, in the few words that tests need."""

  def __init__(self, commands, answers):
    self._commands, self._answers = commands, answers
    self._number = 0
    self._unread = b''
    self._session = {}
    self.requests = []  # Addresses of all that it asked for.
    self.complaints = []  # Errors of scripts and of the console.
    targets = self('Target.getTargets')['targetInfos']
    target = next(t['targetId'] for t in targets if t['type'] == 'page')
    session = self('Target.attachToTarget', targetId=target, flatten=True)
    self._session = {'sessionId': session['sessionId']}
    for domain in 'Page', 'Network', 'Runtime', 'DOM', 'Log':
      self(f'{domain}.enable')

  def __call__(self, method: str, **parameters) -> dict:
    """Sends a command and waits for its result."""
    self._number += 1
    message = {'id': self._number, 'method': method, 'params': parameters}
    text = json.dumps(message | self._session)
    os.write(self._commands, text.encode() + b'\0')
    while True:
      answer = self._next()
      if answer.get('id') == self._number:
        assert 'error' not in answer, (method, answer['error'])
        return answer['result']

  def _next(self):
    while b'\0' not in self._unread:
      ready, _, _ = select.select([self._answers], [], [], _PATIENCE_SECONDS)
      assert ready, f'Chromium said nothing for {_PATIENCE_SECONDS} s'
      some = os.read(self._answers, 2**16)
      assert some, 'Chromium ended'
      self._unread += some
    text, _, self._unread = self._unread.partition(b'\0')
    answer = json.loads(text)
    told = answer.get('params', {})
    match answer.get('method'):
      case 'Network.requestWillBeSent':
        self.requests.append(told['request']['url'])
      case 'Runtime.exceptionThrown':
        self.complaints.append(told['exceptionDetails'])
      case 'Log.entryAdded' if told['entry']['level'] == 'error':
        self.complaints.append(told['entry'])
    return answer

  def open(self, address: str) -> None:
    self('Page.navigate', url=address)
    self.until("document.readyState === 'complete'")

  def value(self, expression: str):
    """Of a JavaScript expression; a promise is waited for."""
    result = self(
      'Runtime.evaluate', expression=expression, awaitPromise=True,
      returnByValue=True, userGesture=True,
    )  # fmt: skip
    assert 'exceptionDetails' not in result, result['exceptionDetails']
    return result['result'].get('value')

  def until(self, expression: str, seconds: float = 60.0) -> None:
    """Waits until an expression is true."""
    self.wait(lambda: self.value(expression), expression, seconds)

  def wait(self, happened, what: str, seconds: float = 60.0) -> None:
    """Waits until `happened()`."""
    end = time.monotonic() + seconds
    while not happened():
      status = self.value("document.getElementById('status')?.textContent")
      assert time.monotonic() < end, f'not in {seconds} s: {what}; {status}'
      time.sleep(0.05)

  def choose(self, selector: str, path: pathlib.Path) -> None:
    """Gives a file to `<input type=file>`."""
    root = self('DOM.getDocument')['root']['nodeId']
    node = self('DOM.querySelector', nodeId=root, selector=selector)['nodeId']
    self('DOM.setFileInputFiles', nodeId=node, files=[str(path)])

  def press(self, key: str) -> None:
    """A key, as a keyboard sends it."""
    text = {'Enter': '\r', ' ': ' '}.get(key, '')
    code = {'Tab': 9, 'Enter': 13, ' ': 32, 'ArrowRight': 39}[key]
    told = {'key': key, 'windowsVirtualKeyCode': code}
    self('Input.dispatchKeyEvent', type='keyDown', text=text, **told)
    self('Input.dispatchKeyEvent', type='keyUp', **told)

  def look_like(self, width: int, height: int, *, dark: bool = False) -> None:
    self(
      'Emulation.setDeviceMetricsOverride', width=width, height=height,
      deviceScaleFactor=1, mobile=width < 600,
    )  # fmt: skip
    scheme = 'dark' if dark else 'light'
    feature = {'name': 'prefers-color-scheme', 'value': scheme}
    self('Emulation.setEmulatedMedia', features=[feature])


@contextlib.contextmanager
def chromium(*flags: str):
  """A browser with an empty profile -> its `Page`.

  Its microphone is a file (`--use-file-for-fake-audio-capture=a.wav`) or beeps.
  """
  to_browser, commands = os.pipe()
  answers, from_browser = os.pipe()

  def pipes():  # Chromium reads from 3 and writes to 4.
    ends = os.dup(to_browser), os.dup(from_browser)
    for there, end in zip((3, 4), ends):
      os.dup2(end, there)

  with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    process = subprocess.Popen(
      [
        CHROMIUM, '--headless', '--remote-debugging-pipe', '--no-sandbox',
        '--disable-gpu', '--disable-dev-shm-usage', '--disable-extensions',
        '--disable-background-networking', '--no-first-run',
        '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
        f'--user-data-dir={profile}', *flags, 'about:blank',
      ],
      preexec_fn=pipes, close_fds=False, stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    os.close(to_browser)
    os.close(from_browser)
    try:
      yield Page(commands, answers)
    finally:
      os.killpg(process.pid, signal.SIGKILL)
      process.wait()
      os.close(commands)
      os.close(answers)
