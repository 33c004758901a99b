"""A served student: however it is asked, the same bits, as one pass says."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.miniature import miniature, random_student
from tests.support.replay import one_pass
from tests.support.variants import GAUSSIAN, HELD, LINGUISTIC, PITCH, SPEAKER
from wavenet_tf.configuration.corpus import MARGIN_FRAMES
from wavenet_tf.signal import spectra
from wavenet_tf.speaking.served import front_end
from wavenet_tf.speaking.served.signatures import signatures

# Longer than what a sample of the student sees, and no multiple of a chunk.
FRAMES = 77
EMPHASIS = {'audio__preemphasis': 0.85}
TOLD = {
  'plain': {},
  'speaker, pitch, pre-emphasis': SPEAKER | PITCH | EMPHASIS,
  'held, Gaussian': HELD | GAUSSIAN,
  'pitch that is told': LINGUISTIC | PITCH,
  'nothing local': {
    'conditioning__local': 'none',
    'distillation__power_average_over_time': True,
  },
}


class Asked:
  """A student's signatures, and what two rows ask them."""

  def __init__(self, told):
    self.config = config = miniature(**told)
    self.student = random_student(config)
    for net in self.student.networks:  # Too quiet to clip.
      net.output_layer.bias.assign([0.01, -1.5])
    self.answers = {
      name: signature.function(config.export.most_rows)
      for name, signature in signatures(self.student, None, config).items()
    }
    generator = np.random.default_rng(3)
    low, high = config.feature_range
    shape = [2, FRAMES, config.local_channels]
    self.features = generator.uniform(low, high, shape).astype(np.float32)
    self.name = 'mel' if config.conditioning.local == 'mel' else 'features'
    self.rest = {'seed': tf.constant([[1, 2], [3, 4]])}
    channels = config.conditioning.global_channels
    if channels:
      vector = generator.normal(size=[2, channels]).astype(np.float32)
      self.rest['global_vector'] = tf.constant(vector)
    found = self.answers['limits'](rows=tf.constant([0]))
    self.limits = {name: x.numpy()[0] for name, x in found.items()}

  def whole(self, rows=slice(None)):
    rest = {name: x[rows] for name, x in self.rest.items()}
    features = tf.constant(self.features[rows])
    return self.answers['serving_default'](**{self.name: features}, **rest)[
      'audio'
    ].numpy()

  def has_phase(self):
    return 'phase' in self.answers

  def stream(self, first, frames, phase):
    """-> the samples, and the phase for what follows."""
    start = max(0, first - self.limits['context_frames'])
    end = min(FRAMES, first + frames + MARGIN_FRAMES)
    asked = {
      self.name: tf.constant(self.features[:, start:end]),
      'first_frame': tf.fill([2], first),
      'frames': tf.fill([2], frames),
    }
    if self.has_phase():
      asked['phase'] = phase
    found = self.answers['stream'](**asked, **self.rest)
    return found['audio'].numpy(), found.get('phase')


@pytest.fixture(scope='module', params=TOLD)
def asked(request):
  return Asked(TOLD[request.param])


def test_the_whole_is_what_one_pass_says(asked):
  told = tf.constant(asked.features), *asked.rest.values()
  expected = one_pass(asked.student, asked.config, *told)
  np.testing.assert_allclose(asked.whole(), expected, atol=1e-4)
  assert np.std(expected) > 1e-3


def test_a_row_has_the_same_bits_alone(asked):
  whole = asked.whole()
  for row in range(2):
    alone = asked.whole(slice(row, row + 1))
    np.testing.assert_array_equal(alone[0], whole[row])


def test_a_stream_has_the_bits_of_the_whole(asked):
  first, phase, heard = 0, tf.zeros([2], tf.int32), []
  for frames in 8, 24, 32, FRAMES - 64:
    audio, phase = asked.stream(first, frames, phase)
    heard.append(audio)
    first += frames
  np.testing.assert_array_equal(np.concatenate(heard, 1), asked.whole())


def test_any_piece_can_be_asked_for(asked):
  """By whoever knows the phase there, where the student hears it."""
  assert asked.limits['context_frames'] < 64  # Or the window is the whole.
  hop, whole = asked.config.audio.hop_samples, asked.whole()
  phases = tf.zeros([2, 99], tf.int32)
  if asked.has_phase():
    phases = asked.answers['phase'](**{asked.name: asked.features})['phase']
    assert phases.shape == (2, -(-FRAMES // 8))
  for first, frames in (64, 13), (8, 9), (72, 1):
    audio, _ = asked.stream(first, frames, phases[:, first // 8])
    wanted = whole[:, first * hop : (first + frames) * hop]
    np.testing.assert_array_equal(audio, wanted)


def test_chunks_that_hand_their_state_on_have_the_bits_of_the_whole(asked):
  count = -(-FRAMES // 8) * 8
  padded = np.pad(
    asked.features,
    [(0, 0), (MARGIN_FRAMES, count - FRAMES + MARGIN_FRAMES), (0, 0)],
    constant_values=asked.config.silence,
  )
  state = {'state': tf.zeros([2, asked.limits['state_size']])}
  if asked.has_phase():
    state['phase'] = tf.zeros([2], tf.int32)
  first, heard = 0, []
  for frames in 8, 40, count - 48:
    window = padded[:, first : first + frames + 2 * MARGIN_FRAMES]
    state = dict(
      asked.answers['chunk'](
        **{asked.name: window},
        first_frame=tf.fill([2], first),
        **state,
        **asked.rest,
      )
    )
    heard.append(state.pop('audio'))
    first += frames
  whole = asked.whole()
  np.testing.assert_array_equal(
    np.concatenate(heard, 1)[:, : whole.shape[1]], whole
  )


@pytest.mark.parametrize('samples', [1, 20, 501, 4000])
def test_log_mels_of_blocks_are_those_of_the_whole(samples, config):
  audio = np.random.default_rng(0).uniform(-0.5, 0.5, [2, samples])
  audio = tf.constant(audio, tf.float32)
  np.testing.assert_allclose(
    front_end.log_mels(audio, config.audio),
    spectra.log_mel(audio, config.audio),
    atol=1e-4,
  )


def test_the_loudest_waveforms_have_possible_log_mels(config):
  least, most = front_end.possible_range(config.audio)
  time = np.arange(2000)
  loud = [np.ones(2000), np.sign(np.sin(time / 3)), (-1.0) ** time]
  mels = spectra.log_mel(tf.constant(loud, tf.float32), config.audio)
  assert least < np.min(mels) and np.max(mels) < most


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
