"""The workflow on a real Slurm: one node of this machine, four GPUs that are not. Opt-in: `make test-slurm`, as root.

What each job asked for and was given is written to slurm_jobs.log beside this run's files, as `scontrol` tells it.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/workflow"))
from engine import SNAKEMAKE
from synthetic import make_episode, write_dataset

WHOLE = os.environ.get("REV2FWD_SLURM") == "smoke"
POLICY = "runs/diffusion_B_smoke/iter0/checkpoints/checkpoints/last/pretrained_model/model.safetensors"
PROFILE = ("--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "2")


def scontrol() -> str:
    return subprocess.run(["scontrol", "show", "jobs", "-d"], capture_output=True, text=True, check=True).stdout


class Cluster:
    """A folder with the workflow, where Snakemake submits to Slurm."""

    def __init__(self, folder: Path):
        self.folder = folder
        for part in ("rules", "profiles", "workflow", "config", "report", "envs", "assets"):
            (folder / part).symlink_to(ROOT / part)

    def start(self, *arguments: str) -> subprocess.Popen:
        environment = os.environ | {"REV2FWD_PYTHON": sys.executable, "PYTHONPATH": str(ROOT / "src")}
        return subprocess.Popen(
            [SNAKEMAKE, *PROFILE, *arguments], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, *arguments: str, timeout_s: float = 600) -> tuple[int, str]:
        process = self.start(*arguments)
        output = process.communicate(timeout=timeout_s)[0]
        return process.returncode, output

    def got(self, name: str) -> str:
        return (self.folder / "got" / name).read_text()


@pytest.fixture(scope="module")
def slurm():
    script = ROOT / "tests/slurm/cluster.sh"
    up = subprocess.run([script, "up"], capture_output=True, text=True, timeout=600)
    if up.returncode:
        pytest.fail(f"no cluster: {up.stdout[-2000:]}{up.stderr[-2000:]}")
    yield
    subprocess.run([script, "down"], timeout=60)


@pytest.fixture
def cluster(slurm, tmp_path):
    out = Cluster(tmp_path)
    (tmp_path / "Snakefile").symlink_to(ROOT / "tests/slurm/Snakefile")
    yield out
    log = Path(os.environ.get("REV2FWD_SLURM_LOG", tmp_path / "slurm_jobs.log"))
    with open(log, "a") as file:
        file.write(scontrol())


def field(text: str, name: str) -> str:
    return re.search(rf"\b{name}=(\S+)", text).group(1)


def test_every_job_gets_what_it_asks_for(cluster):
    status, output = cluster.run()
    assert status == 0, output
    for gpus in (0, 1, 2, 4):
        job = cluster.got(f"{gpus}_gpus")
        assert field(job, "NumCPUs") == "2" and field(job, "Partition") == "gpu"
        assert field(job, "TimeLimit") == "00:07:00" and re.search(r"mem=600M|MinMemoryNode=600M", job)
        visible = re.search(r"visible=(\S*)", job).group(1)
        assert len([device for device in visible.split(",") if device]) == gpus
        assert (f"gres/gpu={gpus}" in job or f"gpu:{gpus}" in job) == bool(gpus)


def test_small_jobs_share_a_submission(cluster):
    status, output = cluster.run(*(f"got/small_{i}" for i in range(4)))
    assert status == 0, output
    assert len({field(cluster.got(f"small_{i}"), "JobId") for i in range(4)}) == 2


def test_a_cancelled_job_is_retried_with_more(cluster):
    snakemake = cluster.start("got/slow")
    deadline = time.monotonic() + 600
    while not (running := subprocess.check_output(["squeue", "-h", "-t", "R", "-o", "%i"], text=True).split()):
        assert time.monotonic() < deadline, scontrol()
        time.sleep(0.5)
    subprocess.run(["scancel", running[-1]], check=True)
    output = snakemake.communicate(timeout=900)[0]
    assert snakemake.returncode == 0, output
    job = cluster.got("slow")
    assert "attempt=2" in job and field(job, "TimeLimit") == "00:10:00" and "1000M" in job
    assert field(job, "JobId") != running[-1]


def test_a_job_that_asks_for_more_than_there_is_fails_with_a_clear_message(cluster):
    status, output = cluster.run("got/too_much", "--retries", "0")
    assert status != 0
    assert "Requested node configuration is not available" in output, output


def test_the_workflow_itself_runs_through_it(slurm, tmp_path):
    """From demonstrations (synthetic ones) to pictures of them and a policy; SLURM=smoke: the whole smoke run."""
    cluster = Cluster(tmp_path)
    (tmp_path / "Snakefile").symlink_to(ROOT / "Snakefile")
    targets = ["runs/report_smoke/index.html"] if WHOLE else ["runs/inspect_smoke/B", POLICY]
    if not WHOLE:
        write_dataset(tmp_path / "data/B_smoke.npz", [make_episode(seed) for seed in range(2)])
    status, output = cluster.run("--configfile", "config/smoke.yaml", "--", *targets, timeout_s=7200)
    assert status == 0, output[-5000:]
    assert all((tmp_path / target).exists() for target in targets)
