"""The results of a run as rows of a table, in words."""

import pathlib

from wavenet_tf.configuration.choices import (
  GIVEN,
  LINGUISTIC,
  MEL,
  MU_LAW,
  NONE,
)
from wavenet_tf.configuration.config import Config

Row = tuple[str, str]  # What it is, and its value with its unit.


def rows(results: dict, workdir: pathlib.Path) -> list[Row]:
  """The short table at the end of a run."""
  found = [
    (
      'validation',
      f'{results["validation_utterances"]} utterances, '
      f'{results["validation_samples"]:,} samples',
    ),
    ('teacher', f'{results["teacher_parameters"]:,} parameters'),
  ]
  found += _likelihood_rows(results)
  if 'student_at_end' in results:
    start, end = (results[f'student_at_{w}']['kl'] for w in ('start', 'end'))
    found += [
      ('student', f'{results["student_parameters"]:,} parameters'),
      (
        'student KL',
        f'{end:.3f} nats per sample (untrained {start:.3f})',
      ),
    ]
    found += _health_rows(results['student_health'])
  for voice in 'teacher', 'student':
    if f'{voice}_audio' in results:
      found += _audio_rows(voice, results[f'{voice}_audio'])
  if results.get('speaker_recognition'):
    found += speaker_rows(results['speaker_recognition'])
  if 'classifier' in results:
    found += classifier_rows(results['classifier'])
  found += [
    ('WAVs and spectrograms', str(workdir / 'samples')),
    ('report', str(workdir / 'report' / 'index.html')),
  ]
  versions = sorted(
    (workdir / 'export').glob('[0-9]*'), key=lambda path: float(path.stem)
  )
  if versions:
    found.append(('SavedModel', str(versions[-1])))
  return found


def trained_rows(
  config: Config, corpus: dict, steps: dict[str, int]
) -> list[Row]:
  """What a run is, and what it learned from.

  Args:
    config: of the run.
    corpus: of its manifest.
    steps: that were trained, by model.
  """
  audio, teacher, student = config.audio, config.teacher, config.student
  rate = audio.sample_rate_hz
  field_ms = 1000 * teacher.receptive_field_samples / rate
  found = [
    ('recordings', f'{corpus["seconds"] / 60:.1f} minutes, {corpus["layout"]}'),
    (
      'audio',
      f'{rate:,} Hz, {audio.mel_bins} mel bins of {audio.mel_min_hz:g} to '
      f'{audio.mel_max_hz:g} Hz every {audio.hop_samples} samples',
    ),
    (
      'teacher',
      f'{len(teacher.dilations)} layers of {teacher.residual_channels} '
      f'channels, hears {field_ms:.0f} ms{_seen_samples(config, steps)}',
    ),
  ]
  if student.flow_layers:
    flows = ', '.join(map(str, student.flow_layers))
    found.append(
      (
        'student',
        f'flows of {flows} layers of {student.residual_channels} channels'
        f'{_seen_samples(config, steps, "student")}',
      )
    )
  return found


def _seen_samples(config, steps, model='teacher'):
  """How long it was trained."""
  if not steps.get(model):
    return ''
  settings = getattr(config, f'train_{model}')
  samples = steps[model] * settings.batch_size * settings.crop_samples
  return f'; {steps[model]:,} steps, {samples / 1e6:,.1f} million samples'


def _likelihood_rows(results):
  """Bits of what the output has mass on; of 16-bit samples, flac's beside."""
  what = f'{results["bits"]}-bit sample'
  if results['output'] == MU_LAW:
    what = 'mu-law code'
  elif results['bits'] == 16:
    what = 'sample'
  bits = f'{results["teacher_bits_per_sample"]:.3f}'
  found = [
    (
      'teacher likelihood',
      f'{bits} bits per {_seen(results)}{what}, {_given(results)}',
    )
  ]
  if what == 'sample':  # Of fewer bits it is not to be compared with a coder.
    flac = f'{results["flac_bits_per_sample"]:.3f}'
    found.append(('flac -8, same samples', f'{flac} bits per sample'))
  return found


def _seen(results):
  """Which samples are scored: those that the network sees."""
  return 'pre-emphasised ' if results.get('preemphasis') else ''


def _given(results):
  """What the network was told beside the past."""
  names = {
    MEL: ['the log-mel'],
    LINGUISTIC: ['linguistic features'],
    GIVEN: ['the features'],
    NONE: [],
  }[results['local']]
  names += [f'the {kind}' for kind in results['globals']]
  return f'given {" and ".join(names) or "the past alone"}'


def _health_rows(measured):
  """What a person should know; all numbers are in `results.json`."""
  loudness = (
    measured['student/loudness_dbfs'] - measured['recording/loudness_dbfs']
  )
  bands = [
    value
    for name, value in measured.items()
    if name.startswith('band_difference_db/')
  ]
  line = (
    f'loudness {loudness:+.1f} dB, bands {min(bands):+.1f} to '
    f'{max(bands):+.1f} dB, clipped {100 * measured["clipped_share"]:.2g} %'
  )
  if 'conditioning_nats' in measured:
    line += (
      f", others' conditioning costs {measured['conditioning_nats']:.3f} nats"
    )
  return [
    ('student health', line),
    *(('warning', text) for text in measured['warnings']),
  ]


def _audio_rows(voice, measured):
  line = (
    f'{measured["seconds"]:.1f} s: '
    f'loudness {measured["loudness_db"]:+.1f} dB, '
    f'long-term spectrum {measured["long_term_spectrum_db"]:.1f} dB'
  )
  if 'log_mel_db' in measured:
    line = (
      f'{measured["utterances"]} copies, {line}, '
      f'log-mel {measured["log_mel_db"]:.1f} dB, '
      f'mel cepstrum {measured["mel_cepstral_db"]:.1f} dB'
    )
  else:
    line = f'{measured["utterances"]} samples, no copies, {line}'
  if measured.get('redraws'):
    line += f', {measured["redraws"]} chunks drawn again'
  return [
    (f'{voice} audio', line),
    (
      f'{voice} real-time factor',
      f'{measured["real_time_factor"]:.3f} s per second of audio',
    ),
  ]


def classifier_rows(measured: dict) -> list[Row]:
  """The classifier's part, from `classification.classifier_accuracy`."""
  found = [('classifier', f'{measured["parameters"]:,} parameters')]
  for unit in 'frame', 'clip':
    if measured.get(f'{unit}s'):
      found.append(
        (
          f'classifier {unit}s',
          f'{100 * measured[f"{unit}_accuracy"]:.1f} % of '
          f'{measured[f"{unit}s"]:,} {measured["labels"]} recognised '
          f'(commonest {100 * measured[f"{unit}_majority_share"]:.1f} %)',
        )
      )
  baseline = measured.get('baseline')
  if baseline and baseline['measured']:
    found.append(
      (
        f'log-mel baseline, {baseline["unit"]}s',
        f'{100 * baseline["accuracy"]:.1f} % of {baseline["measured"]:,} '
        f'{measured["labels"]} recognised by logistic regression',
      )
    )
  return found


def speaker_rows(measured: dict) -> list[Row]:
  """The teacher as a recogniser of speakers, from `speakers.recognise`."""
  recognised, count = measured['recognised'], measured['utterances']
  return [
    (
      "speakers by Bayes' rule",
      f'{recognised} of {count} utterances '
      f'({100 * recognised / count:.1f} %), {measured["speakers"]} speakers; '
      f'{measured["own_bits_per_sample"]:.3f} bits per sample under their own '
      f"id, {measured['other_bits_per_sample']:.3f} under the others'",
    )
  ]


def table(rows: list[Row]) -> str:
  """Rows as aligned plain text."""
  width = max(len(name) for name, _ in rows)
  return '\n'.join(f'{name:<{width}}  {value}' for name, value in rows)
