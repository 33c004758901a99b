"""What recognition has to beat: log-mels and logistic regression.

The yardstick beside the classifier of raw audio (1609.03499 sec. 3.4): a clip
is the mean and the deviation of its log-mels and of their change from frame to
frame, a frame is its log-mel with those of its neighbours. Nothing is learned
of them but a logistic regression.
"""

from collections.abc import Iterable
import dataclasses
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from wavenet_tf.configuration.choices import PHONES
from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.corpus import AudioConfig
from wavenet_tf.signal import quantization, spectra

# A frame is seen with so many neighbours on either side.
NEIGHBOURS = 3
# It learns from so many recordings and frames, about; more take only longer.
MOST_RECORDINGS = 5_000
MOST_FRAMES = 20_000
_MOST_ITERATIONS = 500


class Recording(NamedTuple):
  """What both recognisers are given of an utterance.

  Attributes:
    levels: int16 `[T]`.
    labels: int `[F]`, an id per frame of the classifier, -1 for none.
  """

  levels: np.ndarray
  labels: np.ndarray


def measure(
  config: Config,
  training: Iterable[Recording],
  measured: Iterable[Recording],
) -> dict:
  """Learns from one set of recordings, recognises another; plain data.

  Frames for phones, clips for words and speakers.

  Returns:
    `unit` ('frame' or 'clip'), how many `learned` and `measured`, `accuracy`;
    an empty dictionary where the training labels are not two at least.
  """
  of_frames = config.classifier.labels == PHONES
  collect = _frames if of_frames else _clips
  inputs, targets = collect(training, config)
  if of_frames:
    every = max(1, -(-len(targets) // MOST_FRAMES))
    inputs, targets = inputs[::every], targets[::every]
  if len(np.unique(targets)) < 2:
    return {}
  model = make_pipeline(
    StandardScaler(),
    LogisticRegression(max_iter=_MOST_ITERATIONS),
  ).fit(inputs, targets)
  seen, truths = collect(measured, config)
  return {
    'unit': 'frame' if of_frames else 'clip',
    'learned': len(targets),
    'measured': len(truths),
    'accuracy': float(np.mean(model.predict(seen) == truths))
    if len(truths)
    else None,
  }


def clip_features(levels: np.ndarray, settings: AudioConfig) -> np.ndarray:
  """Mean and deviation of log-mels and deltas over a clip, `[4 mel_bins]`."""
  mel = _log_mel(levels, settings)
  delta = np.gradient(mel, axis=0) if len(mel) > 1 else np.zeros_like(mel)
  return np.concatenate(
    [statistic(x, 0) for x in (mel, delta) for statistic in (np.mean, np.std)]
  )


def frame_features(
  levels: np.ndarray, settings: AudioConfig, frame_samples: int
) -> np.ndarray:
  """Log-mels of a frame and its neighbours, `[F, (2 N + 1) mel_bins]`.

  F = T // frame_samples whole frames, as the classifier has them; beyond the
  ends is silence.
  """
  frames = len(levels) // frame_samples
  mel = _log_mel(
    levels, dataclasses.replace(settings, hop_samples=frame_samples)
  )[:frames]
  padded = np.pad(
    mel,
    [[NEIGHBOURS, NEIGHBOURS], [0, 0]],
    constant_values=settings.log_mel_floor,
  )
  shifts = range(2 * NEIGHBOURS + 1)
  return np.concatenate([padded[i : i + frames] for i in shifts], 1)


def _log_mel(levels, settings):
  waveform = quantization.waveform_from_levels(np.asarray(levels)[None])
  return spectra.log_mel(waveform, settings)[0].numpy()


def _clips(recordings, config):
  inputs, targets = [], []
  for levels, labels in recordings:
    known = labels[labels >= 0]
    if len(known):
      inputs.append(clip_features(levels, config.audio))
      targets.append(known[0])
  return np.array(inputs), np.array(targets)


def _frames(recordings, config):
  frame = config.classifier.frame_samples(config.audio.sample_rate_hz)
  inputs, targets = [], []
  for levels, labels in recordings:
    known = labels >= 0
    inputs.append(frame_features(levels, config.audio, frame)[known])
    targets.append(labels[known])
  return np.concatenate(inputs), np.concatenate(targets)
