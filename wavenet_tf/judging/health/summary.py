"""The numbers of a `Health` by name."""

import itertools

from wavenet_tf.judging.health.measurement import Health, PERCENTILES


def scalars(health: Health) -> dict[str, float]:
  """Every number of `Health` under a name of its own."""
  found = {
    f'{who}/{name}': value
    for who in ('student', 'recording')
    for name, value in getattr(health, who)._asdict().items()
  }
  for percent, value in zip(PERCENTILES, health.log_scale_percentiles):
    found[f'log_scale/percentile_{percent}'] = value
  for name, value in zip(band_names(health), health.band_difference_db):
    found[f'band_difference_db/{name.replace(" ", "_")}'] = value
  found['noise_deviation'] = health.noise_deviation
  if health.conditioning_nats is not None and float(health.swapped_share) > 0:
    found['conditioning_nats'] = health.conditioning_nats
  found['clipped_share'] = health.clipped_share
  for flow, value in enumerate(health.floor_shares):
    found[f'floor_share/flow_{flow}'] = value
  return {name: float(value) for name, value in found.items()}


def band_names(health: Health) -> list[str]:
  """What each of `band_difference_db` is about: '0 to 250 Hz'."""
  edges = [round(float(edge)) for edge in health.band_edges_hz]
  return [f'{low} to {high} Hz' for low, high in itertools.pairwise(edges)]
