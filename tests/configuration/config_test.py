"""Contradictions are named with the field and the fix."""

import dataclasses
import json

import pytest

from tests.support.miniature import plain_tiny
from wavenet_tf.configuration import presets, saved_config
from wavenet_tf.configuration.config import flatten, override
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import write_text
from wavenet_tf.configuration.networks import TeacherConfig
from wavenet_tf.configuration.saved_config import load_config, save_config
from wavenet_tf.configuration.validation import existing_run, validate
from wavenet_tf.configuration.validation.networks import validate_classifier


@pytest.mark.parametrize('name', presets.PRESETS)
def test_presets_are_consistent(name):
  config = presets.preset(name)
  assert config.preset == name
  assert validate.validate(config) is config


@pytest.mark.parametrize('name', presets.PRESETS)
def test_a_saved_configuration_reads_back_equal(name, tmp_path):
  config = presets.preset(name)
  save_config(config, tmp_path / 'config.json')
  assert load_config(tmp_path / 'config.json') == config
  assert [p.name for p in tmp_path.iterdir()] == ['config.json']


def test_override_leaves_the_original_alone():
  config = presets.preset('tiny')
  changed = override(config, {'teacher.cycles': 9})
  assert changed.teacher.cycles == 9
  assert config == presets.preset('tiny')


# (dotted field, value, words the sentence must have)
CONTRADICTIONS = [
  (
    'conditioning.upsample_factors',
    (8, 9),
    ['upsample_factors', '72', 'audio.hop_samples = 80'],
  ),
  ('audio.hop_samples', 100, ['upsample_factors', 'audio.hop_samples = 100']),
  (
    'train_teacher.crop_samples',
    160,
    ['train_teacher.crop_samples', 'receptive field', '256'],
  ),
  (
    'train_teacher.crop_samples',
    3201,
    ['train_teacher.crop_samples', 'multiple', '3200'],
  ),
  ('train_student.crop_samples', 80, ['train_student.crop_samples']),
  ('audio.mel_max_hz', 5000.0, ['audio.mel_max_hz', '4000']),
  ('audio.mel_min_hz', 4000.0, ['audio.mel_min_hz']),
  ('audio.window_samples', 40, ['audio.window_samples', '80']),
  ('audio.sample_rate_hz', 0, ['audio.sample_rate_hz', 'above 0']),
  ('teacher.output', 'softmax', ['teacher.output', 'mu_law']),
  ('teacher.output', 'mu_law', ['teacher.output', 'student.flow_layers=()']),
  ('teacher.input', 'one_hot', ['teacher.input', 'scalar']),
  ('teacher.input', 'mulaw', ['teacher.input', 'one_hot']),
  ('teacher.kernel_size', 1, ['teacher.kernel_size', '2 or more']),
  ('student.kernel_size', 1, ['student.kernel_size', '2 or more']),
  ('student.phase_harmonics', -1, ['student.phase_harmonics', '0 or more']),
  ('student.phase_harmonics', 7, ['student.phase_harmonics', 'at most 6']),
  ('student.flow_layers', (10, 0), ['student.flow_layers']),
  ('conditioning.upsampler', 'linear', ['conditioning.upsampler', 'repeat']),
  ('data.validation_share', 0.0, ['data.validation_share']),
  ('data.max_bad_share', 1.0, ['data.max_bad_share']),
  ('train_teacher.average_decay', 1.0, ['train_teacher.average_decay']),
  ('distillation.contrastive_weight', 1.0, ['divergence_weight = 1.0']),
  (
    'distillation.contrastive_weight',
    -0.3,
    ['contrastive_weight', '0 or more'],
  ),
  ('distillation.divergence', 'exact', ['divergence', 'closed_form']),
  ('distillation.divergence', 'closed_form', ['teacher.output', 'gaussian']),
  ('distillation.power_feature', 'cepstrum', ['power_feature', 'magnitude']),
  ('distillation.power_feature', 'log', ['power_relative', 'False']),
  ('distillation.power_band_weights', (1.0, 2.0), ['1 weights', 'edges_hz']),
  ('distillation.power_band_weights', (float('nan'),), ['power_band_weights']),
  ('distillation.power_band_edges_hz', (9.0, 2.0), ['increasing']),
  ('teacher.bits', 7, ['teacher.bits', '8 to 16']),
  ('teacher.min_log_scale', float('nan'), ['teacher.min_log_scale']),
  ('student.base', 'uniform', ['student.base', 'logistic', 'gaussian']),
  ('student.initial_scale', 1e-9, ['student.initial_scale', 'min_log_scale']),
  ('distillation.draws_per_step', 0, ['distillation.draws_per_step']),
  (
    'distillation.power_window_samples',
    (10_000,),
    ['distillation.power_window_samples', '3200'],
  ),
  ('evaluate.chunk_frames', 0, ['evaluate.chunk_frames']),
  ('evaluate.audio_utterances', 0, ['evaluate.audio_utterances']),
  ('evaluate.audio_seconds', -1.0, ['evaluate.audio_seconds', '0 or more']),
  ('train_teacher.learning_rate', float('nan'), ['learning_rate', 'nan']),
  ('train_teacher.learning_rate', float('inf'), ['learning_rate', 'inf']),
  ('train_teacher.warmup_steps', -5, ['train_teacher.warmup_steps']),
  ('train_teacher.final_learning_rate_share', -1.0, ['final_learning_rate']),
  ('train_teacher.seed', 2**40, ['train_teacher.seed', '2^31']),
  ('conditioning.upsample_factors', (-8, -10), ['upsample_factors']),
  ('conditioning.upsample_factors', (), ['upsample_factors']),
  ('audio.mel_floor', 1.0, ['audio.mel_floor']),
  ('student.min_log_scale', 5.0, ['student.min_log_scale', 'max_log_scale']),
  ('distillation.power_weight', -1.0, ['distillation.power_weight']),
  ('data.min_seconds', float('nan'), ['data.min_seconds']),
  ('data.silence_dbfs', 6.0, ['data.silence_dbfs']),
  ('classifier.labels', 'letters', ['classifier.labels', 'phones', 'words']),
  ('classifier.kernel_size', 1, ['classifier.kernel_size', '2 or more']),
  ('classifier.frame_layers', -1, ['classifier.frame_layers', '0 or more']),
  ('classifier.next_sample_weight', -1.0, ['classifier.next_sample_weight']),
  ('classifier.frame_milliseconds', 0.05, ['frame_milliseconds', '0.125 ms']),
  ('classifier.frame_channels', 0, ['classifier.frame_channels', 'above 0']),
  (
    'classifier.frame_layers',
    20,
    ['train_classifier.crop_samples', '41 frames of 80 samples'],
  ),
  (
    'train_classifier.crop_samples',
    160,
    ["the classifier's receptive field", 'classifier.cycles'],
  ),
]


@pytest.mark.parametrize('field,value,words', CONTRADICTIONS)
def test_a_contradiction_names_field_and_fix(field, value, words):
  config = override(plain_tiny(), {field: value})
  with pytest.raises(UserError) as error:
    validate.validate(config)
    validate_classifier(config)
  for word in words:
    assert word in str(error.value)


@pytest.mark.parametrize('local', ['linguistic', 'none'])
def test_a_running_phase_needs_something_that_tells_f0(local):
  config = override(
    presets.preset('tiny'),
    {
      'conditioning.local': local,
      'conditioning.log_f0': False,
      'student.phase_harmonics': 2,
    },
  )
  with pytest.raises(UserError, match=r'harmonics: found 2, .* nothing tells'):
    validate.validate(config)


def test_linguistic_features_with_log_f0_tell_it():
  config = override(
    presets.preset('tiny'),
    {'conditioning.local': 'linguistic', 'student.phase_harmonics': 2},
  )
  assert validate.validate(config) is config


@pytest.mark.parametrize('split', ['speaker', 'speaker_and_index'])
def test_speakers_who_are_not_in_training_are_no_classes(split):
  config = override(
    presets.preset('tiny'),
    {'data.split': split, 'classifier.labels': 'speakers'},
  )
  with pytest.raises(UserError, match=r"classifier\.labels: found 'speak"):
    validate_classifier(config)


WITH_CONTEXT = {'context.cycles': 1, 'context.layers_per_cycle': 3}


# (overrides of `tiny`, words the sentence must have)
@pytest.mark.parametrize(
  'overrides,words',
  [
    ({'conditioning.local': 'text'}, ['conditioning.local', 'linguistic']),
    ({'conditioning.globals': ('tag',)}, ['conditioning.globals', 'speaker']),
    ({'conditioning.globals': ('tags', 'tags')}, ['globals', 'each kind once']),
    ({'conditioning.embedding_channels': 0}, ['embedding_channels']),
    ({'teacher.activation': 'elu'}, ['teacher.activation', 'relu']),
    ({'teacher.score': 'all'}, ['teacher.score', 'full_context']),
    ({'teacher.product_dtype': 'half'}, ['teacher.product_dtype', 'bfloat16']),
    ({'student.product_dtype': 'half'}, ['student.product_dtype', 'bfloat16']),
    ({'data.split': 'word'}, ['data.split', 'speaker_and_index']),
    (
      {'data.split': 'speaker', 'conditioning.globals': ('tags', 'speaker')},
      ["data.split: found 'speaker', expected 'random' or 'index'"],
    ),
    (
      {
        'data.split': 'speaker_and_index',
        'conditioning.globals': ('speaker',),
      },
      ['data.split', 'stays untrained'],
    ),
    ({'data.split': 'speaker', 'conditioning.globals': ('vector',)}, []),
    ({'data.split': 'index', 'conditioning.globals': ('speaker',)}, []),
    ({'data.held_out_speakers': 0}, ['data.held_out_speakers', 'above 0']),
    ({'data.loudness_dbfs': 3.0}, ['data.loudness_dbfs', '0 dB']),
    ({'data.piece_seconds': -1.0}, ['data.piece_seconds', '0 or more']),
    (
      {'data.piece_seconds': 0.2},
      ['data.piece_seconds: found 0.2', 'data.min_seconds', '0.3 s'],
    ),
    (
      {'data.piece_seconds': 0.005, 'data.min_seconds': 0.001},
      ['data.piece_seconds', 'audio.hop_samples, 0.01 s'],
    ),
    ({'data.piece_seconds': 0.3}, []),
    ({'conditioning.upsample_factors': (1, 80)}, []),
    ({'conditioning.upsample_factors': (8, 10, 1)}, []),
    ({'conditioning.upsample_factors': (1, 8, 10)}, []),
    (
      {'conditioning.upsample_factors': (*[1] * 6, 8, 10)},
      ['conditioning.upsample_factors', 'see 9 frames', 'at most 8'],
    ),
    (
      {
        'conditioning.upsample_factors': (*[1] * 6, 8, 10),
        'conditioning.upsampler': 'repeat',
      },
      [],
    ),
    (
      {'conditioning.context_frames': 7},
      ['see 9 frames', 'conditioning.context_frames = 7', 'lower'],
    ),
    ({'conditioning.context_frames': -1}, ['context_frames', '0 or more']),
    ({'context.cycles': -1}, ['context.cycles', '0 or more']),
    (WITH_CONTEXT | {'context.kernel_size': 1}, ['context.kernel_size']),
    (WITH_CONTEXT | {'context.channels': 0}, ['context.channels', 'above 0']),
    (
      WITH_CONTEXT | {'context.pool_samples': 96},
      ['context.pool_samples: found 96', '1280 samples of evaluate.chunk'],
    ),
    (
      WITH_CONTEXT | {'context.pool_samples': 256},
      ['3200 samples of train_teacher.crop_samples'],
    ),
    (
      WITH_CONTEXT
      | {'context.pool_samples': 160, 'train_student.crop_samples': 1200},
      ['1200 samples of train_student.crop_samples'],
    ),
    (
      WITH_CONTEXT | {'context.layers_per_cycle': 7},
      ['train_teacher.crop_samples', "context stack's receptive field, 10320"],
    ),
    (
      WITH_CONTEXT
      | {
        'context.layers_per_cycle': 7,
        'train_teacher.crop_samples': 11200,
      },
      ['train_student.crop_samples', "context stack's receptive field, 10320"],
    ),
    (
      WITH_CONTEXT
      | {
        'context.layers_per_cycle': 7,
        'train_teacher.crop_samples': 11200,
        'student.flow_layers': (),
      },
      [],
    ),
    (
      WITH_CONTEXT | {'context.teacher_samples': 240},
      ["teacher's receptive field, 256", 'crop_samples = 3200'],
    ),
    (WITH_CONTEXT | {'context.teacher_samples': 6400}, ['teacher_samples']),
    (
      WITH_CONTEXT | {'context.teacher_samples': 1000},
      ['context.teacher_samples', 'a multiple of audio.hop_samples = 80'],
    ),
    ({'context.teacher_samples': 800}, ['0, as context.cycles is 0']),
    # A field of 2 + 18 * 31 = 560 samples.
    (
      {
        'teacher.score': 'full_context',
        'teacher.layers_per_cycle': 5,
        'teacher.cycles': 18,
        'train_teacher.crop_samples': 560,
      },
      ['train_teacher.crop_samples', 'more than', '560', 'full_context'],
    ),
    ({'teacher.score': 'full_context'}, []),
    (WITH_CONTEXT | {'context.teacher_samples': 320}, []),
    (
      {'conditioning.local': 'none'},
      ['distillation.power_average_over_time', 'conditioning.local is none'],
    ),
    (
      {
        'conditioning.local': 'none',
        'distillation.power_weight': 0.0,
        'distillation.contrastive_weight': 0.3,
      },
      ['distillation.contrastive_weight', 'no other conditioning'],
    ),
    (
      {
        'conditioning.local': 'none',
        'distillation.power_average_over_time': True,
        'distillation.feature_weight': 1.0,
      },
      ['distillation.feature_weight', 'conditioning.local is none'],
    ),
  ],
)
def test_combinations_that_make_no_sense(overrides, words):
  config = override(plain_tiny(), overrides)
  if not words:
    assert validate.validate(config) is config
    return
  with pytest.raises(UserError) as error:
    validate.validate(config)
  for word in words:
    assert word in str(error.value)


def test_unknown_preset():
  with pytest.raises(UserError, match='parallel_wavenet_2017'):
    presets.preset('big')


@pytest.mark.parametrize(
  'change,words',
  [
    (lambda d: d.update(vocoder={}), 'vocoder'),
    (lambda d: d.pop('audio'), 'audio'),
    (lambda d: d['teacher'].pop('cycles'), r'teacher\.cycles'),
    (lambda d: d['teacher'].update(cycles='two'), r'teacher\.cycles'),
    (lambda d: d['teacher'].update(layer=3), r'unknown: teacher\.layer'),
    (lambda d: d.update(format=2), 'format 2, expected 1'),
    (lambda d: d.update(format='1'), "format '1'"),
    (lambda d: d.clear(), 'missing'),
    (lambda d: d['teacher'].update(cycles=True), r'teacher\.cycles'),
    (lambda d: d['data'].update(workers=10**30), r'data\.workers'),
    (lambda d: d['student'].update(flow_layers=['x']), 'flow_layers'),
  ],
)
def test_a_file_of_another_version(change, words, tmp_path):
  path = tmp_path / 'config.json'
  save_config(presets.preset('tiny'), path)
  fields = json.loads(path.read_text())
  change(fields)
  path.write_text(json.dumps(fields))
  with pytest.raises(UserError, match=words):
    load_config(path)


@pytest.mark.parametrize(
  'field', ['teacher.cycles', 'student.flow_layers', 'context.cycles']
)
def test_more_layers_than_can_be_counted_are_refused_at_once(field):
  value = (10**9,) if field.endswith('layers') else 10**9
  config = override(presets.preset('tiny'), {field: value})
  with pytest.raises(UserError, match=f'{field}: .* layers, expected at most'):
    validate.validate(config)


def edited(path, **changes):
  """`tiny` in a file, with sections updated; a field of None is left out."""
  save_config(presets.preset('tiny'), path)
  content = json.loads(path.read_text())
  for section, fields in changes.items():
    content[section] |= fields
    for name in [name for name, value in fields.items() if value is None]:
      del content[section][name]
  path.write_text(json.dumps(content))
  return path


def test_a_file_says_its_format_and_that_of_0_3_0_did_not(tmp_path):
  path = tmp_path / 'config.json'
  save_config(presets.preset('small'), path)
  content = json.loads(path.read_text())
  assert content.pop('format') == saved_config.FORMAT
  path.write_text(json.dumps(content))
  assert load_config(path) == presets.preset('small')


def test_a_new_field_is_in_an_older_file_what_releases_did(
  tmp_path, monkeypatch
):
  """Not the default of new runs."""
  assert presets.preset('tiny').teacher.cycles != 7
  monkeypatch.setitem(saved_config.ADDED, 'teacher.cycles', 7)
  older = edited(tmp_path / 'config.json', teacher={'cycles': None})
  assert load_config(older).teacher.cycles == 7
  newer = edited(tmp_path / 'config.json', teacher={'cycles': 3})
  assert load_config(newer).teacher.cycles == 3


def test_a_renamed_field_keeps_its_value(tmp_path, monkeypatch):
  monkeypatch.setitem(saved_config.RENAMED, 'teacher.rounds', 'teacher.cycles')
  older = edited(
    tmp_path / 'config.json', teacher={'cycles': None, 'rounds': 3}
  )
  assert load_config(older).teacher.cycles == 3


def test_a_field_that_is_gone_must_ask_for_what_is_done_now(
  tmp_path, monkeypatch
):
  monkeypatch.setitem(saved_config.REMOVED, 'teacher.bias', True)
  same = edited(tmp_path / 'config.json', teacher={'bias': True})
  assert load_config(same) == presets.preset('tiny')
  other = edited(tmp_path / 'config.json', teacher={'bias': False})
  with pytest.raises(UserError, match=r'teacher\.bias is False.*were True'):
    load_config(other)


@pytest.mark.parametrize('content', [b'{"preset": ', b'\xff\xfe', b'[]'])
def test_a_file_that_is_no_configuration(content, tmp_path):
  path = tmp_path / 'config.json'
  path.write_bytes(content)
  with pytest.raises(UserError, match=r'config\.json'):
    load_config(path)


def test_a_write_that_fails_leaves_nothing(tmp_path):
  (tmp_path / 'taken').mkdir()
  with pytest.raises(OSError, match='taken'):
    write_text(tmp_path / 'taken', 'x')
  assert [p.name for p in tmp_path.iterdir()] == ['taken']


def test_a_run_may_go_on_for_longer_but_not_change(tmp_path):
  (tmp_path / 'teacher').mkdir()
  saved = presets.preset('tiny')
  longer = override(saved, {'train_teacher.steps': 99_999})
  existing_run.check_same_run(saved, longer, tmp_path)
  changed = override(saved, {'teacher.cycles': 3})
  with pytest.raises(UserError, match=r'teacher.cycles: found 3.*made with 2'):
    existing_run.check_same_run(saved, changed, tmp_path)


@pytest.mark.parametrize(
  ('changes', 'words'),
  [
    (
      {'power_weight': 0.0, 'divergence_weight': 0.0},
      ['distillation.divergence_weight', 'above 0'],
    ),
    (
      {'divergence_weight': 0.2, 'contrastive_weight': 0.3},
      ['distillation.contrastive_weight', 'divergence_weight = 0.2'],
    ),
  ],
)
def test_contradictory_weights(changes, words):
  config = override(
    plain_tiny(),
    {f'distillation.{name}': value for name, value in changes.items()},
  )
  with pytest.raises(UserError) as error:
    validate.validate(config)
  for word in words:
    assert word in str(error.value)


@pytest.mark.parametrize(
  ('model', 'field', 'value'),
  [
    ('teacher', 'teacher.cycles', 3),
    ('classifier', 'teacher.mixture_components', 3),
    ('student', 'distillation.contrastive_weight', 0.3),
    ('classifier', 'classifier.labels', 'words'),
  ],
)
def test_a_model_is_settled_once_it_has_a_folder(model, field, value, tmp_path):
  saved = presets.preset('tiny')
  changed = override(saved, {field: value})
  existing_run.check_same_run(saved, changed, tmp_path)
  (tmp_path / model).mkdir()
  with pytest.raises(UserError, match=field):
    existing_run.check_same_run(saved, changed, tmp_path)
  # What all models depend on is settled by the preparation.
  other_data = override(saved, {'audio.hop_samples': 160})
  with pytest.raises(UserError, match=r'audio\.hop_samples'):
    existing_run.check_same_run(saved, other_data, tmp_path)


def test_every_resumable_field_exists():
  assert set(flatten(presets.preset('tiny'))) >= existing_run.RESUMABLE_FIELDS


def test_receptive_fields_of_the_papers():
  # 1 + (k - 1) sum(d), and one more for the entrance.
  sizes = dataclasses.replace(TeacherConfig(), cycles=3)
  assert sizes.receptive_field_samples == 3070 + 1
  sizes.kernel_size = 3
  assert sizes.receptive_field_samples == 6139 + 2
  assert sizes.dilations[:3] == sizes.dilations[10:13] == (1, 2, 4)


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
