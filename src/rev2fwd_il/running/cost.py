"""What a plan costs, by the benchmark files and outputs of runs that exist: job hours, core hours, GPU hours, disk.

    cost = Cost(Path("runs"), only=("circle",))
    cost.add(PlannedJob("circle-seed1", "train_A", threads=1, gpus=0, steps=4000, outputs=("runs/...",)))
    print("\\n".join(cost.lines()))

A job is taken to last as long as those of its stage did on average; a training, as long for each optimizer step.
"""

import functools
import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rev2fwd_il.running.benchmarks import read_benchmarks, stage_of
from rev2fwd_il.running.run_progress import last_bar

BENCHMARK = "benchmark_"
ARMS = re.compile(r"_no_rollouts|_forward_demos|_teacher|(?<=/)forward_|(?<=_)forward_")
TRAININGS = ("train", "finetune")
NAME = "{name}"
GB = 1e9


@dataclass(frozen=True)
class PlannedJob:
    """A job of a plan: its run, its name there, what it occupies, and its optimizer steps if it is a training."""

    run: str
    job: str
    threads: int
    gpus: int
    steps: int | None
    outputs: tuple[str, ...]


@dataclass
class Stage:
    """Sums over the planned jobs of one stage."""

    jobs: int = 0
    job_hours: float = 0.0
    core_hours: float = 0.0
    gpu_hours: float = 0.0
    disk_gb: float = 0.0
    unknown: int = 0  # jobs of a stage that was never measured


@dataclass
class Cost:
    """Adds up planned jobs; `only`: names of the runs to learn from, all under `runs_dir` if none is given."""

    runs_dir: Path
    only: Sequence[str] = ()
    stages: dict[str, Stage] = field(default_factory=dict)

    def __post_init__(self):
        found = sorted(path.name.removeprefix(BENCHMARK) for path in self.runs_dir.glob(f"{BENCHMARK}*"))
        self.measured = [name for name in found if not self.only or name in self.only]
        times: dict[str, list[float]] = {}
        for run in self.measured:
            for job, benchmark in read_benchmarks(self.runs_dir / f"{BENCHMARK}{run}").items():
                per_unit = benchmark.seconds / (_steps_of(self.runs_dir / f"log_{run}" / f"{job}.log") or 1)
                times.setdefault(stage_of(job), []).append(
                    per_unit if stage_of(job) in TRAININGS else benchmark.seconds
                )
        self._seconds = {stage: sum(values) / len(values) for stage, values in times.items()}

    def add(self, planned: PlannedJob) -> None:
        """Count a job."""
        stage = stage_of(planned.job)
        total = self.stages.setdefault(stage, Stage())
        total.jobs += 1
        total.disk_gb += sum(self._bytes(output, planned.run) for output in planned.outputs) / GB
        if stage not in self._seconds:
            total.unknown += 1
            return
        hours = self._seconds[stage] * ((planned.steps or 1) if stage in TRAININGS else 1) / 3600
        total.job_hours += hours
        total.core_hours += hours * planned.threads
        total.gpu_hours += hours * planned.gpus

    def lines(self) -> list[str]:
        """A table by stage with its sum, and what it rests on."""
        if not self.measured:
            asked = f" of {', '.join(self.only)}" if self.only else ""
            return [f"cost: no benchmark files{asked} under {self.runs_dir}: run something first, such as `make run`"]
        columns = ("jobs", "job_hours", "core_hours", "gpu_hours", "disk_gb")
        width = max(map(len, (*self.stages, "total")))
        out = [f"{'stage':<{width}}" + "".join(f"{name.replace('_', ' '):>12}" for name in columns)]
        rows = self.stages | {"total": self.total()}
        for name, row in rows.items():
            numbers = (f"{row.jobs:>12}", *(f"{getattr(row, column):>12.2f}" for column in columns[1:]))
            out.append(f"{name:<{width}}" + "".join(numbers))
        out.append(f"by what such jobs took and left in: {', '.join(self.measured)}; on a machine like that one")
        unknown = [f"{name} ({row.unknown})" for name, row in self.stages.items() if row.unknown]
        return [*out, f"never measured, counted as nothing: {', '.join(unknown)}"] if unknown else out

    def total(self) -> Stage:
        """All stages."""
        names = Stage.__dataclass_fields__
        return Stage(**{name: sum(getattr(row, name) for row in self.stages.values()) for name in names})

    def _bytes(self, output: str, run: str) -> float:
        """Mean size of such an output in the runs that exist; what only other arms leave is taken from the method's."""
        for pattern in dict.fromkeys((_pattern(output, run), _pattern(ARMS.sub("", output), run))):
            sizes = [size for name in self.measured for size in _sizes(pattern.replace(NAME, name))]
            if sizes:
                return sum(sizes) / len(sizes)
        return 0.0


def _pattern(output: str, run: str) -> str:
    """A glob for this output in any iteration, with NAME for its run; of a checkpoint, the whole run folder."""
    path = output.partition("/checkpoints/")[0].replace(run, NAME)
    return re.sub(r"iter\d+", "iter*", path)


@functools.cache
def _sizes(pattern: str) -> tuple[int, ...]:
    return tuple(_size(Path(path)) for path in sorted(glob.glob(pattern)))


def _size(path: Path) -> int:
    """Bytes of a file or of all files in a folder; a link takes none."""
    files = [path] if path.is_file() or path.is_symlink() else path.rglob("*")
    return sum(0 if file.is_symlink() else file.stat().st_size for file in files if file.is_file())


def _steps_of(log: Path) -> int | None:
    """Units that the last progress bar of a log counted: "4000/4000" -> 4000."""
    bar = last_bar(log)
    total = bar["count"].rpartition("/")[2] if bar else ""
    return int(total) if total.isdigit() and int(total) else None
