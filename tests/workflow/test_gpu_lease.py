"""GPUs of this machine under several Snakemakes: each held by one job, and free as soon as that is gone."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine import ROOT, SNAKEMAKE

from rev2fwd_il.running import gpu_lease
from rev2fwd_il.running.gpu_lease import GpuError, gpu_pool, has_own_assignment, lease

GPUS = "g0,g1,g2,g3"
JOBS = 50 if os.environ.get("REV2FWD_LONG") else 10  # of each Snakemake
RULES = """
PYTHON, JOB, HOLDER, WHO = (config[key] for key in ("python", "job", "holder", "who"))
rule all:
    input: [f"{WHO}/{i}" for i in range(config["jobs"])]
rule hold:
    output: f"{WHO}/{{i}}"
    resources: gpu=lambda wildcards: 1 + int(wildcards.i) % 2
    retries: 3
    shell: "{PYTHON} {JOB} --gpus {resources.gpu} -- {PYTHON} -S -E {HOLDER} {resources.gpu} 0.2 {output}"
"""


@pytest.fixture(autouse=True)
def own_leases(tmp_path, monkeypatch):
    monkeypatch.setenv(gpu_lease.FOLDER_VARIABLE, str(tmp_path / "leases"))
    for name in gpu_lease.SCHEDULER_JOBS:
        monkeypatch.delenv(name, raising=False)


def start_snakemake(folder: Path, who: str) -> subprocess.Popen:
    config = {
        "python": sys.executable,
        "job": ROOT / "workflow/scripts/job.py",
        "holder": Path(__file__).parent / "gpu_holder.py",
        "who": who,
        "jobs": JOBS,
    }
    command = [SNAKEMAKE, "--cores", "4", "--resources", "gpu=4", "--keep-going", "--rerun-incomplete", "--nolock"]
    command += ["--quiet", "all", "--scheduler", "greedy", "--config", *(f"{k}={v}" for k, v in config.items())]
    with open(folder / f"{who}.log", "a") as log:
        return subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env=os.environ | {"CUDA_VISIBLE_DEVICES": GPUS}
        )


def kill_a_holder(folder: Path, rng: random.Random) -> None:
    markers = sorted((folder / "held").glob("*")) if (folder / "held").exists() else []
    if markers:
        with contextlib.suppress(OSError):  # it has just ended
            os.kill(int(rng.choice(markers).read_text()), signal.SIGKILL)


def test_two_snakemakes_share_a_pool_and_kills_leak_nothing(tmp_path):
    (tmp_path / "Snakefile").write_text(RULES)
    rng = random.Random(0)
    first, second = (start_snakemake(tmp_path, who) for who in "ab")
    for _ in range(max(2, JOBS // 10)):
        time.sleep(rng.uniform(0.5, 2))
        kill_a_holder(tmp_path, rng)
    deadline = time.monotonic() + 600
    while second.poll() is None and not any((tmp_path / "b").glob("*")):
        assert time.monotonic() < deadline, (tmp_path / "b.log").read_text()
        time.sleep(0.1)
    second.kill()
    second.wait()
    assert start_snakemake(tmp_path, "b").wait(timeout=600) == 0, (tmp_path / "b.log").read_text()
    assert first.wait(timeout=600) == 0, (tmp_path / "a.log").read_text()
    assert not (tmp_path / "violations").exists(), (tmp_path / "violations").read_text()
    for who in "ab":
        assert len(list((tmp_path / who).iterdir())) == JOBS
    assert gpu_lease.holders() == {}


def test_a_killed_job_frees_its_devices_at_once(tmp_path):
    """Killed is the process beside the command; the command ends with it."""
    command = [sys.executable, ROOT / "workflow/scripts/job.py", "--gpus", "2", "--", "sleep", "600"]
    job = subprocess.Popen(command, env=os.environ | {"CUDA_VISIBLE_DEVICES": "g0,g1"}, stderr=subprocess.PIPE)
    assert job.stderr.readline() == b"GPUs: g0,g1\n"
    assert set(gpu_lease.holders()) == {"g0", "g1"}
    job.kill()
    job.wait()
    deadline = time.monotonic() + 10
    while gpu_lease.holders() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gpu_lease.holders() == {}


def test_devices_are_taken_all_or_none():
    pool = gpu_pool({"CUDA_VISIBLE_DEVICES": "g0,g1,g2"})
    with lease(2, pool) as held:
        assert held.devices == ("g0", "g1")
        with pytest.raises(GpuError, match="given up"), lease(2, pool, lambda: False):
            pass
        with lease(1, pool) as other:
            assert other.devices == ("g2",)
    with lease(3, pool) as held:
        assert held.devices == ("g0", "g1", "g2")


def test_more_than_there_are_is_refused_at_once():
    with pytest.raises(GpuError, match="a job needs 2 GPUs\n  expected: at least 2 in CUDA_VISIBLE_DEVICES=g0"):
        lease(2, gpu_pool({"CUDA_VISIBLE_DEVICES": "g0"})).__enter__()


@pytest.mark.parametrize(
    ("environment", "kept"),
    [
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0,1"}, True),
        ({"SLURM_JOB_ID": "7"}, True),
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0,1,2,3"}, False),  # a Snakemake inside an allocation
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, False),
    ],
)
def test_what_a_scheduler_assigned_is_kept(environment, kept):
    assert has_own_assignment(2, environment) == kept


def test_devices_of_two_allocations_are_not_the_same():
    pools = [gpu_pool({"SLURM_JOB_ID": job, "CUDA_VISIBLE_DEVICES": "0"}) for job in "78"]
    with lease(1, pools[0]), lease(1, pools[1], lambda: False):
        pass
