"""The benchmark measures what it says: on known durations, by hand counts."""

import json
import pathlib
import subprocess
import sys
import time

from absl.testing import flagsaver
import numpy as np
import pytest
import tensorflow as tf

from benchmarks import __main__ as program
from benchmarks.measuring import (
  ceilings,
  configurations,
  flops,
  harness,
  machine,
  printing,
  processes,
  results,
  second_start,
)
from benchmarks.measuring.flops import Product
from benchmarks.measuring.results import Ceiling, Figure, Peer, Table
from benchmarks.peers import sources
from benchmarks.tables import (
  distillation,
  generation,
  input_pipeline,
  student,
  training,
)
from benchmarks.tables.settings import Settings
from tests.benchmarks import loads
from tests.support.miniature import miniature
from tests.support.project_imports import ROOT
from wavenet_tf.configuration.choices import MU_LAW
from wavenet_tf.configuration.errors import UserError
from wavenet_tf.networks.student import build_student
from wavenet_tf.networks.teacher import build_teacher

pytestmark = pytest.mark.medium

SETTINGS = Settings(
  threads=1, repeats=1, stream_seconds=(0.02, 0.04), second_start=False
)


def mu_law(**overrides):
  return miniature(teacher__output=MU_LAW, student__flow_layers=(), **overrides)


# Timing.


def test_contenders_take_turns_after_a_round_of_warm_up():
  calls = []

  def contender(name, seconds):
    def run():
      calls.append(name)
      return seconds

    return run

  seconds = harness.alternate(
    {'a': contender('a', 1.0), 'b': contender('b', 2.0)}, repeats=3
  )
  assert calls == ['a', 'b'] * 4
  assert seconds == {'a': [1.0] * 3, 'b': [2.0] * 3}


def test_timed_measures_seconds():
  assert 0.02 <= harness.timed(lambda: time.sleep(0.02))() < 0.2


def test_ratio_is_that_of_a_round():
  """A slow moment of the machine hits both contenders of its round."""
  assert harness.ratio([2.0, 20.0, 4.0], [1.0, 10.0, 2.0]) == 2.0
  with pytest.raises(ValueError):
    harness.ratio([1.0, 2.0], [1.0])


def test_compiling_is_the_first_call_without_its_work():
  calls = []

  def work():
    time.sleep(0.05 if calls else 0.35)
    calls.append(1)

  assert harness.first_call_seconds(work) == pytest.approx(0.3, abs=0.1)


# Counting.


def test_a_teacher_by_hand():
  """4 layers of 8 and 6 channels, kernel 2, skip 10, conditioning 6, hop 20."""
  model = build_teacher(mu_law())
  found = flops.products(model, (4, 5))
  blocks = 4 * (2 * 8) * (2 * 6) + 3 * 6 * 8  # The last has no projection.
  head = (4 * 6) * 10 + 10 * 10 + 10 * 256
  waiting = (2 * 1) * 8 + blocks + head
  conditioning = 4 * (6 * 2 * 6)
  upsampler = (3 * 8) * 6 / 20 + (3 * 6) * (4 * 6) / 20 + (3 * 6) * (5 * 6) / 5
  assert flops.total(flops.of_a_step(found)) == 2 * waiting
  assert flops.total(found) == pytest.approx(
    2 * (waiting + conditioning + upsampler)
  )


def test_what_is_held_for_a_frame_is_multiplied_once_a_frame():
  model = build_teacher(mu_law(conditioning__upsampler='repeat'))
  found = flops.products(model, (4, 5))
  waiting = flops.total(flops.of_a_step(found)) / 2
  conditioning = 4 * (6 * 2 * 6) / 20
  context = (3 * 8) * 6 / 20
  assert (
    waiting
    == flops.total(
      flops.of_a_step(flops.products(build_teacher(mu_law()), (4, 5)))
    )
    / 2
  )
  assert flops.total(found) == pytest.approx(
    2 * (waiting + conditioning + context)
  )


def test_a_student_by_hand():
  """Flows of 2 and 3 layers, 8 and 6 channels, kernel 2, no skip."""
  found = flops.products(build_student(miniature()), (4, 5))
  layers = 5 * ((2 * 8) * (2 * 6) + 6 * 8)
  flows = layers + 2 * ((2 * 1) * 8 + 8 * 8 + 8 * 2)
  assert flops.total(flops.of_a_step(found)) == 2 * flows


def test_products_of_a_pass_take_the_sum_of_their_times():
  """Twice the products take twice the time, at the rate of one shape."""
  once = ceilings.Products([Product(16, 16, 16)], 64, 'float32')
  twice = ceilings.Products([Product(16, 16, 16)] * 2, 64, 'float32')
  rate = 1e9
  for contender in once, twice:
    contender._rates = dict.fromkeys(contender._rates, lambda: rate)
  assert once() == pytest.approx(2 * 64 * 16 * 16 / rate)
  assert twice() == pytest.approx(2 * once())


@pytest.mark.parametrize('form', ceilings.CHAIN_FORMS, ids=lambda f: f.name)
def test_every_product_of_the_chain_counts(form):
  """A chain whose result did not depend on a weight could leave it out."""
  found = [Product(4, 6, 4), Product(6, 3, 6), Product(3, 4, 3)]
  chain = ceilings.StepChain(found, 2, 5, form)
  assert chain() > 0
  assert chain.flops == 2 * 2 * (24 + 18 + 12)

  def result():
    return tf.cast(chain._compiled(chain._noise, chain._weights), tf.float32)

  before = result().numpy()
  assert np.isfinite(before).all() and before.all()
  for index, weight in enumerate(chain._weights):
    chain._weights[index] = 2 * weight
    assert not np.array_equal(before, result().numpy())
    chain._weights[index] = weight


def test_the_forms_of_a_chain_say_the_same():
  found = [Product(4, 6, 4), Product(6, 3, 6), Product(3, 4, 3)]
  values = {}
  for form in ceilings.CHAIN_FORMS:
    chain = ceilings.StepChain(found, 1, 4, form)
    values[form] = tf.cast(
      chain._compiled(chain._noise, chain._weights), tf.float32
    ).numpy().ravel()  # fmt: skip
  for form, value in values.items():
    tolerance = 1e-5 if form.dtype == 'float32' else 0.1
    np.testing.assert_allclose(
      value, next(iter(values.values())), tolerance, tolerance
    )


# What is fed.


def test_parameters_and_inputs_are_never_zero():
  for build, config in (
    (build_teacher, mu_law()),
    (build_student, miniature()),
  ):
    for variable in configurations.randomize(build(config)).variables:
      assert variable.numpy().all(), variable.path
  batch = configurations.batch(miniature().audio, 2, 400)
  assert np.mean(batch.levels.numpy() == 0) < 0.01
  assert np.std(batch.features) > 1


# Results.


def example_table():
  figure = Figure(
    'batch 1',
    2000,
    [1.0, 2.0, 4.0],
    8000,
    first_chunk_seconds=0.1,
    compile_seconds=2.0,
    flops_per_sample=100.0,
    ceilings={'the chain': 0.5},
    peers=[Peer('wavenet_vocoder', 500.0, 2.0, {'torch': '2'})],
  )
  return Table(
    'generation', 1, 'small', [Ceiling('chain', 3.0)], [figure], 2**20, 0.25
  )


def test_json_holds_everything(tmp_path):
  path = tmp_path / 'speed.json'
  results.write(path, machine.describe(), [example_table()])
  content = json.loads(path.read_text())
  assert content['machine']['packages']['tensorflow'] == tf.__version__
  (found,) = content['tables']
  assert found['threads'] == 1 and found['peak_memory_bytes'] == 2**20
  (figure,) = found['figures']
  assert figure['samples_per_second'] == 1000.0
  assert figure['real_time_factor'] == 8.0
  assert figure['seconds'] == [1.0, 2.0, 4.0]
  assert figure['ceilings'] == {'the chain': 0.5}
  assert figure['peers'][0]['ratio'] == 2.0


def test_json_is_written_whole_or_not_at_all(tmp_path):
  path = tmp_path / 'speed.json'
  path.write_text('before')
  with pytest.raises(TypeError):
    results.write(path, {'cpu': object()}, [example_table()])
  assert path.read_text() == 'before'
  assert list(tmp_path.iterdir()) == [path]


def test_the_text_says_it_all():
  text = printing.text(example_table())
  for part in (
    'generation: 1 thread, peak memory 1 MiB',
    'other programs took 25% of the time',
    '1,000 samples/s    8.000 s per s of audio',
    '0.500 of the chain',
    '2.00 x wavenet_vocoder, which ran at 500 samples/s',
    'first chunk after 100 ms',
    'compiled in 2.00 s',
  ):
    assert part in text


# The machine.


def test_more_threads_than_cores_are_refused():
  with pytest.raises(UserError, match='--threads: found 100000'):
    machine.pin(100_000)


def test_peak_memory_is_at_least_what_is_there():
  assert machine.peak_memory_bytes() >= machine.memory_bytes() > 2**20


def test_own_work_is_not_that_of_others():
  others, wall = processes.call(loads.others_during_own_work)
  # What is left of the core, and some ticks of the clock.
  assert others < wall - 0.5 + 0.1


def test_a_child_is_one_of_the_others_until_it_has_ended():
  running, ended, between = processes.call(loads.others_during_work_of_a_child)
  assert running > 0.4
  assert ended < running - 0.4 + between


# Peers.

_FAKE_WORKER = """
import json, sys
request = json.loads(sys.argv[1])
print(json.dumps({'samples': request['sizes']['samples'], 'torch': 'none'}))
sys.stdout.flush()
for _ in sys.stdin:
  print(json.dumps({'seconds': 0.5, 'peak_memory_bytes': 7}))
  sys.stdout.flush()
"""


def folder_of(tmp_path, sign):
  path = tmp_path / sign
  path.parent.mkdir(parents=True, exist_ok=True)
  path.touch()
  return tmp_path


@pytest.mark.parametrize(
  'name, sign',
  [
    ('wavenet_vocoder', 'wavenet_vocoder/wavenet.py'),
    ('ParallelWaveGAN', 'parallel_wavegan/__init__.py'),
    ('ClariNet', 'wavenet_iaf.py'),
  ],
)
def test_a_peer_is_known_by_what_is_inside(tmp_path, name, sign):
  folder = folder_of(tmp_path, sign)
  assert sources.recognise(folder) == (name, folder)


def test_an_unknown_folder_is_named(tmp_path):
  with pytest.raises(UserError) as error:
    sources.recognise(tmp_path)
  assert str(tmp_path) in str(error.value)
  assert 'wavenet_iaf.py (ClariNet)' in str(error.value)


def fake_peer(tmp_path, program, python=sys.executable):
  worker = tmp_path / 'worker.py'
  worker.write_text(program)
  source = sources.Source('wavenet_vocoder', tmp_path)
  return sources.Peer(
    source, pathlib.Path(python), 'generation', 1, {'samples': 100}, worker
  )


def test_a_peer_runs_when_it_is_told_to(tmp_path):
  peer = fake_peer(tmp_path, _FAKE_WORKER)
  assert peer() == peer() == 0.5
  peer.close()
  # We: 400 samples in 1 s; they: 100 in 0.5 s.
  compared = peer.compare([0.5], [1.0], our_samples=400)
  assert compared.ratio == 2.0 and compared.samples_per_second == 200.0
  assert compared.details == {'torch': 'none', 'peak_memory_bytes': 7}


def test_a_peer_that_cannot_run_says_why(tmp_path):
  with pytest.raises(UserError, match="No module named 'absent_framework'"):
    fake_peer(tmp_path, 'import absent_framework')
  with pytest.raises(UserError, match=r'--peer_python: .*/nothing cannot be'):
    fake_peer(tmp_path, '', python=str(tmp_path / 'nothing'))


# The tables, in miniature.


@pytest.fixture
def short_chains(monkeypatch):
  monkeypatch.setattr(ceilings, '_PAIRS_OF_A_RUN', 2)


def test_generation_in_miniature(uncompiled, short_chains):
  lines = generation.measure(
    SETTINGS, mu_law(), batches=(1, 2), chunks=2, chain_steps=20
  )
  one, two, short, long = lines.figures
  assert (one.samples, two.samples) == (160, 320)
  assert len(one.ceilings) == 2
  # Two chains a batch, and a product by two executors in two types.
  assert len(lines.ceilings) == 2 * (2 + 4)
  for rows in 1, 2:
    assert sum(c.what.startswith(f'[{rows},') for c in lines.ceilings) == 4
  assert one.first_chunk_seconds < 2 * one.seconds[0]
  # A new length is no new function: two batches, two compilations.
  compilations = 'compilations so far, one for each batch'
  assert short.notes[compilations] == long.notes[compilations] == 2


def test_student_in_miniature(eager, short_chains):
  lines = student.measure(SETTINGS, {'small': miniature()}, seconds=0.05)
  (figure,) = lines.figures
  assert figure.samples == 400 and figure.real_time_factor > 0
  assert figure.first_chunk_seconds > 0


def test_training_in_miniature(eager, short_chains):
  figure, other, held = training.measure(SETTINGS, mu_law()).figures
  assert 'float32' in figure.what and 'bfloat16' in other.what
  assert held.flops_per_sample < figure.flops_per_sample
  assert figure.samples == 800
  forward = flops.products(build_teacher(mu_law()), (4, 5))
  assert figure.flops_per_sample == pytest.approx(3 * flops.total(forward))


def test_distillation_in_miniature(eager, short_chains):
  config = miniature()
  figure, _ = distillation.measure(SETTINGS, config).figures
  learning = flops.products(build_student(config), (4, 5))
  frozen = flops.products(build_teacher(config), (4, 5))
  assert figure.flops_per_sample == pytest.approx(
    3 * flops.total(learning) + 2 * flops.total(frozen)
  )


def test_input_in_miniature():
  lines = input_pipeline.measure(
    SETTINGS, {'a step': 100.0}, mu_law(), utterances=3, seconds=0.2, batches=4
  )
  (figure,) = lines.figures
  assert figure.samples == 4 * 2 * 400
  assert figure.notes['times the rate of a step'] == pytest.approx(
    figure.samples_per_second / 100
  )


def test_both_starts_of_a_program_share_a_cache(monkeypatch):
  starts = []

  def call(function, *arguments):
    starts.append(arguments)
    return float(len(starts))

  monkeypatch.setattr(processes, 'call', call)
  config = mu_law()
  assert list(second_start.seconds(1, config).values()) == [1.0, 2.0]
  assert starts[0] == starts[1] and starts[0][:2] == (1, config)


def test_a_table_is_made_in_a_process_of_its_own():
  share, peak = processes.call(loads.measured_there)
  assert 0 <= share <= 1 and peak > 2**20


@pytest.mark.parametrize(
  'arguments, sentence',
  [
    (['input', '--peer_dir=tests'], '--peer_dir: tests holds no peer'),
    (['input', '--stream_seconds=long'], '--stream_seconds: found long'),
    (['input', '--stream_seconds=1,inf'], '--stream_seconds: found 1,inf'),
    (['input', '--stream_seconds=0'], '--stream_seconds: found 0, expected'),
    (['input', '--json=/missing/x.json'], '--json: the folder /missing of'),
    (['input', '--json=tests'], '--json: tests is a folder'),
    (['input', '--threads=100000'], '--threads: found 100000'),
  ],
)
@flagsaver.flagsaver()
def test_a_wrong_command_is_one_sentence(arguments, sentence, capsys):
  command = program.FLAGS(['benchmarks', *arguments])
  assert program.main(command) == 1
  assert sentence in capsys.readouterr().err


def test_a_table_that_is_none_is_one_sentence():
  done = subprocess.run(
    [sys.executable, '-m', 'benchmarks', 'nothing'],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 1
  assert "Not a table: 'nothing'; expected some of generation" in done.stderr
  assert 'Traceback' not in done.stderr


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
