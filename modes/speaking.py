"""Generation: copies of recordings, speech from text, audio of a length."""

import sys
from typing import NamedTuple

from data.conditioning import inputs
from data.recordings import copies, decoding
from modes.runs import Run
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of
from wavenet_tf.signal import quantization
from wavenet_tf.speaking.generation import Generator
from wavenet_tf.speaking.synthesis import Synthesizer


class Request(NamedTuple):
  """What to generate, by which model, and where to write it.

  Attributes:
    model: 'teacher' or 'student'.
    input: an audio file or a folder to copy, or None.
    output: a .wav file or a folder; None: <workdir>/samples/<model>.
    seed: the same seed gives the same audio.
    wish: everything but the recording.
  """

  model: str
  input: str | None
  output: str | None
  seed: int
  wish: inputs.Wish


def generate(run: Run, request: Request) -> None:
  """Writes what was asked for; one WAV file, or one for each recording.

  Raises:
    UserError: naming the flag that cannot be followed.
  """
  wish = request.wish
  output = request.output or run.workdir / 'samples' / request.model
  if request.input:
    # The flags are checked before any model is loaded.
    targets = copies.targets(request.input, path_of(output))
    wishes = {
      target: wish._replace(input=recording)
      for recording, target in targets.items()
    }
  else:
    wishes = {_single_target(wish, path_of(output)): wish}
  inputs.check(wish._replace(input=request.input), run.told)
  write = _Writer(run, request)
  bad = []
  for target, one in wishes.items():
    try:
      write(one, target)
    except UserError as error:
      if not request.input:
        raise
      print(error, file=sys.stderr)
      bad.append(one)
  if bad:
    raise UserError(
      f'--input: {len(bad)} of {len(wishes)} recordings were not copied.'
    )


def speak(run: Run, request: Request) -> None:
  """Text, or a label file, by a model that was told linguistic features."""
  wish = request.wish
  if bool(wish.text) == bool(wish.labels):
    raise UserError(
      f'--mode: speak says --text or --labels, found '
      f'{"both" if wish.text else "neither"}; give one of them.'
    )
  generate(run, request)


def _single_target(wish, output):
  if output.suffix.lower() == '.wav':
    return output
  if output.suffix:
    raise UserError(f'--output: found {output}, expected .wav or a folder.')
  if wish.labels:
    return output / f'{wish.labels.stem}.wav'
  return output / ('speech.wav' if wish.text else 'generated.wav')


class _Writer:
  """Writes what a model says, one wish after the other."""

  def __init__(self, run, request):
    self._run = run
    self._seed = (request.seed, 0)
    self._synthesize = (
      Generator(run.teacher(), run.config)
      if request.model == 'teacher'
      else Synthesizer(run.student(), run.config)
    )

  def __call__(self, wish, target):
    asked = inputs.model_inputs(wish, self._run.told, self._run.prosody_file)
    redraws = self._synthesize.redraws
    waveform = self._synthesize(asked.features, self._seed, asked.global_)
    redraws = self._synthesize.redraws - redraws
    speech = waveform[0, : asked.samples]
    target.parent.mkdir(parents=True, exist_ok=True)
    rate = self._run.config.audio.sample_rate_hz
    decoding.write_wav(target, speech, rate)
    line = f'{target}: {len(speech) / rate:.2f} s'
    line += f', {quantization.rms_dbfs(speech):.1f} dBFS'
    if asked.levels is not None:
      recording = quantization.waveform_from_levels(asked.levels).numpy()
      line += f' (input {quantization.rms_dbfs(recording):.1f} dBFS)'
    if redraws:
      line += f', {redraws} chunks drawn again'
    print(f'{line}.')
