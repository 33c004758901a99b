"""What is wrong with a distillation, why that happens, and what to change."""

import math

from wavenet_tf.judging.health.measurement import Health
from wavenet_tf.judging.health.summary import band_names, scalars

# Thresholds. Well trained students stay within 3 dB of their recordings; 6 dB
# is half, or twice, the amplitude.
MAX_LOUDNESS_DB = 6.0
# A band off by this much sounds muffled, hissing or hollow.
MAX_BAND_DB = 10.0
# Measured: 0.43 for a demo teacher of 750 steps, 0.003 and 0.08 for one of the
# small preset after 500 and 1000, 0.0003 and less without any training.
MIN_CONDITIONING_NATS = 0.01
# Speech peaks 12 dB and more above its RMS level, so that hardly any sample
# of a student as loud as its recordings clips.
MAX_CLIPPED_SHARE = 1e-3
# A scale at its floor gets no gradient. Digital silence takes some there.
MAX_FLOOR_SHARE = 0.1
# The student's noise over the recordings' amplitude; the latter would have to
# be predictable to 60 dB, better than the best of lossless coders predicts.
MIN_NOISE_SHARE = 1e-3


def warnings(health: Health) -> list[str]:
  """Symptoms with their numbers, likely causes, and what to change.

  A healthy student gives none.
  """
  values = scalars(health)
  broken = [name for name, value in values.items() if not math.isfinite(value)]
  if broken:
    return [
      f'Not finite: {", ".join(broken)}. The student diverged; start anew '
      'with a lower train_student.learning_rate or clip_norm.'
    ]
  return [
    *_warn_of_loudness(values),
    *_warn_of_bands(health),
    *_warn_of_conditioning(values, health),
    *_warn_of_scale(values),
    *_warn_of_floors(health),
    *_warn_of_clipping(values),
  ]


def _warn_of_loudness(values):
  student, recording = (
    values[f'{who}/loudness_dbfs'] for who in ('student', 'recording')
  )
  if abs(student - recording) <= MAX_LOUDNESS_DB:
    return
  yield (
    f'The student is {abs(student - recording):.1f} dB '
    f'{"quieter" if student < recording else "louder"} than the recordings '
    f'({student:.1f} against {recording:.1f} dBFS). The power loss weighs too '
    'little against the KL, or training has only begun; raise '
    'distillation.power_weight or train_student.steps.'
  )


def _warn_of_bands(health):
  differences = [float(x) for x in health.band_difference_db]
  # Of a student that is too quiet all bands are: that is another warning.
  overall = float(health.student.loudness_dbfs - health.recording.loudness_dbfs)
  for name, difference in zip(band_names(health), differences):
    relative = difference - overall
    if min(abs(difference), abs(relative)) > MAX_BAND_DB:
      yield (
        f'{name}: the student has {abs(difference):.1f} dB '
        f'{"more" if difference > 0 else "less"} power than the recordings. '
        'The loudest bands decide the power loss; raise the weight of this '
        'one (distillation.power_band_edges_hz, '
        'distillation.power_band_weights), choose '
        'distillation.power_feature=magnitude or log, or raise '
        'train_student.steps.'
      )


def _warn_of_conditioning(values, health):
  # None: there is no conditioning, or the same for all.
  nats = values.get('conditioning_nats')
  if nats is None or nats >= MIN_CONDITIONING_NATS:
    return
  found = (
    "The teacher hardly hears its conditioning: another utterance's "
    f'cost it {nats:.4f} nats per sample. It was trained too little'
  )
  if health.hears_features:
    yield (
      f'{found}, or its upsampler is saturated; raise train_teacher.steps, '
      'lower train_teacher.learning_rate, or try '
      'conditioning.upsampler=repeat.'
    )
  else:
    yield (
      f'{found}; raise train_teacher.steps or lower '
      'train_teacher.learning_rate.'
    )


def _warn_of_scale(values):
  noise = values['noise_deviation']
  recording = values['recording/standard_deviation']
  if noise < MIN_NOISE_SHARE * recording:
    yield (
      f"The student's scale collapsed: the median of its noise is {noise:.1e}, "
      f'of recordings with standard deviation {recording:.1e}. It follows the '
      "teacher's most likely waveform instead of its distribution; raise "
      'distillation.draws_per_step, or start anew with a lower '
      'train_student.learning_rate.'
    )


def _warn_of_floors(health):
  for flow, share in enumerate(health.floor_shares):
    if float(share) > MAX_FLOOR_SHARE:
      yield (
        f'Flow {flow}: {100 * float(share):.0f} % of its log-scales lie at '
        'their floor, where they get no gradient. Lower '
        'student.min_log_scale, or leave recordings with digital silence out.'
      )


def _warn_of_clipping(values):
  share = values['clipped_share']
  if share > MAX_CLIPPED_SHARE:
    yield (
      f'{100 * share:.1f} % of the samples of the student clip. Its scale is '
      'too wide: lower student.initial_scale or student.max_log_scale, or '
      'raise distillation.power_weight.'
    )
