"""From folders of recordings to batches; every kind of bad input by name."""

import io
import pathlib

import numpy as np
import pytest
import soundfile

from data.preparing import preparation
from data.recordings import corpora, decoding
from data.shards.batches import training_batches, validation_batches
from data.shards.crops import Crops
from data.shards.manifest import read_manifest
from data.shards.records import read_examples
from data.shards.splits import TRAIN, VALIDATION, validation_names
from data.text import labels
from data.text.survey import survey
from tests.support.miniature import miniature
from tests.support.project_imports import ROOT
from tests.support.recordings import RATE, speech_like, write, write_corpus
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.signal import quantization, spectra
from wavenet_tf.signal.framing import pad_margin

# Decoding.

FORMATS = {
  '8 bit': ('wav', 'PCM_U8', 2**-7),
  '16 bit': ('wav', 'PCM_16', 0),
  '24 bit': ('wav', 'PCM_24', 2**-15),
  '32 bit': ('wav', 'PCM_32', 2**-15),
  'float': ('wav', 'FLOAT', 2**-15),
  'double': ('wav', 'DOUBLE', 2**-15),
  'flac': ('flac', 'PCM_16', 0),
  'flac 24 bit': ('flac', 'PCM_24', 2**-15),
  'ogg': ('ogg', 'VORBIS', 0.2),
  'mp3': ('mp3', 'MPEG_LAYER_III', 0.4),
}


@pytest.fixture(params=['tensorflow_io', 'soundfile'])
def backend(request, monkeypatch):
  """Both decoders, where both are there."""
  if request.param == 'soundfile':
    monkeypatch.setattr(decoding, '_tensorflow_io_audio', lambda: None)
  elif decoding._tensorflow_io_audio() is None:
    pytest.skip('tensorflow-io has no operations for this TensorFlow')
  return request.param


@pytest.mark.parametrize('name', FORMATS)
@pytest.mark.parametrize('channels', [1, 2])
def test_every_format_decodes(name, channels, backend, tmp_path):
  suffix, subtype, tolerance = FORMATS[name]
  levels = speech_like(rate=16000)
  # As floats: soundfile does not scale integers for a float format.
  frames = np.repeat(levels[:, None] / 32768.0, channels, 1)
  path = write(tmp_path / f'a.{suffix}', frames, 16000, subtype=subtype)
  decoded = decoding.load(path, 16000)
  assert decoded.dtype == np.int16
  assert decoding.sample_rate_hz(path) == 16000
  if suffix == 'mp3':
    # MP3 delays and pads; loudness is what must survive.
    assert quantization.rms_dbfs(decoded / 32768.0) == pytest.approx(
      quantization.rms_dbfs(levels / 32768.0), abs=2.0
    )
    return
  assert len(decoded) == len(levels)
  assert np.abs(decoded - levels.astype(int)).max() <= tolerance * 32768


def test_stereo_becomes_the_mean(tmp_path):
  left = speech_like()
  frames = np.stack([left, np.zeros_like(left)], 1)
  decoded = decoding.load(write(tmp_path / 'a.wav', frames), RATE)
  np.testing.assert_allclose(decoded, left / 2, atol=0.51)


def test_resampling_keeps_the_tone(tmp_path):
  t = np.arange(44100) / 44100
  tone = np.round(0.5 * 32767 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16)
  decoded = decoding.load(write(tmp_path / 'a.wav', tone, 44100), RATE)
  assert len(decoded) == RATE
  spectrum = np.abs(np.fft.rfft(decoded * np.hanning(RATE)))
  assert np.argmax(spectrum) == 1000
  assert spectrum[1100:].max() < 1e-4 * spectrum.max()


def test_wav_round_trip_leaves_no_partial_file(tmp_path):
  levels = speech_like()
  path = tmp_path / 'a.wav'
  decoding.write_wav(path, quantization.waveform_from_levels(levels), RATE)
  np.testing.assert_array_equal(decoding.load(path, RATE), levels)
  assert list(tmp_path.iterdir()) == [path]


# Damage.


def flac_bytes():
  buffer = io.BytesIO()
  soundfile.write(buffer, speech_like(2.0), RATE, format='FLAC')
  return buffer.getvalue()


def load_bytes(tmp_path, name, blob):
  path = tmp_path / name
  path.write_bytes(blob)
  return decoding.load(path, RATE)


def test_no_flipped_bit_of_flac_is_accepted(backend, tmp_path):
  blob = flac_bytes()
  intact = load_bytes(tmp_path, 'a.flac', blob)
  generator = np.random.default_rng(0)
  # Every flip must be noticed, or change no sample.
  headers = range(0, 42)
  bodies = generator.integers(len(blob) // 10, len(blob), 40)
  for position in (*headers, *bodies):
    flipped = bytearray(blob)
    flipped[position] ^= 1 << generator.integers(8)
    try:
      decoded = load_bytes(tmp_path, 'a.flac', bytes(flipped))
    except decoding.BadRecording as error:
      assert str(error).startswith(str(tmp_path / 'a.flac'))
    else:
      np.testing.assert_array_equal(decoded, intact)


@pytest.mark.parametrize('kind', ['flac', 'wav', 'ogg'])
@pytest.mark.parametrize('share', [0.2, 0.6, 0.95])
def test_truncation_is_noticed(kind, share, backend, tmp_path):
  path = write(tmp_path / f'whole.{kind}', speech_like(3.0))
  blob = path.read_bytes()
  with pytest.raises(decoding.BadRecording, match=rf'cut\.{kind}: is'):
    load_bytes(tmp_path, f'cut.{kind}', blob[: int(share * len(blob))])


def test_no_flipped_bit_of_ogg_is_accepted(backend, tmp_path):
  path = write(tmp_path / 'whole.ogg', speech_like(2.0))
  blob = path.read_bytes()
  generator = np.random.default_rng(0)
  for position in generator.integers(0, len(blob), 30):
    flipped = bytearray(blob)
    flipped[position] ^= 1 << generator.integers(8)
    with pytest.raises(decoding.BadRecording, match=r'a\.ogg: is'):
      load_bytes(tmp_path, 'a.ogg', bytes(flipped))


@pytest.mark.parametrize(
  ('at', 'value', 'words'),
  [
    (24, 16_000, 'contradicts itself'),  # The rate.
    (40, 2_000, 'more follows'),  # The length of the samples.
  ],
)
def test_a_header_of_wav_that_contradicts_the_rest(at, value, words, tmp_path):
  blob = bytearray(write(tmp_path / 'whole.wav').read_bytes())
  blob[at : at + 4] = value.to_bytes(4, 'little')
  with pytest.raises(decoding.BadRecording, match=words):
    load_bytes(tmp_path, 'a.wav', bytes(blob))


def test_a_header_that_promises_more_than_memory_holds(tmp_path):
  blob = bytearray(flac_bytes())
  blob[21] |= 0x0F  # 2^36 samples.
  with pytest.raises(decoding.BadRecording, match=r'a\.flac: is damaged'):
    load_bytes(tmp_path, 'a.flac', bytes(blob))


def with_sample(value):
  waveform = speech_like() / np.float32(32768)
  waveform[100] = value
  return waveform.astype(np.float32)


BAD_FILES = {
  'text named .wav': (b'once upon a time' * 50, 'is not audio'),
  'empty file': (b'', 'is not audio'),
  'no samples': (np.zeros(0, np.int16), 'no samples'),
  'NaN': (with_sample(np.nan), 'not finite'),
  'infinity': (with_sample(np.inf), 'not finite'),
  'integers as floats': (speech_like().astype(np.float32), 'full scale'),
  'too short': (speech_like(0.05), '0.050 s, expected at least'),
  'silence': (np.zeros(RATE, np.int16), 'is silence'),
  'one level of noise': (
    np.random.default_rng(0).integers(-1, 2, RATE).astype(np.int16),
    'is silence',
  ),
}


def write_bad(path, content):
  if isinstance(content, bytes):
    path.write_bytes(content)
  else:
    subtype = 'FLOAT' if content.dtype == np.float32 else 'PCM_16'
    soundfile.write(path, content, RATE, subtype=subtype)


@pytest.mark.parametrize('name', BAD_FILES)
def test_one_bad_file_is_named_counted_and_left_out(name, backend, tmp_path):
  content, reason = BAD_FILES[name]
  corpus = write_corpus(tmp_path / 'corpus', 12)
  write_bad(corpus / 'bad.wav', content)
  manifest = preparation.prepare(miniature(), corpus, tmp_path / 'data')
  assert len(manifest.utterances) == 12
  (rejected,) = manifest.rejected
  assert rejected['file'] == str(corpus / 'bad.wav')
  assert 'bad.wav' in rejected['reason']
  assert reason in rejected['reason']


def test_a_name_that_no_file_can_have():
  with pytest.raises(decoding.BadRecording, match='cannot be read'):
    decoding.load(pathlib.Path('a\0.wav'), RATE)


def test_too_many_bad_files_stop_and_leave_nothing(tmp_path):
  corpus = write_corpus(tmp_path / 'corpus', 3)
  (corpus / 'bad.wav').write_bytes(b'text')
  with pytest.raises(UserError, match=r'1 of 4 .*max_bad_share.*bad\.wav'):
    preparation.prepare(miniature(), corpus, tmp_path / 'data')
  assert [p.name for p in tmp_path.iterdir()] == ['corpus']


@pytest.mark.parametrize(
  'make,words',
  [
    (lambda path: None, 'does not exist'),
    (lambda path: path.mkdir(), 'holds no'),
    (lambda path: path.write_text('x'), 'is a file'),
    (lambda path: write(path / 'one.wav'), 'one recording'),
  ],
)
def test_a_folder_that_is_no_corpus(make, words, tmp_path):
  make(tmp_path / 'corpus')
  with pytest.raises(UserError, match=words):
    preparation.prepare(miniature(), tmp_path / 'corpus', tmp_path / 'data')
  assert not (tmp_path / 'data').exists()


# Corpora.


def test_ljspeech_layout(tmp_path):
  for name in 'LJ1', 'LJ2':
    write(tmp_path / 'wavs' / f'{name}.flac')
  (tmp_path / 'metadata.csv').write_text('LJ1|Dr. A|doctor A\nLJ3|gone|gone\n')
  corpus = corpora.read_corpus(tmp_path)
  assert corpus.layout == 'ljspeech'
  assert [(u.name, u.text) for u in corpus.utterances] == [
    ('LJ1', 'doctor A'), ('LJ2', ''), ('LJ3', 'gone'),
  ]  # fmt: skip
  assert corpus.utterances[2].path == tmp_path / 'wavs' / 'LJ3.wav'


def test_vctk_layout(tmp_path):
  for speaker in 'p225', 'p226':
    for mic in 'mic1', 'mic2':
      write(
        tmp_path / 'wav48_silence_trimmed' / speaker / f'{speaker}_1_{mic}.flac'
      )
  (tmp_path / 'txt' / 'p225').mkdir(parents=True)
  (tmp_path / 'txt' / 'p225' / 'p225_1.txt').write_text('Please call.\n')
  corpus = corpora.read_corpus(tmp_path)
  assert corpus.layout == 'vctk'
  assert [u.speaker for u in corpus.utterances] == ['p225'] * 2 + ['p226'] * 2
  assert corpus.utterances[0].text == 'Please call.'
  assert len({u.name for u in corpus.utterances}) == 4


def test_plain_folder_tree(tmp_path):
  write(tmp_path / 'a' / '1.WAV', format='WAV')
  write(tmp_path / 'b' / '1.flac')
  (tmp_path / 'b' / '1.txt').write_text('one')
  (tmp_path / 'notes.md').write_text('no audio')
  corpus = corpora.read_corpus(tmp_path)
  assert corpus.layout == 'folder'
  assert [(u.name, u.text) for u in corpus.utterances] == [
    ('a/1.WAV', ''), ('b/1.flac', 'one'),
  ]  # fmt: skip


def named(*names, groups=()):
  groups = groups or [''] * len(names)
  return [
    corpora.Utterance(name, pathlib.Path(name), group=group)
    for name, group in zip(names, groups)
  ]


def test_validation_is_reproducible_disjoint_and_seeded():
  utterances = named(*map(str, range(100)))
  chosen = validation_names(utterances, 0.1, 0)
  assert len(chosen) == 10
  assert chosen == validation_names(utterances[::-1], 0.1, 0)
  assert chosen != validation_names(utterances, 0.1, 1)
  assert len(validation_names(utterances[:2], 0.9, 0)) == 1
  assert len(validation_names(utterances[:2], 0.01, 0)) == 1


def test_two_microphones_of_one_utterance_stay_on_one_side():
  names = [f'{i}_mic{m}' for i in range(20) for m in (1, 2)]
  utterances = named(*names, groups=[n.split('_')[0] for n in names])
  chosen = validation_names(utterances, 0.2, 0)
  assert len(chosen) == 8
  for name in chosen:
    assert {f'{name[:-1]}1', f'{name[:-1]}2'} <= chosen


def test_two_formats_of_one_recording_stay_on_one_side(tmp_path):
  for i in range(6):
    write(tmp_path / f'{i}.wav')
    write(tmp_path / f'{i}.flac')
  utterances = corpora.read_corpus(tmp_path).utterances
  chosen = validation_names(utterances, 0.3, 0)
  assert len(chosen) == 4
  assert {n.split('.')[0] + '.wav' for n in chosen} <= chosen


def test_one_recording_in_two_formats_is_too_little(tmp_path):
  write(tmp_path / 'corpus' / 'a.wav')
  write(tmp_path / 'corpus' / 'a.flac')
  with pytest.raises(UserError, match='is left for train'):
    preparation.prepare(miniature(), tmp_path / 'corpus', tmp_path / 'data')
  assert not (tmp_path / 'data').exists()


def test_text_that_is_not_utf8(tmp_path):
  write(tmp_path / 'wavs' / 'a.wav')
  (tmp_path / 'metadata.csv').write_bytes(b'a|caf\xe9|caf\xe9\n')
  with pytest.raises(UserError, match=r'metadata\.csv is not UTF-8'):
    corpora.read_corpus(tmp_path)


def test_two_files_of_one_id(tmp_path):
  write(tmp_path / 'wavs' / 'a.wav')
  write(tmp_path / 'wavs' / 'a.flac')
  (tmp_path / 'metadata.csv').write_text('a|x|x\n')
  with pytest.raises(UserError, match=r'a\.flac.*a\.wav have one id'):
    corpora.read_corpus(tmp_path)


def test_a_data_folder_that_is_in_the_way(tmp_path):
  (tmp_path / 'data').mkdir()
  corpus = write_corpus(tmp_path / 'corpus', 3)
  with pytest.raises(UserError, match='is there already'):
    preparation.prepare(miniature(), corpus, tmp_path / 'data')


# Shards and batches.


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  root = tmp_path_factory.mktemp('prepared')
  corpus = write_corpus(root / 'corpus', 7)
  config = miniature(data__shard_megabytes=1)
  manifest = preparation.prepare(config, corpus, root / 'data')
  return config, corpus, root / 'data', manifest


def test_shards_hold_what_was_decoded(prepared):
  config, corpus, folder, manifest = prepared
  assert manifest == read_manifest(folder, config.audio)
  seen = []
  assert not any(manifest.vocabularies.values())
  for split in TRAIN, VALIDATION:
    names = [u['name'] for u in manifest.of_split(split)]
    for example in read_examples(folder, manifest, split):
      assert example.name in names
      seen.append(example.name)
      levels = decoding.load(corpus / example.name, RATE)
      np.testing.assert_array_equal(example.levels, levels)
      np.testing.assert_allclose(
        example.features,
        spectra.log_mel(
          quantization.waveform_from_levels(levels[None]), config.audio
        )[0],
        atol=1e-5,
      )
  assert sorted(seen) == [f'{i}.wav' for i in range(7)]


def test_flac_size_of_validation_utterances(prepared):
  _, corpus, _, manifest = prepared
  for entry in manifest.of_split(VALIDATION):
    levels = decoding.load(corpus / entry['name'], RATE)
    assert entry['flac_bytes'] == decoding.flac_bytes(levels, RATE)
    assert 0.2 < entry['flac_bytes'] / (2 * entry['samples']) < 1


def damage(folder, tmp_path, change):
  copy = tmp_path / 'data'
  copy.mkdir()
  for path in folder.iterdir():
    (copy / path.name).write_bytes(path.read_bytes())
  change(copy)
  return copy


@pytest.mark.parametrize('kept', [-1, -100, 11, 0])
def test_a_truncated_shard_is_noticed(kept, prepared, tmp_path):
  config, _, folder, _ = prepared

  def truncate(copy):
    path = copy / 'train-00000.tfrecord'
    path.write_bytes(path.read_bytes()[:kept])

  with pytest.raises(UserError, match=r'train-00000\.tfrecord differs'):
    read_manifest(damage(folder, tmp_path, truncate), config.audio)


def test_a_missing_shard_and_a_broken_manifest(prepared, tmp_path):
  config, _, folder, _ = prepared
  copy = damage(
    folder, tmp_path, lambda c: (c / 'train-00000.tfrecord').unlink()
  )
  with pytest.raises(UserError, match=r'train-00000\.tfrecord is missing'):
    read_manifest(copy, config.audio)
  text = (copy / 'manifest.json').read_text()
  (copy / 'manifest.json').write_text(
    text.replace('"version": 3', '"version": 1')
  )
  with pytest.raises(UserError, match='has version 1, expected 3'):
    read_manifest(copy, config.audio)
  (copy / 'manifest.json').write_text(
    text.replace('"samples": ', '"samples": 1')
  )
  with pytest.raises(UserError, match=r'manifest\.json differs from what was'):
    read_manifest(copy, config.audio)
  (copy / 'manifest.json').write_text('[]')
  with pytest.raises(UserError, match=r'manifest\.json: is not a manifest'):
    read_manifest(copy, config.audio)
  (copy / 'manifest.json').write_text('{')
  with pytest.raises(UserError, match=r'manifest\.json: is not a manifest'):
    read_manifest(copy, config.audio)
  with pytest.raises(UserError, match='--mode=prepare'):
    read_manifest(tmp_path / 'nowhere', config.audio)


def test_another_front_end_than_the_shards(prepared):
  _, _, folder, _ = prepared
  other = miniature(audio__mel_bins=9)
  with pytest.raises(UserError, match=r'audio\.mel_bins: found 9.*with 8'):
    read_manifest(folder, other.audio)


def batches(prepared, start_step=0, crop=400, batch_size=3):
  config, _, folder, manifest = prepared
  return training_batches(
    folder, manifest, Crops(config, crop), batch_size=batch_size, seed=5,
    start_step=start_step,
  )  # fmt: skip


def test_batches_are_a_function_of_seed_and_step(prepared):
  whole = list(batches(prepared).take(9))
  for start in 1, 4, 7:
    for a, b in zip(whole[start:], batches(prepared, start)):
      np.testing.assert_array_equal(a.levels, b.levels)
      np.testing.assert_array_equal(a.features, b.features)
  assert (whole[0].levels != whole[1].levels).numpy().any()


def test_an_epoch_visits_every_training_utterance_once(prepared):
  _, _, folder, manifest = prepared
  count = len(manifest.of_split(TRAIN))
  waveforms = [
    e.levels.astype(np.int32) for e in read_examples(folder, manifest, TRAIN)
  ]

  def origin(crop):
    (found,) = [
      i
      for i, levels in enumerate(waveforms)
      if any(
        np.array_equal(levels[s : s + len(crop)], crop)
        for s in range(0, len(levels), 20)
      )
    ]
    return found

  crops = [
    b.levels.numpy()[0] for b in batches(prepared, batch_size=1).take(2 * count)
  ]
  for epoch in crops[:count], crops[count:]:
    assert sorted(map(origin, epoch)) == list(range(count))


def test_features_of_a_crop_are_those_of_the_whole(prepared):
  config, _, folder, manifest = prepared
  examples = list(read_examples(folder, manifest, TRAIN))
  for batch in batches(prepared).take(3):
    for levels, features in zip(batch.levels.numpy(), batch.features.numpy()):
      matches = [
        (e, s)
        for e in examples
        for s in range(0, len(e.levels), 20)
        if np.array_equal(e.levels[s : s + 400], levels)
      ]
      ((example, start),) = matches
      padded = pad_margin(example.features[None], config.silence)[0]
      first = start // 20
      expected = padded[first : first + 20 + 2 * MARGIN_FRAMES]
      np.testing.assert_array_equal(features, expected)


def test_a_short_utterance_is_continued_with_silence(prepared):
  config = prepared[0]
  batch = next(iter(batches(prepared, crop=16000)))
  assert batch.levels.shape == (3, 16000)
  assert (batch.levels.numpy()[:, -3000:] == 0).all()
  np.testing.assert_allclose(
    batch.features.numpy()[:, -100:], config.audio.log_mel_floor
  )


def test_every_sample_may_follow_the_past_of_a_crop(prepared):
  """With a past that is longer than the utterances, too."""
  config, _, folder, manifest = prepared
  past, crop = 40000, 40400
  longest = max(u['samples'] for u in manifest.of_split(TRAIN))
  assert longest < past
  whole = {
    e.name: np.r_[np.zeros(past, np.int16), e.levels, np.zeros(400, np.int16)]
    for e in read_examples(folder, manifest, TRAIN)
  }
  batches = training_batches(
    folder, manifest, Crops(config, crop, past), batch_size=3, seed=5
  )
  starts = set()
  for batch in batches.take(8):
    for levels in batch.levels.numpy():
      assert levels[past:].any()
      found = [
        start
        for padded in whole.values()
        for start in range(0, len(padded) - crop + 1, config.audio.hop_samples)
        if np.array_equal(padded[start : start + crop], levels)
      ]
      assert found
      starts.update(found)
  assert len(starts) > 3


def test_validation_batches_tile_the_utterances(prepared):
  config, _, folder, manifest = prepared
  examples = list(read_examples(folder, manifest, VALIDATION))
  found = validation_batches(examples, Crops(config, 400))
  lengths = [len(e.features) // 20 for e in examples]
  assert len(found) == sum(lengths)
  joined = np.concatenate([b.levels.numpy()[0] for b in found[: lengths[0]]])
  np.testing.assert_array_equal(joined, examples[0].levels[: len(joined)])


def test_the_bundled_corpus_is_whole_and_small():
  folder = ROOT / 'data' / 'sample'
  corpus = corpora.read_corpus(folder)
  assert corpus.layout == 'ljspeech'
  assert all(u.text for u in corpus.utterances)
  seconds = sum(len(decoding.load(u.path, RATE)) / RATE
                for u in corpus.utterances)  # fmt: skip
  assert 60 <= seconds <= 120
  assert sum(p.stat().st_size for p in folder.rglob('*')) < 4e6
  vocabulary = labels.vocabularies(
    corpus.utterances, survey(corpus.utterances).phones
  )
  assert {'a', 'n', 's', 'pau'} <= set(vocabulary['phones'])
  assert 40 <= len(vocabulary['phones']) <= 50
  for utterance in corpus.utterances:
    samples = soundfile.info(utterance.path).frames
    timed = labels.aligned(utterance, samples, 22050)
    found = labels.segments(utterance, timed, samples, 22050, vocabulary)
    phones = found['phones']
    assert phones.ends[-1] == samples
    # Every sentence ends in the synthesizer's pause.
    assert vocabulary['phones'][phones.ids[-1]] == 'pau'
    assert (phones.ids >= 0).mean() > 0.95


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
