"""Everything from shards to batches, against what training consumes."""

import dataclasses
import itertools
import pathlib
import tempfile

import numpy as np

from benchmarks.measuring import configurations, harness
from benchmarks.measuring.results import Figure, Lines
from benchmarks.tables.settings import Settings
from data.shards.batches import training_batches
from data.shards.crops import Crops
from data.shards.example import Example
from data.shards.manifest import make_manifest, read_manifest, write_manifest
from data.shards.records import ShardWriter
from data.shards.splits import TRAIN
from wavenet_tf.configuration.config import Config


def measure(
  settings: Settings,
  training_rates: dict[str, float],
  config: Config | None = None,
  utterances: int = 24,
  seconds: float = 6.0,
  batches: int = 200,
) -> Lines:
  """Its lines.

  Args:
    settings: of the command line.
    training_rates: samples per second of the training steps of this run.
    config: whose teacher is fed; by default that of `configurations`.
    utterances: of the corpus, random noise.
    seconds: of an utterance, from half of this to one and a half of it.
    batches: of a timed run.
  """
  config = config or configurations.autoregressive()
  sizes = config.train_teacher
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    write_corpus(folder, config, utterances, seconds)
    manifest = read_manifest(folder, config.audio)
    stream = iter(
      training_batches(
        folder,
        manifest,
        Crops(config, sizes.crop_samples),
        batch_size=sizes.batch_size,
        seed=0,
      )
    )

    def take():
      for batch in itertools.islice(stream, batches):
        batch.levels.numpy()
        batch.features.numpy()

    timings = harness.alternate({'ours': harness.timed(take)}, settings.repeats)
  figure = Figure(
    f'{sizes.batch_size} x {sizes.crop_samples:,} samples',
    batches * sizes.batch_size * sizes.crop_samples,
    timings['ours'],
  )
  for step, rate in training_rates.items():
    figure.notes[f'times the rate of {step}'] = figure.samples_per_second / rate
  return Lines(
    f'{utterances} utterances of about {seconds:g} s, '
    f'{config.audio.mel_bins} mels, hop {config.audio.hop_samples}',
    [],
    [figure],
  )


def write_corpus(
  folder: pathlib.Path, config: Config, utterances: int, seconds: float
) -> None:
  """Shards and manifest of random utterances of different lengths."""
  generator = np.random.default_rng(3)
  audio = config.audio
  writer = ShardWriter(folder, TRAIN, config.data.shard_megabytes)
  entries = []
  for index in range(utterances):
    length = int(seconds * generator.uniform(0.5, 1.5) * audio.sample_rate_hz)
    frames = -(-length // audio.hop_samples)
    name = f'utterance-{index}'
    writer.write(
      Example(
        name,
        generator.integers(-3000, 3000, length).astype(np.int16),
        configurations.features(audio, 1, frames, seed=index)[0].numpy(),
      )
    )
    entries.append({'name': name, 'split': TRAIN, 'samples': length})
  write_manifest(
    folder,
    make_manifest(
      corpus={'audio': dataclasses.asdict(audio)},
      features={
        'local_names': [f'mel_{i}' for i in range(audio.mel_bins)],
        'global_names': [],
      },
      vocabularies={},
      utterances=entries,
      rejected=[],
      left_out=[],
      shards=[{**shard, 'split': TRAIN} for shard in writer.close()],
    ),
  )
