"""What the runs of a study have left, and what is missing of each.

asked = Asked(iterations=2, arms=("with_rollouts", "no_rollouts"), chains=True)
runs = [read_study_run(Path("runs"), name, owner, {"task_kind": "stack", "seed": "0"}, asked), ...]
"""

from dataclasses import dataclass
from pathlib import Path

from rev2fwd_il.config.run import evaluated_in
from rev2fwd_il.errors import DataError
from rev2fwd_il.reporting.runs import Run, read_run
from rev2fwd_il.reporting.selection import METHOD
from rev2fwd_il.running.benchmarks import Benchmark, read_benchmarks
from rev2fwd_il.running.provenance import content_hash


@dataclass(frozen=True)
class Asked:
    """What every run of the study was asked for."""

    iterations: int
    arms: tuple[str, ...]
    chains: bool

    def tests(self) -> list[tuple[str, str, int]]:
        """(arm, task, iteration) of every evaluation."""
        of_arms = ((arm, *evaluated_in(arm, self.iterations)) for arm in self.arms)
        return [(arm, task, n) for arm, tasks, iterations in of_arms for n in iterations for task in tasks]


@dataclass(frozen=True)
class StudyRun:
    """One run: its factors with the seed, its metrics where a report has written them, and what is missing."""

    name: str
    factors: dict[str, str]
    run: Run | None
    benchmarks: dict[str, Benchmark]  # by job; demonstrations taken over count as if it had made them
    missing: list[str]
    sources: dict[str, str]  # path -> content hash


def read_study_run(
    runs_dir: Path, name: str, owner: str, factors: dict[str, str], asked: Asked, *, so_far: bool = False
) -> StudyRun:
    """Read the report of a run, whose demonstrations run `owner` made; `so_far`: of one that failed in part."""
    path = runs_dir / f"report_{name}{'_so_far' if so_far else ''}" / "metrics.json"
    folders = [runs_dir / f"benchmark_{run}" for run in dict.fromkeys((owner, name))]
    read = [each for each in (path, *folders) if each.is_file() or any(each.glob("*.tsv"))]
    sources = {str(each): content_hash(each) for each in read}
    measured = [read_benchmarks(folder) for folder in folders]
    benchmarks = {job: one for job, one in measured[0].items() if job in SHARED_JOBS} | measured[-1]
    if not path.exists():
        return StudyRun(name, factors, None, benchmarks, [f"no report, {path}"], sources)
    try:
        run = read_run(path, factors, asked.iterations)
    except DataError as error:
        return StudyRun(name, factors, None, benchmarks, [f"no report that can be read ({error})"], sources)
    return StudyRun(name, factors, run, benchmarks, _missing(run, asked), sources)


SHARED_JOBS = ("collect", "reverse", "replay", "collect_forward")


def _missing(run: Run, asked: Asked) -> list[str]:
    found = {METHOD: run.metrics["evaluation"]} | run.metrics["arms"]
    lacking: dict[tuple[str, str], list[str]] = {}
    for arm, task, n in asked.tests():
        if (found.get(arm, {}).get(task, {}).get(str(n)) or {}).get("rate") is None:
            lacking.setdefault((arm, task), []).append(str(n))
    out = [f"no evaluation of task {task}, {arm}, iteration {' '.join(ns)}" for (arm, task), ns in lacking.items()]
    alternating = run.metrics.get("alternating", {})
    out += [f"no alternating test {n}" for n in range(1, asked.iterations + 1) if str(n) not in alternating]
    if asked.chains and str(asked.iterations) not in run.metrics["long_chains"]:
        out.append(f"no long chains of iteration {asked.iterations}")
    return out
