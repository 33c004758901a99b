"""Speakers, tags and vectors; pieces and splits; what generation is told."""

import ctypes.util

import numpy as np
import pytest

from data.conditioning import inputs, vectors
from data.conditioning.extractor import FeatureExtractor
from data.preparing import preparation
from data.recordings import corpora
from data.recordings.decoding import BadRecording
from data.shards import prosody_training
from data.shards.records import read_examples
from data.shards.splits import split_sides, TRAIN, VALIDATION, validation_names
from data.text import labels
from tests.support.miniature import miniature
from tests.support.recordings import speech_like, write
from tests.support.rules import write_rules
from wavenet_tf.configuration.corpus import DataConfig
from wavenet_tf.configuration.errors import UserError


def prepare(tmp_path, corpus, **overrides):
  config = miniature(**overrides)
  manifest = preparation.prepare(config, corpus, tmp_path / 'data')
  return config, manifest


def examples(tmp_path, manifest):
  return {
    example.name: example
    for split in (TRAIN, VALIDATION)
    for example in read_examples(tmp_path / 'data', manifest, split)
  }


def write_speakers(folder, speakers='abc', count=4):
  for s, speaker in enumerate(speakers):
    for i in range(count):
      write(folder / f'{i % 2}_{speaker}_{i}.wav', speech_like(0.5, seed=s + i))
  return folder


# Splits.


def utterances(speakers=4, indices=10):
  return [
    corpora.Utterance(f'{s}_{i}', None, speaker=str(s), index=i)
    for s in range(speakers)
    for i in range(indices)
  ]


def split(kind, found=None, **fields):
  data = DataConfig(split=kind, validation_share=0.2, **fields)
  found = utterances() if found is None else found
  return {
    side: {tuple(n.split('_')) for n, s in sides.items() if s == side}
    for sides in [split_sides(found, data)]
    for side in ('train', 'validation', '')
  }


def test_speakers_of_validation_are_heard_nowhere_else():
  found = split('speaker', held_out_speakers=2)
  speakers = {side: {s for s, _ in names} for side, names in found.items()}
  assert len(speakers['validation']) == len(speakers['train']) == 2
  assert not speakers['validation'] & speakers['train']
  assert len(found['validation']) == 20 and not found['']
  assert found != split('speaker', held_out_speakers=2, seed=3)


def test_the_highest_indices_of_all_speakers_validate():
  found = split('index')
  assert found['validation'] == {(str(s), i) for s in range(4) for i in '89'}
  assert len(found['train']) == 32 and not found['']


def test_both_splits_at_once_leave_out_what_shares_one():
  found = split('speaker_and_index', held_out_speakers=1)
  ((speaker,),) = [{s for s, _ in found['validation']}]
  assert found['validation'] == {(speaker, i) for i in '89'}
  assert len(found['train']) == 3 * 8
  assert not {i for _, i in found['train']} & set('89')
  assert len(found['']) == 40 - 2 - 24


@pytest.mark.parametrize('kind', ['speaker', 'speaker_and_index'])
@pytest.mark.parametrize('held_out', [0, 4, 9])
def test_too_few_speakers(kind, held_out):
  with pytest.raises(UserError, match=rf'held_out_speakers: found {held_out}'):
    split(kind, held_out_speakers=held_out)


def test_a_split_that_a_corpus_cannot_have():
  plain = [u._replace(speaker='', index=None) for u in utterances()]
  with pytest.raises(UserError, match='the 0 speakers of the recordings'):
    split('speaker', plain)
  with pytest.raises(UserError, match=r"data\.split: found 'index', expected"):
    split('index', plain)


def test_the_manifest_lists_what_a_split_leaves_out(tmp_path):
  corpus = write_speakers(tmp_path / 'corpus')
  _, manifest = prepare(
    tmp_path,
    corpus,
    data__split='speaker_and_index',
    data__validation_share=0.3,
  )
  names = {u['name'] for u in manifest.utterances}
  assert len(manifest.of_split('validation')) == 1
  assert len(manifest.of_split('train')) == 6
  assert len(manifest.left_out) == 5 and not names & set(manifest.left_out)
  assert not manifest.rejected


# The global vector.


def test_speakers_are_one_hot_in_their_order(tmp_path):
  corpus = write_speakers(tmp_path / 'corpus')
  config, manifest = prepare(
    tmp_path, corpus, conditioning__globals=('speaker',)
  )
  assert manifest.features['global_names'] == [
    'speaker a', 'speaker b', 'speaker c'
  ]  # fmt: skip
  assert manifest.global_channels == 3
  for name, example in examples(tmp_path, manifest).items():
    expected = np.eye(3)['abc'.index(name.split('_')[1])]
    np.testing.assert_array_equal(example.global_, expected)
  told = FeatureExtractor.from_manifest(manifest, config)
  assert told.speaker_id('b') == 1
  assert told.global_(speaker='c').tolist() == [0, 0, 1]
  with pytest.raises(UserError, match=r"--speaker: found 'x', .* a, b, c"):
    told.global_(speaker='x')
  with pytest.raises(
    UserError, match='--speaker: found nothing, expected one of'
  ):
    told.global_()
  with pytest.raises(UserError, match='--tags: this run is not conditioned'):
    told.global_(speaker='a', tags=['loud'])


def test_parts_of_the_global_vector_are_joined_in_order(tmp_path):
  corpus = write_speakers(tmp_path / 'corpus', 'ab', 2)
  (corpus / 'tags.csv').write_text(
    'file,tags\n0_a_0.wav,soft; dark\n1_b_1,loud\n'
  )
  for i, path in enumerate(sorted(corpus.glob('*.wav'))):
    np.save(path.with_suffix('.npy'), np.array([i, 0.5]))
  config, manifest = prepare(
    tmp_path, corpus, conditioning__globals=('tags', 'vector', 'speaker')
  )
  assert manifest.features['global_names'] == [
    'tags dark', 'tags loud', 'tags soft', 'vector 0', 'vector 1',
    'speaker a', 'speaker b',
  ]  # fmt: skip
  found = {
    n: e.global_.tolist() for n, e in examples(tmp_path, manifest).items()
  }
  assert found == {
    '0_a_0.wav': [1, 0, 1, 0, 0.5, 1, 0],
    '0_b_0.wav': [0, 0, 0, 1, 0.5, 0, 1],
    '1_a_1.wav': [0, 0, 0, 2, 0.5, 1, 0],
    '1_b_1.wav': [0, 1, 0, 3, 0.5, 0, 1],
  }
  told = FeatureExtractor.from_manifest(manifest, config)
  with pytest.raises(UserError, match="'noisy', expected some of dark, loud"):
    told.global_(speaker='a', tags=['noisy'], vector=np.zeros(2))
  with pytest.raises(
    UserError, match=r'--vector: found an array of shape \(3,\)'
  ):
    told.global_(speaker='a', vector=np.zeros(3))
  with pytest.raises(UserError, match='--vector: found nothing, expected 2'):
    told.global_(speaker='a')


def test_the_table_of_magnatagatune(tmp_path):
  corpus = tmp_path / 'corpus'
  for name in 'f/one.wav', 'f/two.wav', 'g/one.wav':
    write(corpus / name)
  (tmp_path / 'annotations.csv').write_text(
    '"clip_id"\t"no voice"\t"harp"\t"mp3_path"\n'
    '"2"\t"1"\t"0"\t"f/one.mp3"\n'
    '"6"\t"1"\t"1"\t"f/two.mp3"\n'
    '"9"\t"0"\t"1"\t"h/absent.mp3"\n'
  )
  _, manifest = prepare(
    tmp_path, corpus, conditioning__globals=('tags',),
    data__tags_file=str(tmp_path / 'annotations.csv'),
  )  # fmt: skip
  assert {u['name']: u['tags'] for u in manifest.utterances} == {
    'f/one.wav': ['no voice'],
    'f/two.wav': ['harp', 'no voice'],
    'g/one.wav': [],
  }
  assert manifest.vocabularies['tags'] == ['harp', 'no voice']


@pytest.mark.parametrize(
  'table,words',
  [
    (None, r"tags\.csv cannot be read .* conditioning\.globals asks for"),
    ('', r'tags\.csv, line 1: found .* expected file,tags'),
    ('name,tags\na,b\n', r"tags\.csv, line 1: found 'name,tags', expected"),
    ('file,tags\n0.wav,a\n1.wav\n', r'line 3: has 1 fields, expected 2'),
    ('file,tags\nother.wav,a\n', r"has no tags for any recording .* '0\.wav'"),
    ('clip_id\tharp\tmp3_path\n1\tyes\t0.mp3\n', r'line 2: expected 0 or 1'),
    ('file,tags\n0.wav,a\n\n0.wav,b\n', r"line 4: .* '0\.wav', as line 2"),
    ('file,tags\n0.wav,a\n"1.wav,b\n2.wav,c\n', r'line 3: is no row .*closed'),
    ('file,tags\n0.wav,' + 'a' * 140_000, r'line 2: is no row .* limit'),
  ],
)  # fmt: skip
def test_a_table_of_tags_that_cannot_be_used(table, words, tmp_path):
  corpus = tmp_path / 'corpus'
  write(corpus / '0.wav')
  write(corpus / '1.wav')
  if table is not None:
    (corpus / 'tags.csv').write_text(table)
  with pytest.raises(UserError, match=words):
    prepare(tmp_path, corpus, conditioning__globals=('tags',))


@pytest.mark.parametrize(
  'array,words',
  [
    (np.zeros((2, 2)), r'holds float64 of shape \(2, 2\), expected one row'),
    (np.array(['a']), r'holds <U1 .* expected one row of numbers'),
    (np.array([np.nan]), 'holds numbers that are not finite'),
    (np.array([1e300]), 'holds numbers that are not finite'),  # As float32.
    (np.array([{}]), r'is no \.npy file'),
  ],
)
def test_a_file_that_is_no_vector(array, words, tmp_path):
  np.save(tmp_path / 'a.npy', array)
  with pytest.raises(BadRecording, match=rf'a\.npy: {words}'):
    vectors.read(tmp_path / 'a.npy')
  whole = (tmp_path / 'a.npy').read_bytes()
  for content in b'', whole.replace(b'}', b' '):
    (tmp_path / 'b.npy').write_bytes(content)
    with pytest.raises(BadRecording, match=r'b\.npy: is no \.npy file'):
      vectors.read(tmp_path / 'b.npy')


def test_a_recording_without_its_vector_is_left_out(tmp_path):
  corpus = tmp_path / 'corpus'
  for i in range(12):
    path = write(corpus / f'{i}.wav')
    np.save(path.with_suffix('.npy'), np.zeros(3))
  (corpus / '7.npy').unlink()
  _, manifest = prepare(tmp_path, corpus, conditioning__globals=('vector',))
  (rejected,) = manifest.rejected
  assert '7.npy: cannot be read' in rejected['reason']
  np.save(corpus / '7.npy', np.zeros(2))
  (tmp_path / 'more').mkdir()
  _, manifest = prepare(
    tmp_path / 'more', corpus, conditioning__globals=('vector',)
  )
  reason = manifest.rejected[0]['reason']
  assert '7.npy: holds 2 numbers, expected 3' in reason


@pytest.mark.parametrize('part,words', [
  ('speaker', "asks for 'speaker', but no recording of .*corpus has any"),
  ('vector', "asks for 'vector', but no recording has one"),
])  # fmt: skip
def test_a_corpus_without_what_is_asked_for(part, words, tmp_path):
  for i in range(3):
    write(tmp_path / 'corpus' / f'{i}.wav')
  with pytest.raises(UserError, match=rf'conditioning\.globals: {words}'):
    prepare(tmp_path, tmp_path / 'corpus', conditioning__globals=(part,))


def test_another_conditioning_than_the_shards(tmp_path):
  config, manifest = prepare(tmp_path, write_speakers(tmp_path / 'corpus'))
  for field, value in {
    'local': 'none', 'log_f0': False, 'globals': ('speaker',)
  }.items():  # fmt: skip
    other = miniature(
      **{f'conditioning__{field}': value},
      distillation__power_average_over_time=True,
    )
    with pytest.raises(UserError, match=rf'conditioning\.{field}: found'):
      FeatureExtractor.from_manifest(manifest, other)
  FeatureExtractor.from_manifest(manifest, config)


def test_a_recording_without_a_speaker_or_with_another_vector(tmp_path):
  corpus = write_speakers(tmp_path / 'corpus', 'ab', 2)
  for i, path in enumerate(sorted(corpus.glob('*.wav'))):
    np.save(path.with_suffix('.npy'), np.zeros(2 + (i == 1)))
  config, manifest = prepare(
    tmp_path, corpus, conditioning__globals=('speaker', 'vector'),
    data__max_bad_share=0.5,
  )  # fmt: skip
  ((reason,),) = [[r['reason'] for r in manifest.rejected]]
  assert 'holds 3 numbers, expected 2' in reason and '--' not in reason
  told = FeatureExtractor.from_manifest(manifest, config)
  with pytest.raises(BadRecording, match=r'^x\.wav: has no speaker'):
    told.of_utterance(corpora.Utterance('x', 'x.wav'))


# Pieces.


def test_pieces_tile_a_recording_and_its_end_validates(tmp_path):
  corpus = tmp_path / 'corpus'
  write_rules(corpus, 1)
  (path,) = corpus.glob('*.wav')
  whole_levels = np.tile(speech_like(1.0), 7)[: 8000 * 6 + 333]
  write(path, whole_levels)
  lines = [f'{i * 10**6} {(i + 1) * 10**6} p{i % 3}\n' for i in range(60)]
  (corpus / '0.lab').write_text(''.join(lines))
  config, manifest = prepare(tmp_path, corpus, data__piece_seconds=1.0)
  found = examples(tmp_path, manifest)
  assert list(found) == [f'0.wav#{i:03d}' for i in range(6)]
  assert [u['split'] for u in manifest.utterances] == ['train'] * 5 + [
    'validation'
  ]
  levels = np.concatenate([e.levels for e in found.values()])
  np.testing.assert_array_equal(levels, whole_levels)
  told = FeatureExtractor.from_manifest(manifest, config)
  np.testing.assert_array_equal(
    np.concatenate([e.features for e in found.values()]),
    told.local(whole_levels, None),
  )
  for i, example in enumerate(found.values()):
    ends, ids = example.segments['phones']
    assert ends[:10].tolist() == [800 * (k + 1) for k in range(10)]
    assert ids[:10].tolist() == [(10 * i + k) % 3 for k in range(10)]


def test_a_recording_of_less_than_two_pieces_stays_whole(tmp_path):
  corpus = tmp_path / 'corpus'
  write(corpus / 'a.wav', speech_like(1.9))
  write(corpus / 'b.wav', speech_like(2.1))
  _, manifest = prepare(tmp_path, corpus, data__piece_seconds=1.0)
  names = {u['name']: u['samples'] for u in manifest.utterances}
  assert names == {'a.wav': 15200, 'b.wav#000': 8000, 'b.wav#001': 8800}


# Linguistic features.


def test_a_corpus_that_cannot_be_linguistic(tmp_path):
  corpus = write_rules(tmp_path / 'corpus', 3)
  linguistic = {'conditioning__local': 'linguistic'}
  (corpus / 'questions.hed').write_text('nonsense')
  with pytest.raises(UserError, match=r"questions\.hed, line 1: found 'nonsen"):
    prepare(tmp_path, corpus, **linguistic)
  (corpus / 'questions.hed').unlink()
  with pytest.raises(
    UserError, match=r'question_file: .*questions\.hed cannot'
  ):
    prepare(tmp_path, corpus, **linguistic)
  for path in corpus.glob('*.lab'):
    path.unlink()
  (tmp_path / 'q.hed').write_text('QS "a" {-a+}')
  with pytest.raises(UserError, match=r'no recording .* has a label file'):
    prepare(
      tmp_path,
      corpus,
      data__question_file=str(tmp_path / 'q.hed'),
      **linguistic,
    )


def test_labels_that_say_nothing_beside_the_phone(tmp_path):
  corpus = write_rules(tmp_path / 'corpus', 3)
  kept = {path: path.read_text() for path in corpus.glob('*.lab')}
  for path, content in kept.items():
    # x^x-a+b=c@x_x -> a
    lines = [line.split() for line in content.splitlines()]
    plain = [f'{a} {b} {c.split("-")[1].split("+")[0]}' for a, b, c in lines]
    path.write_text('\n'.join(plain))
  with pytest.raises(UserError, match=r'no label .* has a full context'):
    prepare(tmp_path, corpus, conditioning__local='linguistic')
  for path, content in kept.items():
    path.write_text(content)
  (corpus / 'questions.hed').write_text(
    'QS "none" {*-zz+*}\nCQS "n" {*/K:(\\d+)*}\n'
  )
  with pytest.raises(UserError, match='question_file: none of the 2 questions'):
    prepare(tmp_path, corpus, conditioning__local='linguistic')
  assert not (tmp_path / 'data').exists()


def test_scaling_is_that_of_the_training_split(tmp_path):
  corpus = write_rules(tmp_path / 'corpus', 6)
  (corpus / 'questions.hed').write_text('CQS "n" {*@(\\d+)_*}\n')
  held_out = validation_names(corpora.read_corpus(corpus).utterances, 0.1, 0)
  for path in corpus.glob('*.lab'):
    value = 9 if f'{path.stem}.wav' in held_out else int(path.stem) % 3
    path.write_text(path.read_text().replace('@x_', f'@{value}_'))
  _, manifest = prepare(tmp_path, corpus, conditioning__local='linguistic')
  assert manifest.features['low'][0] == 0 and manifest.features['high'][0] == 2
  for example in read_examples(tmp_path / 'data', manifest, 'validation'):
    assert set(example.features[:, 0]) == {1}
  for example in read_examples(tmp_path / 'data', manifest, 'train'):
    (value,) = set(example.features[:, 0].tolist())
    assert value == int(example.name[0]) % 3 / 2
    assert example.features.min() >= 0 and example.features.max() <= 1


def test_one_recording_in_pieces_is_scaled_by_itself(tmp_path):
  corpus = write_rules(tmp_path / 'corpus', 1)
  _, manifest = prepare(
    tmp_path, corpus, conditioning__local='linguistic', data__piece_seconds=0.4
  )
  assert len(manifest.of_split('train')) >= 1
  assert len(manifest.of_split('validation')) == 1
  durations = [e.features[:, 5] for e in examples(tmp_path, manifest).values()]
  assert {0, 1} <= set(np.concatenate(durations).tolist())


# What generation is told.


@pytest.fixture(scope='module')
def spoken(tmp_path_factory):
  root = tmp_path_factory.mktemp('spoken')
  corpus = write_rules(root / 'corpus')
  config, manifest = prepare(root, corpus, conditioning__local='linguistic')
  prosody_training.train(root / 'data', manifest).save(root / 'prosody.npz')
  told = FeatureExtractor.from_manifest(manifest, config)
  found = {u.name: u for u in corpora.read_corpus(corpus).utterances}
  return root, manifest, told, found


def wish(spoken, **fields):
  root, _, told, _ = spoken
  return inputs.model_inputs(
    inputs.Wish(**fields), told, root / 'prosody.npz'
  )  # fmt: skip


def test_a_copy_is_told_what_preparation_stored(spoken):
  root, manifest, _, found = spoken
  for name, example in examples(root, manifest).items():
    copied = wish(spoken, input=found[name])
    np.testing.assert_array_equal(copied.features[0], example.features)
    np.testing.assert_array_equal(copied.levels, example.levels)
    assert copied.samples == len(example.levels)
    assert copied.global_.shape == (1, 0)


def test_a_copy_is_as_loud_as_what_preparation_stored(tmp_path):
  corpus = write_speakers(tmp_path / 'corpus', 'a')
  config, manifest = prepare(tmp_path, corpus, data__loudness_dbfs=-30.0)
  told = FeatureExtractor.from_manifest(manifest, config)
  found = {u.name: u for u in corpora.read_corpus(corpus).utterances}
  for name, example in examples(tmp_path, manifest).items():
    copied = inputs.model_inputs(
      inputs.Wish(input=found[name]), told, tmp_path / 'absent.npz'
    )
    np.testing.assert_array_equal(copied.levels, example.levels)
    np.testing.assert_array_equal(copied.features[0], example.features)


def test_a_label_file_has_times_and_the_pitch_is_predicted(spoken):
  _, _, _, found = spoken
  copied = wish(spoken, input=found['3.wav'])
  labelled = wish(spoken, labels=found['3.wav'].label_path)
  assert labelled.features.shape == copied.features.shape
  np.testing.assert_array_equal(
    labelled.features[..., :-2], copied.features[..., :-2]
  )
  assert labelled.levels is None


def test_a_label_file_without_a_context(spoken, tmp_path):
  path = tmp_path / 'plain.lab'
  path.write_text('0 600000 a\n600000 1000000 p\n')
  with pytest.raises(UserError, match=r"--labels: .*plain\.lab .* is 'a'"):
    wish(spoken, labels=path)


def test_every_unknown_phone_is_named():
  timed = [labels.TimedLabel(0, 1, name, '') for name in 'abcdea']
  with pytest.raises(UserError, match=r'phones b, e are not .*\(a, c, d, f\)'):
    inputs._check_phones(timed, list('acdf'))
  inputs._check_phones(timed, list('abcdef'))


@pytest.mark.skipif(
  ctypes.util.find_library('espeak-ng') is None,
  reason='the system package espeak-ng is not installed',
)
def test_a_text_in_phones_that_the_labels_do_not_have(spoken):
  with pytest.raises(UserError, match=r'--text: its phones .* give --labels'):
    wish(spoken, text='Hello there.')


@pytest.mark.parametrize('fields,words', [
  ({}, 'is missing: this run is conditioned on'),
  ({'seconds': 2.0}, r"--seconds: .* 'linguistic'; give --text or --labels"),
  ({'text': 'a', 'seconds': 2.0}, '--text and --seconds: this run'),
  ({'labels': 'x.lab', 'speaker': 'a'}, '--speaker: this run is not'),
])  # fmt: skip
def test_flags_that_make_no_sense(fields, words, spoken):
  with pytest.raises(UserError, match=words):
    wish(spoken, **fields)


def test_a_copy_without_labels(spoken):
  _, _, _, found = spoken
  with pytest.raises(UserError, match=r'--input: .*3\.wav has no label file'):
    wish(spoken, input=found['3.wav']._replace(label_path=None))


def test_seconds_of_a_network_without_local_conditioning(tmp_path):
  corpus = write_speakers(tmp_path / 'corpus')
  config, manifest = prepare(
    tmp_path, corpus, conditioning__local='none',
    conditioning__globals=('speaker',),
    distillation__power_average_over_time=True,
  )  # fmt: skip
  told = FeatureExtractor.from_manifest(manifest, config)
  found = inputs.model_inputs(
    inputs.Wish(seconds=0.51, speaker='b'), told, tmp_path / 'absent.npz'
  )
  assert found.features.shape == (1, 204, 0) and found.samples == 4080
  assert found.global_.tolist() == [[0, 1, 0]]
  for speaker, words in ('', 'found nothing'), ('x', "found 'x'"):
    with pytest.raises(UserError, match=f'--speaker: {words}, .* a, b, c'):
      inputs.check(inputs.Wish(seconds=0.5, speaker=speaker), told)
  for seconds in 0.0001, float('inf'), float('nan'):
    with pytest.raises(UserError, match=r'--seconds: .* frame, 0.0025 s'):
      inputs.check(inputs.Wish(seconds=seconds, speaker='b'), told)
  for example in examples(tmp_path, manifest).values():
    assert example.features.shape == (200, 0)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
