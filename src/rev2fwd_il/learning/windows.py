"""Frames of a dataset, and batches of windows cut from them.

A window at frame t (n_obs_steps = 2, horizon = 16):

    | frame              | t-1 | t   | ... | t+11 | ... | t+14 |
    | observed           | yes | yes |     |      |     |      |
    | action predicted   | yes | yes | yes | yes  | yes | yes  |
    | action executed    |     | yes | yes | yes  |     |      |   (n_action_steps = 12)

Frames outside the episode repeat its first or last frame, as LeRobot does; `action_is_pad` marks those actions and the
loss leaves them out. The last `drop_n_last_frames` of an episode are no anchors, so that what would be executed was
always demonstrated.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from rev2fwd_il import keys

ACTION_IS_PAD = "action_is_pad"


@dataclass(frozen=True)
class FrameStore:
    """All N frames of a dataset as tensors, with the bounds of each frame's episode."""

    frames: dict[str, Tensor]  # observation.state (N, 8), ...environment_state (N, 28), action (N, 8); images
    # (N, H, W, 3) uint8, in memory or mapped from a file
    episode_start: Tensor  # (N,) int64, first frame of the episode
    episode_end: Tensor  # (N,) int64, exclusive
    is_rollout: Tensor  # (N,) bool
    names: dict[str, list[str]] = field(default_factory=dict)  # of each vector's dimensions

    def __len__(self) -> int:
        return len(self.episode_start)

    def anchors(self, drop_n_last_frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames a window may be cut at, of originals and of rollouts. An episode shorter than that keeps its first."""
        index = torch.arange(len(self))
        usable = (index < self.episode_end - drop_n_last_frames) | (index == self.episode_start)
        return tuple(index[usable & mask].numpy() for mask in (~self.is_rollout, self.is_rollout))


def drop_n_last_frames(horizon: int, n_action_steps: int, n_obs_steps: int) -> int:
    """Frames at an episode's end that are no anchors (formula of LeRobot's DiffusionConfig)."""
    return horizon - n_action_steps - n_obs_steps + 1


def cut_windows(store: FrameStore, anchors: Tensor, n_obs_steps: int, horizon: int, observations: list[str]) -> dict:
    """Windows at `anchors` (B,): each observation (B, n_obs_steps, ...), action (B, horizon, 8), action_is_pad."""
    start, end = store.episode_start[anchors, None], store.episode_end[anchors, None]
    steps = anchors[:, None] + torch.arange(1 - n_obs_steps, 1 - n_obs_steps + horizon)
    clamped = torch.minimum(torch.maximum(steps, start), end - 1)
    batch = {key: store.frames[key][clamped[:, :n_obs_steps]] for key in observations}
    batch[keys.ACTION] = store.frames[keys.ACTION][clamped]
    batch[ACTION_IS_PAD] = clamped != steps
    return batch


def rollout_share(rollout_frames: int, total_frames: int, max_share: float) -> float:
    """Share of rollout windows in a batch: by frame count, so two new episodes never weigh half, but bounded."""
    if rollout_frames == total_frames:
        return 1.0
    return min(rollout_frames / total_frames, max_share)


class WindowSampler:
    """Draws anchors. Batch k on process `rank` is a pure function of (seed, k, rank): nothing to save for a resume."""

    def __init__(self, original: np.ndarray, rollout: np.ndarray, batch_size: int, max_share: float, seed: int, rank=0):
        self.original, self.rollout, self.batch_size = original, rollout, batch_size
        self.share = rollout_share(len(rollout), len(original) + len(rollout), max_share)
        self.seed, self.rank = seed, rank

    def __call__(self, step: int) -> tuple[Tensor, int]:
        """Anchors (batch_size,) of batch `step`, and a seed for the noise that belongs to it."""
        rng = np.random.default_rng([self.seed, step, self.rank])
        from_rollout = int(rng.binomial(self.batch_size, self.share))
        new = rng.choice(self.rollout, from_rollout) if from_rollout else self.rollout[:0]
        old = rng.choice(self.original, self.batch_size - from_rollout) if from_rollout < self.batch_size else new[:0]
        return torch.from_numpy(np.concatenate([old, new])), int(rng.integers(2**63))
