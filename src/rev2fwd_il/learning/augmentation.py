"""Hands slightly off the demonstrated path, commanded back onto it.

A policy that has only seen hands on the path does not know what to do beside it, and its own small errors add up until
it stands still over the table. Shifting and turning the observed hand while keeping the commanded poses shows it the
way back. A held object moves along with the hand. Above the table a hand is shifted by less: there no path is the one
to go back to, demonstrations differ by more than a policy errs, and a shift is but noise in what is learned. Heights
stay: how far a lift has come is seen by nothing else, and a hand that has just lifted off would be told to go back and
wait with the hands that have not.
"""

import torch
from torch import Tensor

from rev2fwd_il import keys
from rev2fwd_il.tasks.geometry import about_vertical, right_products
from rev2fwd_il.tasks.task import Task

SIDEWAYS = torch.tensor([1.0, 1.0, 0.0])
LOW_M = 0.04  # above it, offsets shrink in inverse proportion to the hand's height


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
