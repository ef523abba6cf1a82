"""Hands slightly off the demonstrated path, commanded back onto it.

A policy that has only seen hands on the path does not know what to do beside it, and its own small errors add up until
it stands still over the table. Shifting and turning the observed hand while keeping the commanded poses shows it the
way back. A held object moves along with the hand. High above the table, where a hand may be farther off, it is shifted
by more: a cube carried to 1 cm beside its target still has to be lowered, not lifted.
"""

import torch
from torch import Tensor

from rev2fwd_il import features, keys
from rev2fwd_il.tasks import turned

HOLDING_WIDTH_M, HOLDING_DISTANCE_M = 0.06, 0.035
LOW_M, HIGHEST_FACTOR = 0.04, 3.0  # offsets grow in proportion to the hand's height, from here on and up to so much


def shift_hands(windows: dict[str, Tensor], sigma_m: float, sigma_rad: float = 0.0) -> dict[str, Tensor]:
    """Windows with each hand moved by a normal offset, the same in its whole history.

    `sigma_m` in x, y and z close to the table, `sigma_rad` about the vertical through the hand. `windows`:
    observation.state (B, n_obs_steps, 8), observation.environment_state (B, n_obs_steps, 21). Uses torch's global
    generator.
    """
    state, around = windows[keys.OBS_STATE], windows.get(keys.OBS_ENVIRONMENT_STATE)
    height = (state[:, -1:, 2:3] / LOW_M).clamp(1, HIGHEST_FACTOR)
    offset = sigma_m * height * torch.randn(len(state), 1, 3)
    turns = turned((sigma_rad * torch.randn(len(state))).numpy())
    turn = torch.from_numpy(features.right_products(turns)).float()  # (B, 4, 4), of hands that point down
    shifted = state.clone()
    shifted[..., :3] += offset
    shifted[..., 3:7] = shifted[..., 3:7] @ turn
    out = windows | {keys.OBS_STATE: shifted}
    if around is not None:
        obj = around[..., features.OBJECT].clone()
        distance = (obj[..., :3] - state[..., :3]).norm(dim=-1, keepdim=True)
        held = (distance < HOLDING_DISTANCE_M) & (state[..., 7:8] < HOLDING_WIDTH_M)
        obj[..., :3] += offset * held
        obj[..., 3:] = torch.where(held, obj[..., 3:] @ turn, obj[..., 3:])
        target = around[..., features.TARGET]
        again = features.environment_state(shifted[..., :7].numpy(), obj.numpy(), target.numpy())
        out[keys.OBS_ENVIRONMENT_STATE] = torch.from_numpy(again)
    return out
