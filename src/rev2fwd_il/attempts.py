"""An attempt at a task: what it is to do, and what became of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rev2fwd_il.contract import Episode


@dataclass(frozen=True)
class Assignment:
    """An attempt to make: the task, where the object has to end, and a start, if the environment is to be reset."""

    task: str
    target_xy: np.ndarray  # (2,) [m]
    ee_pose: np.ndarray | None = None  # (7,)
    obj_pose: np.ndarray | None = None  # (7,)
    index: int = 0  # the caller's number for it


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt."""

    assignment: Assignment
    env: int
    success: bool
    failure: str | None
    final_error_m: float
    episode: Episode
    joint_pos: np.ndarray  # (T, J) [rad, m], for films
    step: int  # control steps from the beginning of all attempts to the end of this one


class Attempts(Protocol):
    """A source of attempts for environments side by side, which can be dealt out to several processes."""

    def assign(self, env: int, outcome: Outcome | None) -> Assignment | None:
        """What environment `env` does next, given the outcome of its last attempt (None at first); None retires it."""

    def split(self, num_envs: Iterable[int]) -> list["Attempts"]:
        """The same attempts, none of them made yet, in shares for so many environments each."""
