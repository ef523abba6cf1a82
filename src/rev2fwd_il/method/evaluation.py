"""Independent episodes from fixed, seeded starts that every checkpoint shares.

Start i depends on the seed, the task and nothing else; its stream is named "evaluation", so no demonstration and no
chain starts there. Rates are given at the asked tolerance, and at 3 and 5 cm, each with a success detector of its own.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from rev2fwd_il.config.task import TaskSettings
from rev2fwd_il.data.video_files import write_mp4
from rev2fwd_il.keys import CONTROL_HZ
from rev2fwd_il.method.episodes import EpisodeResult, EpisodeSpec
from rev2fwd_il.method.parallel import Simulations
from rev2fwd_il.method.statistics import rate
from rev2fwd_il.seeds import generator
from rev2fwd_il.tasks import make_task
from rev2fwd_il.tasks.task import Task

REPORTED_TOLERANCES_M = (0.03, 0.05)


def evaluation_starts(task_config: TaskSettings, task: str, seed: int, count: int) -> list[EpisodeSpec]:
    """The first `count` starts of a task; a smaller count gives a prefix of a larger one."""
    which = make_task(task_config)
    return [evaluation_start(which, task, seed, index) for index in range(count)]


def evaluation_start(which: Task, task: str, seed: int, index: int) -> EpisodeSpec:
    """Start number `index`, whatever others there are."""
    start = which.sample_initial_states(task, generator(seed, "evaluation", task, index), 1)
    return EpisodeSpec(task, start.target_pose[0], start.ee_pose[0], start.obj_pose[0], index)


class FixedStarts:
    """Assigns the starts of `evaluation_starts` in turn: an environment that is done takes the next one."""

    def __init__(self, specs: Iterable[EpisodeSpec]):
        self._waiting = deque(specs)

    def assign(self, env: int, result: EpisodeResult | None) -> EpisodeSpec | None:
        """The next start, whatever became of the last."""
        return self._waiting.popleft() if self._waiting else None

    def split(self, num_envs: Iterable[int]) -> list["FixedStarts"]:
        """Dealt out like cards, to so many shares."""
        waiting, parts = list(self._waiting), len(list(num_envs))
        return [FixedStarts(waiting[index::parts]) for index in range(parts)]


def evaluate(
    simulations: Simulations, task_config: TaskSettings, task: str, *, episodes: int, max_episode_steps: int, seed: int
) -> Iterator[EpisodeResult]:
    """Attempts from all starts, in the order in which they end."""
    starts = FixedStarts(evaluation_starts(task_config, task, seed, episodes))
    return simulations.attempts(starts, max_episode_steps=max_episode_steps, tolerances_m=REPORTED_TOLERANCES_M)


def summarize_evaluation(results: list[EpisodeResult], tolerance_m: float, kinds: Iterable[str]) -> dict:
    """Metrics of an evaluation at `tolerance_m`, failures by `kinds`; one entry an episode, in order of the starts."""
    results = sorted(results, key=lambda result: result.spec.index)
    successes = sum(result.success for result in results)
    failures = Counter(result.failure for result in results if not result.success)
    errors = [result.final_error_m for result in results if result.success]
    overall = rate(successes, len(results))
    return {
        "num_episodes": len(results),
        "distance_threshold": tolerance_m,
        **{key: overall[key] for key in ("successes", "rate", "wilson_95", "clopper_pearson_95")},
        "rates": {
            f"{tolerance:.2f}": rate(sum(result.success_at[tolerance] for result in results), len(results))
            for tolerance in REPORTED_TOLERANCES_M
        },
        "failures": {kind: failures.get(kind, 0) for kind in kinds},
        "median_final_error_m": float(np.median(errors)) if errors else None,
        "steps_mean": float(np.mean([len(result.episode) for result in results])),
        "episodes": [_row(result) for result in results],
    }


def _row(result: EpisodeResult) -> dict:
    return {
        "object_pose": result.spec.obj_pose.tolist(),
        "ee_pose": result.spec.ee_pose.tolist(),
        "object_xy": result.spec.obj_pose[:2].tolist(),
        "target_xy": result.spec.target_pose[:2].tolist(),
        "success": result.success,
        "failure": result.failure,
        "final_error_m": result.final_error_m,
        "success_at": {f"{tolerance:.2f}": success for tolerance, success in result.success_at.items()},
        "steps": len(result.episode),
    }


def write_videos(simulations: Simulations, results: list[EpisodeResult], folder: Path, count: int) -> list[Path]:
    """Videos of the first `count` successes and of the first of each kind of failure, up to `count` of them."""
    successes = [result for result in results if result.success][:count]
    kinds = {result.failure: result for result in reversed(results) if not result.success}
    paths = []
    for result in [*successes, *list(kinds.values())[:count]]:
        frames = simulations.render_video(result.joint_pos, result.episode.obj_pose, result.episode.target_xy)
        label = "success" if result.success else result.failure
        paths.append(write_mp4(folder / f"{label}_start{result.spec.index:03d}.mp4", frames, CONTROL_HZ))
    return paths
