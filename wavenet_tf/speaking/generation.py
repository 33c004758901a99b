"""Cached autoregressive generation, in chunks of one length, compiled once.

Within a chunk a loop takes one step per sample with the pasts of all layers in
ring buffers, so the cost of a sample is that of one layer after the other and
does not grow with the receptive field (1611.09482). Between chunks the state
is the same that a forward pass over a chunk takes and returns.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import itertools
from typing import NamedTuple

import tensorflow as tf

from wavenet_tf.configuration.config import Config
from wavenet_tf.networks import causal_network
from wavenet_tf.networks.conditioning.conditioning import Conditioning
from wavenet_tf.networks.teacher import Teacher, TeacherState
from wavenet_tf.probability.sampling import Sampling
from wavenet_tf.signal import emphasis, spectra
from wavenet_tf.signal.noise import fold_in
from wavenet_tf.speaking.chunks import Chunk, ChunkwiseSpeaker, windows
from wavenet_tf.speaking.redrawing import Redrawing


class GeneratorState(NamedTuple):
  """What a chunk leaves to the next: of the network, and of de-emphasis.

  Where chunks may be drawn again, also the end of what was said, that windows
  of the next chunk's frames reach back to; else that is empty.
  """

  teacher: TeacherState
  memory: tf.Tensor
  heard: tf.Tensor  # [B, N]


class Generator(ChunkwiseSpeaker):
  """Draws waveforms from a teacher, in any conditioning it was trained with.

  Args:
    teacher: with its final weights.
    config: of the run; for the hop and `evaluate` (chunk length, sampling).
    jit_compile: compile the chunk with XLA.

  Example:
    ```python
    generate = Generator(teacher, config)
    waveform = generate(log_mel, seed=[7, 0])   # [B, frames * hop]
    ```
  """

  def __init__(
    self, teacher: Teacher, config: Config, jit_compile: bool = True
  ):
    super().__init__(config)
    self._teacher = teacher
    self._chunk_frames = config.evaluate.chunk_frames
    self._sampling = Sampling.of(config.evaluate)
    self._compiled = tf.function(
      self._generate_chunk, jit_compile=jit_compile or None, autograph=False
    )
    self._redrawing = None
    if config.evaluate.redraw_excess:
      self._redrawing = Redrawing(self._compiled, config)

  def chunks(
    self,
    features: tf.Tensor,
    seed: Sequence[int] | Sequence[Sequence[int]],
    global_: tf.Tensor | None = None,
    frames: Sequence[int] | None = None,
  ) -> Iterator[Chunk]:
    batch = features.shape[0]
    left = features.shape[1] if frames is None else tf.constant(frames)
    state = self.initial_state(batch)
    for index, window in enumerate(
      windows(
        features,
        itertools.repeat(self._chunk_frames),
        self._config.silence,
        self._config.margin_frames,
      )
    ):
      chunk, redraws = self.next_chunk(
        window,
        global_,
        tf.constant(seed, tf.int32),
        state,
        index,
        left - index * self._chunk_frames,
      )
      self.redraws += int(tf.reduce_sum(redraws))
      yield chunk
      state = chunk.state

  def initial_state(self, batch: int) -> GeneratorState:
    """Before the first chunk: nothing was said."""
    before = 0
    if self._redrawing:
      before = spectra.samples_before(self._config.audio)
    return GeneratorState(
      self._teacher.initial_state(batch),
      emphasis.initial_memory(batch),
      tf.zeros([batch, before]),
    )

  def next_chunk(
    self,
    features: tf.Tensor,
    global_: tf.Tensor | None,
    seed: tf.Tensor,
    state: GeneratorState,
    index: int | tf.Tensor,
    frames: int | tf.Tensor,
  ) -> tuple[Chunk, tf.Tensor]:
    """A chunk, and how often it was drawn again, int32 `[B]`.

    Args:
      features: `[B, chunk_frames + 2 margin_frames, channels]`, those of the
        chunk and its margins.
      global_: `[B, channels]`, or None.
      seed: int32 `[2]`, of all utterances together, or `[B, 2]`, of each.
      state: after the chunk before.
      index: of the chunk, from 0.
      frames: of the utterance, from the first one of the chunk on; or `[B]`.
    """
    chunk_seed = fold_in(seed, index)
    told = features, global_, chunk_seed, state
    if self._redrawing:
      return self._redrawing(*told, frames)
    return self._compiled(*told), tf.zeros([features.shape[0]], tf.int32)

  def _generate_chunk(self, features, global_, seed, state) -> Chunk:
    """One chunk; with a context stack, frame by frame of it."""
    teacher, batch, past = self._teacher, features.shape[0], state.teacher
    samples = self._chunk_frames * self._config.audio.hop_samples
    encoded = teacher.encoder(Conditioning.of(features, global_))
    noise = self._noise(samples, batch, seed)
    steps = _Steps(teacher, encoded, noise, self._sampling)
    carry = _Carry(
      past.network.previous[:, 0],
      teacher.network.rings_from_state(past.network),
      tf.zeros([samples, batch]),
    )
    if not teacher.context:
      carry = steps.run(0, samples, None, carry)
      context_state = ()
    else:
      carry, context_state = self._generate_frames(
        steps, samples, carry, past.context
      )
    past = TeacherState(
      teacher.network.state_from_rings(carry.previous, carry.rings, samples),
      context_state,
    )
    preemphasis = self._config.audio.preemphasis
    waveform, memory = emphasis.de_emphasise_chunk(
      tf.transpose(carry.waveform), preemphasis, state.memory
    )
    if preemphasis:  # Samples of the network itself lie in range.
      waveform = tf.clip_by_value(waveform, -1.0, 1.0)
    heard = tf.concat([state.heard, waveform], 1)
    heard = heard[:, heard.shape[1] - state.heard.shape[1] :]
    return Chunk(waveform, GeneratorState(past, memory, heard))

  def _noise(self, samples, batch, seed):
    """`[samples, B, ...]`; where each row has a seed, as it were alone."""
    draw = self._teacher.output_kind.noise
    if seed.shape.rank == 1:
      return draw([samples, batch], seed)
    return tf.concat([draw([samples, 1], row) for row in tf.unstack(seed)], 1)

  def _generate_frames(self, steps, samples, carry, state):
    """The context stack takes a step, then the network one per sample."""
    context = self._teacher.context
    pool, weights = context.pool_samples, context.network.step_weights()

    def one_frame(j, carry, frame, rings):
      heard, rings = context.step(weights, frame, rings, j)
      carry = steps.run(j * pool, pool, heard, carry)
      # Not a slice from j on, whose length XLA would call unknown.
      frames = tf.reshape(carry.waveform, [-1, pool, carry.waveform.shape[1]])
      frame = tf.transpose(tf.gather(frames, j))
      return j + 1, carry, self._teacher.context_frames(frame)[:, 0], rings

    j, carry, frame, rings = tf.while_loop(
      lambda j, *_: j < samples // pool,
      one_frame,
      (0, carry, state.previous[:, 0], context.network.rings_from_state(state)),
      maximum_iterations=samples // pool,
    )
    return carry, context.network.state_from_rings(frame, rings, j)


class _Carry(NamedTuple):
  """What the loop over samples hands on."""

  previous: tf.Tensor  # [B, C], the last sample as the network hears it
  rings: causal_network.NetworkRings
  # [samples, B], as the network says it, filled as far as the loop has come.
  waveform: tf.Tensor


class _Steps:
  """The loop over the samples of a chunk.

  Conditioning is projected and noise drawn for the whole chunk, time first,
  so that a step reads one row.
  """

  def __init__(self, teacher, encoded, noise, sampling):
    self._teacher = teacher
    self._weights = teacher.network.step_weights()
    self._noise = noise
    self._sampling = sampling
    # The context is not known yet: its channels, the last ones, are zero.
    if teacher.context:
      shape = [noise.shape[1], noise.shape[0], teacher.context.channels]
      encoded = encoded.beside(tf.zeros(shape))
    self._hold = encoded.hold
    if encoded.local is not None:  # Time first, while it is small.
      local = tf.transpose(encoded.local, [1, 0, 2])
      encoded = dataclasses.replace(encoded, local=local)
    self._projected = teacher.network.stack.project(encoded, time_axis=0)

  def run(self, first, count, heard, carry: _Carry) -> _Carry:
    """Samples first .. first + count - 1, told the context `heard`."""
    teacher = self._teacher
    if heard is not None:
      heard = teacher.network.stack.project_last(heard)

    def step(i, carry):
      t = first + i
      parameters, rings = teacher.network.step(
        self._weights,
        carry.previous,
        self._conditioning(t, heard),
        carry.rings,
        t,
      )
      sample = teacher.output_kind.sample(
        parameters, tf.gather(self._noise, t), self._sampling
      )
      waveform = tf.tensor_scatter_nd_update(carry.waveform, [[t]], [sample])
      return i + 1, _Carry(teacher.encode(sample), rings, waveform)

    return tf.while_loop(
      lambda i, _: i < count, step, (0, carry), maximum_iterations=count
    )[1]

  def _conditioning(self, t, heard):
    if self._projected is None:
      return heard
    if self._projected.shape[0] == 1:
      row = self._projected[0]
    else:
      row = tf.gather(self._projected, t // self._hold)
    return row if heard is None else row + heard
