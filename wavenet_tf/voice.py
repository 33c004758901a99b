"""A trained run as one value: it hears recordings, speaks, and judges."""

from collections.abc import Iterator
import functools
import os
from typing import NamedTuple

import numpy as np

from wavenet_tf.configuration.choices import MEL, NONE
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of
from wavenet_tf.configuration.saved_config import save_config
from wavenet_tf.judging.likelihood import utterance_scorer
from wavenet_tf.learning.checkpoints import (
  has_checkpoint,
  save_average,
)
from wavenet_tf.loading import (
  load_config_of,
  load_student,
  load_teacher,
  STUDENT,
  TEACHER,
)
from wavenet_tf.networks.student import Student
from wavenet_tf.networks.teacher import Teacher
from wavenet_tf.probability import outputs
from wavenet_tf.signal import framing, quantization, spectra
from wavenet_tf.speaking import arguments
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.synthesis import Synthesizer


def load_run(workdir: str | os.PathLike) -> 'Voice':
  """The voice of a run's folder, with the weights that training averaged.

  It reads `config.json` and the checkpoints alone, no shards. There is no
  student where none was trained.

  Args:
    workdir: the `--workdir` of `train_main.py`.

  Raises:
    UserError: if the folder holds no run, or no trained teacher.
  """
  workdir = path_of(workdir)
  config = load_config_of(workdir)
  has_student = has_checkpoint(workdir / STUDENT)
  return Voice(
    config,
    load_teacher(config, workdir),
    load_student(config, workdir) if has_student else None,
  )


class Voice:
  """What a run has learned, for a notebook.

  Every array may be of one utterance or, with one more axis in front, of
  several of equal length; what comes back has the axis that went in. What
  cannot be used raises a `UserError` of one sentence that names the argument.

  Args:
    config: of the run.
    teacher: with its final weights.
    student: as well, or None.

  Example:
    ```python
    voice = load_run('runs/voice')
    mel = voice.features(waveform)            # [frames, mel_bins]
    copy = voice.speak(mel, seed=7)           # [frames * hop_samples]
    for part in voice.stream(mel, seed=7):    # the same, as it is made
      play(part)
    voice.bits(waveform)                      # bits per sample
    ```
  """

  def __init__(
    self, config: Config, teacher: Teacher, student: Student | None = None
  ):
    self.config = config
    self.teacher = teacher
    self.student = student

  def save(self, folder: str | os.PathLike) -> None:
    """Writes a folder that `load_run` reads: a voice without its training.

    `config.json` and the final weights, in half precision: two bytes a weight,
    enough for `generate` and `export`, and for `--init_from` to begin with.

    Args:
      folder: new, or one that `save` wrote.
    """
    folder = path_of(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_average(self.teacher, folder / TEACHER)
    if self.student is not None:
      save_average(self.student, folder / STUDENT)
    save_config(self.config, folder / 'config.json')

  def features(
    self, waveform: np.ndarray, rate_hz: int | None = None
  ) -> np.ndarray:
    """The log-mel that a recording is copied from, as shards would hold it.

    The recording is resampled, made 16-bit and cleaned first, as preparation
    does it (`data.highpass_hz`, `data.loudness_dbfs`).

    Args:
      waveform: float `[T]` or `[B, T]` in [-1, 1], of one channel.
      rate_hz: of the waveform; None: `config.audio.sample_rate_hz`, which it
        must be then.

    Returns:
      float32 `[frames, mel_bins]` or `[B, frames, mel_bins]`, with
      ceil(T / hop) frames, T at `config.audio.sample_rate_hz`.

    Raises:
      UserError: if the run is not conditioned on a log-mel, or the rate is
        below that of the run.
    """
    local = self.config.conditioning.local
    if local != MEL:
      raise UserError(
        f'conditioning.local: found {local!r}, so this run does not speak from '
        f'a recording alone, expected {MEL!r}; '
        f'{arguments.wanted_features(self.config)}.'
      )
    levels = arguments.recording(waveform, self.config, rate_hz)
    mel = spectra.log_mel(
      quantization.waveform_from_levels(np.atleast_2d(levels)),
      self.config.audio,
    ).numpy()
    return mel if levels.ndim == 2 else mel[0]

  def speak(
    self,
    features: np.ndarray,
    seed: int = 0,
    model: str | None = None,
    global_vector: np.ndarray | None = None,
  ) -> np.ndarray:
    """A waveform.

    Args:
      features: float `[frames, channels]` or `[B, frames, channels]`: a
        log-mel, or what else the run was trained with; no channels without
        local conditioning, where the frames say how long to go on.
      seed: the same seed gives the same waveform.
      model: 'student' or 'teacher'; None: the student, where there is one.
      global_vector: float `[channels]` or `[B, channels]`, where the run is
        told who speaks, or such.

    Returns:
      float32 `[frames * hop]` or `[B, frames * hop]` in [-1, 1].
    """
    asked = self._asked(features, seed, model, global_vector)
    speech = asked.model(asked.features, asked.seed, asked.global_)
    return speech[0] if asked.is_single else speech

  def stream(
    self,
    features: np.ndarray,
    seed: int = 0,
    model: str | None = None,
    global_vector: np.ndarray | None = None,
  ) -> Iterator[np.ndarray]:
    """`speak` in parts, each as soon as it is made; joined, they are the same.

    The first calls compile: who streams says two seconds before somebody
    listens.

    Args:
      features: as in `speak`, like all that follow.
      seed: of the noise.
      model: 'student' or 'teacher'.
      global_vector: who speaks.

    Returns:
      An iterator of float32 `[samples]` or `[B, samples]`.
    """
    return self._parts(self._asked(features, seed, model, global_vector))

  def bits(
    self,
    waveform: np.ndarray,
    features: np.ndarray | None = None,
    global_vector: np.ndarray | None = None,
    rate_hz: int | None = None,
  ) -> float:
    """How many bits per sample the teacher needs for a recording.

    Each sample counts in its full context, on the grid of the teacher's output
    (16 bits by default, comparable with flac). The recording is resampled and
    cleaned first, as in `features`.

    Args:
      waveform: float `[T]` in [-1, 1].
      features: float `[ceil(T / hop), channels]`; None: those of `waveform`.
      global_vector: float `[channels]`, as in `speak`.
      rate_hz: of the waveform, as in `features`.
    """
    levels = arguments.recording(waveform, self.config, rate_hz, most_axes=1)
    frames = framing.frame_count(len(levels), self.config.audio.hop_samples)
    if features is None and self.config.conditioning.local == NONE:
      features = np.zeros([frames, 0], np.float32)
    elif features is None:
      features = self.features(waveform, rate_hz)
    features = arguments.features(features, self.config, most_axes=2)
    if len(features) != frames:
      raise UserError(
        f'features: found {len(features)} frames, expected {frames} for '
        f'{len(levels)} samples, one for every audio.hop_samples = '
        f'{self.config.audio.hop_samples}.'
      )
    nats = self._score(
      _Recording(levels, features),
      arguments.global_vectors(global_vector, self.config, rows=1),
    )
    return float(outputs.bits(-nats[0]) / len(levels))

  @functools.cached_property
  def _score(self):
    return utterance_scorer(self.teacher, self.config)

  @functools.cached_property
  def _generator(self):
    return Generator(self.teacher, self.config)

  @functools.cached_property
  def _synthesizer(self):
    return Synthesizer(self.student, self.config)

  def _parts(self, asked):
    left = asked.features.shape[1] * self.config.audio.hop_samples
    for chunk in asked.model.chunks(asked.features, asked.seed, asked.global_):
      part = chunk.waveform.numpy()[:, :left]
      left -= part.shape[1]
      yield part[0] if asked.is_single else part

  def _asked(self, features, seed, model, global_vector):
    speaker = self._model(model)
    features = arguments.features(features, self.config)
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**31:
      raise UserError(
        f'seed: found {seed!r}, expected a whole number from 0 to 2^31 - 1.'
      )
    is_single = features.ndim == 2
    features = features[None] if is_single else features
    return _Asked(
      speaker,
      features,
      (int(seed), 0),
      arguments.global_vectors(global_vector, self.config, len(features)),
      is_single,
    )

  def _model(self, name):
    models = [STUDENT, TEACHER] if self.student else [TEACHER]
    if name is None:
      name = models[0]
    if name not in models:
      raise UserError(
        f'model: found {name!r}, expected {" or ".join(map(repr, models))}'
        f'{"" if self.student else ", as this run has no student"}.'
      )
    return self._synthesizer if name == STUDENT else self._generator


class _Asked(NamedTuple):
  """Whom to ask to speak, and for what."""

  model: Generator | Synthesizer
  features: np.ndarray  # [B, frames, channels]
  seed: tuple[int, int]
  global_: np.ndarray  # [B, channels]
  is_single: bool  # Whether the utterance came without the axis of B.


class _Recording(NamedTuple):
  """What `utterance_scorer` reads."""

  levels: np.ndarray  # int32 [T]
  features: np.ndarray  # float32 [frames, channels]
