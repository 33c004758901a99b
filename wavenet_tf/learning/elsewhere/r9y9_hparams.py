"""The hyper-parameters of r9y9/wavenet_vocoder -> a configuration."""

from collections.abc import Mapping
import json
import math
import pathlib

from wavenet_tf.configuration.choices import (
  GAUSSIAN_MIXTURE,
  GIVEN,
  INTERPOLATE,
  LOGISTIC_MIXTURE,
  MU_LAW,
  NONE,
  SPEAKER,
  VECTOR,
)
from wavenet_tf.configuration.config import Config, override
from wavenet_tf.configuration.errors import UserError

# That of their `preprocess`.
_PREEMPHASIS = 0.85


class Hyperparameters:
  """Their `hparams.json`, as far as it says what a network is.

  Args:
    path: of the file, which their training writes beside checkpoints.

  Raises:
    UserError: if it is none, or asks for what there is not here.
  """

  def __init__(self, path: pathlib.Path):
    self._path = path
    try:
      values = json.loads(path.read_text('utf-8'))
      self._read(values)
    except FileNotFoundError:
      raise UserError(
        f'{path} does not exist; name by --hparams the JSON file of '
        'hyper-parameters, which training left beside the checkpoint.'
      ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
      raise UserError(
        f'{path}: is not a file of hyper-parameters of r9y9/wavenet_vocoder '
        f'({type(error).__name__}: {error}); name hparams.json, or a preset.'
      ) from error

  def _read(self, values: Mapping):
    self.values = values
    self.layers, self.stacks = int(values['layers']), int(values['stacks'])
    self.kernel_size = int(values['kernel_size'])
    self.residual = int(values['residual_channels'])
    self.gates = int(values['gate_channels']) // 2
    self.skip = int(values['skip_out_channels'])
    self.outputs = int(values['out_channels'])
    self.local = max(0, int(values['cin_channels']))
    self.global_ = max(0, int(values['gin_channels']))
    self.is_one_hot = values['input_type'] == 'mulaw-quantize'
    self.is_gaussian = values.get('output_distribution') == 'Normal'
    self.hop = values.get('hop_size') or round(
      values['frame_shift_ms'] / 1000 * values['sample_rate']
    )
    self.upsamples = bool(
      self.local and values['upsample_conditional_features']
    )
    self.scales, self.cin_pad = (self.hop,), 0
    if self.upsamples:
      upsampling = values['upsample_params']
      self.scales = tuple(map(int, upsampling['upsample_scales']))
      self.cin_pad = int(values.get('cin_pad', 0))
      self._refuse_other('upsample_net', values, 'ConvInUpsampleNetwork')
      self._refuse_other('upsample_activation', upsampling, 'none')
      self._refuse_other('mode', upsampling, 'nearest')
      self._refuse_other('freq_axis_kernel_size', upsampling, 1)
    if values['input_type'] not in ('raw', 'mulaw-quantize'):
      self._refuse(
        'input_type', values['input_type'], "'raw' or 'mulaw-quantize'"
      )
    is_single = self.is_gaussian and self.outputs == 2
    if self.outputs % 3 and not self.is_one_hot and not is_single:
      self._refuse(
        'out_channels', self.outputs, '3 for each component of a mixture'
      )
    if self.layers % self.stacks:
      self._refuse('layers', self.layers, f'a multiple of stacks={self.stacks}')
    if math.prod(self.scales) != self.hop:
      self._refuse(
        'upsample_scales', self.scales, f'a product of hop_size={self.hop}'
      )

  def _refuse_other(self, name, values, expected):
    if values.get(name, expected) != expected:
      self._refuse(name, values[name], f'{expected!r}, as no other is known')

  def _refuse(self, name, found, expected):
    raise UserError(
      f'{self._path}: {name}: found {found!r}, expected {expected}.'
    )

  @property
  def components(self) -> int:
    return 1 if self.outputs == 2 else self.outputs // 3

  def config(self, has_speakers: bool) -> Config:
    """The configuration of the run.

    Args:
      has_speakers: whether the checkpoint has a table of speakers, or a vector
        is given.
    """
    values = self.values
    globals_, channels = (), 0
    if self.global_:
      globals_ = (SPEAKER,) if has_speakers else (VECTOR,)
      channels = values['n_speakers'] if has_speakers else self.global_
    mixture = GAUSSIAN_MIXTURE if self.is_gaussian else LOGISTIC_MIXTURE
    config = override(
      Config(preset='r9y9'),
      {
        'audio.sample_rate_hz': values['sample_rate'],
        'audio.preemphasis': self._preemphasis(),
        'audio.hop_samples': self.hop,
        'audio.window_samples': max(self.hop, values['fft_size']),
        'audio.mel_bins': self.local or values['num_mels'],
        'audio.mel_min_hz': float(values['fmin']),
        'audio.mel_max_hz': float(values['fmax'] or values['sample_rate'] / 2),
        'data.highpass_hz': max(0.0, values.get('highpass_cutoff', 0.0)),
        'conditioning.local': GIVEN if self.local else NONE,
        'conditioning.globals': globals_,
        'conditioning.embedding_channels': self.global_ or 1,
        'conditioning.global_channels': channels,
        'conditioning.upsampler': INTERPOLATE,
        'conditioning.context_frames': self.cin_pad,
        'conditioning.upsample_factors': self.scales,
        'conditioning.channels': self.local or 1,
        'teacher.cycles': self.stacks,
        'teacher.layers_per_cycle': self.layers // self.stacks,
        'teacher.kernel_size': self.kernel_size,
        'teacher.residual_channels': self.residual,
        'teacher.gate_channels': self.gates,
        'teacher.skip_channels': self.skip,
        'teacher.signal_unit': 1.0,
        'student.flow_layers': (),
      },
    )
    output = {
      'teacher.output': mixture,
      'teacher.mixture_components': self.components,
      # Theirs is a density of the Gaussian, the mass of a level otherwise.
      'teacher.discretized': not self.is_gaussian,
      'teacher.bits': int(math.log2(values['quantize_channels'])),
      'teacher.min_log_scale': float(values['log_scale_min']),
    }
    if self.is_one_hot:
      output = {
        'teacher.output': MU_LAW,
        'teacher.input': 'one_hot',
        'teacher.mu_law_levels': self.outputs,
      }
    config = override(config, output)
    crop = max(
      config.train_teacher.crop_samples, config.teacher.receptive_field_samples
    )
    crop = -(-crop // self.hop) * self.hop
    return override(config, {'train_teacher.crop_samples': crop})

  def _preemphasis(self):
    kind = self.values.get('preprocess') or 'none'
    if kind not in ('none', 'preemphasis'):
      self._refuse('preprocess', kind, "'preemphasis' or ''")
    return _PREEMPHASIS if kind == 'preemphasis' else 0.0
