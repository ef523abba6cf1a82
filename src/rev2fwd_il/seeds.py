"""Independent random streams from the one seed of a run.

`derive(seed, "evaluation", "A")` and `derive(seed, "demos")` share nothing: a stream is named by words, and evaluation
starts cannot equal training or collection starts because their names differ.
"""

import hashlib

import numpy as np


def derive(seed: int, *names: object) -> int:
    """A seed in [0, 2^31) that depends on `seed` and on every name."""
    digest = hashlib.sha256("/".join([str(seed), *map(str, names)]).encode()).digest()
    return int.from_bytes(digest[:4], "little") % 2**31


def generator(seed: int, *names: object) -> np.random.Generator:
    """A NumPy generator on its own stream."""
    return np.random.default_rng(derive(seed, *names))
