"""What a run has left on disk, gathered: `gather(name, data_dir, runs_dir)`.

A run that failed has left less, which is no error: what is absent is None or missing from its table, and a file that
cannot be read is named in `problems`.

    runs/evaluation_{task}_{name}/iter{n}/metrics.json   -> evaluation[task][n]
    runs/evaluation_{task}_{name}_{arm}/...              -> arms[arm][task][n], the experiment's other arms
    runs/alternating_{name}/iter{n}/metrics.json         -> alternating[n], a test of the policies of iteration n - 1
    runs/chains_{name}/iter{n}/metrics.json              -> long_chains[n], a longer test of those of iteration n
    runs/{alternating,chains}_{name}/iter{n}/longest_chain.mp4 -> chain_films
    data/A_{name}_replay.json                            -> replay
    runs/inspect_{name}/{task}/stats.json                -> inspection[task]
    data/B_{name}.npz, meta                              -> demos
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.config import Arm
from rev2fwd_il.episodes import EpisodeDataset
from rev2fwd_il.errors import DataError
from rev2fwd_il.json_files import read_json
from rev2fwd_il.metrics import mcnemar

DAGGER, *OTHER_ARMS = get_args(Arm)


@dataclass
class Results:
    """Everything a report shows, as it was read."""

    name: str
    evaluation: dict[str, dict[int, dict]] = field(default_factory=dict)
    arms: dict[str, dict[str, dict[int, dict]]] = field(default_factory=dict)
    alternating: dict[int, dict] = field(default_factory=dict)
    long_chains: dict[int, dict] = field(default_factory=dict)
    replay: dict | None = None
    demos: dict | None = None
    inspection: dict[str, dict] = field(default_factory=dict)
    pictures: dict[str, list[Path]] = field(default_factory=dict)  # of the inspections, by task
    films: dict[str, dict[int, list[Path]]] = field(default_factory=dict)  # of the evaluations, by task and iteration
    chain_films: dict[str, Path] = field(default_factory=dict)  # of the alternating tests, by name of the test
    problems: list[str] = field(default_factory=list)

    def rows(self) -> list[dict]:
        """One row per arm, task and iteration, the content of metrics.csv."""
        return [self._row(*where) for where in self.tests()]

    def tests(self) -> Iterator[tuple[str, str, int, dict]]:
        """(arm, task, iteration, metrics) of every evaluation, the method's own first."""
        for arm, tasks in ({DAGGER: self.evaluation} | self.arms).items():
            for task, tests in tasks.items():
                for iteration, metrics in tests.items():
                    yield arm, task, iteration, metrics

    def _row(self, arm: str, task: str, iteration: int, metrics: dict) -> dict:
        wilson, exact = (metrics.get(key) or [None, None] for key in ("wilson_95", "clopper_pearson_95"))
        chains = self.alternating.get(iteration + 1, {}) if arm == DAGGER else {}
        before = self.compare(task, iteration) if arm == DAGGER else None
        dagger = self.compare_with_dagger(arm, task, iteration)
        return {
            "arm": arm,
            "task": task,
            "iteration": iteration,
            "n": metrics.get("num_episodes"),
            "successes": metrics.get("successes"),
            "distance_threshold_m": metrics.get("distance_threshold"),
            "rate": metrics.get("rate"),
            "wilson_lo": wilson[0],
            "wilson_hi": wilson[1],
            "clopper_pearson_lo": exact[0],
            "clopper_pearson_hi": exact[1],
            "rate_at_0.05_m": (metrics.get("rates", {}).get("0.05") or {}).get("rate"),
            "mcnemar_p_vs_previous": before and before["p"],
            "mcnemar_p_vs_dagger": dagger and dagger["p"],
            "mean_consecutive": (chains.get("consecutive_success") or {}).get("mean"),
        }

    def compare(self, task: str, iteration: int) -> dict | None:
        """McNemar test of an iteration against the one before, on the same starts; None where they are not paired."""
        tests = self.evaluation[task]
        return _paired(tests.get(iteration - 1), tests[iteration])

    def compare_with_dagger(self, arm: str, task: str, iteration: int) -> dict | None:
        """McNemar test of an arm (first) against the method (second) at the same iteration, on the same starts."""
        if arm == DAGGER:
            return None
        return _paired(self.arms[arm][task][iteration], self.evaluation.get(task, {}).get(iteration))

    def to_dict(self) -> dict:
        """The content of metrics.json: numbers only, without the single episodes and without meta."""
        short, arms = {}, {}
        for arm, task, n, metrics in self.tests():
            numbers = _without(metrics, "episodes")
            if arm == DAGGER:
                short.setdefault(task, {})[n] = numbers | {"mcnemar_vs_previous": self.compare(task, n)}
            else:
                numbers["mcnemar_vs_dagger"] = self.compare_with_dagger(arm, task, n)
                arms.setdefault(arm, {}).setdefault(task, {})[n] = numbers
        return {
            "name": self.name, "evaluation": short, "arms": arms, "alternating": self.alternating,
            "long_chains": self.long_chains,
            "replay": self.replay and _without(self.replay, "episodes"), "demos": self.demos, "problems": self.problems,
            "inspection": {task: _without(stats, "meta") for task, stats in self.inspection.items()},
        }  # fmt: skip


def gather(name: str, data_dir: str | Path, runs_dir: str | Path) -> Results:
    """Read whatever exists of experiment `name`."""
    data_dir, runs_dir, out = Path(data_dir), Path(runs_dir), Results(name)
    for task in keys.TASKS:
        folder = runs_dir / f"evaluation_{task}_{name}"
        if tests := _read_iterations(folder, out):
            out.evaluation[task] = tests
        for arm in OTHER_ARMS:
            if tests := _read_iterations(folder.with_name(f"{folder.name}_{arm}"), out):
                out.arms.setdefault(arm, {})[task] = tests
        out.films[task] = {
            n: sorted(path.glob("videos/*.mp4"))
            for n, path in _iterations(folder, "")
            if any(path.glob("videos/*.mp4"))
        }
        folder = runs_dir / f"inspect_{name}" / task
        out.pictures[task] = sorted(folder.glob("*.png"))
        if (folder / "stats.json").is_file() and (stats := _read(folder / "stats.json", out)):
            out.inspection[task] = stats
    out.alternating = _read_iterations(runs_dir / f"alternating_{name}", out)
    out.long_chains = _read_iterations(runs_dir / f"chains_{name}", out)
    out.chain_films = {
        f"{title} {n}": path
        for kind, title in (("alternating", "test"), ("chains", "long chains of the policies of iteration"))
        for n, path in _iterations(runs_dir / f"{kind}_{name}", "longest_chain.mp4")
    }
    if (replay := data_dir / f"A_{name}_replay.json").is_file():
        out.replay = _read(replay, out)
    if (demos := data_dir / f"B_{name}.npz").is_file():
        out.demos = _demos(demos, out)
    return out


def _iterations(folder: Path, file: str) -> list[tuple[int, Path]]:
    """(n, <folder>/iter<n>/<file>) for each that exists, by n."""
    found = [(re.fullmatch(r"iter(\d+)", path.name), path / file) for path in folder.glob("iter*")]
    return sorted((int(match[1]), path) for match, path in found if match and path.exists())


def _read_iterations(folder: Path, out: Results) -> dict[int, dict]:
    read = {n: _read(path, out) for n, path in _iterations(folder, "metrics.json")}
    return {n: metrics for n, metrics in read.items() if metrics}


def _read(path: Path, out: Results) -> dict | None:
    try:
        return read_json(path)
    except DataError as error:
        out.problems.append(str(error))
        return None


def _demos(path: Path, out: Results) -> dict | None:
    try:
        dataset = EpisodeDataset(path)
    except DataError as error:
        out.problems.append(str(error))
        return None
    lengths = dataset.ends - dataset.starts
    counts = {key: dataset.meta.get(key) for key in ("attempted", "successful")}
    return counts | {"episodes": len(dataset), "frames": dataset.num_frames, "median_frames": float(np.median(lengths))}


def _paired(first: dict | None, second: dict | None) -> dict | None:
    """McNemar test of two evaluations; None where they did not meet the same starts."""
    before, after = ((metrics or {}).get("episodes") or [] for metrics in (first, second))
    if not before or _starts(before) != _starts(after):
        return None
    return mcnemar([episode["success"] for episode in before], [episode["success"] for episode in after])


def _starts(episodes: list[dict]) -> list[tuple]:
    return [(episode.get("object_xy"), episode.get("target_xy")) for episode in episodes]


def _without(values: dict, *names: str) -> dict:
    return {name: value for name, value in values.items() if name not in names}
