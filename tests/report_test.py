"""The report is complete, and its page shows what it links to."""

import json
import re

import numpy as np
import pytest

from tests.support.miniature import miniature
from wavenet_tf.showing import report, tables
from wavenet_tf.showing.pictures import save_picture
from wavenet_tf.showing.spectrograms import spectrogram_figure


def test_report_links_to_files_that_exist(tmp_path):
  config = miniature()
  samples = tmp_path / 'samples'
  samples.mkdir()
  sound, picture = samples / 'a b.wav', samples / 'a b.png'
  sound.write_bytes(b'')
  waveform = np.random.default_rng(0).normal(0, 0.1, 4000)
  waveforms = {'recording': waveform, 'student': waveform}
  save_picture(picture, spectrogram_figure(waveforms, config.audio))
  rows = [('teacher', '3 bits'), ('<b>', 'x & y')]
  report.write(tmp_path / 'report', {'bits': 3.0}, rows, [picture], [sound])
  page = (tmp_path / 'report' / 'index.html').read_text()
  for link in re.findall(r'src="([^"]+)"', page):
    assert (tmp_path / 'report' / link).is_file()
  assert page.count('src=') == 2
  assert '&lt;b&gt;' in page
  assert json.loads((tmp_path / 'report' / 'results.json').read_text()) == {
    'bits': 3.0
  }
  assert picture.read_bytes().startswith(b'\x89PNG')
  assert not list(tmp_path.rglob('*.partial'))


def test_table_is_aligned():
  assert tables.table([('a', '1'), ('long', '2')]) == 'a     1\nlong  2'


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
