"""How Keras saves layers and models, and makes them again.

`registered` gives a class its name in Keras' files, `wavenet_tf>Teacher`. A
layer whose arguments are numbers, words and tuples of them needs no more: Keras
notes what it was made of. What is made of a `Config` is `Configured`.
"""

from typing import Self

import keras

from wavenet_tf.configuration.config import Config
from wavenet_tf.configuration.saved_config import (
  config_from_dict,
  config_to_dict,
)

registered = keras.saving.register_keras_serializable(package='wavenet_tf')


class Configured:
  """Mixin of layers and models that are made of a `Config`.

  Keras saves it as `config.json` holds it, and both are read by the same
  function.

  Args:
    config: kept as the attribute `config`.
    **kwargs: of the layer.
  """

  def __init__(self, config: Config, **kwargs):
    super().__init__(**kwargs)
    self.config = config

  def get_config(self) -> dict:
    return {**super().get_config(), 'config': config_to_dict(self.config)}

  @classmethod
  def from_config(cls, config: dict) -> Self:
    return super().from_config(
      {**config, 'config': config_from_dict(config['config'])}
    )
