"""Figures of the argument, drawn from a run: its weights and its recordings.

`draw` writes `<workdir>/figures`: a PNG each, and a page with a sentence each.
"""

from collections.abc import Iterable
import html
import pathlib
from typing import NamedTuple

import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.files import write_text
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.student import Student
from wavenet_tf.showing.figures import receptive_fields, residual_block
from wavenet_tf.showing.figures.flow_steps import flow_pictures, flow_steps
from wavenet_tf.showing.figures.histograms import histograms, mu_law_histograms
from wavenet_tf.showing.figures.predictions import loudest_stretch, predictions
from wavenet_tf.showing.page import page
from wavenet_tf.showing.pictures import save_picture
from wavenet_tf.signal import quantization
from wavenet_tf.signal.framing import pad_margin

# Of the predictions; the paper's arguments are about single samples.
_MILLISECONDS = 25.0
_FLOW_SECONDS = 1.0
_MOST_PAST_SAMPLES = 16_000
_STYLE = """
body { max-width: 70rem; }
figure { margin: 0 0 3rem; }
"""


class Source(NamedTuple):
  """A teacher, the configuration of its run, an utterance as it hears it."""

  teacher: object
  config: Config
  example: object  # With `levels`, `features` and `global_`.


class Picture(NamedTuple):
  """A file of the folder, and the sentence below it."""

  name: str
  sentence: str


def draw(
  folder: pathlib.Path,
  own: Source,
  recordings: Iterable,
  student: Student | None = None,
  other: Source | None = None,
) -> list[Picture]:
  """Draws all figures.

  Args:
    folder: where to, made if need be.
    own: of this run, with a validation utterance.
    recordings: 16-bit levels `[T]` of the corpus.
    student: of this run; without one there are no flows to show.
    other: with another output, to be set beside this one.

  Returns:
    What was drawn, in order.
  """
  folder.mkdir(parents=True, exist_ok=True)
  pictures = [
    _save(folder, *drawn)
    for drawn in (
      _receptive_fields(own),
      _histograms(own, recordings),
      _predictions([own] if other is None else [own, other]),
      _residual_block(own),
    )
  ]
  if student is not None:
    pictures.append(_save(folder, *_flows(own, student)))
  write_text(folder / 'index.html', _page(pictures))
  return pictures


def _receptive_fields(own):
  config = own.config
  past = config.teacher.receptive_field_samples
  if config.context.cycles:
    both = past + config.context.receptive_field_samples
    past = max(past, min(both, _MOST_PAST_SAMPLES))
  stretch = loudest_stretch(own.example, config, _MILLISECONDS, int(1.2 * past))
  figure = receptive_fields.receptive_fields(
    own.teacher,
    config,
    own.teacher.output_kind.waveform(stretch.levels).numpy(),
    stretch.conditioning,
  )
  return figure, Picture(
    'receptive_fields.png',
    'Causal convolutions reach one tap further back with every layer, dilated '
    'ones twice as far as the layer before: every line is a derivative that '
    'is not zero, measured in this network (1609.03499, figs. 2 and 3).',
  )


def _histograms(own, recordings):
  levels = own.config.teacher.mu_law_levels
  counts = histograms(recordings, levels)
  return mu_law_histograms(counts), Picture(
    'mu_law.png',
    'Equal steps of amplitude spend most codes on samples that hardly occur; '
    'mu-law companding makes the codes about equally useful (1609.03499, '
    'sec. 2.2).',
  )


def _predictions(sources):
  runs = []
  for source in sources:
    past = min(
      source.config.teacher.receptive_field_samples
      + source.config.context.receptive_field_samples,
      _MOST_PAST_SAMPLES,
    )
    stretch = loudest_stretch(
      source.example, source.config, _MILLISECONDS, past
    )
    runs.append((source.teacher, source.config, stretch))
  return predictions(runs), Picture(
    'predictions.png',
    'Before each sample of a validation utterance is heard, the teacher says '
    'how likely every amplitude is: narrow where the past decides, wide where '
    'it does not.',
  )


def _residual_block(own):
  return residual_block.residual_block(own.teacher), Picture(
    'residual_block.png',
    'The residual block with the shapes of the weights that this teacher has '
    '(1609.03499, fig. 4).',
  )


def _flows(own, student):
  settings, example = own.config.audio, own.example
  hop = settings.hop_samples
  frames = min(
    round(_FLOW_SECONDS * settings.sample_rate_hz / hop),
    len(example.levels) // hop,
  )
  margin = own.config.margin_frames
  window = pad_margin(
    tf.constant(example.features[None]), own.config.silence, margin
  )[:, : frames + 2 * margin]
  conditioning = Conditioning.of(window, tf.constant(example.global_[None]))
  steps = flow_steps(
    student, conditioning, frames * hop, [own.config.evaluate.seed, 0]
  )
  recording = quantization.waveform_from_levels(example.levels[: frames * hop])
  figure = flow_pictures(
    steps, recording.numpy(), own.config.student.base, settings
  )
  return figure, Picture(
    'flows.png',
    'The same noise after each of the flows, which turn it into speech step '
    'by step (1711.10433, sec. 3).',
  )


def _save(folder, figure, picture):
  save_picture(folder / picture.name, figure)
  return picture


def _page(pictures):
  parts = '\n'.join(
    f'<figure><img src="{html.escape(p.name)}" alt="">'
    f'<figcaption>{html.escape(p.sentence)}</figcaption></figure>'
    for p in pictures
  )
  return page('Figures of the argument', parts, _STYLE)
