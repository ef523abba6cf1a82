"""GPUs for jobs of this machine: each held by one job at a time, whichever Snakemake started it.

    with lease(2, gpu_pool()) as held:        # waits until two devices are free
        held.devices                          # ("2", "3")

A device is held by a lock on a file (flock), which the kernel drops when the last process that has the file open is
gone, whatever ended it: nothing is left to clean up. The files lie in one folder per user. Devices are taken all or
none, so jobs cannot wait for each other; while a job waits for several, later jobs of the same pool wait behind it.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import random
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rev2fwd_il.errors import Rev2FwdError

VISIBLE = "CUDA_VISIBLE_DEVICES"
SCHEDULER_JOBS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")
FOLDER_VARIABLE = "REV2FWD_GPU_LEASES"
POLL_S = (0.1, 0.3)


class GpuError(Rev2FwdError):
    """More GPUs are asked for than there are, or their locks cannot be had."""


@dataclass(frozen=True)
class Pool:
    """Devices a job may be given, as CUDA_VISIBLE_DEVICES names them, each with the name of its lock."""

    locks: Mapping[str, str]
    source: str


@dataclass(frozen=True)
class Lease:
    """Devices that are held, and the open files that hold them."""

    devices: tuple[str, ...]
    files: tuple[int, ...]


def gpu_pool(environment: Mapping[str, str] = os.environ) -> Pool:
    """The devices of CUDA_VISIBLE_DEVICES, or else all of nvidia-smi.

    Inside a scheduler's job devices are numbered anew from 0, so their locks carry the job's number.
    """
    job = scheduler_job(environment)
    visible = environment.get(VISIBLE)
    by_index = {} if job else _uuids()
    if visible is None:
        return Pool({uuid: uuid for uuid in by_index.values()}, "nvidia-smi")
    names = [name.strip() for name in visible.split(",") if name.strip()]
    return Pool({name: f"{job or ''}{by_index.get(name, name)}" for name in names}, f"{VISIBLE}={visible}")


def scheduler_job(environment: Mapping[str, str] = os.environ) -> str | None:
    """A word for the scheduler's job this process runs in, or None."""
    found = [f"{name}-{environment[name]}-" for name in SCHEDULER_JOBS if environment.get(name)]
    return found[0] if found else None


def has_own_assignment(count: int, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a scheduler gave this job its devices: then they are kept.

    A Snakemake inside an allocation has more devices than one of its jobs asks for; those are shared out by lease.
    """
    visible = environment.get(VISIBLE)
    return scheduler_job(environment) is not None and (visible is None or len(visible.split(",")) <= count)


def _uuids() -> dict[str, str]:
    """Index -> UUID of this machine's GPUs; empty where there are none."""
    query = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(tuple(word.strip() for word in line.split(",", 1)) for line in lines if "," in line)


def lease_folder() -> Path:
    """This user's folder of locks on this machine. Raises GpuError where someone else owns it."""
    default = Path("/tmp") / f"rev2fwd_gpu_leases_{os.getuid()}"  # not TMPDIR, which differs from session to session
    folder = Path(os.environ.get(FOLDER_VARIABLE) or default)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise GpuError(f"{folder}: no place for GPU locks", found=error, do=f"set {FOLDER_VARIABLE}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise GpuError(f"{folder}: belongs to someone else", do=f"set {FOLDER_VARIABLE} to a folder of your own")
    return folder


@contextlib.contextmanager
def lease(count: int, pool: Pool, still_wanted: Callable[[], bool] = lambda: True) -> Iterator[Lease]:
    """Hold `count` devices of the pool; waits while they are taken and `still_wanted()`.

    Raises GpuError when the pool is too small, or when the wait was given up.
    """
    if count > len(pool.locks):
        raise GpuError(
            f"a job needs {count} GPUs", expected=f"at least {count} in {pool.source}", found=list(pool.locks),
            do="ask for fewer (train.num_processes), offer more, or run on the CPU (train.device, sim.device)",
        )  # fmt: skip
    folder = lease_folder()
    turn = hashlib.sha256(" ".join(sorted(pool.locks.values())).encode()).hexdigest()[:12]
    with contextlib.ExitStack() as files:
        queue = poll_until(lambda: _lock(folder / f"{turn}.queue"), still_wanted)
        try:
            held = poll_until(lambda: _take(count, pool, folder), still_wanted)
        finally:
            os.close(queue)
        for file in held.values():
            files.callback(os.close, file)
        yield Lease(tuple(held), tuple(held.values()))


def poll_until[T](attempt: Callable[[], T | None], still_wanted: Callable[[], bool]) -> T:
    """What `attempt` gives as soon as that is not None. Raises GpuError when it is no longer wanted."""
    while (result := attempt()) is None:
        if not still_wanted():
            raise GpuError("waiting for a GPU was given up", found="Snakemake is gone")
        time.sleep(random.uniform(*POLL_S))
    return result


def _take(count: int, pool: Pool, folder: Path) -> dict[str, int] | None:
    """Device -> open file that holds it, for `count` devices; or none of them, and None."""
    held: dict[str, int] = {}
    for device, name in pool.locks.items():
        if len(held) == count:
            break
        file = _lock(folder / f"{name.replace('/', '_')}.lock")
        if file is not None:
            held[device] = file
    if len(held) < count:
        for file in held.values():
            os.close(file)
        return None
    for file in held.values():
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps({"pid": os.getpid(), "folder": os.getcwd()}).encode(), 0)
    return held


def _lock(path: Path) -> int | None:
    """An open file that holds the lock at `path`, or None where another does."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise GpuError(f"{path}: not a usable lock", found=error, do=f"set {FOLDER_VARIABLE}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def holders() -> dict[str, dict]:
    """Lock name -> {"pid", "folder"} of each device that is held now."""
    out = {}
    for path in sorted(lease_folder().glob("*.lock")):
        with open(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                with contextlib.suppress(ValueError):
                    out[path.stem] = json.loads(file.read())
    return out
