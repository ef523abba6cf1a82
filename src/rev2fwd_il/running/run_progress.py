"""How far a run of the workflow is: its jobs, what each tells in its log, and the time left by jobs that have ended.

    progress = RunProgress(read_past(Path("runs")), now=time.monotonic)
    progress.plan({"train": 2, "evaluate": 4})
    progress.start(3, "train_A", "train", log);  print(progress.lines());  progress.end(3)

Knows nothing of Snakemake: its logger plug-in feeds this.
"""

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rev2fwd_il.running.benchmarks import read_benchmarks, stage_of

BAR = re.compile(  # of tqdm: " 42%|████ | 1680/4000 [03:20<04:37,  8.37step/s, loss=0.0031]"
    r"(?P<percent>\d+)%\|[^|]*\|\s*(?P<count>\S+)\s*\[(?P<spent>[^<\]]*)<(?P<left>[^,\]]*),\s*(?P<rate>[^,\]]*)"
)
TAIL_BYTES = 4000
NO_WORK = ("all",)  # rules without a job of their own


@dataclass
class Job:
    """A job that runs: name, rule, log, and when it began [s]."""

    name: str
    rule: str
    log: Path | None
    began_s: float


@dataclass(frozen=True)
class Past:
    """Times of earlier jobs [s]: by name, mean by stage, and how many ran beside each other."""

    by_job: dict[str, float] = field(default_factory=dict)
    by_stage: dict[str, float] = field(default_factory=dict)
    at_once: float = 1.0


def read_past(runs_dir: Path) -> Past:
    """The benchmark files of all runs under a folder; of jobs of the same name the newest counts."""
    folders = sorted(runs_dir.glob("benchmark_*"), key=lambda folder: folder.stat().st_mtime)
    by_job, stages, at_once = {}, {}, 1.0
    for folder in folders:
        found = {job: one.seconds for job, one in read_benchmarks(folder).items()}
        by_job |= found
        at_once = _at_once(folder, found) or at_once
    for job, seconds in by_job.items():
        stages.setdefault(stage_of(job), []).append(seconds)
    return Past(by_job, {stage: sum(times) / len(times) for stage, times in stages.items()}, at_once)


def _at_once(folder: Path, seconds: dict[str, float]) -> float | None:
    """Jobs beside each other, on average, from when the benchmark files were written; None for fewer than three."""
    if len(seconds) < 3:
        return None
    ends = {job: (folder / f"{job}.tsv").stat().st_mtime for job in seconds}
    busy, until = 0.0, 0.0  # time in which at least one job ran: a run that went on another day has gaps
    for end, job in sorted((end, job) for job, end in ends.items()):
        busy += max(0.0, end - max(until, end - seconds[job]))
        until = max(until, end)
    return max(1.0, sum(seconds.values()) / busy) if busy else None


@dataclass
class RunProgress:
    """Jobs of one run; `now` is a clock [s]."""

    past: Past
    now: Callable[[], float] = time.monotonic
    waiting: Counter = field(default_factory=Counter)  # rule -> jobs that have not begun
    running: dict[int, Job] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)  # numbers of all jobs that have
    total: int = 0
    done: int = 0
    failed: list[Job] = field(default_factory=list)
    took: dict[str, list[float]] = field(default_factory=dict)  # rule -> times of the jobs that have ended here [s]

    def plan(self, jobs_by_rule: dict[str, int]) -> None:
        """Take over the plan."""
        self.waiting = Counter({rule: count for rule, count in jobs_by_rule.items() if rule not in NO_WORK})
        self.total = self.waiting.total()

    def start(self, number: int, name: str, rule: str, log: Path | None) -> Job:
        """A job begins; a retry begins once more."""
        if self.waiting[rule] > 0:
            self.waiting[rule] -= 1
        elif number not in self.begun:
            self.total += 1  # a decision on the way (rules/stopping.smk) has made the plan longer
        self.begun.add(number)
        self.running[number] = Job(name, rule, log, self.now())
        return self.running[number]

    def end(self, number: int, *, failed: bool = False) -> Job | None:
        """A job ends; None for one that never began, such as `all`."""
        job = self.running.pop(number, None)
        if job is not None:
            self.done += not failed
            if failed:
                self.failed.append(job)
            else:
                self.took.setdefault(job.rule, []).append(self.now() - job.began_s)
        return job

    def seconds(self, rule: str, name: str | None = None) -> float | None:
        """What such a job takes: the same one before, else others of its rule here, else of its stage before."""
        here = self.took.get(rule)
        others = sum(here) / len(here) if here else self.past.by_stage.get(rule)
        return self.past.by_job.get(name or "", others)

    def lines(self) -> list[str]:
        """One line a running job, and one about all."""
        jobs = list(self.running.values())
        width = max((len(job.name) for job in jobs), default=0)
        return [*(f"{job.name:<{width}}  {self.describe(job)}" for job in jobs), self.summary()]

    def describe(self, job: Job) -> str:
        """How far a job is by its own words, else how long it has run."""
        told = last_bar(job.log)
        if told:
            count = told["count"].replace("/", " of ")
            return f"{told['percent']:>3} %  {count} {unit_of(told['rate'])}, {told['left']} left"
        expected = self.seconds(job.rule, job.name)
        about = f" of about {short_time(expected)}" if expected else ""
        return f"  –    running for {short_time(self.now() - job.began_s)}{about}"

    def summary(self) -> str:
        """Jobs done and failed, and the time left."""
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{self.done} of {self.total} jobs done{failed}; {self.time_left()}"

    def time_left(self) -> str:
        """In words, by what jobs took: work that is left, over the jobs that run beside each other."""
        unknown = sorted(rule for rule, count in self.waiting.items() if count and self.seconds(rule) is None)
        work = sum(count * (self.seconds(rule) or 0) for rule, count in self.waiting.items())
        parts = [self._left(job) for job in self.running.values()]
        unknown += sorted({job.rule for job, part in zip(self.running.values(), parts) if part is None} - {*unknown})
        known = [part for part in parts if part is not None]
        at_once = max(self.past.at_once, len(self.running))
        seconds = max([(work + sum(known)) / at_once, *known])
        if not unknown:
            return f"about {short_time(seconds)} left"
        least = f"more than {short_time(seconds)} left" if seconds else "time left unknown"
        return f"{least}, never measured: {', '.join(unknown)}"

    def _left(self, job: Job) -> float | None:
        """Seconds until a job ends, by earlier ones of its name or stage, else by its own words."""
        expected = self.seconds(job.rule, job.name)
        if expected is not None:
            return max(0.0, expected - (self.now() - job.began_s))
        told = last_bar(job.log)  # of the bar's own time: a job may draw several, one after the other
        return seconds_of(told["left"]) if told else None


def last_bar(log: Path | None) -> dict[str, str] | None:
    """The last progress bar (tqdm's) in a log: percent, count, spent, left, rate; None where there is none."""
    if log is None:
        return None
    try:
        with open(log, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    bars = list(BAR.finditer(text))
    return bars[-1].groupdict() if bars else None


def seconds_of(clock: str) -> float | None:
    """tqdm's "04:37" or "1:04:37" in seconds; None for "?"."""
    parts = clock.strip().split(":")
    if not all(part.isdigit() for part in parts):
        return None
    return float(sum(int(part) * 60**power for power, part in enumerate(reversed(parts))))


def unit_of(rate: str) -> str:
    """Plural of what a bar counts: "8.37step/s" and "1.25s/step" -> "steps"."""
    parts = [part for part in re.split(r"[\d.?]+|/", rate) if part.strip() not in ("", "s")]
    return f"{parts[0].strip()}s" if parts else ""


def short_time(seconds: float) -> str:
    """ "40 s", "8 min", "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
