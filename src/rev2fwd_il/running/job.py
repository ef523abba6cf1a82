"""One job of the workflow: its GPUs held while it runs, and an end with its Snakemake.

    run_job(["python", "workflow/scripts/4_train_diffusion.py", ...], gpus=2)

Snakemake gives local jobs no GPU each, and leaves them behind when it is killed. So a small process stays beside the
command: it holds the lease, and ends the command and all that it started when Snakemake is gone. Killed itself, it
takes the command along; the lease lasts until that is gone too.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence

from rev2fwd_il.running import gpu_lease, processes

PR_SET_CHILD_SUBREAPER = 36
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
POLL_MS = 1000


def run_job(command: Sequence[str], gpus: int) -> int:
    """Run the command with that many GPUs; returns its exit status, 128 + n when signal n ended it.

    Raises GpuError when they cannot be had. Without GPUs to lease, CUDA_VISIBLE_DEVICES stays as it is.
    """
    masters = _Masters()
    if not gpus or gpu_lease.has_own_assignment(gpus):
        return _run(command, dict(os.environ), (), masters)
    with gpu_lease.lease(gpus, gpu_lease.gpu_pool(), masters.are_there) as held:
        print(f"GPUs: {','.join(held.devices)}", file=sys.stderr, flush=True)
        environment = os.environ | {gpu_lease.VISIBLE: ",".join(held.devices)}
        return _run(command, environment, held.files, masters)


class _Masters:
    """The processes this job runs for: the rule's shell and the Snakemakes above it."""

    def __init__(self):
        above = processes.ancestors(os.getpid())
        watched = above[:1] + [process for process in above[1:] if process.is_snakemake]
        self.files = []
        for process in watched:
            with contextlib.suppress(OSError):  # gone between reading and opening
                self.files.append(os.pidfd_open(process.pid))

    def are_there(self) -> bool:
        return not _readable(self.files, 0)


def _readable(files: Sequence[int], timeout_ms: int) -> bool:
    poll = select.poll()
    for file in files:
        poll.register(file, select.POLLIN)
    return bool(poll.poll(timeout_ms))


def _run(command: Sequence[str], environment: dict, files: tuple[int, ...], masters: _Masters) -> int:
    processes.LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)  # what the command leaves behind becomes ours to end
    me = os.getpid()
    child = subprocess.Popen(command, env=environment, pass_fds=files, preexec_fn=lambda: processes.end_with(me))
    for number in FORWARDED:
        signal.signal(number, lambda number, _: child.send_signal(number))
    ended = os.pidfd_open(child.pid)
    while not _readable([ended, *masters.files], POLL_MS):
        pass
    orphaned = not _readable([ended], 0)
    if orphaned or child.wait() < 0:
        processes.kill_descendants(me)
    status = child.wait()
    if orphaned:
        print("error: Snakemake is gone: the job was ended\n  do:       `make run` continues", file=sys.stderr)
    elif status < 0:
        print(f"error: the job was ended by {signal.Signals(-status).name}", file=sys.stderr)
    return 128 - status if status < 0 else status
