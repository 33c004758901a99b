"""What to try next where a measure of a voice is bad."""

from collections.abc import Iterator, Mapping

from wavenet_tf.judging import anchors
from wavenet_tf.judging.perception.gating import WHOLE

_TEACHER, _STUDENT = 'teacher', 'student'
# A copy this far above random phase, of the way to Griffin-Lim, is speech.
_LEAST_SHARE = 0.25
# What a free run may lose of the draws after the real past, and a student of
# its teacher.
_MOST_LOST = 0.05
# More than the pitch of Griffin-Lim's copies is off: that much is the
# conditioning's fault, or the estimator's.
_MOST_CENTS_MORE = 60.0
_MOST_VOICING_PERCENT_MORE = 8.0
_MOST_LEVEL_DB = 3.0
_MOST_BURST_SECONDS = 0.05
_MOST_WORDS_PERCENT_MORE = 10.0


def advice(compared: Mapping) -> list[str]:
  """Sentences: what was found, and which field to change.

  Only measures that were taken are judged; a good voice gets no sentence.

  Args:
    compared: from `comparison.compare`, of a run.
  """
  means = {
    voice: {
      key: average['mean']
      for key, average in parts[WHOLE].items()
      if average['mean'] is not None
    }
    for voice, parts in compared['voices'].items()
  }
  found = [*_learned_little(means), *_drifts(means), *_behind_teacher(means)]
  for voice in _TEACHER, _STUDENT:
    if voice in means:
      found += [
        *_of_pitch(voice, means),
        *_of_loudness(voice, means),
        *_of_words(voice, means),
      ]
  return found


def _learned_little(means) -> Iterator[str]:
  whisper, inverted = (
    means.get(anchor, {}).get('stoi')
    for anchor in (anchors.RANDOM_PHASE, anchors.GRIFFIN_LIM)
  )
  for voice in anchors.AFTER_RECORDING, _STUDENT:
    stoi = means.get(voice, {}).get('stoi')
    if None in (whisper, inverted, stoi):
      continue
    if stoi < whisper + _LEAST_SHARE * (inverted - whisper):
      model = _STUDENT if voice == _STUDENT else _TEACHER
      yield (
        f'The {model} is hardly more intelligible than a whisper: STOI '
        f'{stoi:.3f}, random phase {whisper:.3f}, Griffin-Lim {inverted:.3f}. '
        f'It has learned too little: raise train_{model}.steps, or begin with '
        'the weights of a trained voice (--init_from).'
      )


def _drifts(means) -> Iterator[str]:
  ran, after = (
    means.get(voice, {}) for voice in (_TEACHER, anchors.AFTER_RECORDING)
  )
  for key, title in ('stoi', 'STOI'), ('pesq_wb', 'PESQ-WB'):
    if key in ran and key in after and ran[key] < (1 - _MOST_LOST) * after[key]:
      yield (
        f'The teacher loses its way after its own samples: {title} '
        f'{ran[key]:.2f}, after the real past {after[key]:.2f}. Cut the tails '
        'of its draws (evaluate.scale_factor=0.8, evaluate.tail_share=0.01, '
        'evaluate.least_weight_share=0.05), draw loud chunks again '
        '(evaluate.redraw_excess=0.8), and train it for longer.'
      )
      return
  bursts = ran.get('burst_seconds', 0.0)
  if bursts > _MOST_BURST_SECONDS:
    yield (
      f'The teacher falls into noise for {bursts:.2f} s; draw such chunks '
      'again with evaluate.redraw_excess=0.8, or train it for longer.'
    )


def _behind_teacher(means) -> Iterator[str]:
  student, teacher = (means.get(voice, {}) for voice in (_STUDENT, _TEACHER))
  for key, title in ('pesq_wb', 'PESQ-WB'), ('stoi', 'STOI'):
    own, told = student.get(key), teacher.get(key)
    if None not in (own, told) and own < (1 - _MOST_LOST) * told:
      yield (
        f'The student is behind its teacher: {title} {own:.2f} against '
        f'{told:.2f}. Raise train_student.steps; let the STFT loss lead '
        '(distillation.stft_weight=1, distillation.divergence_weight=0.1, and '
        'distillation.divergence_from_step after half of the steps).'
      )
      return


def _of_pitch(voice, means) -> Iterator[str]:
  own, inverted = means[voice], means.get(anchors.GRIFFIN_LIM, {})
  field = (
    'give the student the running phase of F0 (student.phase_harmonics=4)'
    if voice == _STUDENT
    else 'train the teacher for longer'
  )
  for key, most, text in (
    ('f0_cents', _MOST_CENTS_MORE, 'pitch is off by {:.0f} cents'),
    (
      'voicing_error_percent',
      _MOST_VOICING_PERCENT_MORE,
      'voicing is wrong in {:.0f} % of the frames',
    ),
  ):
    if key in own and key in inverted and own[key] > inverted[key] + most:
      yield (
        f"The {voice}'s {text.format(own[key])}, that of Griffin-Lim's copies "
        f'by {inverted[key]:.0f}: {field}.'
      )


def _of_loudness(voice, means) -> Iterator[str]:
  level = means[voice].get('level_db', 0.0)
  if abs(level) > _MOST_LEVEL_DB:
    yield (
      f'The {voice} is {abs(level):.1f} dB '
      f'{"louder" if level > 0 else "quieter"} than the recordings: '
      f'raise train_{voice}.steps; if that does not help, recordings differ '
      'in level (data.loudness_dbfs).'
    )


def _of_words(voice, means) -> Iterator[str]:
  own, recorded = (
    means.get(who, {}).get('word_error_percent') for who in (voice, 'recording')
  )
  if None not in (own, recorded) and own > recorded + _MOST_WORDS_PERCENT_MORE:
    yield (
      f'A recogniser errs in {own:.0f} % of the words of the {voice}, in '
      f'{recorded:.0f} % of the recordings: train for longer, or with more '
      'conditioning channels (conditioning.channels=80).'
    )
