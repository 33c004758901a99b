"""A run made of a model that was trained with other code: `--mode=import`."""

import pathlib

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.choices import GIVEN
from wavenet_tf.configuration.config import override
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of
from wavenet_tf.configuration.saved_config import save_config
from wavenet_tf.configuration.validation import validate
from wavenet_tf.learning import checkpoints, tensor_file
from wavenet_tf.learning.elsewhere import r9y9, state_dict
from wavenet_tf.learning.elsewhere.r9y9_hparams import Hyperparameters
from wavenet_tf.loading import TEACHER
from wavenet_tf.networks.teacher import build_teacher
from wavenet_tf.networks.weights import WeightVector

ORIGINS = ('r9y9',)


def import_run(
  workdir: pathlib.Path,
  checkpoint: str | None,
  hparams: str | None,
  overrides: dict,
) -> None:
  """Makes a run whose teacher is a model of r9y9/wavenet_vocoder.

  Args:
    workdir: of the run, which is new.
    checkpoint: a `.pth` file, or its state dict as `.npz`.
    hparams: the JSON file of its hyper-parameters; None: `hparams.json` beside
      the checkpoint.
    overrides: of fields, by dotted name: those that no weight relies on.

  Raises:
    UserError: if the folder is a run already, or a file is not what it should
      be.
  """
  if (workdir / 'config.json').exists():
    raise UserError(
      f'--workdir: {workdir} is a run already; name a new folder.'
    )
  if not checkpoint:
    raise UserError('--checkpoint: name the .pth or .npz file of the weights.')
  path = path_of(checkpoint)
  arrays = state_dict.read(path)
  sizes = Hyperparameters(
    path_of(hparams) if hparams else path.with_name('hparams.json')
  )
  config = sizes.config(r9y9.has_speakers(arrays))
  validate.validate(config)
  found = r9y9.weights(state_dict.StateDict(path, arrays), sizes, config)
  config = validate.validate(override(config, overrides))
  teacher = build_teacher(config)
  weights = WeightVector(teacher.trainable_variables)
  # Only a field that changes the network could make a difference here.
  tensor_file.check_same(path, found, weights.by_path(weights.variable.value))
  weights.assign(
    tf.constant(np.concatenate([found[p].ravel() for p in weights.paths]))
  )
  workdir.mkdir(parents=True, exist_ok=True)
  checkpoints.save_start(teacher, workdir / TEACHER)
  # A run that is there is a run that was imported.
  save_config(config, workdir / 'config.json')
  print(f'Teacher: weights of {path}, in {workdir}.')
  if config.conditioning.local == GIVEN:
    print(
      f'It is told frames of {config.local_channels} features that their '
      'preprocessing made and normalized: --mode=generate --model=teacher '
      '--input=x-feats.npy.'
    )
  gain = sizes.values.get('global_gain_scale', 1.0)
  if gain not in (0.0, 1.0):
    print(f'It speaks {gain:g} times as loud as its recordings were.')
