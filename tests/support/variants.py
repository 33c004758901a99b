"""Differences from `miniature()`: other outputs, and what a network is told."""

MU_LAW = {
  'teacher__output': 'mu_law',
  'teacher__mu_law_levels': 32,
  'student__flow_layers': (),
}
CONTEXT = {
  'context__cycles': 1,
  'context__layers_per_cycle': 2,
  'context__residual_channels': 6,
  'context__gate_channels': 5,
  'context__pool_samples': 10,
  'context__channels': 4,
}
SPEAKER = {
  'conditioning__globals': ('speaker',),
  'conditioning__global_channels': 3,
}
PITCH = {'student__phase_harmonics': 2}
HELD = {'conditioning__upsampler': 'repeat'}
ALONE = {'conditioning__local': 'none', 'student__flow_layers': ()}
LINGUISTIC = {
  'conditioning__local': 'linguistic',
  'conditioning__linguistic_channels': 5,
}
ONE_HOT = MU_LAW | {'teacher__input': 'one_hot'}
GAUSSIAN = {  # A pair, as ClariNet's.
  'teacher__output': 'gaussian_mixture',
  'teacher__mixture_components': 1,
  'teacher__discretized': False,
  'student__base': 'gaussian',
}
OUTPUTS = {
  'mixture': {},
  'kernel 3': {'teacher__kernel_size': 3},
  'softmax': {'teacher__output': 'mu_law', 'student__flow_layers': ()},
  'one-hot softmax': ONE_HOT,
  'repeated conditioning': HELD,
}

# What a network is told, in combinations; preparation finds the sizes.
MEL = {}
TEXT = {'conditioning__local': 'linguistic'}
NOTHING = {
  'conditioning__local': 'none',
  'distillation__power_average_over_time': True,
}
SPEAKERS = {'conditioning__globals': ('speaker',)}
TAGS = {'conditioning__globals': ('tags',)}
BOTH = {'conditioning__globals': ('speaker', 'tags')}
END_OF_CROPS = {
  'context__teacher_samples': 120,
  'teacher__score': 'full_context',
}

# In each all of its parts meet; what is large has fewer of them.
COMBINATIONS = {
  'mel, held, speaker, context, relu, 8 bits, end of crops': MEL
  | HELD
  | SPEAKERS
  | CONTEXT
  | END_OF_CROPS
  | {'teacher__activation': 'relu', 'teacher__bits': 8},
  'tags alone, context, one-hot': NOTHING | TAGS | CONTEXT | ONE_HOT,
}
LARGE = {
  'text without F0, context, one-hot': TEXT
  | CONTEXT
  | ONE_HOT
  | {'conditioning__log_f0': False},
  'text, phase of F0': TEXT | PITCH,
  'speaker and tags alone, context': NOTHING | BOTH | CONTEXT,
}
