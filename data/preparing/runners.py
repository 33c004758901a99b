"""Who does the work of many parts: this process, or the workers of Apache Beam.

Work is a function of a part that leaves files, written whole, and nothing else.
So it may be done by anybody, in any order, twice, or not at all where its files
are there, and all runners leave the same.
"""

from collections.abc import Callable, Iterable
import os
import pathlib
import pickle
import re
from typing import Any, NamedTuple

from wavenet_tf.configuration.errors import reason, UserError

SIMPLE = 'simple'
# By the names of Beam; its direct runner is the one in Python, as others need a
# server of their own.
_RUNNERS_OF_BEAM = {
  'DirectRunner': 'apache_beam.runners.portability.fn_api_runner.FnApiRunner',
  'FlinkRunner': 'FlinkRunner',
  'SparkRunner': 'SparkRunner',
  'DataflowRunner': 'DataflowRunner',
}
_QUIET = '--default_sdk_harness_log_level=WARNING'
KINDS = (SIMPLE, *_RUNNERS_OF_BEAM)


class Unfinished(UserError):
  """Not all is done, and what is done is kept for the next command."""


class Runner(NamedTuple):
  """How parts are worked at.

  Attributes:
    kind: one of `KINDS`.
    options: of Beam, `name=value` or `name`, without dashes.
  """

  kind: str = SIMPLE
  options: tuple[str, ...] = ()

  @property
  def is_simple(self) -> bool:
    return self.kind == SIMPLE

  def for_each(self, work: Callable[[Any], None], parts: Iterable[Any]) -> None:
    """Does the work of every part.

    Args:
      work: can be pickled, and so can parts, where Beam's workers do it.
      parts: in the order in which this process would work at them.

    Raises:
      Unfinished: if Beam's workers fail.
    """
    if self.is_simple:
      for part in parts:
        work(part)
    else:
      self._with_beam(work, parts)

  def check(self) -> None:
    """Raises `UserError` for options that nobody reads, and without Beam."""
    if not self.is_simple:
      _beam()
    elif self.options:
      raise UserError(
        f'--beam_options: found {",".join(self.options)} with --runner=simple, '
        f'expected --runner to be one of {", ".join(_RUNNERS_OF_BEAM)}; give '
        'one, or leave the options out.'
      )

  def _with_beam(self, work, parts):
    beam = _beam()
    # Of whoever is started here as a worker.
    here = str(pathlib.Path(__file__).parents[2])
    path = [here, *filter(None, [os.environ.get('PYTHONPATH')])]
    os.environ['PYTHONPATH'] = os.pathsep.join(path)
    try:
      options = beam.options.pipeline_options.PipelineOptions(
        [_QUIET, *(f'--{option}' for option in self.options)],
        runner=_RUNNERS_OF_BEAM[self.kind],
      )
      with beam.Pipeline(options=options) as pipeline:
        _ = (
          pipeline
          # Bytes: Beam would read what it can into a named tuple.
          | 'Parts' >> beam.Create([pickle.dumps(part) for part in parts])
          | 'Shared' >> beam.Reshuffle()
          | 'Worked at' >> beam.Map(_unpickled, work)
        )
    except SystemExit as error:  # Of Beam's parser, which has printed why.
      raise UserError(
        f'--beam_options: found {",".join(self.options)}, which Beam does not '
        'read; see its documentation of pipeline options.'
      ) from error
    except Exception as error:  # Of any type: that of a worker, or of a server.
      raise Unfinished(
        f'--runner={self.kind}: {_said(error)}; the same command goes on with '
        'what is not done yet.'
      ) from error
    finally:
      if len(path) > 1:
        os.environ['PYTHONPATH'] = path[1]
      else:
        del os.environ['PYTHONPATH']


HERE = Runner()


def _unpickled(part, work):
  work(pickle.loads(part))


def _said(error):
  """What a worker said last, where its whole traceback is told."""
  text = str(error)
  if text.startswith('Traceback'):
    said = [x for x in text.splitlines() if re.match(r'[\w.]+: ', x)]
    text = said[-1] if said else text
  return reason(text)


def _beam():
  try:
    import apache_beam
  except ImportError as error:
    raise UserError(
      '--runner: needs Apache Beam, which is not installed here; run pip '
      'install -r requirements-beam.txt with Python 3.11 or 3.12, or leave '
      '--runner out.'
    ) from error
  return apache_beam
