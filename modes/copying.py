"""What a model says, written to files; copies of many recordings.

The audio of a recording is a function of the recording, the model, the flags of
the request and, up to rounding, of nothing else: its noise is that of the seed,
as if it were alone. `rows` of them are spoken at once, always so many, and all
of one length, so that one program speaks them: to the bit, no copy depends on
which others there are, on their order, or on an interruption.
"""

from collections.abc import Iterator, Sequence
import functools
import hashlib
import itertools
import pathlib
import pickle
import sys
from typing import NamedTuple

import numpy as np

from data.conditioning import inputs
from data.preparing.runners import Runner
from data.recordings import decoding
from data.shards.verification import sha256
from modes.runs import Run
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import write_text
from wavenet_tf.learning import checkpoints
from wavenet_tf.signal import quantization
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.synthesis import Synthesizer

# Lengths of recordings that are spoken at once are rounded up to this.
_BUCKET_FRAMES = 64

Asked = Sequence[tuple[pathlib.Path, inputs.Wish]]


class Voice(NamedTuple):
  """Which model of a run speaks, and how.

  Attributes:
    model: 'teacher' or 'student'.
    seed: the same seed gives the same audio.
    rows: how many recordings are spoken at once.
  """

  model: str
  seed: int
  rows: int = 1


class Speaker:
  """Writes what a model says: WAV files, whole ones only."""

  def __init__(self, run: Run, voice: Voice):
    self._run = run
    self._voice = voice
    self._synthesize = (
      Generator(run.teacher(), run.config)
      if voice.model == 'teacher'
      else Synthesizer(run.student(), run.config)
    )

  def one(self, target: pathlib.Path, wish: inputs.Wish) -> None:
    """Raises `UserError` where a wish cannot be followed."""
    self._speak([(target, self._inputs(wish))])

  def some(self, asked: Asked) -> None:
    """At once; recordings that cannot be copied are named, and left out."""
    usable = []
    for target, wish in asked:
      try:
        usable.append((target, self._inputs(wish)))
      except UserError as error:
        print(error, file=sys.stderr)
    if self._voice.rows == 1:
      for one in usable:
        self._speak([one])
    else:
      usable.sort(key=lambda one: _bucket(one[1].features.shape[1]))
      for _, rows in itertools.groupby(
        usable, lambda one: _bucket(one[1].features.shape[1])
      ):
        self._speak(list(rows))

  def _inputs(self, wish):
    return inputs.model_inputs(wish, self._run.told, self._run.prosody_file)

  def _speak(self, rows):
    before = self._synthesize.redraws
    waveforms = self._waveforms([told for _, told in rows])
    redraws = self._synthesize.redraws - before
    for (target, told), waveform in zip(rows, waveforms):
      speech = waveform[: told.samples]
      target.parent.mkdir(parents=True, exist_ok=True)
      rate = self._run.config.audio.sample_rate_hz
      decoding.write_wav(target, speech, rate)
      line = f'{target}: {len(speech) / rate:.2f} s'
      line += f', {quantization.rms_dbfs(speech):.1f} dBFS'
      if told.levels is not None:
        recording = quantization.waveform_from_levels(told.levels).numpy()
        line += f' (input {quantization.rms_dbfs(recording):.1f} dBFS)'
      if redraws and len(rows) == 1:
        line += f', {redraws} chunks drawn again'
      print(f'{line}.')

  def _waveforms(self, told):
    seed, rows = (self._voice.seed, 0), self._voice.rows
    if rows == 1:
      return self._synthesize(told[0].features, seed, told[0].global_)
    # What lacks to a whole batch says the first row again.
    told = [*told, *[told[0]] * (rows - len(told))]
    frames = [one.features.shape[1] for one in told]
    length = _bucket(max(frames))
    features = [
      np.pad(
        one.features[0],
        [[0, length - one.features.shape[1]], [0, 0]],
        constant_values=self._run.config.silence,
      )
      for one in told
    ]
    return self._synthesize(
      np.stack(features),
      [seed] * rows,
      np.concatenate([one.global_ for one in told]),
      frames,
    )


class _Elsewhere(NamedTuple):
  """`Speaker.some` of a worker, which loads the model once.

  Attributes:
    pickled: configuration, folder and saved configuration of the run; voice;
      digest of the request.
  """

  pickled: bytes

  def __call__(self, asked: Asked) -> None:
    _speaker(self.pickled).some(asked)


@functools.lru_cache(maxsize=1)
def _speaker(pickled):
  run, voice, _ = pickle.loads(pickled)
  return Speaker(Run(*run), voice)


def copy_all(
  run: Run,
  voice: Voice,
  wishes: dict[pathlib.Path, inputs.Wish],
  output: pathlib.Path,
  runner: Runner,
) -> None:
  """Copies recordings, but those that the same request has copied before.

  `<output>.request`, beside the folder, says of which request its copies are;
  those of another are removed first.

  Args:
    run: whose models speak.
    voice: which, and how.
    wishes: by the file to write.
    output: the folder that holds all of them.
    runner: who speaks.

  Raises:
    UserError: if some were not copied.
  """
  digest = _digest(run, voice, wishes)
  speaker = Speaker(run, voice) if runner.is_simple else None
  note = note_of(output)
  if not (note.is_file() and note.read_bytes() == digest.encode()):
    for target in wishes:
      target.unlink(missing_ok=True)
    note.parent.mkdir(parents=True, exist_ok=True)
    write_text(note, digest)
  waiting = {t: w for t, w in wishes.items() if not _is_made(t, w)}
  if len(waiting) < len(wishes):
    print(
      f'{len(wishes) - len(waiting)} of {len(wishes)} copies are there '
      'already, of the same recordings by the same model.'
    )
  work = speaker and speaker.some
  if work is None:
    here = run.config, run.workdir, run.saved
    work = _Elsewhere(pickle.dumps((here, voice, digest)))
  if waiting:
    runner.for_each(work, _batches(waiting, voice.rows, run.config.audio))
  missing = sum(not target.exists() for target in wishes)
  if missing:
    raise UserError(
      f'--input: {missing} of {len(wishes)} recordings were not copied.'
    )


def note_of(output: pathlib.Path) -> pathlib.Path:
  """The file that says of which request the copies of a folder are."""
  return output.with_name(f'{output.name}.request')


def _digest(run, voice, wishes):
  """Of all that the copies depend on beside their recordings."""
  folder = run.workdir / voice.model
  newest = sorted(folder.glob(f'ckpt-{checkpoints.newest_step(folder)}.*'))
  weights = [sha256(path) for path in newest]
  asked = next(iter(wishes.values()))._replace(input=None)
  vector = asked.vector and asked.vector.read_bytes()
  said = repr([run.config, weights, voice, asked, vector])
  return hashlib.sha256(said.encode()).hexdigest() + '\n'


def _is_made(target, wish):
  try:
    made = target.stat().st_mtime_ns
    return made >= wish.input.path.stat().st_mtime_ns
  except OSError:
    return False


def _batches(wishes, rows, audio) -> Iterator[Asked]:
  """Of equal lengths, as far as headers tell, where they are spoken at once."""
  if rows == 1:
    for one in wishes.items():
      yield [one]
    return

  def bucket(one):
    try:
      seconds = decoding.seconds(one[1].input.path)
    except decoding.BadRecording:
      return 0
    return _bucket(seconds * audio.sample_rate_hz / audio.hop_samples)

  for _, same in itertools.groupby(sorted(wishes.items(), key=bucket), bucket):
    while some := list(itertools.islice(same, rows)):
      yield some


def _bucket(frames):
  return int(-(-frames // _BUCKET_FRAMES)) * _BUCKET_FRAMES
