"""The numbers behind each figure, one dictionary a row: what is written beside it as CSV. [m], [s]"""

from collections.abc import Iterator

import numpy as np

from rev2fwd_il.data.reading import Episode, EpisodeDataset
from rev2fwd_il.reporting.analysis import count_chain_lengths, final_errors_m
from rev2fwd_il.reporting.results import Results

CURVE = ("arm", "task", "iteration", "n", "successes", "distance_threshold_m", "rate", "wilson_lo", "wilson_hi")


def success_curve(results: Results) -> list[dict]:
    """Rates with their intervals, by arm, task and iteration."""
    return [{name: row[name] for name in CURVE} for row in results.rows()]


def chains(results: Results) -> Iterator[dict]:
    """How many chains of a test had how many consecutive successes."""
    tests = [("alternating", n - 1, metrics) for n, metrics in results.alternating.items()]
    tests += [("long chains", n, metrics) for n, metrics in results.long_chains.items()]
    for test, iteration, metrics in tests:
        for cycles, count in count_chain_lengths(metrics).items():
            yield {
                "test": test, "policies_of_iteration": iteration, "consecutive_cycles": cycles, "chains": count,
                "max_cycles": metrics.get("max_cycles"),
            }  # fmt: skip


def practice(results: Results) -> Iterator[dict]:
    """Interventions of the tests whose chains went on after failures."""
    for test, iteration, numbers in results.practice():
        rate = numbers["interventions_per_1000_attempts"]
        low, high = rate["poisson_95"] or (None, None)
        yield {
            "test": test, "policies_of_iteration": iteration, "attempts": numbers["attempts"],
            "simulated_hours": numbers["simulated_hours"], "interventions": numbers["interventions"],
            "per_1000_attempts": rate["rate"], "poisson_lo": low, "poisson_hi": high,
        }  # fmt: skip


def failures(results: Results) -> Iterator[dict]:
    """Failed episodes of each evaluation, by kind."""
    for arm, task, iteration, metrics in results.tests():
        for kind, count in (metrics.get("failures") or {}).items():
            yield {"arm": arm, "task": task, "iteration": iteration, "failure": kind, "episodes": count}


def replays(outcomes: list[dict]) -> Iterator[dict]:
    """One replayed trajectory a row."""
    names = ("success", "failure", "tracking_error_mean_m", "tracking_error_max_m", "final_error_m")
    for index, outcome in enumerate(outcomes):
        yield {"trajectory": index} | {name: outcome.get(name) for name in names}


def over_time(named: dict[str, Episode], fps: float) -> Iterator[dict]:
    """Poses, command and gripper of episodes, frame by frame."""
    for name, episode in named.items():
        columns = {
            f"{what}_{axis}_m": poses[:, column]
            for what, poses in (("object", episode.obj_pose), ("ee", episode.ee_pose), ("command", episode.action))
            for column, axis in enumerate("xyz")
        }
        columns |= {"gripper_width_m": episode.gripper_width, "gripper_command": episode.action[:, 7]}
        for frame in range(len(episode)):
            values = {column: round(float(series[frame]), 5) for column, series in columns.items()}
            yield {"episode": name, "time_s": round(frame / fps, 4)} | values


def paths(dataset: EpisodeDataset) -> Iterator[dict]:
    """The object's path in every episode, frame by frame."""
    for index, (start, end) in enumerate(zip(dataset.starts, dataset.ends)):
        target = dataset.target_xy[index]
        outcome = {"episode": index, "success": bool(dataset.success[index])}
        for frame, (x, y, z) in enumerate(np.asarray(dataset.arrays["obj_pose"][start:end, :3])):
            place = {"x_m": round(float(x), 4), "y_m": round(float(y), 4), "z_m": round(float(z), 4)}
            yield outcome | {"frame": frame} | place | dict(zip(("target_x_m", "target_y_m"), map(float, target)))


def episodes(dataset: EpisodeDataset, fps: float) -> Iterator[dict]:
    """Start, target, length and final error of every episode."""
    starts = np.asarray(dataset.arrays["obj_pose"])[dataset.starts, :2]
    errors = final_errors_m(dataset)
    for index in range(len(dataset)):
        places = {"start": starts[index], "target": dataset.target_xy[index]}
        row = {f"{what}_{axis}_m": round(float(xy[i]), 5) for what, xy in places.items() for i, axis in enumerate("xy")}
        length = round(float(dataset.ends[index] - dataset.starts[index]) / fps, 4)
        rest = {"length_s": length, "final_error_m": round(float(errors[index]), 5)}
        yield {"episode": index, "success": bool(dataset.success[index])} | row | rest
