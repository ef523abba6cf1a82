"""Which runs of one configuration have the same demonstrations, so that only one of them has to make them."""

import json

from rev2fwd_il.config.run import Config
from rev2fwd_il.running.provenance import relevant_settings

STAGES = ("demonstrations", "reversed", "replayed")


def demonstrations_of(runs: dict[str, Config]) -> dict[str, str]:
    """Name of each run -> the first run whose seed and settings of these stages are the same, itself if none is."""
    first: dict[str, str] = {}
    return {name: first.setdefault(_key(config), name) for name, config in runs.items()}


def _key(config: Config) -> str:
    settings = {stage: relevant_settings(config, stage) for stage in STAGES}
    return json.dumps([config.seed, settings], sort_keys=True)
