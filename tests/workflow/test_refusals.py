"""What the machine refuses is said clearly, and nothing is lost: the next run goes on."""

import os
import subprocess
import sys

import pytest
from engine import SNAKEMAKE, Workflow
from synthetic import make_episode, write_dataset

from rev2fwd_il.config.run import Config
from rev2fwd_il.running import doctor
from rev2fwd_il.running.provenance import content_hash, made_by

SMOKE = ("--configfile", "config/smoke.yaml", "--")
DEMOS, REVERSED = "data/B_smoke.npz", "data/reversed_A_smoke.npz"
# Root may write everywhere, unless it gives that up.
ORDINARY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


@pytest.fixture
def workflow(tmp_path):
    """Demonstrations are there, their reversal is to be made."""
    out = Workflow(tmp_path)
    record = made_by(Config(), kind="demonstrations", seed=0, task="B")
    write_dataset(tmp_path / DEMOS, [make_episode(seed) for seed in range(2)], **record)
    (tmp_path / "runs").mkdir()
    return out


def assert_goes_on(workflow):
    result = workflow(*SMOKE, REVERSED)
    assert result.returncode == 0, result.stdout
    assert content_hash(workflow.folder / REVERSED)


@pytest.mark.parametrize("place", [".", "data", "runs"])
def test_a_folder_that_cannot_be_written_is_named_before_anything_runs(workflow, place):
    folder = workflow.folder / place
    folder.chmod(0o555)
    try:
        result = workflow(*SMOKE, REVERSED, under=ORDINARY)
    finally:
        folder.chmod(0o755)
    assert result.returncode != 0
    assert f"error: {folder.resolve()}: cannot be written\n  expected:" in result.stdout, result.stdout
    assert "Traceback" not in result.stdout and not (workflow.folder / REVERSED).exists()
    assert_goes_on(workflow)


def test_a_full_disk_fails_the_job_and_the_next_run_goes_on(workflow):
    """A limit on file size stands for it: writing fails in the same places."""
    before = content_hash(workflow.folder / DEMOS)
    result = workflow(*SMOKE, REVERSED, under=("prlimit", "--fsize=500000"))
    assert result.returncode != 0
    assert "could not be written" in result.stdout and "free space" in result.stdout, result.stdout
    assert "Traceback" not in result.stdout and not (workflow.folder / REVERSED).exists()
    assert content_hash(workflow.folder / DEMOS) == before
    assert_goes_on(workflow)


def test_a_file_that_vanished_after_planning_is_named_and_built_again(workflow):
    snakefile = workflow.folder / "Snakefile"
    text = snakefile.read_text()
    vanish = f"doctor.announce(Path.cwd())\n    Path({DEMOS!r}).unlink()"
    snakefile.write_text(text.replace("doctor.announce(Path.cwd())", vanish))
    result = workflow(*SMOKE, REVERSED)
    assert result.returncode != 0
    assert f"{DEMOS} (missing locally" in result.stdout, result.stdout
    snakefile.write_text(text)
    assert workflow.plan(*SMOKE, REVERSED) == {"collect": 1, "reverse": 1}


def test_a_second_run_in_the_same_folder_is_refused_and_harms_nothing(workflow):
    gate, python = workflow.folder / "gate", workflow.folder / "python"
    os.mkfifo(gate)
    python.write_text(f'#!/bin/sh\nread _ < "{gate}"\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    first = subprocess.Popen(
        [SNAKEMAKE, *SMOKE, REVERSED], cwd=workflow.folder, env=os.environ | {"REV2FWD_PYTHON": str(python)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    release = os.open(gate, os.O_RDWR)
    try:
        assert any("Execute 1 jobs" in line for line in first.stdout)
        assert f"Snakemake {first.pid} is at work here" in "\n".join(map(str, doctor.examine(workflow.folder)))
        second = workflow(*SMOKE, REVERSED)
        assert second.returncode != 0 and "cannot be locked" in second.stdout, second.stdout
        os.write(release, b"go\n" * 2)  # one for job.py, one for the script
        output = first.communicate(timeout=300)[0]
    finally:
        first.kill()
        os.close(release)
    assert first.returncode == 0, output
    assert workflow.plan(*SMOKE, REVERSED) == {}
