"""Models of r9y9/wavenet_vocoder as teachers of this project.

Where the two networks differ, theirs is folded into ours exactly:

- Their residual connection is x_{l+1} = (x_l + P_l z_l) / sqrt(2). With
  x'_l = 2^(l/2) x_l it is x'_{l+1} = x'_l + 2^(l/2) P_l z_l, so that P_l is
  multiplied by 2^(l/2) and the convolution that reads x_l divided by it.
- Their skip sum is divided by sqrt(L): each S_l is, and biases are added up.
- Their first layer is a 1x1 convolution of the sample before: the last tap of
  our entrance, whose other taps are zero.
- Their one-hot network begins with a code, ours with nothing at all: its column
  is added to the bias of the entrance and taken from every column.
- Their upsampling is `upsampler='interpolate'`.
"""

from collections.abc import Mapping

import numpy as np

from wavenet_tf.configuration.choices import SPEAKER
from wavenet_tf.configuration.config import Config
from wavenet_tf.learning.elsewhere.r9y9_hparams import Hyperparameters
from wavenet_tf.learning.elsewhere.state_dict import StateDict
from wavenet_tf.networks.conditioning.upsampling import Interpolation

_NETWORK = 'teacher/network'
_UPSAMPLER = 'teacher/encoder/upsampler'


def has_speakers(arrays: Mapping[str, np.ndarray]) -> bool:
  """Whether a checkpoint has a table of speakers."""
  return 'embed_speakers.weight' in arrays


def weights(
  state: StateDict, sizes: Hyperparameters, config: Config
) -> dict[str, np.ndarray]:
  """Weights of a teacher by name, float32.

  Args:
    state: of their model; all of it is taken.
    sizes: of their model.
    config: of the run, by `sizes.config`.

  Raises:
    UserError: if the state is that of another model.
  """
  found = {
    **_network(state, sizes),
    **(_upsampler(state, sizes) if sizes.local else {}),
    **(_embedding(state, sizes, config) if sizes.global_ else {}),
  }
  state.check_empty()
  return {name: x.astype(np.float32) for name, x in found.items()}


def _network(state, sizes):
  found = _entrance(state, sizes)
  gates, residual = sizes.gates, sizes.residual
  skips, skip_bias, globals_ = [], 0.0, []
  for i in range(sizes.layers):
    theirs, ours = f'conv_layers.{i}', f'{_NETWORK}/stack/block_{i}'
    scale = 2.0 ** (i / 2)
    taps = state.weight(
      f'{theirs}.conv', 2 * gates, residual, sizes.kernel_size
    )
    kernel = [taps.transpose(2, 1, 0).reshape(-1, 2 * gates) / scale]
    if sizes.local:
      kernel.append(_one(state, f'{theirs}.conv1x1c', 2 * gates, sizes.local))
    if sizes.global_:
      globals_.append(
        _one(state, f'{theirs}.conv1x1g', 2 * gates, sizes.global_)
      )
    found[f'{ours}/convolution/product/kernel'] = np.concatenate(kernel)
    found[f'{ours}/convolution/product/bias'] = state.bias(
      f'{theirs}.conv', 2 * gates
    )
    kernel = scale * _one(state, f'{theirs}.conv1x1_out', residual, gates)
    bias = scale * state.bias(f'{theirs}.conv1x1_out', residual)
    if i < sizes.layers - 1:  # Nothing hears the last residual.
      found[f'{ours}/projection/kernel'] = kernel
      found[f'{ours}/projection/bias'] = bias
    skips.append(_one(state, f'{theirs}.conv1x1_skip', sizes.skip, gates))
    skip_bias += state.bias(f'{theirs}.conv1x1_skip', sizes.skip)
  share = sizes.layers**-0.5
  found[f'{_NETWORK}/skip/kernel'] = share * np.concatenate(skips)
  found[f'{_NETWORK}/skip/bias'] = share * skip_bias
  if globals_:
    found[f'{_NETWORK}/stack/global_projection/kernel'] = np.concatenate(
      globals_, 1
    )
  return found | _head(state, sizes)


def _entrance(state, sizes):
  inputs = sizes.outputs if sizes.is_one_hot else 1
  newest = _one(state, 'first_conv', sizes.residual, inputs)
  bias = state.bias('first_conv', sizes.residual)
  if sizes.is_one_hot:
    first = newest[inputs // 2 - 1].copy()
    newest, bias = newest - first, bias + first
  earlier = np.zeros([(sizes.kernel_size - 1) * inputs, sizes.residual])
  return {
    f'{_NETWORK}/entrance/product/kernel': np.concatenate([earlier, newest]),
    f'{_NETWORK}/entrance/product/bias': bias,
  }


def _head(state, sizes):
  hidden = _one(state, 'last_conv_layers.1', sizes.skip, sizes.skip)
  hidden_bias = state.bias('last_conv_layers.1', sizes.skip)
  kernel = _one(state, 'last_conv_layers.3', sizes.outputs, sizes.skip)
  bias = state.bias('last_conv_layers.3', sizes.outputs)
  if sizes.outputs == 3 and not sizes.is_one_hot:
    # The logit of a single component says nothing, and ours has none.
    kernel, bias = kernel[:, 1:], bias[1:]
  return {
    f'{_NETWORK}/hidden/kernel': hidden,
    f'{_NETWORK}/hidden/bias': hidden_bias,
    f'{_NETWORK}/output/kernel': kernel,
    f'{_NETWORK}/output/bias': bias,
  }


def _upsampler(state, sizes):
  channels = sizes.local
  # Held frames, where nothing smooths them.
  context = np.eye(channels)[..., None]
  taps = [np.eye(2 * s + 1)[s] for s in sizes.scales]
  if sizes.upsamples:
    width = 2 * sizes.cin_pad + 1
    context = state.weight('upsample_net.conv_in', channels, channels, width)
    taps = [
      state.weight(
        f'upsample_net.upsample.up_layers.{2 * i + 1}', 1, 1, 1, 2 * s + 1
      ).ravel()
      for i, s in enumerate(sizes.scales)
    ]
  return {
    f'{_UPSAMPLER}/context/kernel': context.transpose(2, 1, 0).reshape(
      -1, channels
    ),
    f'{_UPSAMPLER}/context/bias': np.zeros(channels),
    **{
      f'{_UPSAMPLER}/stage_{i}/kernel': Interpolation.kernel_of(t)
      for i, t in enumerate(taps)
    },
  }


def _embedding(state, sizes, config):
  table = np.eye(sizes.global_)
  if SPEAKER in config.conditioning.globals:
    table = state.take(
      'embed_speakers.weight',
      config.conditioning.global_channels,
      sizes.global_,
    )
  return {'teacher/encoder/embedding/kernel': table}


def _one(state, layer, outputs, inputs):
  """The weight of a 1x1 convolution, `[inputs, outputs]`."""
  return state.weight(layer, outputs, inputs, 1)[..., 0].T
