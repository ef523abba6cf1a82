"""The alternating test: A -> B -> A -> B ... in each environment, without a reset, until the first failure or beyond.

The red marker, B's target, moves after each A; the goal is fixed. Each environment is one chain with its own random
stream, so that `num_envs` changes how many chains there are and not what happens in them.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.config.run import Config
from rev2fwd_il.method.episodes import MAX_STILL, EpisodeResult, EpisodeSpec
from rev2fwd_il.method.recovery import RECOVER, STOP, AfterFailure, Next, Practice
from rev2fwd_il.method.statistics import chain_length_estimate, chain_summary, rate
from rev2fwd_il.seeds import generator
from rev2fwd_il.tasks import make_task

MAX_CYCLES = "max_cycles"  # what ended a chain that did not fail


class Chains:
    """Assigns the attempts of `num_envs` chains of at most `max_cycles` cycles, and counts.

    `after_failure` and `max_retries` say what follows a failure (recovery.py). With `move_away` the hand goes
    after each attempt to where demonstrations end, so that not all begin where the last has ended. Chain i of all
    those that several processes share has the number `first + i`, and its random stream.
    """

    def __init__(
        self, config: Config, num_envs: int, max_cycles: int, seed: int, first: int = 0,
        after_failure: str = STOP, max_retries: int = 0, move_away: bool = False,
    ):  # fmt: skip
        self._config, self._task, self._max_cycles = config, make_task(config.task), max_cycles
        self._seed, self._first, self._rules = seed, first, (after_failure, max_retries, move_away)
        self._move_away = move_away
        self._limits = {"max_closed_on_nothing": self._task.max_closed_on_nothing} if after_failure == RECOVER else {}
        self._limits |= {"max_still": MAX_STILL} if move_away else {}
        self._rngs = [generator(seed, "alternating", first + env) for env in range(num_envs)]
        self._after = [AfterFailure(after_failure, self._task, max_retries) for _ in range(num_envs)]
        self._attempts_made = np.zeros(num_envs, int)
        self.cycles = np.zeros(num_envs, int)  # consecutive successes: cycles before the first failure
        self.ended_by = [""] * num_envs
        self._strict, self._after_failure = (
            {task: np.zeros(2, int) for task in keys.TASKS} for _ in range(2)
        )  # successful, attempted: up to and with each chain's first failure, and after it
        self.practice = None if after_failure == STOP else Practice()

    @property
    def max_attempts(self) -> int:
        """Attempts of all chains together, where none ends early."""
        return 2 * self._max_cycles * len(self.cycles)

    def assign(self, env: int, result: EpisodeResult | None) -> EpisodeSpec | None:
        """The next attempt of a chain, or None when it has ended."""
        if result is None:
            return self._reset_to(keys.TASK_A, env)
        following = self.count(env, result)
        if following is None or self._attempts_made[env] == 2 * self._max_cycles:
            return None
        if following.reset:
            return self._reset_to(following.task, env)
        target_pose = self._task.sample_target(following.task, self._rngs[env])
        away = self._move_away and not result.success
        near = result.episode.obj_pose[-1:, :2]
        begin = self._task.sample_ee_poses(self._rngs[env], near)[0] if away else None
        return self._spec(env, following.task, target_pose, free_at_z=following.free_at_z, ee_begin=begin)

    def split(self, num_envs: Iterable[int]) -> list["Chains"]:
        """The same chains, none of them begun, in groups of these sizes."""
        bounds = pairwise(np.cumsum([self._first, *num_envs]).tolist())
        return [
            Chains(self._config, end - first, self._max_cycles, self._seed, first, *self._rules)
            for first, end in bounds
        ]

    def count(self, env: int, result: EpisodeResult) -> Next | None:
        """Take the result of a chain's last attempt into account; `assign` does that itself. What would follow."""
        task = result.spec.task
        self._attempts_made[env] += 1
        counts = self._after_failure if self.ended_by[env] else self._strict
        counts[task] += (result.success, 1)
        if not result.success and not self.ended_by[env]:
            self.ended_by[env] = f"{task}:{result.failure}"
        if task == keys.TASK_B and not self.ended_by[env]:
            self.cycles[env] += 1
        if self._attempts_made[env] == 2 * self._max_cycles:
            self.ended_by[env] = self.ended_by[env] or MAX_CYCLES
        following = self._after[env].next(result)
        if self.practice:
            self.practice.add(env, result, following)
        return following

    def recovers(self, env: int) -> bool:
        """Whether the chain's next attempt begins where a failed one has left things."""
        return self.practice is not None and self.practice.running[env] > 0

    def _reset_to(self, task: str, env: int) -> EpisodeSpec:
        start = self._task.sample_initial_states(task, self._rngs[env], 1)
        return self._spec(env, task, start.target_pose[0], ee_pose=start.ee_pose[0], obj_pose=start.obj_pose[0])

    def _spec(self, env: int, task: str, target_pose: np.ndarray, **start) -> EpisodeSpec:
        ends = self._task.sample_ee_poses(self._rngs[env], target_pose[None, :2])[0] if self._move_away else None
        return EpisodeSpec(task, target_pose, ee_end=ends, **start, **self._limits)

    def metrics(self) -> dict:
        """Rates of both tasks, and how many successes came in a row. Attempts in a chain are not independent.

        All of it counts a chain up to and with its first failure; what a chain that goes on does after that stands
        under `after_failure`. `practice` counts all attempts of chains that go on, and resets by hand.
        """
        rates, after = (
            {task: rate(*map(int, counts[task])) for task in keys.TASKS}
            for counts in (self._strict, self._after_failure)
        )
        return {
            **rates,
            **{f"{task}_success_rate": rates[task]["rate"] for task in keys.TASKS},
            "consecutive_success": chain_summary(self.cycles.tolist()),
            "chain_length": chain_length_estimate(self.cycles.tolist(), [e == MAX_CYCLES for e in self.ended_by]),
            "chains": [{"cycles": int(c), "ended_by": e} for c, e in zip(self.cycles, self.ended_by, strict=True)],
            "after_failure": after,
            **({"practice": self.practice.metrics()} if self.practice else {}),
            "num_envs": len(self.cycles),
            "max_cycles": self._max_cycles,
        }
