"""An episode: what it is to do, what became of it, and the scheduler that says which comes next."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from rev2fwd_il.data.schema import Episode

# A hand is stuck that stays within STILL_M along each axis for so many control steps: twice as long as it rests when it
# grasps or lets go in demonstrations.
STILL_M, MAX_STILL = 0.02, 40


@dataclass(frozen=True)
class EpisodeSpec:
    """An episode to run: the task, where the object has to end, and a start, if the environment is to be reset."""

    task: str
    target_pose: np.ndarray  # (7,)
    ee_pose: np.ndarray | None = None  # (7,)
    obj_pose: np.ndarray | None = None  # (7,)
    index: int = 0  # the caller's number for it
    free_at_z: float | None = None  # before it begins: lower the end effector to this height [m], open, and rise
    ee_begin: np.ndarray | None = None  # (7,): before it begins, and after that, the empty hand moves there
    max_closed_on_nothing: int | None = None  # control steps with fingers closed on nothing, after which it ends too
    max_still: int | None = None  # control steps in which the hand stays within STILL_M, after which it ends too
    ee_end: np.ndarray | None = None  # (7,): there the hand moves after a success, or having put down what it holds
    policy: str | None = None  # which of the policies acts, by name; None: the one named like the task
    max_steps: int | None = None  # control steps it may take, where that is less than others may
    continues: bool = False  # it goes on with the attempt before it: what that has reached, as a lift, counts for it

    @property
    def actor(self) -> str:
        """Name of the policy that acts."""
        return self.policy or self.task


@dataclass(frozen=True)
class EpisodeResult:
    """What became of an episode."""

    spec: EpisodeSpec
    env: int
    success: bool
    failure: str | None
    final_error_m: float
    episode: Episode
    joint_pos: np.ndarray  # (S + T, J) [rad, m], for videos: of the S steps that freed the hand, and of the episode
    step: int  # control steps from the beginning of all attempts to the end of this one
    success_at: dict[float, bool] = field(default_factory=dict)  # at further tolerances [m], each with its own detector
    freeing_obj_pose: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 7), np.float32)
    )  # (S, 7), before it began

    @property
    def control_steps(self) -> int:
        """What it took in all: the episode, and before it the steps that freed the hand."""
        return len(self.freeing_obj_pose) + len(self.episode)


class EpisodeScheduler(Protocol):
    """Says which episode each environment runs next; can be split between several processes."""

    def assign(self, env: int, result: EpisodeResult | None) -> EpisodeSpec | None:
        """What environment `env` does next, given the result of its last attempt (None at first); None retires it."""

    def split(self, num_envs: Iterable[int]) -> list["EpisodeScheduler"]:
        """The same episodes, none of them run yet, in one scheduler for each of these numbers of environments."""
