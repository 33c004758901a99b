"""The report is complete, and its page shows what it links to."""

import json
import pathlib
import re

import numpy as np
import pytest

from tests.support.miniature import miniature
from wavenet_tf.showing import comparison, report, tables
from wavenet_tf.showing.pictures import save_picture
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


def write_report(folder, results):
  config = miniature()
  samples = folder / 'samples'
  samples.mkdir()
  sounds = {}
  for voice in 'recording', 'griffin_lim', 'teacher', 'student':
    sounds[voice] = samples / f'a b_{voice}.wav'
    sounds[voice].write_bytes(b'')
  picture = samples / 'a b.png'
  waveform = np.random.default_rng(0).normal(0, 0.1, 4000)
  waveforms = {'recording': waveform, 'student': waveform}
  save_picture(picture, spectrogram_figure(waveforms, config.audio))
  rows = [('teacher', '3 bits'), ('<b>', 'x & y')]
  heard = report.Heard('a b', 'Bread & butter.', sounds, picture)
  summary = report.write(folder / 'report', results, rows, [heard])
  return summary, (folder / 'report' / 'index.html').read_text()


def test_report_links_to_files_that_exist(tmp_path):
  summary, page = write_report(tmp_path, {'bits': 3.0})
  links = re.findall(r'src="([^"]+)"', page)
  assert sorted(pathlib.PurePath(link).suffix for link in links) == [
    '.png', '.wav', '.wav', '.wav', '.wav'
  ]  # fmt: skip
  for link in links:
    assert (tmp_path / 'report' / link).is_file()
  assert '&lt;b&gt;' in page and 'Bread &amp; butter.' in page
  results = (tmp_path / 'report' / 'results.json').read_text()
  assert json.loads(results) == {'bits': 3.0}
  text = (tmp_path / 'report' / 'summary.txt').read_text()
  assert text == f'{summary}\n' == 'teacher  3 bits\n<b>      x & y\n'
  picture = tmp_path / 'samples' / 'a b.png'
  assert picture.read_bytes().startswith(b'\x89PNG')
  assert not list(tmp_path.rglob('*.partial'))


def test_a_voice_is_a_column_and_what_is_said_stands_above(tmp_path):
  _, page = write_report(tmp_path, {})
  header, said, players = re.findall(
    r'<tr.*</tr>', page.split('<h2>Audio</h2>')[1]
  )
  # The student stands beside what it copies.
  assert re.findall('<th>(.*?)</th>', header) == [
    'recording', 'student', 'teacher', 'Griffin-Lim'
  ]  # fmt: skip
  assert 'colspan="4"' in said and 'Bread &amp; butter.' in said
  assert re.findall(r'a b_(\w+)\.wav', players) == [
    'recording', 'student', 'teacher', 'griffin_lim'
  ]  # fmt: skip


def test_the_report_links_to_its_guide(tmp_path):
  _, page = write_report(tmp_path, {})
  (link,) = re.findall(r'href="([^"]+)"', page)
  assert (tmp_path / 'report' / link).resolve().name == 'evaluation.md'
  assert (tmp_path / 'report' / link).is_file()


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
