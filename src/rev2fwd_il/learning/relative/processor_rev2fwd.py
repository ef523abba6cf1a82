"""Processors of the types `rev2fwd_<type>`: LeRobot's for <type>, which normalise nothing."""

import re

from rev2fwd_il.learning.relative.configuration_rev2fwd import PREFIX


def __getattr__(name: str):
    """make_rev2fwd_<type>_pre_post_processors, as LeRobot's factory asks for it."""
    if not re.fullmatch(rf"make_{PREFIX}\w+_pre_post_processors", name):
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from rev2fwd_il.learning.policy_class import make_processors

    def make(config, dataset_stats=None):
        """A policy of these types has its own statistics: `dataset_stats` are left out."""
        return make_processors(config, {})

    return make
