"""Durations and pitch from labels, on a corpus whose rules are known."""

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor
import soundfile

from data.preparing import preparation
from data.shards import prosody_training
from data.shards.records import read_examples
from data.shards.splits import VALIDATION
from data.text import pitch, trees
from data.text.prosody import Prosody
from data.text.trees import Trees
from tests.support.miniature import miniature
from tests.support.recordings import RATE, write
from tests.support.rules import context, RULES, write_rules
from wavenet_tf.configuration.errors import UserError


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  root = tmp_path_factory.mktemp('rules')
  config = miniature(
    conditioning__local='linguistic',
    audio__hop_samples=40,
    conditioning__upsample_factors=(5, 8),
  )
  write_rules(root / 'corpus')
  manifest = preparation.prepare(config, root / 'corpus', root / 'data')
  return config, root / 'data', manifest


@pytest.fixture(scope='module')
def trained(prepared):
  _, folder, manifest = prepared
  return prosody_training.train(folder, manifest)


def test_rules_are_learned(prepared, trained):
  _, folder, manifest = prepared
  errors = prosody_training.evaluate(trained, folder, manifest)
  assert errors.phones == 12 and errors.frames > 100
  assert errors.duration_ms < 1 < errors.duration_spread_ms
  assert errors.log_f0_semitones < 0.5 * errors.log_f0_spread_semitones
  assert errors.voicing_accuracy > 0.9


def test_predictions_have_the_layout_of_preparation(prepared, trained):
  _, _, manifest = prepared
  names = ['p', 'a', 'o', 'p', 'o']
  contexts = [context(names, i) for i in range(len(names))]
  found = trained.predict(contexts)
  assert found.dtype == np.float32
  assert manifest.features['local_names'][-2:] == list(pitch.FEATURE_NAMES)
  # 40 + 60 + 120 + 40 + 120 ms of 5 ms each.
  assert found.shape == (76, manifest.local_channels)
  frames = [8, 12, 24, 8, 24]
  np.testing.assert_array_equal(
    found[:, :3].argmax(1), np.repeat([2, 0, 1, 2, 1], frames)
  )
  contour = pitch.from_features(found[:, -2:])
  for name, start in (('a', 8), ('o', 20), ('o', 52)):
    middle = start + RULES[name][0] // 10
    assert contour.voiced[middle]
    assert np.exp(contour.log_f0[middle]) == pytest.approx(
      RULES[name][1], rel=0.1
    )


def test_a_file_says_the_same(trained, tmp_path):
  contexts = [context(['a', 'o', 'p'], i) for i in range(3)]
  trained.save(tmp_path / 'prosody.npz')
  assert [p.name for p in tmp_path.iterdir()] == ['prosody.npz']
  again = Prosody.load(tmp_path / 'prosody.npz')
  np.testing.assert_array_equal(
    again.predict(contexts), trained.predict(contexts)
  )


def test_training_again_gives_the_same(prepared, trained):
  _, folder, manifest = prepared
  again = prosody_training.train(folder, manifest)
  for name, kept in trained.models.items():
    for a, b in zip(kept, again.models[name]):
      np.testing.assert_array_equal(a, b)


def test_a_large_corpus_is_thinned(prepared, monkeypatch):
  _, folder, manifest = prepared
  whole = prosody_training.evaluate(
    prosody_training.train(folder, manifest), folder, manifest
  )
  monkeypatch.setattr(prosody_training, '_MOST_FRAMES', 60)
  thinned = prosody_training.evaluate(
    prosody_training.train(folder, manifest), folder, manifest
  )
  assert 40 <= thinned.frames <= 60 < whole.frames
  assert thinned.phones == whole.phones


def test_trees_as_arrays_are_those_of_scikit_learn(generator):
  inputs = generator.uniform(size=(200, 5)).astype(np.float32)
  targets = np.sin(5 * inputs[:, 0]) + inputs[:, 1] * inputs[:, 2]
  model = GradientBoostingRegressor(**trees.BOOSTING).fit(inputs, targets)
  others = generator.uniform(-1, 2, size=(50, 5)).astype(np.float32)
  np.testing.assert_allclose(
    Trees.fit(inputs, targets).predict(others), model.predict(others)
  )


def test_what_is_no_prosody_file(tmp_path):
  path = tmp_path / 'prosody.npz'
  with pytest.raises(UserError, match='run --mode=train_prosody first'):
    Prosody.load(path)
  for content in b'', b'nonsense', b'PK\x03\x04':
    path.write_bytes(content)
    with pytest.raises(UserError, match='is not a prosody file'):
      Prosody.load(path)
  np.savez_compressed(path, other=np.zeros(2))
  compressed = bytearray(path.read_bytes())
  compressed[60] ^= 0xFF
  for content in path.read_bytes(), compressed:
    path.write_bytes(content)
    with pytest.raises(UserError, match='is not a prosody file'):
      Prosody.load(path)


def test_a_corpus_without_linguistic_features(prepared):
  _, folder, manifest = prepared
  features = {**manifest.features, 'local': 'mel'}
  with pytest.raises(UserError, match=r"local = 'mel', expected linguistic"):
    prosody_training.train(folder, manifest._replace(features=features))


def test_a_corpus_in_which_nothing_is_voiced(tmp_path):
  corpus = write_rules(tmp_path / 'corpus', 4)
  noise = np.random.default_rng(0).normal(0, 900, 2 * RATE).astype(np.int16)
  for path in corpus.glob('*.wav'):
    write(path, noise[: soundfile.info(path).frames])
  config = miniature(conditioning__local='linguistic')
  manifest = preparation.prepare(config, corpus, tmp_path / 'data')
  with pytest.raises(UserError, match=r'no frame .* is voiced, .*log_f0=False'):
    prosody_training.train(tmp_path / 'data', manifest)


def test_without_log_f0_there_are_durations_alone(tmp_path):
  config = miniature(
    conditioning__local='linguistic', conditioning__log_f0=False
  )
  corpus = write_rules(tmp_path / 'corpus', 4)
  manifest = preparation.prepare(config, corpus, tmp_path / 'data')
  found = prosody_training.train(tmp_path / 'data', manifest)
  assert list(found.models) == ['duration']
  predicted = found.predict([context(['a'], 0)])
  assert predicted.shape == (60 * 8 // 20, manifest.local_channels)
  errors = prosody_training.evaluate(found, tmp_path / 'data', manifest)
  assert np.isnan(errors.log_f0_semitones)
  (example,) = read_examples(tmp_path / 'data', manifest, VALIDATION)
  assert example.features.shape[1] == manifest.local_channels == 6


def test_labels_of_another_recording_scale_nothing(tmp_path):
  """They are left out, and whatever they say of durations with them."""
  config = miniature(
    conditioning__local='linguistic',
    conditioning__log_f0=False,
    data__max_bad_share=0.5,
  )
  corpus, found = write_rules(tmp_path / 'corpus', 6), []
  for name in 'whole', 'damaged':
    manifest = preparation.prepare(config, corpus, tmp_path / name)
    found.append((manifest.features, len(manifest.rejected)))
    path = corpus / '1.lab'
    *lines, last = path.read_text().splitlines()
    start, end, label = last.split()
    path.write_text('\n'.join([*lines, f'{start} {end}000 {label}']))
  assert found == [(found[0][0], 0), (found[0][0], 1)]


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
