"""What is in `serving/` for servers that do not run here, held to schemas."""

import json
import re
import subprocess
import sys

from google.protobuf import (
  descriptor_pb2,
  descriptor_pool,
  message_factory,
  text_format,
)
from kubernetes import client as kubernetes
import pytest
from tensorflow_serving.config import model_server_config_pb2
import yaml

from serving.asking import MODEL, PORTS
from tests.support.project_imports import ROOT

SERVING = ROOT / 'serving'
STATUS = f'/v1/models/{MODEL}'


def read(name):
  return (SERVING / name).read_text('utf-8')


def message(name, fields):
  """A message class; `fields` as in a .proto: (type, name, number).

  The wheel tensorflow-serving-api lacks the protos of batching and monitoring;
  what is written here is from session_bundle_config.proto and
  monitoring_config.proto of tensorflow/serving 2.20.
  """
  kinds = descriptor_pb2.FieldDescriptorProto
  types = {'bool': kinds.TYPE_BOOL, 'string': kinds.TYPE_STRING,
           'int64': kinds.TYPE_INT64}  # fmt: skip
  file = descriptor_pb2.FileDescriptorProto(
    name=f'{name}.proto', package='written_here', syntax='proto3'
  )
  _add(file.message_type.add(name=name), fields, types)
  pool = descriptor_pool.DescriptorPool()
  pool.Add(file)
  return message_factory.GetMessageClass(
    pool.FindMessageTypeByName(f'written_here.{name}')
  )


def _add(into, fields, types):
  """A type that is a list is a message of its own."""
  for kind, name, number in fields:
    field = into.field.add(name=name, number=number, label=1)
    if isinstance(kind, list):
      inner = into.nested_type.add(name=f'{name.title()}Type')
      _add(inner, kind, types)
      field.type = field.TYPE_MESSAGE
      field.type_name = inner.name
    else:
      field.type = types[kind]


def wrapped(kind):
  """google.protobuf.Int64Value and the like."""
  return [(kind, 'value', 1)]


BATCHING = message(
  'BatchingParameters',
  [
    (wrapped('int64'), 'max_batch_size', 1),
    (wrapped('int64'), 'batch_timeout_micros', 2),
    (wrapped('int64'), 'max_enqueued_batches', 3),
    (wrapped('int64'), 'num_batch_threads', 4),
    (wrapped('string'), 'thread_pool_name', 5),
    ('bool', 'pad_variable_length_inputs', 7),
    (wrapped('bool'), 'enable_large_batch_splitting', 8),
    (wrapped('int64'), 'max_execution_batch_size', 9),
  ],
)
MONITORING = message(
  'MonitoringConfig',
  [([('bool', 'enable', 1), ('string', 'path', 2)], 'prometheus_config', 1)],
)


@pytest.fixture(scope='module')
def compose():
  return yaml.safe_load(read('compose.yaml'))


@pytest.fixture(scope='module')
def objects():
  """What is in kubernetes.yaml, by kind."""
  documents = yaml.safe_load_all(read('kubernetes.yaml'))
  return {document['kind']: document for document in documents}


@pytest.fixture(scope='module')
def container(objects):
  (only,) = objects['Deployment']['spec']['template']['spec']['containers']
  return only


def test_the_model_is_what_the_client_asks_for():
  config = text_format.Parse(
    read('models.config'), model_server_config_pb2.ModelServerConfig()
  )
  (model,) = config.model_config_list.config
  assert model.name == MODEL
  assert model.model_platform == 'tensorflow'
  assert model.model_version_policy.latest.num_versions == 1


def test_batches_are_as_large_as_an_export_takes():
  """And rows are never padded: the voice would speak the padding."""
  batching = text_format.Parse(read('batching.config'), BATCHING())
  assert batching.max_batch_size.value == 32
  assert not batching.pad_variable_length_inputs
  assert batching.max_enqueued_batches.value > 0


def test_the_scraper_asks_where_the_metrics_are(compose):
  monitoring = text_format.Parse(read('monitoring.config'), MONITORING())
  assert monitoring.prometheus_config.enable
  (job,) = yaml.safe_load(read('prometheus.yml'))['scrape_configs']
  assert job['metrics_path'] == monitoring.prometheus_config.path
  (targets,) = job['static_configs']
  (target,) = targets['targets']
  host, port = target.split(':')
  assert host in compose['services'] and int(port) == PORTS['rest']


@pytest.mark.parametrize('name', ['BatchingParameters', 'MonitoringConfig'])
def test_an_unknown_field_is_found(name):
  kind = {'BatchingParameters': BATCHING, 'MonitoringConfig': MONITORING}[name]
  with pytest.raises(text_format.ParseError):
    text_format.Parse('max_batch_sise { value: 1 }', kind())


def test_compose_fits_the_schema():
  checked = subprocess.run(
    [
      sys.executable, '-m', 'check_jsonschema',
      '--builtin-schema=vendor.compose-spec', SERVING / 'compose.yaml',
    ],
    capture_output=True, text=True,
  )  # fmt: skip
  assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
  'kind', ['PersistentVolumeClaim', 'Deployment', 'Service']
)
def test_kubernetes_knows_every_field(objects, kind):
  """Its own classes give back all that they were told."""
  told = objects[kind]
  api = kubernetes.ApiClient()
  understood = api.deserialize(
    json.dumps(told), f'V1{kind}', 'application/json'
  )
  assert api.sanitize_for_serialization(understood) == told


def test_both_start_the_same_server(compose, container):
  server = compose['services']['server']
  assert container['image'] == server['image']
  assert container['args'] == server['command']
  for image in (x['image'] for x in compose['services'].values()):
    assert re.search(r':v?\d+\.\d+\.\d+$', image)
  for argument in server['command']:
    if '/config/' in argument:
      assert (SERVING / argument.partition('/config/')[2]).exists()


def test_ports_are_open_to_this_machine_alone(compose):
  ports = []
  for service in compose['services'].values():
    for port in service['ports']:
      host, outside, inside = port.split(':')
      assert (host, outside) == ('127.0.0.1', inside)
      ports.append(int(inside))
  assert set(PORTS.values()) < set(ports)


def test_the_parts_of_kubernetes_fit(objects, container):
  spec = objects['Deployment']['spec']
  pod = spec['template']
  assert spec['replicas'] >= 2
  labels = pod['metadata']['labels']
  assert labels == spec['selector']['matchLabels']
  assert labels == objects['Service']['spec']['selector']
  ports = {x['name']: x['containerPort'] for x in container['ports']}
  assert ports == PORTS
  for port in objects['Service']['spec']['ports']:
    assert ports[port['targetPort']] == port['port']
  volumes = {x['name']: x for x in pod['spec']['volumes']}
  mounts = {x['name']: x['mountPath'] for x in container['volumeMounts']}
  assert volumes.keys() == mounts.keys()
  assert mounts['model'] in read('models.config')
  claim = volumes['model']['persistentVolumeClaim']['claimName']
  assert claim == objects['PersistentVolumeClaim']['metadata']['name']
  told = pod['metadata']['annotations']
  assert told['prometheus.io/path'] in read('monitoring.config')
  assert told['prometheus.io/port'] == str(PORTS['rest'])


def test_probes_ask_for_the_model(compose, container):
  paths = {
    name: container[f'{name}Probe']['httpGet']['path']
    for name in ('startup', 'readiness', 'liveness')
  }
  ready = f'{STATUS}/metadata'
  assert paths == {'startup': STATUS, 'readiness': ready, 'liveness': STATUS}
  health = ' '.join(compose['services']['server']['healthcheck']['test'])
  assert f'{ready} ' in health and str(PORTS['rest']) in health


# Measured of voices/kathleen on the local server, with all signatures warm: its
# idle process. Of a request: more than docs/serving.md finds.
IDLE_GIGABYTES, REQUEST_GIGABYTES = 1.1, 0.11


def test_limits_leave_room_for_all_requests_at_a_time(compose, container):
  server = compose['services']['server']
  resources = container['resources']
  assert gigabytes(resources['requests']['memory']) > IDLE_GIGABYTES
  most = gigabytes(resources['limits']['memory'])
  assert most == gigabytes(server['mem_limit'])
  threads = [
    int(argument.partition('=')[2])
    for argument in server['command']
    if 'threads=' in argument
  ]
  assert len(threads) == 2
  assert most >= IDLE_GIGABYTES + sum(threads) * REQUEST_GIGABYTES


def gigabytes(text):
  return int(re.fullmatch(r'(\d+)(?:Gi|g)', text)[1])


if __name__ == '__main__':
  raise SystemExit(pytest.main([__file__]))
