"""Independent episodes from fixed, seeded starts that every checkpoint shares.

Start i depends on the seed, the task and nothing else; its stream is named "evaluation", so no demonstration and no
chain starts there. Rates are given at the asked tolerance and at the spec's 5 cm.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from rev2fwd_il.attempts import Assignment, Outcome
from rev2fwd_il.config import TaskConfig
from rev2fwd_il.films import write_mp4
from rev2fwd_il.metrics import rate
from rev2fwd_il.parallel import Simulations
from rev2fwd_il.provenance import CONTROL_HZ
from rev2fwd_il.seeds import generator
from rev2fwd_il.tasks import FAILURES, sample_starts

REPORTED_TOLERANCES_M = (0.03, 0.05)


def evaluation_starts(task_config: TaskConfig, task: str, seed: int, count: int) -> list[Assignment]:
    """The first `count` starts of a task; a smaller count gives a prefix of a larger one."""
    assignments = []
    for index in range(count):
        start = sample_starts(task_config, task, generator(seed, "evaluation", task, index), 1)
        pose = start.obj_pose(task_config.cube_edge)[0]
        assignments.append(Assignment(task, start.target_xy[0], start.ee_pose[0], pose, index))
    return assignments


class Starts:
    """Assigns the starts of `evaluation_starts` in turn: an environment that is done takes the next one."""

    def __init__(self, assignments: Iterable[Assignment]):
        self._waiting = deque(assignments)

    def assign(self, env: int, outcome: Outcome | None) -> Assignment | None:
        """The next start, whatever became of the last."""
        return self._waiting.popleft() if self._waiting else None

    def split(self, num_envs: Iterable[int]) -> list["Starts"]:
        """Dealt out like cards, to so many shares."""
        waiting, parts = list(self._waiting), len(list(num_envs))
        return [Starts(waiting[index::parts]) for index in range(parts)]


def evaluate(
    simulations: Simulations, task_config: TaskConfig, task: str, *, episodes: int, horizon: int, seed: int
) -> Iterator[Outcome]:
    """Attempts from all starts, in the order in which they end."""
    return simulations.attempts(Starts(evaluation_starts(task_config, task, seed, episodes)), horizon=horizon)


def summary(outcomes: list[Outcome], tolerance_m: float) -> dict:
    """Metrics of an evaluation whose Judge used `tolerance_m`; one entry an episode, in the order of the starts."""
    outcomes = sorted(outcomes, key=lambda outcome: outcome.assignment.index)
    successes = sum(outcome.success for outcome in outcomes)
    failures = Counter(outcome.failure for outcome in outcomes if not outcome.success)
    errors = [outcome.final_error_m for outcome in outcomes if outcome.success]
    overall = rate(successes, len(outcomes))
    return {
        "num_episodes": len(outcomes),
        "distance_threshold": tolerance_m,
        **{key: overall[key] for key in ("successes", "rate", "wilson_95", "clopper_pearson_95")},
        "rates": {
            f"{tolerance:.2f}": rate(sum(_succeeds_at(o, tolerance, tolerance_m) for o in outcomes), len(outcomes))
            for tolerance in REPORTED_TOLERANCES_M
        },
        "failures": {kind: failures.get(kind, 0) for kind in FAILURES},
        "median_final_error_m": float(np.median(errors)) if errors else None,
        "steps_mean": float(np.mean([len(outcome.episode) for outcome in outcomes])),
        "episodes": [_row(outcome) for outcome in outcomes],
    }


def _succeeds_at(outcome: Outcome, tolerance_m: float, judged_m: float) -> bool:
    """Success at another tolerance: within it, and judged a success or failed only for being placed too wide."""
    if outcome.final_error_m > tolerance_m:
        return False
    return outcome.success or (tolerance_m > judged_m and outcome.failure == "placed_wide")


def _row(outcome: Outcome) -> dict:
    return {
        "object_xy": outcome.assignment.obj_pose[:2].tolist(),
        "target_xy": outcome.assignment.target_xy.tolist(),
        "success": outcome.success,
        "failure": outcome.failure,
        "final_error_m": outcome.final_error_m,
        "steps": len(outcome.episode),
    }


def film_outcomes(simulations: Simulations, outcomes: list[Outcome], folder: Path, count: int) -> list[Path]:
    """Films of the first `count` successes and of the first of each kind of failure, up to `count` of them."""
    successes = [outcome for outcome in outcomes if outcome.success][:count]
    kinds = {outcome.failure: outcome for outcome in reversed(outcomes) if not outcome.success}
    paths = []
    for outcome in [*successes, *list(kinds.values())[:count]]:
        frames = simulations.film(outcome.joint_pos, outcome.episode.obj_pose, outcome.episode.target_xy)
        label = "success" if outcome.success else outcome.failure
        paths.append(write_mp4(folder / f"{label}_start{outcome.assignment.index:03d}.mp4", frames, CONTROL_HZ))
    return paths
