"""A page on which a voice is heard: `python -m serving.page`.

python -m serving.page --server=localhost:8500
python -m serving.page --local=runs/voice/export    # starts a server, too
"""

from collections.abc import Iterator
import contextlib
import pathlib
import sys
import threading

from absl import app, flags
import tensorflow as tf
from werkzeug.serving import make_server, WSGIRequestHandler

from serving.asking import Asker, GrpcServer, MODEL, PORTS
from serving.local_model import LocalModel
from serving.local_server import serving
from serving.page.web import make_app


class _Handler(WSGIRequestHandler):
  """Waits so many seconds for a browser that says nothing more."""

  timeout = 60

  def log_request(self, code='-', size='-'):
    """What was asked for is nobody's business."""


@contextlib.contextmanager
def page(
  target: str, model: str, host: str, port: int, timeout_seconds: float,
  patience_seconds: float, global_: list[float],
) -> Iterator[str]:  # fmt: skip
  """Answers browsers as long as the context lasts -> the address.

  Args:
    target: 'host:port' of the model server, gRPC.
    model: its name there.
    host: to listen on.
    port: to listen on; 0 takes a free one.
    timeout_seconds: for one answer of the model server.
    patience_seconds: how long to ask it again where it is not there.
    global_: vector of a model that has one.
  """
  server = GrpcServer(target, model, timeout_seconds)
  wsgi = make_app(Asker(server, patience_seconds), model, global_)
  web = make_server(host, port, wsgi, threaded=True, request_handler=_Handler)
  thread = threading.Thread(target=web.serve_forever, daemon=True)
  thread.start()
  try:
    yield f'http://{host}:{web.server_port}/'
  finally:
    web.shutdown()
    web.server_close()


def define_flags(values: flags.FlagValues) -> None:
  """The flags of the command, defined in `values`."""
  here = {'flag_values': values}
  flags.DEFINE_string(
    'server', f'localhost:{PORTS["grpc"]}', 'Model server, gRPC.', **here
  )
  flags.DEFINE_string(
    'local', None, 'Export to serve here, in place of --server.', **here
  )
  flags.DEFINE_string('model', MODEL, 'Its name on the server.', **here)
  flags.DEFINE_string('host', '127.0.0.1', 'Address to listen on.', **here)
  flags.DEFINE_integer('port', 8000, 'To listen on; 0: a free one.', **here)
  flags.DEFINE_list(
    'global',
    [],
    'Numbers of the global vector (speaker, tags), where the model has one.',
    **here,
  )
  flags.DEFINE_float('timeout_seconds', 60.0, 'For one answer.', **here)
  flags.DEFINE_float(
    'patience_seconds', 5.0, 'How long to ask again where nobody answers.',
    **here,
  )  # fmt: skip


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> int:
  """Until Ctrl-C -> the exit status."""
  if len(argv) > 1:
    raise app.UsageError(f'Not a flag: {argv[1]!r}.')
  try:
    global_ = [float(word) for word in values['global'].value]
  except ValueError as error:
    print(f'--global: {error}, expected numbers', file=sys.stderr)
    return 1
  try:
    with contextlib.ExitStack() as stack:
      target = values.server
      if values.local:
        model = LocalModel(pathlib.Path(values.local), values.model)
        target = f'127.0.0.1:{stack.enter_context(serving(model)).grpc}'
      address = stack.enter_context(
        page(
          target, values.model, values.host, values.port,
          values.timeout_seconds, values.patience_seconds, global_,
        )
      )  # fmt: skip
      print(f'Open {address} in a browser. Ctrl-C ends it.', flush=True)
      threading.Event().wait()
  except (OSError, tf.errors.OpError) as error:
    print(str(error).splitlines()[0], file=sys.stderr)
    return 1
  except KeyboardInterrupt:
    return 0


if __name__ == '__main__':
  define_flags(flags.FLAGS)
  app.run(main)
