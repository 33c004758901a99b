"""The process keeps the memory that TensorFlow frees, for its next step."""

import ctypes
import platform

# Of <malloc.h>.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed() -> bool:
  """Tells the C library to give no memory back before the process ends.

  TensorFlow asks it for every large buffer on a CPU and returns it after the
  step: gigabytes, in training. By default they go back to the kernel, which
  clears and maps each page anew in the next step; that can take as long as
  the arithmetic. The peak of a training step stays what it was. A program calls
  this once, before it computes.

  Returns:
    Whether the C library can be told so: glibc can.

  Example:
    ```python
    allocator.keep_freed()
    Trainer(...).run(...)
    ```
  """
  if platform.libc_ver()[0] != 'glibc':
    return False
  libc = ctypes.CDLL(None)
  # No buffer in pages of its own; no part of the heap returned (-1: never).
  return bool(
    libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, -1)
  )
