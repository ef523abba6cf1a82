"""Normalisation statistics: computed once, at iteration 0, and kept in the checkpoint ever after.

States and actions are mapped to [-1, 1] by their minimum and maximum (LeRobot's MIN_MAX). Two corrections are made to
the minimum and maximum themselves, so that LeRobot's own processor steps apply and undo them:

1. A dimension that hardly varies (a quaternion component, a fixed target) gets at least `MIN_HALF_RANGE` around its
   middle; otherwise a millimetre of noise would fill the whole of [-1, 1].
2. Relative actions are measured over all steps of all windows, not over frames.
"""

import numpy as np
import torch
from lerobot.processor.relative_action_processor import to_relative_actions
from torch import Tensor

from rev2fwd_il import features, keys
from rev2fwd_il.learning.windows import ACTION_IS_PAD, FrameStore, cut_windows

MIN_HALF_RANGE = 0.02  # [m] for positions, unitless for quaternions
RELATIVE_NAMES = ("x", "y", "z")
ABSOLUTE_NAMES = [name for name in features.ACTION_NAMES if name not in RELATIVE_NAMES]
RELATIVE_MASK = [name in RELATIVE_NAMES for name in features.ACTION_NAMES]
BATCH = 4096


def make_stats(store: FrameStore, observations: list[str], n_obs_steps: int, horizon: int, relative: bool) -> dict:
    """{feature: {min, max, mean, std}} of the given observations and of the action, as LeRobot's processors take it."""
    stats = {}
    for key in observations:
        values = store.frames[key]
        stats[key] = _image_stats(values) if values.ndim == 4 else _vector_stats(values)
    actions = _relative_actions(store, n_obs_steps, horizon) if relative else store.frames[keys.ACTION]
    stats[keys.ACTION] = _vector_stats(actions)
    return stats


def _vector_stats(values: Tensor) -> dict[str, np.ndarray]:
    lower, upper = values.amin(0), values.amax(0)
    middle, half = (upper + lower) / 2, ((upper - lower) / 2).clamp_min(MIN_HALF_RANGE)
    std = values.std(0, correction=0).clamp_min(MIN_HALF_RANGE)
    return {
        "min": (middle - half).numpy(),
        "max": (middle + half).numpy(),
        "mean": values.mean(0).numpy(),
        "std": std.numpy(),
    }


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
