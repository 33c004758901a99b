"""`train_main.py` as a process of several: devices it has, and when it dies.

CPUS=2 python -m tests.scale.worker --mode=train_teacher ...
"""

import os
import signal
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from absl import flags
import tensorflow as tf

import train_main
from wavenet_tf.learning.dividing.replicas import Replicas


def _die_after(steps):
  """Every worker asks the others after every step."""
  ask, asked = Replicas.any, []

  def any_or_death(self, flag):
    asked.append(flag)
    if len(asked) == steps:
      os.kill(os.getpid(), signal.SIGKILL)
    return ask(self, flag)

  Replicas.any = any_or_death


def main() -> int:
  cpus = int(os.environ.get('CPUS', '1'))
  tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices('CPU')[0],
    [tf.config.LogicalDeviceConfiguration()] * cpus,
  )
  if 'DIES_AFTER' in os.environ:
    _die_after(int(os.environ['DIES_AFTER']))
  values = flags.FlagValues()
  train_main.define_flags(values, sys.argv)
  return train_main.main(values(sys.argv), values)


if __name__ == '__main__':
  sys.exit(main())
