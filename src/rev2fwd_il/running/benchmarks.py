"""What jobs of a run took: the benchmark files that Snakemake writes, one table of one row a job.

runs/benchmark_{name}/{job}.tsv -> read_benchmarks(folder)[job] = Benchmark(seconds, cpu_seconds, max_rss_mb)
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Benchmark:
    """Time from start to end [s], time on processors [s], and largest memory [MB] of a job; None: not measured."""

    seconds: float
    cpu_seconds: float | None = None
    max_rss_mb: float | None = None


def read_benchmarks(folder: str | Path) -> dict[str, Benchmark]:
    """Job -> what it took, by name; files that do not hold a benchmark are passed over."""
    found = {path.stem: _read(path) for path in sorted(Path(folder).glob("*.tsv"))}
    return {job: benchmark for job, benchmark in found.items() if benchmark}


def iteration_of(job: str) -> int:
    """The iteration in the name of a job; 0 for a job that has none."""
    found = re.search(r"_iter(\d+)$", job)
    return int(found[1]) if found else 0


def stage_of(job: str) -> str:
    """The name of a job without task, arm and iteration: "evaluate_A_iter1" -> "evaluate"."""
    return re.sub(r"_(A|B|iter\d+|no_rollouts|forward_demos|teacher)(?=_|$)", "", job)


def _read(path: Path) -> Benchmark | None:
    try:
        with open(path, newline="") as file:
            row = list(csv.DictReader(file, delimiter="\t"))[-1]
        return Benchmark(float(row["s"]), _number(row.get("cpu_time")), _number(row.get("max_rss")))
    except (OSError, ValueError, TypeError, LookupError):
        return None


def _number(text: str | None) -> float | None:
    """A short job was not sampled: Snakemake writes NA."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
