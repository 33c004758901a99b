"""A corpus of labelled tones whose durations and pitch follow known rules."""

import numpy as np

from tests.support.recordings import pulses, RATE, write

# Phone -> its length in ms and its pitch in Hz, 0 for silence.
RULES = {'a': (60, 120.0), 'o': (120, 180.0), 'p': (40, 0.0)}
QUESTIONS = ''.join(f'QS "C-{name}" {{*-{name}+*}}\n' for name in RULES)


def context(names, i):
  at = ['x', 'x', *names, 'x', 'x']
  return '{}^{}-{}+{}={}@x_x'.format(*at[i : i + 5])


def write_rules(folder, count=8):
  """Recordings of silence and tones, with the labels that say which."""
  generator = np.random.default_rng(0)
  for n in range(count):
    names = [str(name) for name in generator.choice(list(RULES), 12)]
    waves, lines, end = [], [], 0
    for i, name in enumerate(names):
      milliseconds, f0_hz = RULES[name]
      samples = milliseconds * RATE // 1000
      waves.append(
        pulses(f0_hz, samples / RATE)
        if f0_hz
        else generator.integers(-3, 3, samples).astype(np.int16)
      )
      start, end = end, end + milliseconds * 10_000
      lines.append(f'{start} {end} {context(names, i)}\n')
    write(folder / f'{n}.wav', np.concatenate(waves))
    (folder / f'{n}.lab').write_text(''.join(lines))
  (folder / 'questions.hed').write_text(QUESTIONS)
  return folder
