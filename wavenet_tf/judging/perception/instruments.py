"""What measures a voice, as far as it is installed.

`requirements-eval.txt` brings packages that the rest of the project does
without: a compiler, a standard's own licence or years without a release keep
them out of the main lock. One that is missing leaves its measures out, by name.
"""

from collections.abc import Callable
import functools
import importlib
from typing import NamedTuple
import warnings

import numpy as np

from wavenet_tf.judging.perception import vocoder
from wavenet_tf.signal import quantization

# Everything is compared at this rate: PESQ-WB knows no other.
SAMPLE_RATE_HZ = 16000
# PESQ's reference code overruns its buffers in recordings of minutes.
_LONGEST_PESQ_SECONDS = 30.0


class Measure(NamedTuple):
  """One column of the table.

  Attributes:
    key: in `results.json`.
    title: for people, with its unit.
    decimals: that are worth printing.
    meaning: of it, in a few words.
    package: without which it is not measured; '' for none.
  """

  key: str
  title: str
  decimals: int
  meaning: str
  package: str = ''


MEASURES = (
  Measure(
    'pesq_wb',
    'PESQ-WB',
    2,
    'mean opinion as a model of listeners predicts it, 1.04 to 4.64 (ITU-T '
    'P.862.2); more is better',
    'pesq',
  ),
  Measure(
    'stoi',
    'STOI',
    3,
    'intelligibility, 0 to 1; more is better',
    'pystoi',
  ),
  Measure(
    'mcd_db',
    'MCD dB',
    2,
    'distance of mel-cepstra, which is timbre; less is better',
    'pyworld',
  ),
  Measure(
    'f0_cents',
    'F0 cents',
    0,
    'root mean square error of pitch; 100 cents are a semitone',
    'pyworld',
  ),
  Measure(
    'voicing_error_percent',
    'V/UV %',
    1,
    'frames that have a voice in the copy or the recording only',
    'pyworld',
  ),
  Measure('level_db', 'level dB', 1, 'RMS level, copy minus recording'),
  Measure(
    'burst_seconds',
    'bursts s',
    2,
    'seconds 12 dB louder than the recording, where a voice fell into noise',
  ),
  Measure(
    'word_error_percent',
    'WER %',
    1,
    'words that a recogniser gets wrong; compare with the recording',
    'pocketsphinx',
  ),
)


class Instruments(NamedTuple):
  """Functions of waveforms at `SAMPLE_RATE_HZ`; None is not installed.

  Attributes:
    pesq: (recorded, copied) -> MOS-LQO of 1.04 to 4.64, NaN where P.862 finds
      no speech.
    stoi: (recorded, copied) -> intelligibility, 1 is the recording itself.
    analyse: waveform -> `vocoder.Frames`.
    recognise: waveform -> the words that are heard, in lower case.
  """

  pesq: Callable | None = None
  stoi: Callable | None = None
  analyse: Callable | None = None
  recognise: Callable | None = None

  @property
  def missing(self) -> list[Measure]:
    """Columns that cannot be filled."""
    functions = {
      'pesq': self.pesq,
      'pystoi': self.stoi,
      'pyworld': self.analyse,
      'pocketsphinx': self.recognise,
    }
    return [
      measure
      for measure in MEASURES
      if measure.package and functions[measure.package] is None
    ]


def installed() -> Instruments:
  """Those that this environment has."""
  analyse = functools.partial(vocoder.analyse, sample_rate_hz=SAMPLE_RATE_HZ)
  return Instruments(
    _pesq if _is_installed('pesq') else None,
    _stoi if _is_installed('pystoi') else None,
    analyse if _is_installed('pyworld') else None,
    _recognise if _is_installed('pocketsphinx') else None,
  )


def _is_installed(package):
  """Whether it can be imported: half of a package is none."""
  with warnings.catch_warnings():
    # pyworld asks for a module that setuptools will drop.
    warnings.simplefilter('ignore')
    try:
      importlib.import_module(package)
    except ImportError:
      return False
  return True


def _pesq(recorded, copied):
  """ITU-T P.862.2, wide band."""
  import pesq

  too_long = len(recorded) > _LONGEST_PESQ_SECONDS * SAMPLE_RATE_HZ
  if too_long or not (recorded.any() and copied.any()):
    return np.nan
  found = pesq.pesq(
    SAMPLE_RATE_HZ,
    _levels(recorded),
    _levels(copied),
    'wb',
    on_error=pesq.PesqError.RETURN_VALUES,
  )
  return found if found > 0 else np.nan


def _stoi(recorded, copied):
  """Taal et al. 2011, the original, not the extended one."""
  import pystoi

  with warnings.catch_warnings():
    # Of less than 0.4 s of speech it warns, and returns no measurement.
    warnings.simplefilter('error', RuntimeWarning)
    try:
      return pystoi.stoi(recorded, copied, SAMPLE_RATE_HZ)
    except RuntimeWarning:
      return np.nan


def _recognise(waveform):
  """CMU Sphinx with the English model of its wheel."""
  decoder = _decoder()
  # It adapts to what it hears; every waveform begins anew.
  decoder.reinit_feat()
  decoder.start_utt()
  decoder.process_raw(_levels(waveform).tobytes(), full_utt=True)
  decoder.end_utt()
  found = decoder.hyp()
  return found.hypstr if found else ''


@functools.cache
def _decoder():
  import pocketsphinx

  return pocketsphinx.Decoder(samprate=SAMPLE_RATE_HZ, loglevel='FATAL')


def _levels(waveform):
  levels = quantization.levels_from_waveform(waveform)
  return levels.numpy().astype(np.int16)
