"""Snakemake's logger plug-in in the real Snakemake, on a workflow of seconds."""

import os
import subprocess

from engine import ROOT, SNAKEMAKE

SNAKEFILE = """
rule all:
    input: "done_A", "done_B"
rule train:
    message: "Train {wildcards.task}"
    output: "done_{task}"
    log: "runs/log_x/train_{task}.log"
    benchmark: "runs/benchmark_x/train_{task}.tsv"
    shell: "echo about {wildcards.task} > {log}; [ {wildcards.task} = A ] && touch {output}"
"""


def run(folder, *arguments):
    """Snakemake on SNAKEFILE; what it tells (a plan on standard output) and its exit status."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [SNAKEMAKE, "--cores", "1", "--keep-going", "--logger", "rev2fwd", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr, done.returncode


def test_what_is_done_what_fails_and_where_to_look(tmp_path):
    told, status = run(tmp_path)
    assert status == 1
    lines = told.splitlines()
    assert lines[0] == "2 jobs, time left unknown, never measured: train"
    assert "start train_A: Train A; details in runs/log_x/train_A.log" in lines
    assert any(line.startswith("done  train_A in ") for line in lines)
    failure = lines.index("FAILED train_B; the end of runs/log_x/train_B.log:")
    assert lines[failure + 1] == "    about B"
    assert lines[-1].startswith("1 of 2 jobs done in ") and lines[-1].endswith("failed: train_B")
    assert "CalledProcessError" not in told and "set -euo" not in told
    (log,) = (tmp_path / ".snakemake" / "log").iterdir()
    assert "rule train:" in log.read_text(), "the details are in Snakemake's own log"


def test_nothing_to_do_and_a_plan_are_said(tmp_path):
    (tmp_path / "done_A").touch(), (tmp_path / "done_B").touch()
    told, status = run(tmp_path)
    assert status == 0 and told.startswith("Nothing to be done")
    (tmp_path / "done_A").unlink()
    told, status = run(tmp_path, "-n")
    assert status == 0 and "Job 1: Train A" in told and "This was a dry-run" in told


def test_a_plan_ends_with_what_it_costs(tmp_path):
    run(tmp_path)  # measures train_A and train_B
    (tmp_path / "done_A").unlink()
    told, status = run(tmp_path, "-n", "--quiet", "all")
    assert status == 0 and "by what such jobs took and left in: x;" in told
    costs = told[told.index("stage ") :]  # below Snakemake's own table of jobs
    (row,) = (line.split() for line in costs.splitlines() if line.startswith("train "))
    assert row[1] == "2"
    assert "no benchmark files of y under runs" in run(tmp_path, "-n", "--logger-rev2fwd-measured", "y")[0]
