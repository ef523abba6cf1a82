"""Augmentation of windows: scenes are moved over the table, and observed end effectors beside their path.

Demonstrations lead to a few places, from a few directions. The arm follows its commands alike wherever they lead, so a
demonstration moved over the table, with all that is observed and commanded, is one that leads elsewhere.

Behaviour cloning sees states on the demonstrated path only; a policy's small errors lead off it, where nothing was
learned and the arm stops over the table. Shifted observations with unchanged commands demonstrate the way back to the
path. A held object is shifted along. Offsets shrink with height: far above the table demonstrations differ by more than
a policy errs, and an offset would be label noise. Heights are not shifted, since nothing else in the state tells how
far a lift has come.
"""

import numpy as np
import torch
from torch import Tensor

from rev2fwd_il import keys
from rev2fwd_il.tasks.geometry import TableMove, about_vertical, right_products
from rev2fwd_il.tasks.task import Task

SIDEWAYS = torch.tensor([1.0, 1.0, 0.0])
LOW_M = 0.04  # above it, offsets shrink in inverse proportion to the end effector's height


def move_scenes(
    windows: dict[str, Tensor], task: Task, shift_m: float, turn_rad: float, mirror: bool
) -> dict[str, Tensor]:
    """Windows whose end effectors, objects, targets and commands are all moved over the table, each its own way.

    Turned about the middle of the workspace by up to `turn_rad` either way, then shifted by up to `shift_m` in x and in
    y, uniformly; with `mirror` half of them are mirrored first. `windows`: observation.state (B, n_obs_steps, 8),
    observation.environment_state (B, n_obs_steps, D), action (B, T, 8). Uses torch's global generator.
    """
    count, state, action = len(windows[keys.ACTION]), windows[keys.OBS_STATE].numpy(), windows[keys.ACTION].numpy()
    move = TableMove(
        centre=(sum(task.workspace()) / 2)[:2],
        shift=shift_m * (2 * torch.rand(count, 2) - 1).numpy(),
        turn_rad=turn_rad * (2 * torch.rand(count) - 1).numpy(),
        mirrored=(torch.rand(count) < 0.5).numpy() & mirror,
        alike_rad=task.alike_turn_rad,
    )
    ee_pose, width = move(state[..., :7]), state[..., 7:]
    out = {
        keys.OBS_STATE: np.concatenate([ee_pose, width], -1),
        keys.ACTION: np.concatenate([move(action[..., :7]), action[..., 7:]], -1),
    }
    if keys.OBS_ENVIRONMENT_STATE in windows:
        obj_pose, target = map(move, task.parse_environment_state(windows[keys.OBS_ENVIRONMENT_STATE].numpy()))
        out[keys.OBS_ENVIRONMENT_STATE] = task.environment_state(ee_pose, obj_pose, width[..., 0], target)
    return windows | {key: torch.from_numpy(values) for key, values in out.items()}


def shift_end_effectors(
    windows: dict[str, Tensor], task: Task, sigma_m: float, sigma_rad: float = 0.0
) -> dict[str, Tensor]:
    """Windows with each end effector moved by a normal offset, the same in its whole history.

    `sigma_m` in x and y close to the table, `sigma_rad` about the vertical through the end effector. `windows`:
    observation.state (B, n_obs_steps, 8), observation.environment_state (B, n_obs_steps, D). Uses torch's global
    generator.
    """
    state, around = windows[keys.OBS_STATE], windows.get(keys.OBS_ENVIRONMENT_STATE)
    near = LOW_M / state[:, -1, 2].clamp_min(LOW_M)
    offset = sigma_m * near[:, None, None] * torch.randn(len(state), 1, 3) * SIDEWAYS
    turns = about_vertical((sigma_rad * near * torch.randn(len(state))).numpy())
    turn = torch.from_numpy(right_products(turns)).float()  # (B, 4, 4), of grippers that point down
    shifted = state.clone()
    shifted[..., :3] += offset
    shifted[..., 3:7] = shifted[..., 3:7] @ turn
    out = windows | {keys.OBS_STATE: shifted}
    if around is not None:
        obj, target = (torch.from_numpy(pose) for pose in task.parse_environment_state(around.numpy()))
        distance = (obj[..., :3] - state[..., :3]).norm(dim=-1, keepdim=True)
        held = task.holds(distance, state[..., 7:8])
        obj = torch.cat([obj[..., :3] + offset * held, torch.where(held, obj[..., 3:] @ turn, obj[..., 3:])], -1)
        again = task.environment_state(shifted[..., :7].numpy(), obj.numpy(), state[..., 7].numpy(), target.numpy())
        out[keys.OBS_ENVIRONMENT_STATE] = torch.from_numpy(again)
    return out
