"""Label files, file names that are labels, and what a frame is labelled."""

import itertools

import numpy as np
import pytest

from data.preparing import preparation
from data.recordings import corpora, decoding
from data.shards.batches import training_batches, validation_batches
from data.shards.crops import Crops, FrameLabels
from data.shards.manifest import read_manifest
from data.shards.records import read_examples
from data.shards.splits import TRAIN, VALIDATION
from data.text import labels
from data.text.survey import survey
from tests.support.miniature import miniature
from tests.support.recordings import speech_like, write
from wavenet_tf.configuration.choices import LABEL_KINDS
from wavenet_tf.configuration.errors import UserError

RATE = 8000
HOP, FRAME = 20, 80
UNITS_PER_SAMPLE = 10_000_000 // RATE
FULL_CONTEXT = 'x^sil-hh+iy=t@1_2/A:0_0_0/B:1-1-2@1-1&1-4'


def label_file(path, *lines):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(''.join(f'{line}\n' for line in lines))
  return path


def lines_of(segments):
  """HTK lines from (first sample, end sample, name)."""
  return [
    f'{start * UNITS_PER_SAMPLE} {end * UNITS_PER_SAMPLE} {name}'
    for start, end, name in segments
  ]


# Label files.


def test_plain_full_context_and_scored_labels(tmp_path):
  path = label_file(
    tmp_path / 'a.lab',
    '0 1000 sil',
    f'1000 2000 {FULL_CONTEXT}',
    '',
    '2500 3000 r- -123.4',
    '3000 4000 a-b+c',
  )
  assert labels.read_label_file(path) == [
    (0, 1000, 'sil', 'sil'), (1000, 2000, 'hh', FULL_CONTEXT),
    (2500, 3000, 'r-', 'r-'), (3000, 4000, 'a-b+c', 'a-b+c'),
  ]  # fmt: skip


def test_states_of_a_phone_are_one_segment(tmp_path):
  path = label_file(
    tmp_path / 'a.lab',
    f'0 100 {FULL_CONTEXT}[2]',
    f'100 200 {FULL_CONTEXT}[3]',
    f'200 300 {FULL_CONTEXT}[2]',  # The same phone again.
    '300 400 t[2]',
  )
  assert labels.read_label_file(path) == [
    (0, 200, 'hh', FULL_CONTEXT), (200, 300, 'hh', FULL_CONTEXT),
    (300, 400, 't', 't'),
  ]  # fmt: skip


@pytest.mark.parametrize(
  'line,words',
  [
    ('100 200', "line 2: found '100 200', expected start and end"),
    ('one two three', r'line 2: found .* 100 ns'),
    ('100 -5 a', 'line 2: found'),
    ('0.1 0.2 a', 'line 2: found'),
    ('200 100 a', 'line 2: lasts from 200 to 100'),
    ('50 100 a', 'line 2: lasts from 50 to 100, expected a start of at least'),
  ],
)
def test_a_line_that_is_no_label_is_named(line, words, tmp_path):
  path = label_file(tmp_path / 'a.lab', '0 100 a', line)
  with pytest.raises(decoding.BadRecording, match=rf'a\.lab, {words}'):
    labels.read_label_file(path)


def test_a_file_without_labels_or_text(tmp_path):
  with pytest.raises(decoding.BadRecording, match=r'a\.lab: holds no label'):
    labels.read_label_file(label_file(tmp_path / 'a.lab'))
  (tmp_path / 'b.lab').write_bytes(b'0 1 \xe9')
  with pytest.raises(decoding.BadRecording, match=r'b\.lab: is not UTF-8'):
    labels.read_label_file(tmp_path / 'b.lab')


def utterance(tmp_path, segments, **fields):
  path = label_file(tmp_path / 'a.lab', *lines_of(segments))
  return corpora.Utterance(
    'a', tmp_path / 'a.wav', label_path=path, **fields
  )  # fmt: skip


def test_segments_tile_the_recording_and_gaps_have_no_label(tmp_path):
  found = utterance(
    tmp_path, [(100, 300, 'b'), (300, 400, 'a'), (700, 1000, 'b')], word='yes'
  )
  vocabulary = labels.vocabularies([found], survey([found]).phones)
  assert vocabulary == {
    'phones': ['a', 'b'], 'words': ['yes'], 'speakers': [],
    'tags': [],
  }  # fmt: skip
  timed = labels.aligned(found, 900, RATE)
  by_kind = labels.segments(found, timed, 900, RATE, vocabulary)
  assert tuple(by_kind) and set(by_kind) == set(LABEL_KINDS)
  assert by_kind['phones'].ends.tolist() == [100, 300, 400, 700, 900]
  assert by_kind['phones'].ids.tolist() == [-1, 1, 0, -1, 1]
  assert by_kind['words'].ends.tolist() == [900]
  assert by_kind['words'].ids.tolist() == [0]
  assert len(by_kind['speakers'].ends) == 0


@pytest.mark.parametrize('samples,fits', [
  (8000 - 801, False), (8000 - 799, True), (8000 + 799, True),
  (8000 + 801, False),
])  # fmt: skip
def test_labels_of_another_length_are_refused(samples, fits, tmp_path):
  found = utterance(tmp_path, [(0, 8000, 'a')])
  vocabulary = labels.vocabularies([found], survey([found]).phones)
  if fits:
    timed = labels.aligned(found, samples, RATE)
    phones = labels.segments(found, timed, samples, RATE, vocabulary)['phones']
    assert phones.ends.tolist() == [min(8000, samples)]
    return
  with pytest.raises(decoding.BadRecording, match=r'a\.lab: ends at 1\.000 s'):
    labels.aligned(found, samples, RATE)


# Corpora.


def test_label_files_beside_the_audio_and_apart(tmp_path):
  for name in '1', '2', '3':
    write(tmp_path / 'x' / f'{name}.wav')
  beside = label_file(tmp_path / 'x' / '1.lab', '0 10000000 a')
  apart = label_file(tmp_path / 'lab' / 'x' / '2.lab', '0 10000000 a')
  found = corpora.read_corpus(tmp_path).utterances
  assert [u.label_path for u in found] == [beside, apart, None]


def test_label_files_of_ljspeech(tmp_path):
  write(tmp_path / 'wavs' / 'LJ1.flac')
  (tmp_path / 'metadata.csv').write_text('LJ1|a|a\n')
  path = label_file(tmp_path / 'lab' / 'LJ1.lab', '0 10000000 a')
  assert corpora.read_corpus(tmp_path).utterances[0].label_path == path


def test_words_and_speakers_from_file_names(tmp_path):
  for name in '0_george_1', '0_theo_1', '7_george_12':
    write(tmp_path / f'{name}.wav')
  corpus = corpora.read_corpus(tmp_path)
  assert corpus.layout == 'pattern'
  assert [(u.word, u.speaker) for u in corpus.utterances] == [
    ('0', 'george'), ('0', 'theo'), ('7', 'george')
  ]  # fmt: skip


@pytest.mark.parametrize(
  'names',
  [
    ('0_a_1', '1_a_2', 'other'),
    ('0_a_1', '1_a_2', 'deeper/2_a_1'),
    ('take_mine_1', 'take_mine_2'),
    ('a_b_c_1', 'a_b_d_1'),
    ('0_a_x', '1_a_y'),
  ],
)
def test_an_ordinary_folder_is_not_taken_for_words(names, tmp_path):
  for name in names:
    write(tmp_path / f'{name}.wav')
  corpus = corpora.read_corpus(tmp_path)
  assert corpus.layout == 'folder'
  assert not any(u.word or u.speaker for u in corpus.utterances)


def test_a_recording_with_a_bad_label_file_is_left_out(tmp_path):
  for i in range(12):
    write(tmp_path / 'corpus' / f'{i}.wav')
    label_file(tmp_path / 'corpus' / f'{i}.lab', '0 10000000 a')
  label_file(tmp_path / 'corpus' / '7.lab', '0 10000000 a', 'nonsense')
  manifest = preparation.prepare(
    miniature(), tmp_path / 'corpus', tmp_path / 'data'
  )
  (rejected,) = manifest.rejected
  assert rejected['file'].endswith('7.wav')
  assert '7.lab, line 2' in rejected['reason']
  label_file(tmp_path / 'corpus' / '8.lab', '0 90000000 a')
  with pytest.raises(UserError, match=r'2 of 12 .*7\.lab, line 2'):
    preparation.prepare(miniature(), tmp_path / 'corpus', tmp_path / 'more')


# Shards and batches.


def random_segments(seed, samples):
  """Contiguous stretches, some of them without a label."""
  generator = np.random.default_rng(seed)
  cuts = np.sort(generator.choice(np.arange(1, samples), 40, replace=False))
  bounds = [0, *cuts.tolist(), samples]
  return [
    (a, b, f'p{generator.integers(5)}')
    for a, b in itertools.pairwise(bounds)
    if generator.uniform() < 0.8
  ]


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  """Names that are words and speakers, and phones in label files."""
  root = tmp_path_factory.mktemp('labelled')
  segments = {}
  for i in range(7):
    name = f'{i % 3}_{"ab"[i % 2]}_{i}'
    levels = speech_like(1.0 + 0.1 * i, seed=i)
    write(root / 'corpus' / f'{name}.wav', levels)
    segments[f'{name}.wav'] = random_segments(i, len(levels) - 50)
    segments[f'{name}.wav'].append((len(levels) - 50, len(levels), 'p0'))
    label_file(
      root / 'corpus' / f'{name}.lab', *lines_of(segments[f'{name}.wav'])
    )
  config = miniature()
  manifest = preparation.prepare(config, root / 'corpus', root / 'data')
  return config, root / 'data', manifest, segments


def test_shards_hold_segments_and_the_manifest_their_names(prepared):
  config, folder, manifest, segments = prepared
  assert read_manifest(folder, config.audio) == manifest
  assert manifest.vocabularies == {
    'phones': [f'p{i}' for i in range(5)],
    'words': ['0', '1', '2'],
    'speakers': ['a', 'b'],
    'tags': [],
  }
  for split in TRAIN, VALIDATION:
    for example in read_examples(folder, manifest, split):
      phones = example.segments['phones']
      assert phones.ends[-1] == len(example.levels)
      starts = np.r_[0, phones.ends[:-1]]
      assert [
        (a, b, f'p{i}') for a, b, i in zip(starts, *phones) if i >= 0
      ] == segments[example.name]
      word, speaker, _ = example.name.split('_')
      for kind, name in ('words', word), ('speakers', speaker):
        (name_id,) = example.segments[kind].ids
        assert manifest.vocabularies[kind][name_id] == name


def batches(prepared, labels=None):
  config, folder, manifest, _ = prepared
  crops = Crops(config, 1000, labels=labels)
  return training_batches(folder, manifest, crops, batch_size=3, seed=5)


def truth(segments, samples, centre):
  """The label at a sample, by a plain loop."""
  if centre >= samples:
    return -1
  for start, end, name in segments:
    if start <= centre < end:
      return int(name[1:])
  return -1


def test_a_frame_has_the_label_at_its_centre(prepared):
  _, folder, manifest, segments = prepared
  examples = list(read_examples(folder, manifest, TRAIN))
  unlabelled = 0
  for batch in batches(prepared, FrameLabels('phones', FRAME)).take(6):
    assert batch.labels.dtype == np.int32
    assert batch.labels.shape == (3, 1000 // FRAME)
    for levels, found in zip(batch.levels.numpy(), batch.labels.numpy()):
      ((example, start),) = [
        (e, s)
        for e in examples
        for s in range(0, len(e.levels), HOP)
        if np.array_equal(e.levels[s : s + 1000], levels)
      ]
      expected = [
        truth(
          segments[example.name],
          len(example.levels),
          start + f * FRAME + FRAME // 2,
        )
        for f in range(1000 // FRAME)
      ]
      assert found.tolist() == expected
      unlabelled += expected.count(-1)
  assert unlabelled


def test_labels_do_not_change_what_else_a_batch_holds(prepared):
  plain = batches(prepared)
  for a, b in zip(
    plain.take(3), batches(prepared, FrameLabels('words', FRAME))
  ):
    assert a.labels.shape == (3, 0)
    np.testing.assert_array_equal(a.levels, b.levels)
    np.testing.assert_array_equal(a.features, b.features)


def test_beyond_the_end_of_a_recording_is_no_label(prepared):
  config, folder, manifest, _ = prepared
  examples = list(read_examples(folder, manifest, VALIDATION))
  (example,) = examples[:1]
  (batch,) = validation_batches(
    [example], Crops(config, 16000, labels=FrameLabels('words', FRAME))
  )
  labelled = (len(example.levels) + FRAME // 2 - 1) // FRAME
  word = example.segments['words'].ids[0]
  assert batch.labels.numpy()[0].tolist() == [word] * labelled + [-1] * (
    200 - labelled
  )


@pytest.mark.parametrize('line', ['0 {} a', '0 1000 x^x-a+b=c@{}_2'])
def test_a_number_without_end_is_refused(line, tmp_path):
  path = tmp_path / 'a.lab'
  path.write_text(line.format('1' * 5000))
  with pytest.raises(decoding.BadRecording, match='line 1: holds a number of'):
    labels.read_label_file(path)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
