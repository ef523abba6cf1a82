"""The alternating test: A -> B -> A -> B ... in each environment, without a reset, until the first failure.

The red marker, B's target, moves after each A; the goal is fixed. Each environment is one chain with its own random
stream, so that `num_envs` changes how many chains there are and not what happens in them.
"""

from collections.abc import Iterable, Mapping
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.attempts import Assignment, Outcome
from rev2fwd_il.config import Config
from rev2fwd_il.films import write_mp4
from rev2fwd_il.metrics import chain_summary, rate
from rev2fwd_il.parallel import Simulations
from rev2fwd_il.provenance import CONTROL_HZ
from rev2fwd_il.seeds import generator
from rev2fwd_il.tasks import sample_away_from_goal, sample_starts


class Chains:
    """Assigns the attempts of `num_envs` chains of at most `max_cycles` cycles, and counts.

    Chain i of all those that several processes share has the number `first + i`, and its random stream.
    """

    def __init__(self, config: Config, num_envs: int, max_cycles: int, seed: int, first: int = 0):
        self._config, self._task, self._max_cycles = config, config.task, max_cycles
        self._seed, self._first = seed, first
        self._edge = config.task.cube_edge
        self._rngs = [generator(seed, "alternating", first + env) for env in range(num_envs)]
        self._continue = config.rollout.continue_after_failure
        self._attempts_made = np.zeros(num_envs, int)
        self.cycles = np.zeros(num_envs, int)  # consecutive successes: cycles before the first failure
        self.ended_by = [""] * num_envs
        self._counts = {task: np.zeros(2, int) for task in keys.TASKS}  # successful, attempted

    def assign(self, env: int, outcome: Outcome | None) -> Assignment | None:
        """The next attempt of a chain, or None when it has ended."""
        if outcome is None:
            return self._reset_to(keys.TASK_A, env)
        self.count(env, outcome)
        if self._attempts_made[env] == 2 * self._max_cycles:
            return None
        other = keys.TASK_B if outcome.assignment.task == keys.TASK_A else keys.TASK_A
        if not outcome.success:
            return self._reset_to(other, env) if self._continue else None
        return Assignment(other, self._target(other, env))

    def split(self, num_envs: Iterable[int]) -> list["Chains"]:
        """The same chains, none of them begun, in groups of these sizes."""
        firsts = np.cumsum([self._first, *num_envs])
        bounds = pairwise(firsts.tolist())
        return [Chains(self._config, end - first, self._max_cycles, self._seed, first) for first, end in bounds]

    def count(self, env: int, outcome: Outcome) -> None:
        """Take the outcome of a chain's last attempt into account; `assign` does that itself."""
        task = outcome.assignment.task
        self._attempts_made[env] += 1
        self._counts[task] += (outcome.success, 1)
        if not outcome.success and not self.ended_by[env]:
            self.ended_by[env] = f"{task}:{outcome.failure}"
        if task == keys.TASK_B and not self.ended_by[env]:
            self.cycles[env] += 1
        if self._attempts_made[env] == 2 * self._max_cycles:
            self.ended_by[env] = self.ended_by[env] or "max_cycles"

    def _target(self, task: str, env: int) -> np.ndarray:
        if task == keys.TASK_A:
            return np.float32(self._task.goal_xy)
        return sample_away_from_goal(self._task, self._rngs[env], 1)[0]

    def _reset_to(self, task: str, env: int) -> Assignment:
        start = sample_starts(self._task, task, self._rngs[env], 1)
        return Assignment(task, start.target_xy[0], start.ee_pose[0], start.obj_pose(self._edge)[0])

    def metrics(self) -> dict:
        """Rates of both tasks, and how many successes came in a row. Attempts in a chain are not independent."""
        rates = {task: rate(*map(int, self._counts[task])) for task in keys.TASKS}
        return {
            **rates,
            **{f"{task}_success_rate": rates[task]["rate"] for task in keys.TASKS},
            "consecutive_success": chain_summary(self.cycles.tolist()),
            "chains": [{"cycles": int(c), "ended_by": e} for c, e in zip(self.cycles, self.ended_by, strict=True)],
            "num_envs": len(self.cycles),
            "max_cycles": self._max_cycles,
        }


def film_longest(simulations: Simulations, chains: Chains, shots: Mapping[int, list[tuple]], path: str | Path) -> Path:
    """Film the chain with most cycles, all its attempts; `shots[env]` holds the arguments of `film` for each."""
    longest = max(shots, key=lambda env: (chains.cycles[env], len(shots[env])))
    frames = chain.from_iterable(simulations.film(*shot) for shot in shots[longest])
    return write_mp4(path, frames, CONTROL_HZ)
