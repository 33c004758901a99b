"""The local server in a process of its own, whose memory can be watched."""

from collections.abc import Iterator
import contextlib
import pathlib
import re
import subprocess
import sys
import time

import grpc

from serving.local_server import Ports
from tests.support.project_imports import ROOT

_PAGE_BYTES = 4096


class ServerProcess:
  """A server of `wavenet`.

  Attributes:
    ports: where it listens.
  """

  def __init__(self, process: subprocess.Popen, ports: Ports):
    self._process = process
    self.ports = ports

  def resident_megabytes(self) -> float:
    statm = pathlib.Path(f'/proc/{self._process.pid}/statm').read_text()
    return int(statm.split()[1]) * _PAGE_BYTES / 2**20

  def lives(self) -> bool:
    return self._process.poll() is None

  def settled_megabytes(self) -> float:
    """The smallest of a second: what a request took may not be back at once."""
    found = []
    for _ in range(10):
      found.append(self.resident_megabytes())
      time.sleep(0.1)
    return min(found)


@contextlib.contextmanager
def server_process(
  base_path: pathlib.Path, *flags: str
) -> Iterator[ServerProcess]:
  """Starts `serving.local_server` on free ports, and stops it."""
  with subprocess.Popen(
    [
      sys.executable, '-m', 'serving.local_server', '--port=0',
      '--rest_api_port=0', f'--model_base_path={base_path}', *flags,
    ],
    cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
  ) as process:  # fmt: skip
    try:
      said = process.stdout.readline()
      ports = re.search(r'gRPC on port (\d+) .* REST on (\d+)', said)
      yield ServerProcess(process, Ports(*map(int, ports.groups())))
    finally:
      process.terminate()
      process.wait(60)


def raw_predict(channel: grpc.Channel, message: bytes) -> bytes:
  """Sends bytes as a PredictRequest, whatever they are."""
  call = channel.unary_unary('/tensorflow.serving.PredictionService/Predict')
  return call(message, timeout=60.0)
