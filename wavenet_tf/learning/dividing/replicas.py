"""Devices and workers that share each batch, by `tf.distribute`.

Every replica computes the gradient of its parts of the batch; the mean of these
is the gradient of the batch, on all workers alike. Each worker then takes the
same step, with weights and moments of its own that stay equal. Nothing but the
gradient passes through a strategy, so a checkpoint knows nothing of it.
"""

from collections.abc import Callable, Iterator
import contextlib
import functools
import json
import os
from typing import Any

import tensorflow as tf

from wavenet_tf.configuration.errors import reason, UserError

NONE, MIRRORED, MULTI_WORKER, TPU = 'none', 'mirrored', 'multi_worker', 'tpu'
KINDS = NONE, MIRRORED, MULTI_WORKER, TPU


# What TensorFlow raises where another worker does not answer.
_OF_WORKERS = (
  tf.errors.UnavailableError,
  tf.errors.AbortedError,
  tf.errors.CancelledError,
  tf.errors.InternalError,
  tf.errors.DeadlineExceededError,
)


class Replicas:
  """Those of a strategy; without one, this process and its one device.

  Args:
    strategy: of which every replica is told the whole batch.
    workers: processes that train together.
    is_chief: whether this is the one that writes.

  Attributes:
    count: replicas, of all workers.
    workers, is_chief: as given.

  Example:
    ```python
    replicas = replicas_of('mirrored')
    trainer = Trainer(model, loss_fn, training, folder, replicas)
    ```
  """

  def __init__(
    self,
    strategy: tf.distribute.Strategy | None = None,
    workers: int = 1,
    is_chief: bool = True,
  ):
    self._strategy = strategy
    self.count = strategy.num_replicas_in_sync if strategy else 1
    self.workers = workers
    self.is_chief = is_chief

  @property
  def is_distributed(self) -> bool:
    return self._strategy is not None

  def run(self, function: Callable) -> Any:
    """What a function returns that asks for means over the replicas.

    Args:
      function: (index of the replica, mean) -> nested tensors, the same on all
        replicas; `mean` takes nested float tensors to their mean over replicas.
    """
    if self._strategy is None:
      return function(0, lambda x: x)

    def on_replica():
      context = tf.distribute.get_replica_context()

      def mean(nested):
        flat = tf.nest.flatten(nested)
        if flat:
          # Ops of the replica itself say on which device a tensor is.
          flat = [tf.identity(x) for x in flat]
          flat = context.all_reduce(tf.distribute.ReduceOp.MEAN, flat)
        return tf.nest.pack_sequence_as(nested, flat)

      index = tf.cast(context.replica_id_in_sync_group, tf.int32)
      return function(index, mean)

    # All are the same.
    return tf.nest.map_structure(
      lambda x: self._strategy.experimental_local_results(x)[0],
      self._strategy.run(on_replica),
    )

  def any(self, flag: bool) -> bool:
    """Whether a worker says so; all ask, and get the same answer."""
    if self.workers == 1:
      return flag
    return float(self._mean_of_workers(float(flag))) > 0

  def check_equal(self, step: int, where: str) -> None:
    """Raises `UserError` unless all workers are at one step."""
    if self.workers == 1:
      return
    mean, square = self._mean_of_workers([float(step), float(step) ** 2])
    if float(square) != float(mean) ** 2:
      raise UserError(
        f'{where}: found checkpoints of different steps on different workers, '
        f'here of step {step}, expected the same; --workdir must be one folder '
        'that all workers see.'
      )

  def _mean_of_workers(self, numbers):
    return self._mean(tf.constant(numbers, tf.float64))

  @functools.cached_property
  def _mean(self):
    return tf.function(
      lambda x: self.run(lambda index, mean: mean(x)), autograph=False
    )

  @contextlib.contextmanager
  def without_a_worker(self, where: str) -> Iterator[None]:
    """What TensorFlow says in here of a worker that is gone, in a sentence."""
    try:
      yield
    except _OF_WORKERS as error:
      if self.workers == 1:
        raise
      raise UserError(
        f'{where}: another worker is gone ({reason(error)[:200]}); start the '
        'same command on all workers again: it continues from the last '
        'checkpoint.'
      ) from error


ALONE = Replicas()

# What TensorFlow raises where there is no TPU, by its build and by TPU_NAME.
_OF_NO_TPU = (
  ValueError,
  TypeError,
  LookupError,
  RuntimeError,
  OSError,
  tf.errors.OpError,
)


def replicas_of(kind: str) -> Replicas:
  """What `--distribute` names; to be asked for before TensorFlow computes.

  Args:
    kind: 'none'; 'mirrored', all GPUs of this machine; 'multi_worker', those
      of the machines that `TF_CONFIG` lists; 'tpu', all cores of a TPU.

  Raises:
    UserError: if `TF_CONFIG` lists no workers, or there is no TPU.
  """
  if kind == MIRRORED:
    devices = [
      device.name
      for device in tf.config.list_logical_devices('GPU')
      or tf.config.list_logical_devices('CPU')
    ]
    return Replicas(tf.distribute.MirroredStrategy(devices))
  if kind == MULTI_WORKER:
    task = _task()
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    workers = strategy.cluster_resolver.cluster_spec().num_tasks('worker')
    return Replicas(strategy, workers, is_chief=task == 0)
  if kind == TPU:
    return _tpu()
  return ALONE


def _task():
  """The number of this worker; the first is the chief."""
  try:
    described = json.loads(os.environ.get('TF_CONFIG', '{}'))
    workers = described['cluster']['worker']
    task = described['task']
    if task['type'] != 'worker' or len(workers) <= int(task['index']):
      raise ValueError(task)
    return int(task['index'])
  except (ValueError, KeyError, TypeError) as error:
    raise UserError(
      '--distribute=multi_worker: TF_CONFIG lists no workers or not this one '
      f'({error}), expected such as {{"cluster": {{"worker": ["host1:2222", '
      '"host2:2222"]}, "task": {"type": "worker", "index": 0}}.'
    ) from error


def _tpu():
  """Of the TPU that `TPU_NAME` says, else of the one of this machine."""
  name = os.environ.get('TPU_NAME') or 'local'
  try:
    # `TPUClusterResolver.connect` does these three, but not in TensorFlow 2.17.
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name)
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return Replicas(tf.distribute.TPUStrategy(resolver))
  except _OF_NO_TPU as error:
    raise UserError(
      f'--distribute=tpu: found no TPU {name} ({reason(error)[:200]}), '
      "expected one of this machine and TensorFlow's TPU build, or the name of "
      'another in TPU_NAME; start this on a TPU machine, or without the flag.'
    ) from error
