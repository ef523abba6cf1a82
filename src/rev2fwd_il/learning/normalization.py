"""Normalisation statistics: computed once, at iteration 0, and kept in the checkpoint ever after.

States and actions are mapped to [-1, 1] by their minimum and maximum (LeRobot's MIN_MAX). Three corrections are made to
the minimum and maximum themselves, so that LeRobot's own processor steps apply and undo them:

1. A dimension that hardly varies (a fixed target, an end effector that never tilts) gets a least range around its
   middle; otherwise a millimetre of noise would fill the whole of [-1, 1], and a tipped object would be far outside.
2. Relative actions are measured over all steps of all windows, not over frames.
3. Actions are measured in units that weigh errors as a grasp does: the loss is their mean square, and were positions
   divided by their whole range, the gripper would count for nearly everything and 5 mm for nothing.
"""

import re

import numpy as np
import torch
from lerobot.processor.relative_action_processor import to_relative_actions
from torch import Tensor

from rev2fwd_il import keys
from rev2fwd_il.learning.windows import ACTION_IS_PAD, FrameStore, cut_windows
from rev2fwd_il.tasks import observation

MIN_HALF_RANGE, MIN_HALF_RANGE_QUATERNION = 0.02, 0.25  # [m], unitless
RELATIVE_NAMES = ("x", "y", "z")
ABSOLUTE_NAMES = [name for name in observation.ACTION_NAMES if name not in RELATIVE_NAMES]
RELATIVE_MASK = [name in RELATIVE_NAMES for name in observation.ACTION_NAMES]
QUATERNION = re.compile(r"(^|_)q[wxyz]$")
ACTION_UNIT = {"x": 0.08, "y": 0.08, "z": 0.08, "gripper": 2.0}  # [m], unitless
BATCH = 4096


def make_stats(store: FrameStore, observations: list[str], n_obs_steps: int, horizon: int, relative: bool) -> dict:
    """{feature: {min, max, mean, std}} of the given observations and of the action, as LeRobot's processors take it."""
    stats = {}
    for key in observations:
        values = store.frames[key]
        stats[key] = _image_stats(values) if values.ndim == 4 else _vector_stats(values, store.names[key])
    actions = _relative_actions(store, n_obs_steps, horizon) if relative else store.frames[keys.ACTION]
    stats[keys.ACTION] = _scaled(_vector_stats(actions, observation.ACTION_NAMES))
    return stats


def _vector_stats(values: Tensor, names: list[str]) -> dict[str, np.ndarray]:
    lower, upper = values.amin(0), values.amax(0)
    least = torch.tensor([MIN_HALF_RANGE_QUATERNION if QUATERNION.search(name) else MIN_HALF_RANGE for name in names])
    middle, half = (upper + lower) / 2, ((upper - lower) / 2).maximum(least)
    std = values.std(0, correction=0).maximum(least)
    return {
        "min": (middle - half).numpy(),
        "max": (middle + half).numpy(),
        "mean": values.mean(0).numpy(),
        "std": std.numpy(),
    }


def standardize(store: FrameStore, key: str) -> Tensor:
    """(N, D): a vector feature of all frames with mean 0 and deviation 1; of what hardly varies, less."""
    stats = _vector_stats(store.frames[key], store.names[key])
    return (store.frames[key] - torch.from_numpy(stats["mean"])) / torch.from_numpy(stats["std"])


def _scaled(stats: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Action statistics whose unit is `ACTION_UNIT`, around the same middle."""
    middle = (stats["max"] + stats["min"]) / 2
    unit = np.array([ACTION_UNIT.get(name, MIN_HALF_RANGE_QUATERNION) for name in observation.ACTION_NAMES], np.float32)
    return stats | {"min": middle - unit, "max": middle + unit}


def _image_stats(images: Tensor, samples: int = 1000) -> dict[str, np.ndarray]:
    """Mean and deviation per channel, (3, 1, 1), of images (N, H, W, 3) uint8 scaled to [0, 1]."""
    chosen = images[torch.linspace(0, len(images) - 1, min(samples, len(images))).long()].double() / 255
    mean, std = chosen.mean((0, 1, 2)), chosen.std((0, 1, 2), correction=0).clamp_min(MIN_HALF_RANGE)
    return {name: value.float().reshape(3, 1, 1).numpy() for name, value in {"mean": mean, "std": std}.items()}


def _relative_actions(store: FrameStore, n_obs_steps: int, horizon: int) -> Tensor:
    """Every action of every window that is no padding, relative to the window's newest state: (K, 8)."""
    parts = []
    for anchors in torch.arange(len(store)).split(BATCH):
        batch = cut_windows(store, anchors, n_obs_steps, horizon, [keys.OBS_STATE])
        relative = to_relative_actions(batch[keys.ACTION], batch[keys.OBS_STATE][:, -1], RELATIVE_MASK)
        parts.append(relative[~batch[ACTION_IS_PAD]])
    return torch.cat(parts)
