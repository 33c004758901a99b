"""The report is complete, and its page shows what it links to."""

import base64
import json
import re

import numpy as np
import pytest
import tensorflow as tf

from data.recordings import decoding
from tests.serving.chromium import CHROMIUM, chromium
from tests.support.miniature import miniature
from wavenet_tf.judging.perception.advice import advice
from wavenet_tf.showing import comparison, curves, report, tables
from wavenet_tf.showing.pictures import png
from wavenet_tf.showing.spectrograms import spectrogram_figure


def measured(mean, half=0.0):
  return {'mean': mean, 'low': mean - half, 'high': mean + half, 'draws': []}


COMPARED = {
  'utterances': 2,
  'seconds': 6.0,
  'draws': 3,
  'words': 0,
  'not_measured': {'pystoi': ['STOI'], 'pyworld': ['MCD dB', 'F0 cents']},
  'voices': {
    'recording': {
      'whole': {'pesq_wb': measured(4.64), 'level_db': measured(0.0)},
      'speech': {'level_db': measured(0.0)},
      'pauses': {},
    },
    'griffin_lim': {
      'whole': {
        'pesq_wb': measured(2.618, 0.12),
        'level_db': measured(-0.31, 0.04),
        'burst_seconds': measured(0.0),
      },
      'speech': {'level_db': {'mean': None, 'low': None, 'high': None}},
      'pauses': {},
    },
  },
}


def write_report(folder, results, curves=None):
  audio = miniature().audio
  waveform = np.random.default_rng(0).normal(0, 0.1, 4000)
  waveforms = {'recording': waveform, 'student': waveform}
  sounds = {
    voice: decoding.flac((waveform * 2**15).astype(np.int16), 8000)
    for voice in ('recording', 'griffin_lim', 'teacher', 'student')
  }
  rows = [('teacher', '3 bits'), ('<b>', 'x & y')]
  heard = report.Heard(
    'a b', 'Bread & butter.', sounds, png(spectrogram_figure(waveforms, audio))
  )
  trained = report.Trained([('audio', '8,000 Hz')], curves)
  summary = report.write(folder, results, rows, [heard], trained)
  return summary, (folder / 'index.html').read_text()


def test_the_page_is_one_file_with_all_that_it_shows(tmp_path):
  figure = curves.curves_figure(
    {'teacher': {'loss': curves.Curve(np.arange(3), np.ones(3))}}
  )
  summary, page = write_report(tmp_path, {'bits': 3.0}, figure)
  sources = re.findall(r'src="data:([^;]+);base64,([^"]+)"', page)
  assert len(sources) == page.count('src=')
  kinds = [kind for kind, _ in sources]
  assert kinds == ['image/png', *['audio/flac'] * 4, 'image/png']
  for kind, content in sources:
    begins = {'image/png': b'\x89PNG', 'audio/flac': b'fLaC'}[kind]
    assert base64.b64decode(content).startswith(begins)
  assert 'http' not in page and '<script' not in page
  assert '&lt;b&gt;' in page and 'Bread &amp; butter.' in page
  results = (tmp_path / 'results.json').read_text()
  assert json.loads(results) == {'bits': 3.0}
  text = (tmp_path / 'summary.txt').read_text()
  assert text == f'{summary}\n' == 'teacher  3 bits\n<b>      x & y\n'
  assert sorted(path.name for path in tmp_path.iterdir()) == [
    'index.html', 'results.json', 'summary.txt'
  ]  # fmt: skip


def test_what_is_to_be_compared_stands_first_and_has_words(tmp_path):
  _, page = write_report(tmp_path, {})
  sounds = page.split('id="sounds"')[1]
  assert re.findall('<figcaption>(.*?)</figcaption>', sounds) == [
    'recording', 'student', 'teacher', 'Griffin-Lim'
  ]  # fmt: skip
  assert re.findall('aria-label="(.*?)"', sounds)[3] == 'a b, Griffin-Lim'
  (description,) = re.findall('alt="(.*?)"', sounds)
  assert 'recording, student, teacher, Griffin-Lim' in description


def test_a_run_that_was_not_watched_has_no_curves(tmp_path):
  _, page = write_report(tmp_path, {})
  assert 'Curves over training' not in page
  assert curves.curves_figure({'teacher': {}}) is None


def test_curves_are_what_was_written_last(tmp_path):
  for start, value in (0, 1.0), (2, 2.0):  # Resumed at step 2.
    with tf.summary.create_file_writer(str(tmp_path)).as_default():
      for step in range(start, start + 4):
        tf.summary.scalar('loss', value, step)
      tf.summary.audio('sound', np.zeros([1, 9, 1], 'f'), 8000, step)
  found = curves.read_curves(tmp_path)
  assert list(found) == ['loss']
  assert found['loss'].steps.tolist() == [0, 1, 2, 3, 4, 5]
  assert found['loss'].values.tolist() == [1, 1, 2, 2, 2, 2]


def test_curves_of_a_file_that_was_cut_end_there(tmp_path):
  with tf.summary.create_file_writer(str(tmp_path)).as_default():
    for step in range(4):
      tf.summary.scalar('loss', 1.0, step)
  (path,) = tmp_path.iterdir()
  path.write_bytes(path.read_bytes()[:-3])
  assert curves.read_curves(tmp_path)['loss'].steps.tolist() == [0, 1, 2]


def voices(**measures):
  """`compared` of these means by voice."""
  return {
    'voices': {
      voice: {
        'whole': {k: measured(v) for k, v in means.items()},
        'speech': {},
        'pauses': {},
      }
      for voice, means in measures.items()
    }
  }


GOOD = {
  'recording': {'word_error_percent': 20.0},
  'griffin_lim': {'stoi': 0.97, 'f0_cents': 90.0, 'voicing_error_percent': 20},
  'random_phase': {'stoi': 0.84},
  'teacher_after_recording': {'stoi': 0.945, 'pesq_wb': 2.46},
  'teacher': {'stoi': 0.93, 'pesq_wb': 2.4, 'level_db': 0.2, 'f0_cents': 100.0},
  'student': {'stoi': 0.95, 'pesq_wb': 2.7, 'word_error_percent': 25.0},
}


def test_a_good_voice_gets_no_advice():
  assert advice(voices(**GOOD)) == []
  assert advice(COMPARED) == []  # Nor one of which little was measured.


@pytest.mark.parametrize(
  ('voice', 'measure', 'value', 'word'),
  [
    ('student', 'stoi', 0.85, 'train_student.steps'),
    ('teacher_after_recording', 'stoi', 0.85, 'train_teacher.steps'),
    ('teacher', 'pesq_wb', 1.9, 'evaluate.redraw_excess'),
    ('teacher', 'burst_seconds', 0.4, 'evaluate.redraw_excess'),
    ('student', 'pesq_wb', 2.1, 'distillation.stft_weight'),
    ('student', 'f0_cents', 190.0, 'student.phase_harmonics'),
    ('student', 'voicing_error_percent', 40.0, 'student.phase_harmonics'),
    ('teacher', 'level_db', -6.0, '6.0 dB quieter'),
    ('student', 'word_error_percent', 45.0, '45 % of the words'),
  ],
)
def test_what_is_bad_gets_a_sentence_with_a_field(voice, measure, value, word):
  changed = {**GOOD, voice: {**GOOD[voice], measure: value}}
  assert any(word in text for text in advice(voices(**changed)))


def test_advice_and_warnings_are_on_the_page(tmp_path):
  compared = COMPARED | voices(**{**GOOD, 'student': {'pesq_wb': 1.2}})
  results = {'perception': compared, 'student_health': {'warnings': ['<ill>']}}
  _, page = write_report(tmp_path, results)
  next_ = page.split('id="what-to-try-next"')[1]
  assert '&lt;ill&gt;' in next_ and 'The student is behind' in next_


@pytest.mark.skipif(not CHROMIUM, reason='needs Chromium')
def test_it_fits_wide_and_narrow_windows_and_asks_nobody(tmp_path):
  write_report(tmp_path, {'perception': COMPARED})
  address = (tmp_path / 'index.html').as_uri()
  with chromium() as shown:
    for width in 1280, 390:
      shown.look_like(width, 800)
      shown.open(address)
      assert shown.value('document.documentElement.scrollWidth') <= width
      loaded = '[...document.images].every(i => i.complete && i.naturalWidth)'
      assert shown.value(loaded)
    assert {r for r in shown.requests if not r.startswith('data:')} == {address}
    assert not shown.complaints


def test_voices_stand_side_by_side_in_summary_and_page(tmp_path):
  summary, page = write_report(tmp_path, {'perception': COMPARED})
  assert re.search(r'PESQ-WB +level dB +bursts s\n', summary)
  assert re.search(r'recording +4\.64 +0\.0 +-\n', summary)
  assert re.search(r'Griffin-Lim +2\.62 ±0\.12 +-0\.3 ±0\.0 +0\.00', summary)
  for cell in 'PESQ-WB', '2.62 ±0.12':
    assert f'>{cell}</t' in page
  # What is missing is said in both, with what to do.
  for text in summary, page:
    assert 'STOI (pystoi); MCD dB, F0 cents (pyworld)' in text
    assert 'requirements-eval.txt' in text


def test_parts_leave_the_recording_out_and_empty_ones_are_no_table():
  whole, speech = comparison.grids(COMPARED)
  assert [row[0] for row in whole.rows] == ['recording', 'Griffin-Lim']
  assert speech.rows == [['Griffin-Lim', '-']]


def test_a_single_utterance_has_no_interval():
  assert comparison.grids(COMPARED)[0].rows[0][1] == '4.64'


def test_table_is_aligned():
  assert tables.table([('a', '1'), ('long', '2')]) == 'a     1\nlong  2'


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
