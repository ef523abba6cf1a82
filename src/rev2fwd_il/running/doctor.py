"""What killed runs leave in a folder: found, named, and said what to do about; `fix` removes what is safe to remove.

    for finding in examine(Path(".")): print(finding)

Safe are the locks of Snakemakes that are gone and the temporary files of writers that are gone. Part files and
snapshots stay: the next run continues them.
"""

import contextlib
import fcntl
import os
import platform
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rev2fwd_il.errors import DataError, Rev2FwdError
from rev2fwd_il.running import files, gpu_lease, processes

LOCKS, RUNS = Path(".snakemake/locks"), Path(".snakemake/rev2fwd_runs")
SCRIPTS = "workflow/scripts/"
ARTIFACTS = ("data", "runs")


@dataclass(frozen=True)
class Finding:
    """One thing found; `fix` is there where removing it is safe."""

    what: str
    do: str
    fix: Callable[[], None] | None = None

    def __str__(self) -> str:
        return f"{self.what}\n  do:       {self.do}"


def check_writable(folder: Path) -> None:
    """Raises DataError where a run could not write its artifacts, before it has begun."""
    for path in (folder, *(folder / part for part in (".snakemake", *ARTIFACTS))):
        if path.exists() and not os.access(path, os.W_OK | os.X_OK):
            raise DataError(
                f"{path}: cannot be written", expected="a folder of yours, on a disk mounted for writing",
                found=stat.filemode(path.stat().st_mode), do="fix permissions, or run in a copy elsewhere",
            )  # fmt: skip


def announce(folder: Path) -> None:
    """Say that this Snakemake runs here: another machine that shares the folder cannot see its process."""
    path = _announcement(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def withdraw(folder: Path) -> None:
    """Take back what `announce` said."""
    _announcement(folder).unlink(missing_ok=True)


def _announcement(folder: Path) -> Path:
    return folder / RUNS / f"{platform.node()}.{os.getpid()}"


def examine(folder: Path) -> list[Finding]:
    """What is to be known about runs in this folder."""
    folder = folder.resolve()
    here = [process for process in processes.all_processes() if process.folder == folder]
    engines = [process for process in here if process.is_snakemake]
    elsewhere = [path.name for path in _announcements(folder) if not path.name.startswith(f"{platform.node()}.")]
    return [
        *(Finding(f"Snakemake {each.pid} is at work here", "wait for it, or end it with SIGINT") for each in engines),
        *(
            Finding(
                f"a Snakemake of another machine may be at work here: {name}",
                f"look there; if it is gone, delete {RUNS / name}",
            )
            for name in elsewhere
        ),
        *_orphans(here),
        *([] if engines else _slurm_jobs(folder)),
        *([] if engines or elsewhere else _locks(folder)),
        *_announced_and_gone(folder),
        *_temporaries(folder),
        *_unfinished(folder),
        *_gpus(),
    ]


def _announcements(folder: Path) -> list[Path]:
    return sorted((folder / RUNS).glob("*.*"))


def _announced_and_gone(folder: Path) -> Iterator[Finding]:
    for path in _announcements(folder):
        host, _, pid = path.name.rpartition(".")
        process = processes.read(int(pid)) if pid.isdigit() else None
        if host == platform.node() and not (process and process.is_snakemake):
            yield Finding(f"Snakemake {pid} was killed", "`make run` continues", path.unlink)


def _orphans(here: list[processes.Process]) -> Iterator[Finding]:
    for process in here:
        named = [word for word in process.command if SCRIPTS in word]
        is_job = bool(named) and not any(word.endswith("/doctor.py") for word in named)
        above = processes.ancestors(process.pid) if is_job else []
        if is_job and above and not any(parent.is_snakemake for parent in above) and above[0].pid == 1:
            yield Finding(f"job {process} runs on without its Snakemake", f"kill {process.pid}, or wait for its end")


def _slurm_jobs(folder: Path) -> Iterator[Finding]:
    """Jobs that a killed Snakemake left with Slurm."""
    try:
        listing = subprocess.run(
            ["squeue", "--me", "-h", "-o", "%i %Z"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return
    for job, _, place in (line.partition(" ") for line in listing.splitlines()):
        if Path(place) == folder:
            yield Finding(f"Slurm job {job} runs on without its Snakemake", f"scancel {job}, or wait for its end")


def _locks(folder: Path) -> list[Finding]:
    locks = sorted((folder / LOCKS).glob("*"))
    if not locks:
        return []

    def remove_all():
        for lock in locks:
            lock.unlink(missing_ok=True)

    return [Finding(f"{LOCKS}: locks of a Snakemake that is gone", "`make run` or snakemake --unlock", remove_all)]


def _temporaries(folder: Path) -> Iterator[Finding]:
    for part in ARTIFACTS:
        for path in sorted((folder / part).rglob(".*.tmp")):
            if path.exists() and files.is_stale(path):
                yield Finding(
                    f"{path.relative_to(folder)}: half-written by a process that is gone", "`make run` removes it",
                    lambda path=path: files.remove(path),
                )  # fmt: skip


def _unfinished(folder: Path) -> Iterator[Finding]:
    for part in ARTIFACTS:
        for path in sorted((folder / part).rglob("*.part.h5")):
            if any(parent.suffix == ".tmp" for parent in path.relative_to(folder).parents):
                continue  # goes with the temporary folder it lies in
            state = "is being written" if _is_locked(path) else "was left by a run that ended early"
            yield Finding(f"{path.relative_to(folder)}: {state}", "nothing: the next run continues or replaces it")
        for path in sorted((folder / part).glob("*/*/resume/snapshot.pt")):
            yield Finding(f"{path.relative_to(folder)}: a training is unfinished", "nothing: the next run continues it")


def _is_locked(path: Path) -> bool:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _gpus() -> Iterator[Finding]:
    try:
        held = gpu_lease.holders()
    except Rev2FwdError:
        return
    for device, holder in held.items():
        process = processes.read(holder["pid"])
        who = f"process {process} in {holder['folder']}" if process else f"what process {holder['pid']} left running"
        yield Finding(f"GPU {device} is held by {who}", "nothing: it is free when that ends")
