"""Compiles a program for a device that is not there: XLA, without TensorFlow.

This file imports nothing of ours and runs under an interpreter that has
requirements-aot.txt. It uses private interfaces of jax, so the versions there
matter. Arguments: 'tpu' or 'gpu', and the file of a program as HLO. It writes
the compiled program as text beside that file, and says in one line of JSON on
standard output what the compiler says of it.
"""

import importlib
import json
import os
import pathlib
import re
import sys
import time

# A host of one v5e board, of which no machine is asked.
TPU = 'v5e:2x2'
_ENVIRONMENT = {
  'TPU_SKIP_MDS_QUERY': '1',
  'TPU_ACCELERATOR_TYPE': 'v5litepod-4',
  'TPU_WORKER_HOSTNAMES': 'localhost',
  'JAX_PLATFORMS': 'cpu',
}
# Choosing kernels by trying them needs the GPU.
_GPU_FLAGS = '--xla_gpu_autotune_level=0'
# An A100 of 40 GB, as XLA describes one.
_A100 = """
gpu_device_info {
  cuda_compute_capability { major: 8 minor: 0 }
  threads_per_block_limit: 1024 threads_per_warp: 32
  shared_memory_per_block: 49152 shared_memory_per_core: 167936
  shared_memory_per_block_optin: 166912
  threads_per_core_limit: 2048 core_count: 108 fpus_per_core: 64
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  memory_bandwidth: 1555000000000 l2_cache_size: 41943040
  clock_rate_ghz: 1.41 device_memory_size: 42000000000
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 patch: 2 }
runtime_version { major: 12 minor: 9 patch: 0 }
device_description_str: "NVIDIA A100-SXM4-40GB"
"""

_INSTRUCTION = re.compile(r'^\s+(?:ROOT )?%?\S+ = .*?[\])}] ([a-z][a-z-]+)\(')
# What waits for its launch; single numbers are computed on the way.
_LAUNCHED = {
  'convolution',
  'copy',
  'custom-call',
  'dot',
  'dynamic-update-slice',
  'fusion',
  'scatter',
  'while',
}


def main(platform: str, path: pathlib.Path) -> dict:
  """What the compiler says of a program; `refused` in place of that."""
  for name, value in _ENVIRONMENT.items():
    os.environ.setdefault(name, value)
  if platform == 'gpu':
    os.environ.setdefault('XLA_FLAGS', _GPU_FLAGS)
  start = time.monotonic()
  try:
    device = _device(platform)
    executable = _compile(device, path.read_bytes())
  except Exception as error:  # Of any kind; it is what was asked for.
    return {'refused': f'{type(error).__name__}: {error}'}
  seconds = time.monotonic() - start
  text = executable.hlo_modules()[0].to_string()
  path.with_suffix(f'.{platform}.txt').write_text(text, 'utf-8')
  cost = _cost(executable, device)
  memory = executable.get_compiled_memory_stats()
  return {
    'compile_seconds': seconds,
    'flops': cost.get('flops'),
    'accessed_bytes': cost.get('bytes accessed'),
    **{
      f'{what}_bytes': getattr(memory, f'{name}_size_in_bytes')
      for what, name in (
        ('temporary', 'temp'),
        ('argument', 'argument'),
        ('output', 'output'),
        ('alias', 'alias'),
        ('code', 'generated_code'),
      )
    },
    'loop_launches': loop_launches(text),
  }


def _device(platform):
  topologies = importlib.import_module('jax.experimental.topologies')
  if platform == 'tpu':
    described = topologies.get_topology_desc(platform='tpu', topology_name=TPU)
  else:
    described = topologies.get_topology_desc(
      platform='cuda',
      topology_name='1x1x1',
      topology='1x1x1',
      target_config=_A100,
    )
  return described.devices[0]


def _compile(device, hlo):
  numpy = importlib.import_module('numpy')
  compiler = importlib.import_module('jax._src.compiler')
  mlir = importlib.import_module('jax._src.interpreters.mlir')
  jaxlib = importlib.import_module('jax._src.lib')._jax
  ir = importlib.import_module('jax._src.lib.mlir').ir
  options = compiler.get_compile_options(
    num_replicas=1,
    num_partitions=1,
    device_assignment=numpy.array([[device.id]]),
  )
  with mlir.make_ir_context():
    module = ir.Module.parse(jaxlib.mlir.hlo_to_stablehlo(hlo))
    return device.client.compile(module, jaxlib.DeviceList((device,)), options)


def _cost(executable, device):
  """Operations and bytes; a loop's body counts once."""
  try:
    return executable.cost_analysis()
  except Exception:  # The compiler for GPUs has none.
    analyse = importlib.import_module('jax._src.lib')._jax
    return analyse.hlo_module_cost_analysis(
      importlib.import_module('jax').devices()[0].client,
      executable.hlo_modules()[0],
    )


def loop_launches(text: str) -> int:
  """Fusions and the like in one turn of the largest loop; 0 without a loop.

  Args:
    text: a compiled program.
  """
  bodies = re.findall(r' while\(.*?body=%?([\w.-]+)', text)
  return max((len(_launches(text, body)) for body in bodies), default=0)


def _launches(text, computation):
  found = re.search(rf'^%?{re.escape(computation)} \(.*?^}}', text, re.M | re.S)
  made = filter(None, map(_INSTRUCTION.match, found[0].splitlines()))
  return [match[1] for match in made if match[1] in _LAUNCHED]


if __name__ == '__main__':
  print(json.dumps(main(sys.argv[1], pathlib.Path(sys.argv[2]))))
