"""Runs a peer: builds its model, then one timed run for every line read.

This file imports nothing of ours and runs under the interpreter of the peers.
Argument: JSON with `peer`, `folder`, `task`, `threads`, `sizes`. On standard
output it says one line of JSON when it is ready and one for every run.
"""

import importlib
import json
import os
import pathlib
import re
import sys
import time


def wavenet_vocoder(sizes, **others):
  """The mu-law network with one-hot input and conditioning at audio rate."""
  module = importlib.import_module('wavenet_vocoder')
  return module.WaveNet(
    out_channels=sizes['levels'],
    layers=sizes['layers'],
    stacks=sizes['cycles'],
    residual_channels=sizes['residual_channels'],
    gate_channels=2 * sizes['gate_channels'],  # It splits them in two.
    skip_out_channels=sizes['skip_channels'],
    kernel_size=sizes['kernel_size'],
    dropout=0.0,
    cin_channels=sizes['mel_bins'],
    scalar_input=False,
    **others,
  )


def wavenet_vocoder_generation(torch, sizes):
  """Cached generation without weight normalization."""
  model = wavenet_vocoder(sizes).eval()
  model.make_generation_fast_()
  batch, samples = sizes['batch'], sizes['samples']
  conditioning = torch.randn(batch, sizes['mel_bins'], samples)

  def run():
    with torch.inference_mode():
      return model.incremental_forward(c=conditioning, T=samples)

  return model, batch * samples, run


def wavenet_vocoder_training(torch, sizes):
  """Forward, cross-entropy of the next sample, backward, Adam."""
  model = wavenet_vocoder(sizes).train()
  optimizer = torch.optim.Adam(model.parameters())
  batch, samples, levels = sizes['batch'], sizes['samples'], sizes['levels']
  codes = torch.randint(levels, (batch, samples))
  one_hot = torch.nn.functional.one_hot(codes, levels).float()
  x = one_hot.transpose(1, 2).contiguous()
  conditioning = torch.randn(batch, sizes['mel_bins'], samples)

  def run():
    optimizer.zero_grad()
    predicted = model(x, c=conditioning)
    loss = torch.nn.functional.cross_entropy(predicted[..., :-1], codes[:, 1:])
    loss.backward()
    optimizer.step()
    return loss.detach()

  return model, batch * samples, run


def parallel_wavegan_student(torch, sizes):
  """Its first version's generator: 30 layers, hop 256."""
  # What current SciPy calls otherwise.
  signal = importlib.import_module('scipy.signal')
  if not hasattr(signal, 'kaiser'):
    signal.kaiser = importlib.import_module('scipy.signal.windows').kaiser
  models = importlib.import_module('parallel_wavegan.models')
  model = models.ParallelWaveGANGenerator()
  model.remove_weight_norm()
  model.eval()
  frames, hop = sizes['frames'], 256
  margin = 2 * model.aux_context_window
  mel = torch.randn(1, sizes['mel_bins'], frames + margin)

  def run():
    with torch.inference_mode():
      return model(torch.randn(1, 1, frames * hop), mel)

  return model, frames * hop, run


def clarinet_student(torch, sizes):
  """Six flows of ten layers, upsampling by the teacher's stack, hop 256."""
  teachers = importlib.import_module('wavenet')
  students = importlib.import_module('wavenet_iaf')
  teacher = teachers.Wavenet(
    out_channels=2,
    num_blocks=2,
    num_layers=10,
    residual_channels=128,
    gate_channels=256,
    skip_channels=128,
    kernel_size=2,
    cin_channels=sizes['mel_bins'],
    upsample_scales=[16, 16],
  ).eval()
  model = students.Wavenet_Student(num_blocks_student=[1] * 6, num_layers=10)
  model.eval()
  model.remove_weight_norm()
  frames, hop = sizes['frames'], 256
  mel = torch.randn(1, sizes['mel_bins'], frames)

  def run():
    with torch.inference_mode():
      noise = torch.randn(1, 1, frames * hop)
      return model.generate(noise, teacher.upsample(mel))

  return model, frames * hop, run


TASKS = {
  ('wavenet_vocoder', 'generation'): wavenet_vocoder_generation,
  ('wavenet_vocoder', 'training'): wavenet_vocoder_training,
  ('ParallelWaveGAN', 'student'): parallel_wavegan_student,
  ('ClariNet', 'student'): clarinet_student,
}


def peak_memory_bytes() -> int:
  status = pathlib.Path('/proc/self/status').read_text('utf-8')
  return 1024 * int(re.search(r'^VmHWM:\s+(\d+)', status, re.M)[1])


def main():
  request = json.loads(sys.argv[1])
  # Standard output is for answers; what a peer prints goes elsewhere.
  answers = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)

  def answer(**fields):
    answers.write(json.dumps(fields) + '\n')
    answers.flush()

  sys.path[0] = request['folder']
  torch = importlib.import_module('torch')
  torch.manual_seed(0)
  torch.set_num_threads(request['threads'])
  torch.set_num_interop_threads(1)
  prepare = TASKS[request['peer'], request['task']]
  model, samples, run = prepare(torch, request['sizes'])
  answer(
    samples=samples,
    torch=torch.__version__,
    parameters=sum(p.numel() for p in model.parameters()),
  )
  for _ in sys.stdin:
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    answer(seconds=seconds, peak_memory_bytes=peak_memory_bytes())


if __name__ == '__main__':
  main()
