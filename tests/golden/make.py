"""Golden runs: what a release trained, and what it measured of it.

`tests/golden/<release>/<run>/` is a run's folder, with `config.json` and the
last checkpoint of each model, beside `expected.npz`: a batch of the bundled
corpus, and what the release that trained the models computed on it. The next
release loads them, or converts them, and is held to those numbers
(`tests/house/golden_test.py`); so are later ones as long as the runs stay here.

A release makes its own once, before it is published:

  python -m tests.golden.make 0.5.0

What was published is never made anew: where the numbers of an older release
come out otherwise, the code is wrong or lacks a converter (the head of
CHANGELOG.md).
`0.3.0/` was made by these steps with that release's own modules.
"""

import dataclasses
import json
import pathlib
import shutil
import sys
import tempfile

import numpy as np
import tensorflow as tf

from data.recordings import decoding
from data.shards.crops import Batch, Crops, FrameLabels
from data.shards.example import Example
from data.text.labels import Segments
from modes.runs import Run
from tests.support.miniature import PLAIN
from wavenet_tf.configuration import presets
from wavenet_tf.configuration.config import Config, override
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.configuration.saved_config import load_config
from wavenet_tf.configuration.validation import validate
from wavenet_tf.learning import objectives
from wavenet_tf.learning.trainer import Trainer
from wavenet_tf.networks.classifier import build_classifier
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.teacher import build_teacher
from wavenet_tf.probability.outputs import bits
from wavenet_tf.signal import quantization, spectra
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.synthesis import Synthesizer

FOLDER = pathlib.Path(__file__).parent
CLASSES = ['loud', 'quiet']
# What `expected.npz` holds beside what is computed.
GIVEN = *Batch._fields, 'noise'
_INTEGERS = 'levels', 'labels'

_SIZES = {
  'cycles': 2,
  'layers_per_cycle': 3,
  'residual_channels': 8,
  'gate_channels': 6,
  'skip_channels': 10,
}
_COMMON = {
  'audio.hop_samples': 20,
  'audio.window_samples': 80,
  'audio.mel_bins': 8,
  'conditioning.upsample_factors': (4, 5),
  'conditioning.channels': 6,
  **{f'teacher.{name}': size for name, size in _SIZES.items()},
  'student.kernel_size': 2,
  'student.phase_harmonics': 0,
  'distillation.stft_window_samples': (128, 64),
  'train_teacher.steps': 60,
  'train_teacher.crop_samples': 400,
  'train_teacher.batch_size': 2,
  'evaluate.chunk_frames': 4,
}
RUNS = {
  'mixture': {
    'teacher.mixture_components': 3,
    'student.flow_layers': (3, 4),
    'student.layers_per_cycle': 3,
    'student.residual_channels': 8,
    'student.gate_channels': 6,
    'train_student.steps': 40,
    'train_student.crop_samples': 400,
    'train_student.batch_size': 2,
    'distillation.draws_per_step': 2,
    **PLAIN,
    'distillation.power_window_samples': (128,),
    'distillation.style_weight': 0.1,
    **{f'classifier.{name}': size for name, size in _SIZES.items()},
    'classifier.frame_channels': 7,
    'classifier.frame_layers': 2,
    'train_classifier.steps': 40,
    'train_classifier.crop_samples': 400,
    'train_classifier.batch_size': 2,
  },
  'mu_law': {
    'teacher.output': 'mu_law',
    'teacher.input': 'one_hot',
    'teacher.mu_law_levels': 32,
    'conditioning.globals': ('speaker',),
    'conditioning.global_channels': 2,
    'conditioning.embedding_channels': 3,
    'context.cycles': 1,
    'context.layers_per_cycle': 3,
    'context.residual_channels': 6,
    'context.gate_channels': 4,
    'context.channels': 5,
    'context.pool_samples': 20,
    'student.flow_layers': (),
  },
  # Means for a better voice, all of them. Two losses meet in the next steps:
  # the divergence has a part of its weight there, and so has the floor.
  'means': {
    'audio.preemphasis': 0.85,
    'teacher.mixture_components': 3,
    'student.flow_layers': (3, 4),
    'student.layers_per_cycle': 3,
    'student.residual_channels': 8,
    'student.gate_channels': 6,
    'train_student.steps': 40,
    'train_student.crop_samples': 400,
    'train_student.batch_size': 2,
    'distillation.draws_per_step': 2,
    'distillation.power_weight': 0.0,
    'distillation.stft_weight': 1.0,
    'distillation.stft_window_samples': (128, 64),
    'distillation.divergence_from_step': 30,
    'distillation.divergence_ramp_steps': 20,
    'distillation.log_scale_floor_weight': 0.1,
    'distillation.log_scale_floor': -2.0,
    'evaluate.scale_factor': 0.8,
    'evaluate.tail_share': 0.01,
    'evaluate.least_weight_share': 0.05,
    'evaluate.redraw_excess': 0.5,
    'evaluate.redraw_tries': 2,
    'evaluate.noise_factor': 0.8,
  },
}


def measure(folder: pathlib.Path, given: dict) -> dict[str, np.ndarray]:
  """What a golden run is held to.

  Args:
    folder: of the run; nothing is written there.
    given: the fields of `Batch`, two crops of T samples, and `noise` `[2, T]`.

  Returns:
    By name:
      bits: of every sample, `[2, T]`.
      teacher_audio: short utterances drawn from one seed, `[8, 80]`.
      teacher_losses: of the next two steps of training, `[2]`.
      And of a run with a student:
      student_losses: as of the teacher, `[2]`.
      student_waveform: of the noise, `[2, T]`.
      student_audio: spoken, with noise from a seed, `[2, T]`.
      And of a run with a classifier:
      classifier_losses: as of the teacher, `[2]`.
  """
  config = load_config(folder / 'config.json')
  run = Run(config, folder, config)
  batch = Batch(**{field: tf.constant(given[field]) for field in Batch._fields})
  conditioning = Conditioning.of(batch.features, batch.global_)
  # As who speaks has them, without margins.
  features = batch.features[:, MARGIN_FRAMES:-MARGIN_FRAMES]
  teacher = run.teacher()
  output = teacher.output_kind
  parameters = teacher(output.waveform(batch.levels), conditioning)
  generate = Generator(teacher, config, jit_compile=False)
  measured = {
    'bits': bits(-output.log_prob(parameters, batch.levels)).numpy(),
    'teacher_audio': generate(
      tf.repeat(features[:, :4], 4, axis=0),
      (7, 0),
      tf.repeat(batch.global_, 4, axis=0),
    ),
  }
  if config.student.flow_layers:
    student = run.student()
    speak = Synthesizer(student, config, jit_compile=False)
    output = student(given['noise'], conditioning)
    measured['student_waveform'] = output.waveform.numpy()
    measured['student_audio'] = speak(features, (7, 0), batch.global_)
  for name in _models(config):
    measured[f'{name}_losses'] = _next_losses(run, name, batch)
  return measured


def make(name: str, folder: pathlib.Path) -> None:
  """Trains the models of `RUNS[name]` and measures them."""
  config = override(presets.preset('tiny'), _COMMON | RUNS[name])
  run = Run(validate.validate(config), folder, config)
  folder.mkdir(parents=True)
  run.save()
  if 'classifier' in _models(config):
    run.classes_path.parent.mkdir()
    run.classes_path.write_text(json.dumps(CLASSES) + '\n')
  for model in _models(config):
    _train(run, model)
  given = _batch(config, -1)._asdict()
  given['noise'] = np.random.default_rng(5).logistic(size=given['levels'].shape)
  given = {
    field: np.asarray(x, np.int32 if field in _INTEGERS else np.float32)
    for field, x in given.items()
  }
  np.savez_compressed(
    folder / 'expected.npz', **given, **measure(folder, given)
  )


def _models(config):
  """In the order of their training."""
  models = ['teacher']
  if config.distillation.is_perceptual:
    models.append('classifier')
  if config.student.flow_layers:
    models.append('student')
  return models


def _trainer(run, name, more_steps=0):
  """Of a model with its initial weights."""
  config, settings = run.config, getattr(run.config, f'train_{name}')
  run.seed_initial_weights(settings)
  if name == 'teacher':
    model = build_teacher(config)
    objective = objectives.teacher_objective(model)
  elif name == 'classifier':
    model = build_classifier(config, len(CLASSES))
    objective = objectives.classifier_objective(
      model, config.classifier.next_sample_weight
    )
  else:
    teacher = run.teacher()
    model = run.untrained_student(teacher)
    objective = objectives.student_objective(
      teacher,
      model,
      config.distillation,
      config.audio.sample_rate_hz,
      run.listener(),
      config.audio.preemphasis,
    )
  settings = dataclasses.replace(settings, steps=settings.steps + more_steps)
  return Trainer(model, objective, settings, run.workdir / name)


def _train(run, name):
  """Keeps the last checkpoint and no summaries."""
  trainer = _trainer(run, name)
  steps = getattr(run.config, f'train_{name}').steps
  trainer.run(_batch(run.config, step) for step in range(steps))
  for path in (run.workdir / name).iterdir():
    if not path.name.startswith((f'ckpt-{steps}.', 'classes')):
      path.unlink()


def _next_losses(run, name, batch):
  """The first depends on the weights, the second on Adam's moments too."""
  trainer = _trainer(run, name, more_steps=2)
  trainer.restore()
  assert trainer.steps_done == getattr(run.config, f'train_{name}').steps
  # Two of them are sooner taken than compiled.
  losses = [trainer._take_step(batch).loss.numpy() for _ in range(2)]
  return np.array(losses)


def _batch(config: Config, step: int) -> Batch:
  """A crop of each of two recordings; of other places for every step."""
  frame = config.classifier.frame_samples(config.audio.sample_rate_hz)
  crops = Crops(config, 400, labels=FrameLabels('phones', frame))
  recordings = [_example(config, number) for number in range(2)]
  pair = [
    crops.at_random(example, 3, tf.constant(step, tf.int64))
    for example in recordings
  ]
  return Batch(*(tf.stack(field) for field in zip(*pair)))


def _example(config, number):
  """A recording of the bundled corpus, as of the speaker of that number."""
  audio = config.audio
  path = FOLDER.parents[1] / f'data/sample/wavs/sample-0{number + 1}.flac'
  levels = decoding.load(path, audio.sample_rate_hz)
  levels = levels[: len(levels) // audio.hop_samples * audio.hop_samples]
  waveform = quantization.waveform_from_levels(levels)
  loudness = np.abs(levels.reshape(-1, audio.hop_samples)).mean(1)
  speaker = np.eye(config.conditioning.global_channels, dtype=np.float32)
  return Example(
    path.stem,
    levels,
    spectra.log_mel(waveform[None], audio)[0].numpy(),
    speaker[number] if len(speaker) else np.zeros(0, np.float32),
    {
      'phones': Segments(
        np.arange(1, len(loudness) + 1, dtype=np.int32) * audio.hop_samples,
        (loudness < np.median(loudness)).astype(np.int32),
      )
    },
  )


def main(release: str) -> None:
  folder = FOLDER / release
  if folder.exists():
    raise SystemExit(f'{folder} exists; golden runs are never made anew.')
  with tempfile.TemporaryDirectory() as temporary:
    made = pathlib.Path(temporary, release)
    for name in RUNS:
      make(name, made / name)
    shutil.copytree(made, folder)


if __name__ == '__main__':
  main(*sys.argv[1:])
