"""Evaluation: numbers, WAVs, spectrograms and the report."""

import pathlib

from data.recordings import decoding
from data.shards.batches import validation_batches
from data.shards.crops import Crops, FrameLabels
from data.shards.example import Example
from data.shards.pieces import is_piece
from data.shards.splits import TRAIN, VALIDATION
from modes.runs import Run
from wavenet_tf import loading
from wavenet_tf.configuration.choices import NONE
from wavenet_tf.configuration.files import write_bytes
from wavenet_tf.judging import baseline, evaluation, speakers
from wavenet_tf.judging.anchors import anchors
from wavenet_tf.judging.classification import classifier_accuracy
from wavenet_tf.judging.copies import copies, RECORDING
from wavenet_tf.judging.perception import comparison, instruments
from wavenet_tf.learning.checkpoints import has_checkpoint
from wavenet_tf.showing import curves, report, tables
from wavenet_tf.showing.pictures import png
from wavenet_tf.showing.spectrograms import spectrogram_figure
from wavenet_tf.signal import inversion, quantization

# Anchors are heard beside them.
_DRAWN_VOICES = (RECORDING, 'student', 'teacher')


def evaluate(run: Run) -> None:
  """Numbers, WAVs, spectrograms and the report."""
  config = run.config
  examples = run.validation(config.evaluate.utterances)
  names = {example.name for example in examples}
  teacher = run.teacher()
  has_student = bool(config.student.flow_layers)
  models = evaluation.Models(
    teacher,
    run.student() if has_student else None,
    run.untrained_student(teacher) if has_student else None,
    run.listener() if has_student else None,
  )
  results = evaluation.measure(
    config,
    models,
    examples,
    validation_batches(
      examples, Crops(config, config.train_student.crop_samples)
    )
    if has_student
    else [],
    sum(
      u['flac_bytes']
      for u in run.manifest.of_split(VALIDATION)
      if u['name'] in names
    ),
  )
  chosen = [
    shortened(run, example, config.evaluate.audio_seconds)
    for example in examples[: config.evaluate.audio_utterances]
  ]
  copied = copies(config, models, chosen)
  results.update(copied.results)
  waveforms = copied.waveforms
  if config.conditioning.local != NONE:
    for name, voices in anchors(config, teacher, chosen).items():
      recording = {RECORDING: waveforms[name][RECORDING]}
      waveforms[name] = recording | voices | waveforms[name]
    results['perception'] = _perception(run, chosen, waveforms)
  if has_checkpoint(run.workdir / 'classifier'):
    results['classifier'] = measure_classifier(run)
  results['speaker_recognition'] = speakers.recognise(
    teacher,
    config,
    run.spread(VALIDATION, config.evaluate.utterances),
    run.manifest.features['global_names'],
  )
  heard = _write_samples(run, waveforms)
  rows = tables.rows(results, run.workdir)
  print(
    report.write(run.workdir / 'report', results, rows, heard, _trained(run))
  )


def _trained(run):
  """What the page of a run begins with."""
  found = {
    model: curves.read_curves(run.workdir / model)
    for model in (loading.TEACHER, loading.STUDENT)
  }
  steps = {
    model: int(max(of['loss'].steps)) for model, of in found.items() if of
  }
  return report.Trained(
    tables.trained_rows(run.config, run.manifest.corpus, steps),
    curves.curves_figure(found),
  )


def measure_classifier(run: Run) -> dict:
  """Accuracies on validation utterances, and what log-mels alone reach."""
  config = run.config
  frames = FrameLabels(
    config.classifier.labels,
    config.classifier.frame_samples(config.audio.sample_rate_hz),
  )

  def labels_of(example):
    return frames.of(example, 0, len(example.levels)).numpy()

  examples = run.spread(VALIDATION, config.evaluate.utterances)
  labels = [labels_of(example) for example in examples]
  measured = classifier_accuracy(run.classifier(), config, examples, labels)
  learned = run.spread(TRAIN, baseline.MOST_RECORDINGS)
  measured['baseline'] = baseline.measure(
    config,
    [baseline.Recording(e.levels, labels_of(e)) for e in learned],
    [baseline.Recording(e.levels, found) for e, found in zip(examples, labels)],
  )
  return measured


def shortened(run: Run, example: Example, seconds: float) -> Example:
  """The first seconds of an example, in whole chunks; 0 keeps all of it."""
  chunk = run.config.evaluate.chunk_frames
  hop = run.config.audio.hop_samples
  rate = run.config.audio.sample_rate_hz
  if not seconds:
    return example
  frames = max(1, round(seconds * rate / (hop * chunk))) * chunk
  return example._replace(
    levels=example.levels[: frames * hop], features=example.features[:frames]
  )


def _perception(run, examples, waveforms):
  """All voices beside the recordings, by the measures that are installed."""
  utterances = []
  for example in examples:
    by_voice = waveforms[example.name]
    utterances.append(
      comparison.Utterance(
        by_voice[RECORDING][0], by_voice, _whole_text(run, example)
      )
    )
  return {
    'griffin_lim': inversion.VARIANT,
    **comparison.compare(utterances, run.config.audio, instruments.installed()),
  }


def _whole_text(run, example):
  """What is said in an example; '' unless it has all of its recording."""
  entry = run.manifest.of_name(example.name)
  if len(example.levels) < entry['samples'] or is_piece(example.name):
    return ''
  return entry['text']


def _write_samples(run, waveforms):
  """The first draw of every voice, and the models' spectrograms."""
  folder = run.workdir / 'samples'
  folder.mkdir(exist_ok=True)
  rate = run.config.audio.sample_rate_hz
  heard = []
  for name, by_voice in waveforms.items():
    stem = pathlib.PurePath(name).with_suffix('').as_posix().replace('/', '_')
    sounds = {}
    for voice, draws in by_voice.items():
      levels = quantization.levels_from_waveform(draws[0]).numpy()
      decoding.write_wav(folder / f'{stem}_{voice}.wav', draws[0], rate)
      sounds[voice] = decoding.flac(levels.astype('int16'), rate)
    drawn = {v: by_voice[v][0] for v in _DRAWN_VOICES if v in by_voice}
    spectrograms = png(spectrogram_figure(drawn, run.config.audio))
    write_bytes(folder / f'{stem}.png', spectrograms)
    text = run.manifest.of_name(name)['text']
    heard.append(report.Heard(name, text, sounds, spectrograms))
  return heard
