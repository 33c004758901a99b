"""One checkpoint: named tensors in TensorFlow's own file format.

A tensor bundle, `<prefix>.index` and `<prefix>.data-00000-of-00001`, with a
checksum for every tensor. Its index holds names, types and shapes, and
`tf.train.load_checkpoint` reads it without this project:

  ```python
  reader = tf.train.load_checkpoint('runs/demo/teacher/ckpt-1000')
  reader.get_variable_to_shape_map()
  reader.get_tensor('average/teacher/network/output/bias')
  ```
"""

import collections
import pathlib

import numpy as np
import tensorflow as tf

from wavenet_tf.configuration.errors import UserError

# Which names a file holds and what they mean; stored in it as `format`. One
# more for a change that a reader of the old number would misread, and then a
# function beside `_names_of_release_0_3` for the files of the number before.
FORMAT = 1

_SUFFIXES = '.index', '.data-00000-of-00001'
_SHOWN = 3
# What is kept of a model that nothing trains any more.
_AVERAGE = 'average'
# How release 0.3.0 ended a name, and one that each of its files has; between it
# and 0.4.0 there were vectors without a name for any weight.
_ATTRIBUTE = '/.ATTRIBUTES/VARIABLE_VALUE'
_OF_0_3 = f'weights/0{_ATTRIBUTE}'


def write(prefix: pathlib.Path, tensors: dict[str, tf.Tensor]) -> None:
  """Writes a checkpoint whole or not at all, its index last.

  Args:
    prefix: `<folder>/ckpt-<step>`.
    tensors: by name.

  Raises:
    OSError, tf.errors.OpError: if it cannot; nothing is left of it then.
  """
  tensors = {'format': tf.constant(FORMAT, tf.int64), **tensors}
  partial = prefix.with_name('ckpt.partial')
  try:
    prefix.parent.mkdir(parents=True, exist_ok=True)
    _remove(partial)  # What a killed process left.
    with tf.device('CPU'):
      tf.raw_ops.SaveV2(
        prefix=str(partial),
        tensor_names=list(tensors),
        shape_and_slices=[''] * len(tensors),
        tensors=list(tensors.values()),
      )
    for suffix in reversed(_SUFFIXES):
      _file(partial, suffix).replace(_file(prefix, suffix))
  except (OSError, tf.errors.OpError):
    _remove(partial)
    raise


def _file(prefix, suffix):
  return prefix.with_name(prefix.name + suffix)


def _remove(partial):
  for unfinished in partial.parent.glob(f'{partial.name}*'):
    unfinished.unlink(missing_ok=True)


def delete(prefix: pathlib.Path) -> None:
  """Removes a checkpoint, its index first."""
  for suffix in _SUFFIXES:
    _file(prefix, suffix).unlink(missing_ok=True)


def read(
  prefix: pathlib.Path, like: dict[str, tf.Tensor]
) -> dict[str, np.ndarray]:
  """Reads the tensors of a checkpoint by name.

  What is float16 in the file is float32 here.

  Args:
    prefix: what `write` was given, in this release or in 0.3.0.
    like: tensors of the names, types and shapes that are expected. Names have
      the form `<kind>/<path of a weight>` or `<kind>`; what the file holds of
      other kinds is not read.

  Returns:
    The tensors of the file, in the order of `like`.

  Raises:
    UserError: if the file is of a format that this release does not know, if
      it holds an average alone and more is expected, or if a tensor of these
      kinds is missing, unknown or of another shape or type.
    tf.errors.OpError, IndexError: if the file is damaged.
  """
  reader = tf.compat.v1.train.NewCheckpointReader(str(prefix))
  shapes = reader.get_variable_to_shape_map()
  types = reader.get_variable_to_dtype_map()
  stored_as = _stored_names(prefix, reader, shapes, like)
  names = {stored: name for name, stored in stored_as.items()}
  found = {
    names.get(stored, stored): tf.TensorSpec(shape, _read_as(types[stored]))
    for stored, shape in shapes.items()
  }
  check_same(prefix, found, like)
  return {
    name: reader.get_tensor(stored_as[name]).astype(x.dtype.as_numpy_dtype)
    for name, x in like.items()
  }


def _read_as(dtype):
  """Half precision is a way to keep float32 in half the space."""
  return tf.float32 if dtype == tf.float16 else dtype


def check_same(path: pathlib.Path, found: dict, like: dict) -> None:
  """Refuses tensors of other names, shapes or types than those of a model.

  Args:
    path: of the file that holds them.
    found: what it holds: tensors or `tf.TensorSpec`, by name.
    like: what is expected, by name, as in `read`.

  Raises:
    UserError: names what is missing, unknown or different.
  """
  found, expected = (
    {name: f'{x.dtype.name} {list(x.shape)}' for name, x in tensors.items()}
    for tensors in (found, like)
  )
  kinds = {_kind(name) for name in expected}
  if kinds & {_kind(name) for name in found} == {_AVERAGE} < kinds:
    raise UserError(
      f'{path}: holds a voice without its training, which cannot go on; '
      f'begin a new --workdir with --init_from={path.parent.parent}.'
    )
  problems = {
    'missing': [
      f'{name}, {expected[name]}' for name in expected if name not in found
    ],
    'unknown': [
      f'{name}, {found[name]}'
      for name in sorted(found)
      if name not in expected and _kind(name) in kinds
    ],
    'of another shape or type': [
      f'{name}, {found[name]} instead of {wanted}'
      for name, wanted in expected.items()
      if found.get(name, wanted) != wanted
    ],
  }
  listed = [
    f'{len(tensors)} {problem} ({"; ".join(tensors[:_SHOWN])}'
    f'{"; ..." if len(tensors) > _SHOWN else ""})'
    for problem, tensors in problems.items()
    if tensors
  ]
  if listed:
    raise UserError(
      f'{path}: its tensors are not those of this model: '
      f'{", ".join(listed)}; use the release and the configuration that '
      'trained it, or another --workdir.'
    )


def _kind(name):
  return name.split('/')[0]


def _stored_names(prefix, reader, shapes, like):
  """By what name the file calls each tensor of `like`."""
  if 'format' not in shapes:
    if _OF_0_3 not in shapes:
      raise UserError(
        f'{prefix}: is not a checkpoint of release 0.3.0 or later; use the '
        'release that wrote it, or another --workdir.'
      )
    return _names_of_release_0_3(like)
  number = int(reader.get_tensor('format'))
  if number > FORMAT:
    raise UserError(
      f'{prefix}: has checkpoint format {number}, expected at most {FORMAT}; '
      'use the release that wrote it or a later one, or another --workdir.'
    )
  return {name: name for name in like}


def _names_of_release_0_3(like):
  """Lists in the order of `trainable_variables`; Adam's began with a count.

  That order and the shapes are those of format 1.
  """
  numbers = collections.Counter()
  stored = {}
  for name in like:
    kind, _, path = name.partition('/')
    number = numbers[kind]
    numbers[kind] += 1
    if kind == 'updates':
      kind = 'optimizer/0'
    elif kind == 'first_moment':
      kind = f'optimizer/{1 + 2 * number}'
    elif kind == 'second_moment':
      kind = f'optimizer/{2 + 2 * number}'
    elif path:
      kind = f'{kind}/{number}'
    stored[name] = kind + _ATTRIBUTE
  return stored
