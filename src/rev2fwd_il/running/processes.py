"""Processes of this machine, and what a process of this project sets up for itself first."""

import contextlib
import ctypes
import gc
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from rev2fwd_il.running.patches import FREED_MEMORY

PR_SET_PDEATHSIG = 1
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
MMAP_THRESHOLD_BYTES, TRIM_THRESHOLD_BYTES = 32 * 2**20, 2**31 - 1  # the largest that each takes
PROBE_BYTES = 8 * 2**20
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
            return Path(psutil.Process(self.pid).cwd())
        except psutil.Error:
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
        found = psutil.Process(pid)
        with found.oneshot():
            if found.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return None
            return Process(pid, found.ppid(), tuple(found.cmdline()) or ("",))
    except psutil.Error:
        return None


def all_processes() -> list[Process]:
    """Everything that runs now."""
    return _running(psutil.pids())


def ancestors(pid: int) -> list[Process]:
    """Parent, grandparent, ... up to the first process of the machine."""
    try:
        return _running(parent.pid for parent in psutil.Process(pid).parents())
    except psutil.Error:
        return []


def descendants(pid: int) -> list[Process]:
    """Children, grandchildren, ... of a process, parents first."""
    try:
        return _running(child.pid for child in psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return []


def kill_descendants(pid: int) -> None:
    """SIGKILL all that a process has started."""
    for process in descendants(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def _running(pids: Iterable[int]) -> list[Process]:
    found = (read(pid) for pid in pids)
    return [process for process in found if process]


def end_with(parent: int) -> None:
    """This process gets SIGKILL when its parent ends, and now if that is gone already."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


@contextlib.contextmanager
def scheduling_restored() -> Iterator[None]:
    """Give this thread its scheduling class back at the end.

    SVT-AV1, LeRobot's video encoder, makes a thread of root's that encodes a real-time one: it and every process that
    it starts from then on would go before all others of the machine.
    """
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


def tune_memory() -> None:
    """Have Python look for garbage a fortieth as often, and glibc keep freed memory for the next allocation.

    Neither changes a result: a simulation starts in four fifths of the time, a training step loses no time to pages
    that come and go (docs/decisions.md).
    """
    gc.set_threshold(30_000)
    if FREED_MEMORY.fits() and not keep_freed_memory():
        FREED_MEMORY.fall_back(f"a block of {PROBE_BYTES} bytes is still mapped anew")


def keep_freed_memory() -> bool:
    """Have blocks up to 32 MiB come from memory that is kept when they are freed; whether one does."""
    LIBC.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
    LIBC.mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)
    LIBC.mallinfo.restype, LIBC.malloc.restype, LIBC.free.argtypes = _MallInfo, ctypes.c_void_p, [ctypes.c_void_p]
    mapped = LIBC.mallinfo().hblks
    block = LIBC.malloc(ctypes.c_size_t(PROBE_BYTES))
    kept = LIBC.mallinfo().hblks == mapped
    LIBC.free(block)
    return kept


class _MallInfo(ctypes.Structure):
    """struct mallinfo; `hblks` counts the blocks that are mapped for themselves."""

    _fields_ = (
        *(("arena", ctypes.c_int), ("ordblks", ctypes.c_int), ("smblks", ctypes.c_int), ("hblks", ctypes.c_int)),
        ("others", ctypes.c_int * 6),
    )
