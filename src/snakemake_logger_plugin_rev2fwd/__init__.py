"""Snakemake logger plug-in: `snakemake --logger rev2fwd` shows one line a running job and the time left.

A dry run with it ends with what the plan costs, by the benchmark files of runs that exist: of all under runs/, or of
those that `--logger-rev2fwd-measured` names.

Warnings and errors are shown as they come. All else that Snakemake tells stands in its own log, .snakemake/log/.
"""

import logging
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

from rev2fwd_il.running.cost import Cost, PlannedJob
from rev2fwd_il.running.run_progress import RunProgress, read_past
from rev2fwd_il.running.status_lines import StatusLines

REFRESH_S = 1.0
FAILURE_LINES = 20


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """What a user may say about it."""

    measured: str = field(
        default="", metadata={"help": "names of the runs to learn from what a plan costs, with commas in between"}
    )


class LogHandler(LogHandlerBase):
    """Follows the events of a run."""

    def __post_init__(self) -> None:
        self._progress = RunProgress(read_past(Path("runs")))
        self._status = StatusLines(sys.stdout if self.common_settings.stdout else sys.stderr)
        self._plain = self._as_always() if self.common_settings.dryrun else None
        named = self.settings.measured.split(",") if self.settings and self.settings.measured else []
        self._cost = Cost(Path("runs"), named)
        self._began = time.monotonic()
        self._over = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def emit(self, record: logging.LogRecord) -> None:
        """One event; a failure here may not stop the run."""
        if self._plain is not None:
            self._plain.handle(record)
            if getattr(record, "event", None) == LogEvent.JOB_INFO and record.benchmark:
                self._cost.add(_planned(record))
            return
        try:
            self._follow(getattr(record, "event", None), record)
        except Exception:
            self.handleError(record)

    def _as_always(self) -> logging.Handler:
        """Snakemake's own handler: a plan is to be read as it always is."""
        told = self.common_settings
        handler = ColorizingTextHandler(nocolor=told.nocolor, stream=sys.stdout if told.stdout else sys.stderr)
        handler.addFilter(DefaultFilter(told.quiet, told.debug_dag, told.verbose, told.dryrun, told.printshellcmds))
        handler.setFormatter(DefaultFormatter(told.quiet, told.show_failed_logs))
        return handler

    def _follow(self, event: LogEvent | None, record: logging.LogRecord) -> None:
        if event == LogEvent.RUN_INFO:
            self._planned(record.stats)
        elif event == LogEvent.JOB_INFO:
            self._started(record)
        elif event == LogEvent.JOB_FINISHED:
            self._ended(record.job_id)
        elif event == LogEvent.JOB_ERROR:
            self._failed(record)
        elif _is_for_people(event, record):
            self._status.say(record.getMessage())

    def _planned(self, stats: dict) -> None:
        first = not self._progress.total
        self._progress.plan({rule: count for rule, count in stats.items() if rule != "total"})
        if first:
            self._status.say(f"{self._progress.total} jobs, {self._progress.time_left()}")
            self._clock.start()

    def _started(self, record: logging.LogRecord) -> None:
        if not record.log:
            return  # `all` does nothing
        log = Path(record.log[0])
        job = self._progress.start(record.jobid, log.stem, record.rule_name, log)
        if not self._status.in_place:
            self._status.say(f"start {job.name}: {record.rule_msg or record.rule_name}; details in {log}")

    def _ended(self, number: int) -> None:
        if job := self._progress.end(number):
            took = time.monotonic() - job.began_s
            self._status.say(f"done  {job.name} in {_clock_time(took)}; {self._progress.summary()}")

    def _failed(self, record: logging.LogRecord) -> None:
        if job := self._progress.end(record.jobid, failed=True):
            self._status.say(f"FAILED {job.name}; the end of {job.log}:")
            for line in _tail(job.log):
                self._status.say(f"    {line}")

    def _tick(self) -> None:
        while not self._over.wait(REFRESH_S):
            with self.lock:
                if self._progress.running:
                    self._status.show(self._progress.lines(), time.monotonic())

    def close(self) -> None:
        """The last line: how long it took, or will take."""
        if not self._over.is_set():
            self._over.set()
            if self._cost.stages:
                print("", *self._cost.lines(), sep="\n", flush=True)
            if self._progress.total:
                with self.lock:
                    took = _clock_time(time.monotonic() - self._began)
                    failed = ", ".join(job.name for job in self._progress.failed)
                    end = f", failed: {failed}" if failed else ""
                    self._status.say(f"{self._progress.done} of {self._progress.total} jobs done in {took}{end}")
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        return True

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False


def _is_for_people(event: LogEvent | None, record: logging.LogRecord) -> bool:
    """Warnings, errors but for commands that failed (JOB_ERROR tells of these), and that there is nothing to do."""
    if event == LogEvent.ERROR:
        return "CalledProcessError" not in record.getMessage()
    return event is None and (record.levelno >= logging.WARNING or record.getMessage() == NOTHING_TO_BE_DONE_MSG)


def _planned(record: logging.LogRecord) -> PlannedJob:
    """A job of a dry run, whose benchmark file lies in runs/benchmark_<run>/<job>.tsv."""
    path = Path(record.benchmark)
    steps = re.search(r" --steps (\d+)", record.shellcmd or "")
    return PlannedJob(
        path.parent.name.removeprefix("benchmark_"), path.stem, record.threads, record.resources.get("gpu", 0),
        int(steps[1]) if steps else None, tuple(map(str, record.output)),
    )  # fmt: skip


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _tail(log: Path | None) -> list[str]:
    """The last lines of a log, of a progress bar only its last state."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-FAILURE_LINES:] if log else []
    except OSError:
        return []
    return [line.rsplit("\r", 1)[-1] for line in lines]
