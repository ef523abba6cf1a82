"""Hands slightly off the demonstrated path, commanded back onto it.

A policy that has only seen hands on the path does not know what to do beside it, and its own small errors add up until
it stands still over the table. Shifting the observed hand while keeping the commanded poses shows it the way back. A
held object moves along with the hand.
"""

import torch
from torch import Tensor

from rev2fwd_il import features, keys

HOLDING_WIDTH_M, HOLDING_DISTANCE_M = 0.06, 0.035


def shift_hands(windows: dict[str, Tensor], sigma_m: float) -> dict[str, Tensor]:
    """Windows with each hand shifted by a normal offset of `sigma_m` in x, y and z, the same in its whole history.

    `windows`: observation.state (B, n_obs_steps, 8), observation.environment_state (B, n_obs_steps, 20). Uses torch's
    global generator.
    """
    state, around = windows[keys.OBS_STATE], windows.get(keys.OBS_ENVIRONMENT_STATE)
    offset = sigma_m * torch.randn(len(state), 1, 3)
    shifted = state.clone()
    shifted[..., :3] += offset
    out = windows | {keys.OBS_STATE: shifted}
    if around is not None:
        obj = around[..., features.OBJECT].clone()
        distance = (obj[..., :3] - state[..., :3]).norm(dim=-1, keepdim=True)
        held = (distance < HOLDING_DISTANCE_M) & (state[..., 7:8] < HOLDING_WIDTH_M)
        obj[..., :3] += offset * held
        target = around[..., features.TARGET]
        again = features.environment_state(shifted[..., :7].numpy(), obj.numpy(), target.numpy())
        out[keys.OBS_ENVIRONMENT_STATE] = torch.from_numpy(again)
    return out
