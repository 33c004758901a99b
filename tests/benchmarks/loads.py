"""Work for fresh processes, which start soon: TensorFlow is not imported."""

import subprocess
import sys
import time

from benchmarks.measuring import machine

_HALF_A_SECOND = """
import time
while time.process_time() < 0.5:
  pass
print(flush=True)
input()
"""


def others_during_own_work():
  machine.pin(1)
  load, start, end = machine.Load(), time.monotonic(), time.process_time() + 0.5
  while time.process_time() < end:
    pass
  wall = time.monotonic() - start
  return load.others_share() * wall, wall


def others_during_work_of_a_child():
  machine.pin(1)
  load, start = machine.Load(), time.monotonic()
  with subprocess.Popen(
    [sys.executable, '-c', _HALF_A_SECOND],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
  ) as child:
    child.stdout.readline()
    then = time.monotonic()
    running = load.others_share() * (then - start)
    child.communicate(b'\n')
  now = time.monotonic()
  return running, load.others_share() * (now - start), now - then


def measured_there():
  machine.pin(1)
  load = machine.Load()
  return load.others_share(), machine.peak_memory_bytes()
