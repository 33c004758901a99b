"""A question that an exported model answers, and inputs that many have."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from wavenet_tf.configuration.choices import MEL
from wavenet_tf.configuration.config import Config
from wavenet_tf.speaking.served import front_end
from wavenet_tf.speaking.served.refusals import (
  after,
  checked,
  Field,
  refuse_unless,
  text,
)

# Of a request that warms up.
EXAMPLE_FRAMES = 16
# Beyond this, sums of frames would leave their type.
_MOST_FRAME = 2**30


class Signature(NamedTuple):
  """A question that a model answers.

  Attributes:
    fields: of its inputs; the first one says how many rows there are.
    answer: checked inputs by name -> outputs by name.
    refusals: what `fields` cannot say, of the inputs that they let pass.
  """

  fields: tuple[Field, ...]
  answer: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]
  refusals: Callable[[dict[str, tf.Tensor]], Sequence[tf.Operation]] = (
    lambda given: ()
  )

  def function(self, most_rows: int) -> tf.types.experimental.ConcreteFunction:
    """As `tf.saved_model.save` wants it."""

    @tf.function(autograph=False)
    def call(**given):
      passed = checked(given, self.fields, most_rows)
      return self.answer(after(self.refusals(passed), passed))

    return call.get_concrete_function(**{f.name: f.spec for f in self.fields})


class Fields:
  """The inputs that several signatures have."""

  def __init__(self, config: Config):
    self.config = config
    is_mel = config.conditioning.local == MEL
    self.name = 'mel' if is_mel else 'features'
    self.range = {}
    if is_mel:
      least, most = front_end.possible_range(config.audio)
      self.range = {'least': least, 'most': most}
    channels = config.conditioning.global_channels
    self.global_ = (Field('global_vector', (channels,)),) if channels else ()
    self.seed = Field('seed', (2,), tf.int32)
    self.first_frame = Field('first_frame', (), tf.int32)

  def features(
    self,
    axis: str = 'frames',
    most_frames: int | None = None,
    example: int = EXAMPLE_FRAMES,
  ) -> Field:
    return Field(
      self.name, (axis, self.config.local_channels), **self.range,
      most_steps=most_frames, example=example,
    )  # fmt: skip

  def constants(self) -> dict[str, int | float]:
    audio = self.config.audio
    return {
      'sample_rate_hz': audio.sample_rate_hz,
      'hop_samples': audio.hop_samples,
      'margin_frames': self.config.margin_frames,
      'most_frames': self.config.most_frames,
      'most_rows': self.config.export.most_rows,
      'silence': float(self.config.silence),
      'mel_min_hz': self.config.audio.mel_min_hz,
      'mel_max_hz': self.config.audio.mel_max_hz,
    }


def state_field(size: int) -> Field:
  """The state that the chunk before left.

  Its numbers are of the size of a signal; of much greater ones a network would
  make infinite ones.
  """
  return Field('state', (size,), least=-1e6, most=1e6)


def refuse_off_grid(first_frame: tf.Tensor, step: int) -> tf.Operation:
  fits = tf.equal(first_frame % step, 0)
  fits &= (first_frame >= 0) & (first_frame <= _MOST_FRAME)
  unfit = tf.boolean_mask(first_frame, ~fits)
  return refuse_unless(
    tf.reduce_all(fits), 'first_frame',
    tf.strings.reduce_join(tf.strings.as_string(unfit), separator=', '),
    text(f'multiples of {step}, from 0 to {_MOST_FRAME}'),
  )  # fmt: skip
