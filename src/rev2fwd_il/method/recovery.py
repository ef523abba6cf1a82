"""What follows a failed attempt, and what practice amounts to when nothing is reset: A and B are each other's reset.

    rule = AfterFailure("recover", task, max_retries=4)
    rule.next(result)     -> Next("A", reset=False): A again, from where the object lies

The task says which of A and B can begin there (`Task.can_begin`); of two, the one that has failed less often since the
last success, since a policy that is stuck is often stuck again. Each may fail `max_retries` times more than once; then,
or where neither can begin, it needs an intervention: a reset.

No demonstration begins with an object in the hand or with closed fingers, and from there policies seldom succeed. So
the hand first puts down what it holds, opens and rises; also where attempts have failed twice in a row.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.keys import CONTROL_HZ
from rev2fwd_il.method.episodes import EpisodeResult
from rev2fwd_il.method.statistics import poisson_rate, rate
from rev2fwd_il.tasks.task import Task

STOP, RESET, RECOVER = "stop", "reset", "recover"
OUT_OF_TRIES, NOTHING_CAN_BEGIN = "max_retries", "neither_can_begin"
IN_THE_AIR_M = 0.02  # above where it would rest: the hand has it, however askew
OTHER = {keys.TASK_A: keys.TASK_B, keys.TASK_B: keys.TASK_A}


@dataclass(frozen=True)
class Next:
    """The attempt that follows: as things are, or after a reset, and why that is needed.

    With `free_at_z` the end effector is lowered to that height [m] before, the fingers open, and it rises.
    """

    task: str
    reset: bool = False
    why: str | None = None
    free_at_z: float | None = None


def held(task: Task, ee_pose: np.ndarray, obj_pose: np.ndarray, gripper_width: float) -> bool:
    """Whether the hand at pose (7,) has the object."""
    in_the_air = obj_pose[2] - task.put_down_pose(obj_pose)[2] > IN_THE_AIR_M
    return in_the_air or bool(task.holds(np.linalg.norm(ee_pose[:3] - obj_pose[:3]), gripper_width))


def put_down_z(task: Task, ee_pose: np.ndarray, obj_pose: np.ndarray) -> float:
    """Height [m] of the end effector at which the object that it holds rests."""
    return float(ee_pose[2] + task.put_down_pose(obj_pose)[2] - obj_pose[2])


class AfterFailure:
    """What follows each attempt of one chain."""

    def __init__(self, mode: str, task: Task, max_retries: int):
        self._mode, self._task, self._max_retries = mode, task, max_retries
        self._failures: Counter[str] = Counter()  # of A and B since the last success

    def next(self, result: EpisodeResult) -> Next | None:
        """After this attempt, the newest; None: the chain ends."""
        task = result.spec.task
        if result.success:
            self._failures.clear()
            return Next(OTHER[task])
        if self._mode == STOP:
            return None
        if self._mode == RESET:
            return Next(OTHER[task], reset=True, why=RESET)
        self._failures[task] += 1
        ee_pose, obj_pose = result.episode.ee_pose[-1], result.episode.obj_pose[-1]
        has_it = held(self._task, ee_pose, obj_pose, result.episode.gripper_width[-1])
        possible = self._task.can_begin(self._task.put_down_pose(obj_pose) if has_it else obj_pose)
        candidate = min(possible, key=self._failures.__getitem__, default=None)
        if candidate and self._failures[candidate] <= self._max_retries:
            closed = result.episode.action[-1, 7] == keys.GRIPPER_CLOSE
            needed = has_it or closed or self._failures.total() > 1
            at_z = put_down_z(self._task, ee_pose, obj_pose) if has_it else float(ee_pose[2])
            return Next(candidate, free_at_z=at_z if needed else None)
        self._failures.clear()
        return Next(keys.TASK_A, reset=True, why=OUT_OF_TRIES if possible else NOTHING_CAN_BEGIN)


@dataclass
class Practice:
    """Counts attempts of chains that go on after failures. A run of failures ends by a success or an intervention."""

    attempts: int = 0
    successes: int = 0
    control_steps: int = 0
    failures: Counter = field(default_factory=Counter)  # TASK:KIND -> attempts
    interventions: Counter = field(default_factory=Counter)  # TASK:KIND, reason -> attempts after which it was needed
    recovered: Counter = field(default_factory=Counter)  # failures in a row -> runs of failures that a success ended
    running: Counter = field(default_factory=Counter)  # environment -> failures since its last success or reset

    def add(self, env: int, result: EpisodeResult, following: Next) -> None:
        """The next result of an environment, and what follows it."""
        self.attempts += 1
        self.control_steps += result.control_steps
        if result.success:
            self.successes += 1
            if failed := self.running.pop(env, 0):
                self.recovered[failed] += 1
            return
        kind = f"{result.spec.task}:{result.failure}"
        self.failures[kind] += 1
        self.running[env] += 1
        if following.reset:
            del self.running[env]
            self.interventions[kind, following.why] += 1

    def metrics(self) -> dict:
        """Numbers for JSON. Runs of failures that the test's end cut off (`open`) count neither way."""
        hours = self.control_steps / CONTROL_HZ / 3600
        interventions, recovered = self.interventions.total(), self.recovered.total()
        runs = recovered + interventions
        within = {tries: sum(self.recovered[failed] for failed in range(1, tries + 1)) for tries in (1, 2)}
        per_attempt, per_hour = poisson_rate(interventions, self.attempts), poisson_rate(interventions, hours)
        return {
            "attempts": self.attempts,
            "successes": self.successes,
            "simulated_hours": hours,
            "successes_per_hour": self.successes / hours if hours else None,
            "interventions": interventions,
            "interventions_per_1000_attempts": _scaled(per_attempt, 1000),
            "attempts_between_interventions": _inverse(per_attempt),
            "hours_between_interventions": _inverse(per_hour),
            "runs_of_failures": {
                "ended": runs,
                "open": len(self.running),
                "without_intervention": rate(recovered, runs),
                "at_the_next_attempt": rate(within[1], runs),
                "within_two_attempts": rate(within[2], runs),
                "lengths": {str(failed): count for failed, count in sorted(self.recovered.items())},
            },
            "failures": dict(self.failures.most_common()),
            "interventions_after": [
                {"failure": kind, "reason": why, "count": count}
                for (kind, why), count in self.interventions.most_common()
            ],
        }


def _scaled(estimate: dict, factor: float) -> dict:
    """A Poisson rate in another unit."""
    interval = estimate["poisson_95"]
    return {
        "rate": None if estimate["rate"] is None else factor * estimate["rate"],
        "poisson_95": interval and [factor * bound for bound in interval],
    }


def _inverse(estimate: dict) -> dict:
    """Exposure between events; None where none has occurred, or no bound is known."""
    low, high = estimate["poisson_95"] or (0.0, 0.0)
    return {
        "mean": 1 / estimate["rate"] if estimate["rate"] else None,
        "poisson_95": [1 / high if high else None, 1 / low if low else None],
    }
