"""Memory that was freed is there for the next step."""

import multiprocessing
import platform
import resource

import numpy as np
import pytest

from wavenet_tf.learning import allocator


def page_faults(keep: bool) -> int:
  """Of a large buffer's second, third and fourth use."""
  if keep:
    assert allocator.keep_freed()
  found = []
  for _ in range(4):
    np.ones(2**26, np.uint8)
    found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
  return found[-1] - found[0]


def in_a_process_of_its_own(function, *arguments):
  with multiprocessing.get_context('spawn').Pool(1) as pool:
    return pool.apply(function, arguments)


@pytest.mark.skipif(
  platform.libc_ver()[0] != 'glibc', reason='only glibc can be told'
)
def test_freed_memory_is_not_mapped_again():
  # The first of the two shows that the measure sees what is returned.
  assert in_a_process_of_its_own(page_faults, False) > 30
  assert in_a_process_of_its_own(page_faults, True) < 10


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
