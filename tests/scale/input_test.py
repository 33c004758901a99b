"""Batches from many shards: their order, what is read for them, and by whom."""

import dataclasses
import itertools
import os
import shutil
import time

import numpy as np
import pytest
import tensorflow as tf

from data.shards.batches import training_batches
from data.shards.crops import Crops
from data.shards.example import Example, parse
from data.shards.manifest import (
  make_manifest,
  MANIFEST,
  read_manifest,
  write_manifest,
)
from data.shards.records import record_index, ShardWriter
from data.shards.splits import TRAIN
from tests.support import program
from tests.support.miniature import miniature
from tests.support.recordings import write_corpus
from wavenet_tf.configuration.errors import UserError

UTTERANCES, SEED, BATCH = 50, 5, 3


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  """More shards than take turns; a shuffle buffer of less than an epoch."""
  config = miniature(data__shuffle_megabytes=1)
  folder = tmp_path_factory.mktemp('shards')
  writer = ShardWriter(folder, TRAIN, shard_megabytes=0.3)
  generator = np.random.default_rng(1)
  entries = []
  for i in range(UTTERANCES):
    frames = int(generator.integers(1500, 3500))
    levels = generator.integers(-3000, 3000, 20 * frames).astype(np.int16)
    channels = config.local_channels
    features = generator.normal(size=[frames, channels]).astype(np.float32)
    writer.write(Example(f'{i}', levels, features))
    entries.append({'name': f'{i}', 'split': TRAIN, 'samples': len(levels)})
  manifest = make_manifest(
    corpus={'audio': dataclasses.asdict(config.audio)},
    features={
      'local_names': [f'mel_{i}' for i in range(channels)],
      'global_names': [],
    },
    vocabularies={},
    utterances=entries,
    rejected=[],
    left_out=[],
    shards=[shard | {'split': TRAIN} for shard in writer.close()],
  )
  assert len(manifest.shards) > 8
  return config, folder, manifest


def batches(prepared, start_step=0, **services):
  config, folder, manifest = prepared
  return training_batches(
    folder,
    manifest,
    Crops(config, 400),
    batch_size=BATCH,
    seed=SEED,
    start_step=start_step,
    **services,
  )


def assert_same(found, expected, count):
  compared = 0
  for a, b in itertools.islice(zip(found, expected), count):
    for x, y in zip(a, b):
      np.testing.assert_array_equal(x, y)
    compared += 1
  assert compared == count


def read_in_turn(prepared):
  """Crops as older releases made them, which read all that was before."""
  config, folder, manifest = prepared
  paths = [str(folder / shard['file']) for shard in manifest.shards]
  mean_bytes = sum(map(os.path.getsize, paths)) / UTTERANCES
  buffer = int(2**20 / mean_bytes)
  assert 2 < buffer < UTTERANCES
  number = itertools.count()
  for epoch in itertools.count():
    [seed, _] = tf.random.experimental.stateless_fold_in(
      tf.constant([SEED, 0], tf.int64), tf.constant(epoch, tf.int64)
    )
    once = {'seed': seed, 'reshuffle_each_iteration': False}
    files = tf.data.Dataset.from_tensor_slices(paths)
    files = files.shuffle(len(paths), **once)
    records = files.interleave(tf.data.TFRecordDataset, cycle_length=8)
    for record in records.shuffle(buffer, **once):
      example = parse(record, config.local_channels)
      n = tf.constant(next(number), tf.int64)
      yield Crops(config, 400).at_random(example, SEED, n)


def test_the_order_is_that_of_reading_shards_in_turn(prepared):
  """Two epochs and more."""
  crops = read_in_turn(prepared)
  for batch in itertools.islice(batches(prepared), 2 * UTTERANCES // BATCH + 2):
    for row in range(BATCH):
      for x, y in zip(batch, next(crops)):
        np.testing.assert_array_equal(x[row], y)


def test_shards_of_older_releases_are_looked_through(prepared):
  _, folder, manifest = prepared
  old = manifest._replace(
    shards=[
      {k: v for k, v in shard.items() if k != 'record_bytes'}
      for shard in manifest.shards
    ]
  )
  for x, y in zip(
    record_index(folder, manifest, TRAIN), record_index(folder, old, TRAIN)
  ):
    np.testing.assert_array_equal(x, y)


def test_a_step_opens_no_shard_but_its_own(prepared, tmp_path):
  """All others may be away, those before it and those that take turns."""
  config, folder, manifest = prepared
  step = 11
  index = record_index(folder, manifest, TRAIN)
  [expected] = batches(prepared, step).take(1)
  names = [
    parse(index.read(tf.constant(i, tf.int64)), config.local_channels)
    for i in range(UTTERANCES)
  ]
  needed = set()
  for levels in expected.levels.numpy():
    [shard] = {
      int(np.searchsorted(index.firsts, i, side='right')) - 1
      for i, example in enumerate(names)
      if levels.astype('<i2').tobytes() in example.levels.numpy().tobytes()
    }
    needed.add(manifest.shards[shard]['file'])
  for name in needed:
    (tmp_path / name).write_bytes((folder / name).read_bytes())
  alone = batches((config, tmp_path, manifest), step)
  assert_same(alone, [expected], 1)
  with pytest.raises(tf.errors.NotFoundError):
    list(alone.take(UTTERANCES // BATCH))


def test_who_leaves_waits_for_nobody(prepared):
  """TensorFlow's tuning thread sleeps for up to a minute."""
  assert batches(prepared).options().autotune.enabled is False


@pytest.mark.large
@pytest.mark.parametrize('shards', [1_600, 50_000])
def test_a_million_utterances_go_on_in_seconds(
  shards, prepared, tmp_path, capsys
):
  """In shards by name, all of them one file; also at the end of an epoch."""
  config = prepared[0]
  utterances = 1_000_000
  writer = ShardWriter(tmp_path, TRAIN, shard_megabytes=64)
  levels = np.ones(400, np.int16)
  features = np.zeros([20, config.local_channels], np.float32)
  for _ in range(utterances // shards):
    writer.write(Example('utterance', levels, features))
  written = [shard | {'split': TRAIN} for shard in writer.close()]
  entry = {'split': TRAIN, 'samples': len(levels), 'text': 60 * 'x', 'tags': []}
  write_manifest(
    tmp_path,
    prepared[2]._replace(
      utterances=[entry | {'name': f'{i:07d}'} for i in range(utterances)],
      shards=written * shards,
    ),
  )
  size = (tmp_path / MANIFEST).stat().st_size / 2**20
  seconds = [time.perf_counter()]
  manifest = read_manifest(tmp_path, config.audio, verify=False)
  seconds.append(time.perf_counter())
  for start_step in 0, utterances // BATCH - 1:
    found = batches((config, tmp_path, manifest), start_step)
    [batch] = itertools.islice(found, 1)
    assert (batch.levels.numpy() == 1).all()
    seconds.append(time.perf_counter())
  manifest, first, last = np.diff(seconds)
  with capsys.disabled():
    print(
      f'\n{utterances:,} utterances, {shards:,} shards: manifest '
      f'of {size:.0f} MiB {manifest:.1f} s, first batch at step 0 '
      f'{first:.1f} s, at the last of an epoch {last:.1f} s'
    )
  assert last < 30.0


# tf.data service.


class Service:
  """A dispatcher and its workers, in this process."""

  def __init__(self, workers=1):
    service = tf.data.experimental.service
    self.dispatcher = service.DispatchServer()
    self.address = self.dispatcher.target
    host = self.address.removeprefix('grpc://')
    self.workers = [
      service.WorkerServer(service.WorkerConfig(dispatcher_address=host))
      for _ in range(workers)
    ]


@pytest.mark.parametrize('count', [1, 2])
def test_a_service_gives_the_same_batches(count, prepared):
  running = [Service() for _ in range(count)]
  services = [service.address for service in running]
  found = batches(prepared, 7, services=services)
  assert_same(found, batches(prepared, 7), 25)


def test_a_second_worker_would_repeat_batches(prepared):
  running = Service(workers=2)
  found = batches(prepared, services=[running.address])
  with pytest.raises(UserError, match='one worker'):
    for _ in itertools.islice(found, 2000):
      pass


def test_training_by_a_service_gives_the_same_weights(tmp_path, uncompiled):
  """Bit for bit, by the program, with two services that take turns."""
  write_corpus(tmp_path / 'corpus')
  ours, theirs = tmp_path / 'ours', tmp_path / 'theirs'
  program.run(
    ours,
    '--mode=prepare',
    f'--data_dir={tmp_path / "corpus"}',
    *program.flags_of_miniature(teacher__cycles=1),
  )
  shutil.copytree(ours, theirs)
  running = [Service() for _ in range(2)]
  services = ','.join(service.address for service in running)
  program.run(ours, '--mode=train_teacher')
  program.run(theirs, '--mode=train_teacher', f'--data_service={services}')
  program.assert_same_variables(ours / 'teacher', theirs / 'teacher')


@pytest.mark.parametrize(
  ('address', 'words'),
  [
    ('grpc://localhost:1', 'grpc://localhost:1 does not answer'),
    ('localhost:5000', 'expected grpc://host:port'),
    ('grpc://localhost', 'expected grpc://host:port'),
    ('grpc://localhost:x', 'expected grpc://host:port'),
  ],
)
def test_a_service_that_is_not_there(address, words, prepared):
  with pytest.raises(UserError, match=f'--data_service: .*{words}'):
    batches(prepared, services=[address])


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
