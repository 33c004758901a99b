"""The values that fields of the configuration choose from."""

MU_LAW = 'mu_law'
LOGISTIC_MIXTURE = 'logistic_mixture'
GAUSSIAN_MIXTURE = 'gaussian_mixture'
OUTPUTS = (MU_LAW, LOGISTIC_MIXTURE, GAUSSIAN_MIXTURE)
LOGISTIC = 'logistic'
GAUSSIAN = 'gaussian'
BASES = (LOGISTIC, GAUSSIAN)
SAMPLED = 'sampled'
CLOSED_FORM = 'closed_form'
DIVERGENCES = (SAMPLED, CLOSED_FORM)
POWER = 'power'
MAGNITUDE = 'magnitude'
LOG = 'log'
POWER_FEATURES = (POWER, MAGNITUDE, LOG)
INPUTS = ('scalar', 'one_hot')
# What a recording can be labelled with, as a whole or segment by segment.
PHONES = 'phones'
SPEAKERS = 'speakers'
LABEL_KINDS = (PHONES, 'words', SPEAKERS)
TRANSPOSED = 'transposed'
REPEAT = 'repeat'
INTERPOLATE = 'interpolate'
UPSAMPLERS = (TRANSPOSED, REPEAT, INTERPOLATE)
# What the frames that condition a network hold.
MEL = 'mel'
LINGUISTIC = 'linguistic'
NONE = 'none'
GIVEN = 'given'
LOCAL_KINDS = (MEL, LINGUISTIC, NONE, GIVEN)
# What a whole utterance can be conditioned on.
SPEAKER = 'speaker'
TAGS = 'tags'
VECTOR = 'vector'
GLOBAL_KINDS = (SPEAKER, TAGS, VECTOR)
# How utterances are chosen for validation.
SPLITS = ('random', 'speaker', 'index', 'speaker_and_index')
GATED = 'gated'
RELU = 'relu'
ACTIVATIONS = (GATED, RELU)
# Operands of the matrix products of stacks; all else is float32.
FLOAT32 = 'float32'
BFLOAT16 = 'bfloat16'
PRODUCT_DTYPES = (FLOAT32, BFLOAT16)
EVERYWHERE = 'everywhere'
FULL_CONTEXT = 'full_context'
SCORES = (EVERYWHERE, FULL_CONTEXT)
