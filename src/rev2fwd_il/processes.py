"""Processes of this machine as /proc shows them, and what a process of this project sets up for itself first."""

import contextlib
import ctypes
import gc
import os
import signal
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
PR_SET_PDEATHSIG = 1
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LIBC = ctypes.CDLL(None)


@dataclass(frozen=True)
class Process:
    """A running process; zombies do not count as running."""

    pid: int
    parent: int
    command: tuple[str, ...]

    @property
    def folder(self) -> Path | None:
        """Where it works, or None where that may not be seen."""
        try:
            return Path(os.readlink(PROC / str(self.pid) / "cwd"))
        except OSError:
            return None

    @property
    def is_snakemake(self) -> bool:
        """The engine itself: a Python that runs `snakemake` or `-m snakemake`, no shell or editor that names it."""
        return "python" in Path(self.command[0]).name and any(
            Path(word).name == "snakemake" for word in self.command[1:4]
        )

    def __str__(self) -> str:
        return f"{self.pid} ({' '.join(self.command)[:100]})"


def read(pid: int) -> Process | None:
    """The process of that number, or None."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
        command = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return None
    return None if fields[0] in "ZX" else Process(pid, int(fields[1]), tuple(command) or ("",))


def all_processes() -> list[Process]:
    """Everything that runs now."""
    found = (read(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit())
    return [process for process in found if process]


def ancestors(pid: int) -> list[Process]:
    """Parent, grandparent, ... up to the first process of the machine."""
    out, process = [], read(pid)
    while process and process.parent and (process := read(process.parent)):
        out.append(process)
    return out


def descendants(pid: int) -> list[Process]:
    """Children, grandchildren, ... of a process, parents first."""
    processes, found = all_processes(), [pid]
    for parent in found:
        found += [process.pid for process in processes if process.parent == parent]
    by_pid = {process.pid: process for process in processes}
    return [by_pid[each] for each in found[1:]]


def kill_descendants(pid: int) -> None:
    """SIGKILL all that a process has started."""
    for process in descendants(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def end_with(parent: int) -> None:
    """This process gets SIGKILL when its parent ends, and now if that is gone already."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


def tune_memory() -> None:
    """Have Python look for garbage a fortieth as often, and the C library keep freed memory for whoever asks next.

    Neither changes a result: a simulation starts in four fifths of the time, a training step loses no time to pages
    that come and go (docs/decisions.md).
    """
    gc.set_threshold(30_000)
    LIBC.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)  # the largest it takes
    LIBC.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
