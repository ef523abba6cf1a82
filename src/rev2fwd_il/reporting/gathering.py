"""Read what a run has left on disk: `gather(name, data_dir, runs_dir, selection)`.

A run that failed has left less, which is no error: what is absent is None or missing from its table. A file that cannot
be read is named in `problems`, one that `selection` does not ask for in `left_out`.

    runs/evaluation_{task}_{name}/iter{n}/metrics.json, videos/   -> evaluation, videos
    runs/evaluation_{task}_{name}_{arm}/iter{n}/metrics.json      -> arms
    runs/{alternating,chains}_{name}/iter{n}/metrics.json         -> alternating, long_chains
    runs/{alternating,chains}_{name}/iter{n}/longest_chain.mp4    -> chain_videos
    runs/chains_{name}/iter{n}/recoveries/*.mp4                   -> recovery_videos
    runs/stopping_{name}/iter{n}.json                             -> decision, the last
    runs/inspect_{name}/{task}/stats.json, *.png, *.rrd           -> inspection, inspection_figures, recordings
    runs/benchmark_{name}/*.tsv                                   -> benchmarks
    data/A_{name}_replay.json, or _replay_refused.json            -> replay
    data/{B,reversed_A,A}_{name}.npz                              -> datasets, and demos of the first
    data/rollout_{task}_{name}_iter{n}.npz                        -> rollouts, the last
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.errors import DataError
from rev2fwd_il.method.reversibility import refused_record
from rev2fwd_il.reporting.results import Results
from rev2fwd_il.reporting.selection import EVERYTHING, METHOD, Selection
from rev2fwd_il.running.benchmarks import iteration_of, read_benchmarks
from rev2fwd_il.running.json_files import read_json
from rev2fwd_il.running.lineage import read_record


def gather(name: str, data_dir: str | Path, runs_dir: str | Path, selection: Selection = EVERYTHING) -> Results:
    """Read whatever exists of experiment `name` and is asked for; says in `left_out` what else there is."""
    reader = _Reader(Results(name, shows=selection.describe()), selection, Path(data_dir), Path(runs_dir))
    for task in keys.TASKS:
        reader.evaluations(task)
        reader.inspection(task)
        reader.rollouts(task)
    reader.alternating_tests()
    reader.decision()
    reader.data()
    reader.benchmarks()
    return reader.out


class _Reader:
    """Fills `out`, one kind of artifact a method."""

    def __init__(self, out: Results, selection: Selection, data_dir: Path, runs_dir: Path):
        self.out, self._selection, self._data_dir, self._runs_dir = out, selection, data_dir, runs_dir

    def evaluations(self, task: str) -> None:
        folder = self._runs_dir / f"evaluation_{task}_{self.out.name}"
        tests = self._tests("evaluation", folder)
        if tests:
            self.out.evaluation[task] = tests
        videos = {n: sorted((folder / f"iter{n}" / "videos").glob("*.mp4")) for n in tests}
        self.out.videos[task] = {n: paths for n, paths in videos.items() if paths}
        for other in sorted(self._runs_dir.glob(f"{folder.name}_*")):
            arm = other.name.removeprefix(f"{folder.name}_")
            if tests := self._tests("evaluation", other, arm):
                self.out.arms.setdefault(arm, {})[task] = tests

    def alternating_tests(self) -> None:
        self.out.alternating = self._tests("rollouts", self._runs_dir / f"alternating_{self.out.name}")
        self.out.long_chains = self._tests("chains", self._runs_dir / f"chains_{self.out.name}")
        shown = (("alternating", "alternating test", self.out.alternating),)
        shown = (*shown, ("chains", "long chains of iteration", self.out.long_chains))
        for folder, title, tests in shown:
            paths = {n: self._runs_dir / f"{folder}_{self.out.name}" / f"iter{n}" / "longest_chain.mp4" for n in tests}
            self.out.chain_videos |= {f"{title} {n}": path for n, path in paths.items() if path.is_file()}
        for n in self.out.long_chains:
            videos = sorted((self._runs_dir / f"chains_{self.out.name}" / f"iter{n}" / "recoveries").glob("*.mp4"))
            self.out.recovery_videos |= {f"{path.stem}, long chains of iteration {n}": path for path in videos}

    def decision(self) -> None:
        path = self._runs_dir / f"stopping_{self.out.name}" / f"iter{self._selection.iterations}.json"
        if self._selection.chosen is not None and path.is_file():
            self.out.decision = self._read(path)

    def rollouts(self, task: str) -> None:
        pattern = f"rollout_{task}_{self.out.name}_iter*.npz"
        for n, path in _numbered(self._data_dir.glob(pattern), r"_iter(\d+)\.npz$"):
            if self._belongs(path, self._selection.why_not("rollouts", n) or self._why_outdated(path)):
                self.out.rollouts[task] = (n, path)

    def inspection(self, task: str) -> None:
        folder = self._runs_dir / f"inspect_{self.out.name}" / task
        stats = self._read(folder / "stats.json") if (folder / "stats.json").is_file() else None
        figures = sorted(folder.glob("*.png"))
        if stats and self._belongs(folder, self._selection.why_outdated(stats.get("meta"))):
            self.out.inspection[task] = stats
            written = stats.get("written", [])
            self.out.inspection_figures[task] = [path for path in figures if path.name in written]
            self.out.left_out += [f"{path}: not of this inspection" for path in figures if path.name not in written]
            recordings = [path for path in sorted(folder.glob("*.rrd")) if path.name in written]
            if recordings:
                self.out.recordings[task] = recordings[0]

    def data(self) -> None:
        for what, stem in (("demos", "B"), ("reversals", "reversed_A"), ("replayed", "A")):
            path = self._data_dir / f"{stem}_{self.out.name}.npz"
            if path.is_file() and self._belongs(path, self._why_outdated(path)):
                self.out.datasets[what] = path
        if "demos" in self.out.datasets:
            self.out.demos = self._describe(self.out.datasets["demos"])
        path = self._data_dir / f"A_{self.out.name}_replay.json"
        path = refused if (refused := refused_record(path)).is_file() else path
        replay = self._read(path) if path.is_file() else None
        if replay and self._belongs(path, self._selection.why_outdated(replay.get("made_by"))):
            self.out.replay = replay

    def benchmarks(self) -> None:
        last = self._selection.iterations
        found = read_benchmarks(self._runs_dir / f"benchmark_{self.out.name}")
        self.out.benchmarks = {job: took for job, took in found.items() if last is None or iteration_of(job) <= last}

    def _tests(self, kind: str, folder: Path, arm: str = METHOD) -> dict[int, dict]:
        """n -> metrics of each test in `folder` that belongs to the run."""
        tests = {}
        for n, parent in _numbered(folder.glob("iter*"), r"^iter(\d+)$"):
            path = parent / "metrics.json"
            if not path.is_file() or not self._belongs(parent, self._selection.why_not(kind, n, arm)):
                continue
            metrics = self._read(path)
            if metrics and self._belongs(parent, self._selection.why_outdated(metrics.get("made_by"))):
                tests[n] = metrics
        return tests

    def _belongs(self, path: Path, why_not: str | None) -> bool:
        if why_not:
            self.out.left_out.append(f"{path}: {why_not}")
        return not why_not

    def _why_outdated(self, path: Path) -> str | None:
        if self._selection.config is None:
            return None
        try:
            return self._selection.why_outdated(read_record(path))
        except DataError:
            return "without a record of what made it"

    def _read(self, path: Path) -> dict | None:
        try:
            return read_json(path)
        except DataError as error:
            self.out.problems.append(str(error))
            return None

    def _describe(self, path: Path) -> dict | None:
        try:
            dataset = EpisodeDataset(path)
        except DataError as error:
            self.out.problems.append(str(error))
            return None
        counts = {key: dataset.meta.get(key) for key in ("attempted", "successful")}
        lengths = dataset.ends - dataset.starts
        frames = {"frames": dataset.num_frames, "median_frames": float(np.median(lengths))}
        return counts | {"episodes": len(dataset)} | frames


def _numbered(paths: Iterator[Path], pattern: str) -> list[tuple[int, Path]]:
    """(n, path) of the paths whose name matches the pattern, by n."""
    found = [(re.search(pattern, path.name), path) for path in paths]
    return sorted((int(match[1]), path) for match, path in found if match)
