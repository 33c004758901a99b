"""An installed library loads a golden run and speaks as it did.

From a folder that is not the checkout: `python -I installed.py RUN`, in an
environment that has the wheel and what it requires, and nothing else.
"""

import sys

import numpy as np

import wavenet_tf
from wavenet_tf.configuration.corpus import MARGIN_FRAMES

folder = sys.argv[1]
expected = np.load(f'{folder}/expected.npz')
voice = wavenet_tf.load_run(folder)
mel = expected['features'][:, MARGIN_FRAMES:-MARGIN_FRAMES]
# With the seed of tests/golden/make.py. XLA rounds otherwise.
found = voice.speak(mel, seed=7)
same = np.mean(np.abs(found - expected['student_audio']) < 1e-3)
assert found.std() > 0 and same > 0.9, f'{same:.0%} of the samples are the same'
print(f'{wavenet_tf.__file__} speaks as {folder}')
