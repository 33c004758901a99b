"""Generation: copies of recordings, speech from text, audio of a length."""

from typing import NamedTuple

from data.conditioning import inputs
from data.preparing.runners import HERE, Runner
from data.recordings import copies
from modes.copying import copy_all, note_of, Speaker, Voice
from modes.runs import Run
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.configuration.files import path_of


class Request(NamedTuple):
  """What to generate, by which model, and where to write it.

  Attributes:
    model: 'teacher' or 'student'.
    input: an audio file or a folder to copy, or None.
    output: a .wav file or a folder; None: <workdir>/samples/<model>.
    seed: the same seed gives the same audio.
    wish: everything but the recording.
    rows: recordings of a folder that are spoken at once.
    runner: who copies a folder.
  """

  model: str
  input: str | None
  output: str | None
  seed: int
  wish: inputs.Wish
  rows: int = 1
  runner: Runner = HERE

  @property
  def voice(self) -> Voice:
    return Voice(self.model, self.seed, self.rows)


def generate(run: Run, request: Request) -> None:
  """Writes what was asked for; one WAV file, or one for each recording.

  Raises:
    UserError: naming the flag that cannot be followed.
  """
  wish = request.wish
  output = path_of(request.output or run.workdir / 'samples' / request.model)
  # The flags are checked before any model is loaded.
  if request.input:
    targets = copies.targets(request.input, output)
    wishes = {
      target: wish._replace(input=recording)
      for recording, target in targets.items()
    }
  else:
    wishes = {_single_target(wish, output): wish}
  inputs.check(wish._replace(input=request.input), run.told)
  if request.input and path_of(request.input).is_dir():
    copy_all(run, request.voice, wishes, output, request.runner)
    return
  ((target, wish),) = wishes.items()
  speaker = Speaker(run, request.voice._replace(rows=1))
  # It is none of those of a request for a folder, if there was one.
  note_of(target.parent).unlink(missing_ok=True)
  speaker.one(target, wish)


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
