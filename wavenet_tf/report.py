"""What a person looks at afterwards: spectrograms, a table, a page."""

import html
import io
import json
import pathlib

import matplotlib

matplotlib.use('Agg')  # No display is needed, or looked for.

# pylint: disable=g-import-not-at-top,wrong-import-position
from matplotlib import pyplot as plt
import numpy as np
import tensorflow as tf

from wavenet_tf import audio
from wavenet_tf import config as config_lib
from wavenet_tf.config import AudioConfig

# pylint: enable=g-import-not-at-top,wrong-import-position

_DECIBELS_PER_NEPER = 20.0 / np.log(10.0)
_LOWEST_DB = -100.0

Row = tuple[str, str]  # What it is, and its value with its unit.


def spectrogram_figure(
  waveforms: dict[str, np.ndarray], audio_config: AudioConfig
):
  """Waveform and log-mel spectrogram of each, one column each, equal axes."""
  figure, axes = plt.subplots(
    2,
    len(waveforms),
    squeeze=False,
    sharex=True,
    sharey='row',
    figsize=(5 * len(waveforms), 5),
    height_ratios=(1, 2),
    layout='constrained',
  )
  for column, (name, waveform) in zip(axes.T, waveforms.items()):
    seconds = len(waveform) / audio_config.sample_rate_hz
    column[0].plot(
      np.linspace(0, seconds, len(waveform)), waveform, linewidth=0.3
    )
    column[0].set_title(name)
    mel = (
      audio.log_mel(tf.constant(waveform[None], tf.float32), audio_config)[
        0
      ].numpy()
      * _DECIBELS_PER_NEPER
    )
    image = column[1].imshow(
      mel.T,
      origin='lower',
      aspect='auto',
      extent=(0, seconds, 0, audio_config.mel_bins),
      vmin=_LOWEST_DB,
      vmax=0,
    )
    column[1].set_xlabel('seconds')
  axes[0, 0].set_ylabel('amplitude')
  axes[1, 0].set_ylabel('mel band')
  figure.colorbar(image, ax=axes[1, -1], label='dB')
  return figure


def save_spectrograms(
  path: pathlib.Path,
  waveforms: dict[str, np.ndarray],
  audio_config: AudioConfig,
) -> None:
  figure = spectrogram_figure(waveforms, audio_config)
  buffer = io.BytesIO()
  figure.savefig(buffer, format='png', dpi=100)
  plt.close(figure)
  config_lib.write_bytes(path, buffer.getvalue())


def write_tensorboard_audio(
  waveforms: dict[str, np.ndarray], audio_config: AudioConfig, step: int
) -> None:
  """Audio and spectrograms into the current summary writer."""
  for name, waveform in waveforms.items():
    tf.summary.audio(
      name, waveform[None, :, None], audio_config.sample_rate_hz, step
    )
  figure = spectrogram_figure(waveforms, audio_config)
  figure.canvas.draw()
  image = np.asarray(figure.canvas.buffer_rgba())[None, ..., :3]
  plt.close(figure)
  tf.summary.image('spectrograms', image, step)


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
  bits = f'{results["teacher_bits_per_sample"]:.3f}'
  if results['output'] == config_lib.MU_LAW:
    found.append(
      (
        'teacher likelihood',
        f'{bits} bits per mu-law code, {_given(results)}',
      )
    )
  elif results['bits'] < 16:
    # Not to be compared with a coder of 16-bit samples.
    found.append(
      (
        'teacher likelihood',
        f'{bits} bits per {results["bits"]}-bit sample, {_given(results)}',
      )
    )
  else:
    flac = f'{results["flac_bits_per_sample"]:.3f}'
    found += [
      ('teacher likelihood', f'{bits} bits per sample, {_given(results)}'),
      ('flac -8, same samples', f'{flac} bits per sample'),
    ]
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


def _given(results):
  """What the network was told beside the past."""
  names = {
    config_lib.MEL: ['the log-mel'],
    config_lib.LINGUISTIC: ['linguistic features'],
    config_lib.NONE: [],
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
  return [
    (f'{voice} audio', line),
    (
      f'{voice} real-time factor',
      f'{measured["real_time_factor"]:.3f} s per second of audio',
    ),
  ]


def classifier_rows(measured: dict) -> list[Row]:
  """The classifier's part of the table, from `classifier_accuracy`."""
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
  """The teacher as a recogniser of speakers, from `speaker_recognition`."""
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


def write(
  folder: pathlib.Path,
  results: dict,
  rows: list[Row],
  pictures: list[pathlib.Path],
  sounds: list[pathlib.Path],
) -> None:
  """`results.json`, `summary.txt` and `index.html` with figures and audio.

  Args:
    folder: `<workdir>/report`.
    results: plain data.
    rows: the same for people.
    pictures: PNG files, shown as they are.
    sounds: WAV files, as players.
  """
  folder.mkdir(parents=True, exist_ok=True)
  config_lib.write_text(
    folder / 'results.json', json.dumps(results, indent=2) + '\n'
  )
  config_lib.write_text(folder / 'summary.txt', table(rows) + '\n')
  config_lib.write_text(
    folder / 'index.html', _page(folder, rows, pictures, sounds)
  )


def _page(folder, rows, pictures, sounds):
  def link(path):
    return html.escape(
      pathlib.Path(*['..'], path.relative_to(folder.parent)).as_posix()
    )

  cells = '\n'.join(
    f'<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>'
    for name, value in rows
  )
  players = '\n'.join(
    f'<p>{html.escape(path.relative_to(folder.parent).as_posix())}<br>'
    f'<audio controls src="{link(path)}"></audio></p>'
    for path in sounds
  )
  images = '\n'.join(
    f'<p><img src="{link(path)}" alt="spectrograms of '
    f'{html.escape(path.stem)}"></p>'
    for path in pictures
  )
  return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>WaveNet report</title>
<style>
body {{ font: 16px/1.5 sans-serif; margin: 2rem auto; max-width: 70rem; }}
td {{ padding: 0.2rem 1rem; border-bottom: 1px solid #ddd; }}
img {{ max-width: 100%; }}
</style></head><body>
<h1>WaveNet report</h1>
<table>
{cells}
</table>
<h2>Spectrograms</h2>
{images}
<h2>Audio</h2>
{players}
</body></html>
"""
