"""What made an artifact: the part of its meta that says where it comes from."""

import hashlib
import json
from pathlib import Path

from rev2fwd_il import __version__
from rev2fwd_il.config import Config

CONTROL_HZ = 30


def config_hash(config: Config) -> str:
    """Twelve hexadecimal digits that differ when a setting of the simulation or the task does."""
    parts = {
        name: getattr(config, name).model_dump(mode="json") for name in ("task", "sim", "plant", "demos", "reversal")
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def made_by(config: Config, *, task: str, seed: int, kind: str, parents: list[str | Path] = ()) -> dict:
    """Meta of a dataset: task, kind, fps, seed, settings, code version, and the paths of what it was made from."""
    return {
        "task": task,
        "kind": kind,
        "fps": CONTROL_HZ,
        "seed": seed,
        "config_hash": config_hash(config),
        "code_version": __version__,
        "parents": [str(parent) for parent in parents],
    }
