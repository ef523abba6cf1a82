"""A row of the table: ours and its reference, measured alternately so that both see the same machine load."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
RESULTS = ROOT / "runs" / "benchmarks"


@dataclass(frozen=True)
class Effort:
    """How much a measurement may cost."""

    repetitions: int
    quick: bool  # try the code: tiny sizes, figures that mean nothing
    run: Path | None = None  # where the workflow has run already

    def pick(self, full, quick):
        """One of two sizes."""
        return quick if self.quick else full

    def at_most(self, repetitions: int) -> range:
        """Repetitions of something that takes minutes."""
        return range(min(self.repetitions, repetitions))


@dataclass
class Row:
    """Figures of one line; without any it was not measured, and `note` says why."""

    what: str
    reference: str
    bar: str  # what the ratio ours / reference should be; empty where there is none
    unit: str
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    note: str = ""

    def measure(self, repetitions: Iterable, ours: Callable[[], float], theirs: Callable[[], float]) -> "Row":
        """Call both alternately; each returns its figure."""
        for _ in repetitions:
            self.theirs.append(theirs())
            self.ours.append(ours())
        return self

    def line(self) -> str:
        """The row as a line of the Markdown table."""
        if not self.ours:
            return f"| {self.what} | {self.reference} | {self.bar} | not measured | | | {self.note} |"
        ratios = [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        ratio = f"**{median(ratios):.3g}** ({min(ratios):.3g} to {max(ratios):.3g}, n = {len(ratios)})"
        figures = " | ".join(f"{median(values):.4g} {self.unit}" for values in (self.ours, self.theirs))
        return f"| {self.what} | {self.reference} | {self.bar} | {ratio} | {figures} | {self.note} |"


def record(rows: list[Row], ours: list[float], reference: float) -> None:
    """Add one repetition: a figure for each row, against the same reference."""
    for row, figure in zip(rows, ours, strict=True):
        row.ours.append(figure)
        row.theirs.append(reference)


def seconds(call: Callable[[], object]) -> float:
    """Duration of a call [s]."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def run_script(name: str, *arguments, threads: int = 1, **options) -> subprocess.Popen:
    """Start a script of the workflow as its rules do, silently."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, *map(str, [SCRIPTS / name, *arguments])]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, cwd=ROOT, **options)


def demonstrations(folder: Path, image_px: int, episodes: int, height_px: int | None = None) -> Path:
    """A dataset of Task B as the workflow collects it, with square images unless their height is given."""
    out = folder / f"B_{image_px}.npz"
    size = ["--image_width", image_px, "--image_height", height_px or image_px, "--num_envs", episodes]
    collecting = run_script(
        "1_collect_data_pick_place.py", "--out", out, "--num_episodes", episodes, *size, "--headless"
    )
    if collecting.wait():
        raise RuntimeError("collecting demonstrations failed: see above")
    return out


def checkpoint(folder: Path, data: Path, settings: list[str]) -> str:
    """A policy of these settings after two training steps: untrained, but as fast as a trained one."""
    from rev2fwd_il.config.reading import with_changes
    from rev2fwd_il.learning.dataset_writing import Source, write_lerobot_dataset
    from rev2fwd_il.learning.training import train
    from rev2fwd_il.learning.training_run import TrainingRun

    config = with_changes([*settings, "train.batch_size=8"])
    write_lerobot_dataset([Source(data)], folder / "lerobot", images=config.policy.images)
    return str(train(TrainingRun(folder / "lerobot", folder / "policy", config, steps=2, lr=1e-4)))
