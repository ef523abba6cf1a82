"""run_iterative_training.sh: the specification's variables, one call of Snakemake."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SNAKEMAKE = os.environ.get("REV2FWD_SNAKEMAKE", str(ROOT / ".venv-engine/bin/snakemake"))


def front(workflow, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    command = ["bash", workflow.folder / "workflow/scripts/run_iterative_training.sh", *arguments]
    return subprocess.run(
        command, env=os.environ | {"SNAKEMAKE": SNAKEMAKE} | variables, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_its_variables_reach_the_scripts(planner):
    result = front(planner, "-n", "-p", MAX_ITERATIONS="2", STEPS_PER_ITER="77", DISTANCE_THRESHOLD="0.04")
    assert result.returncode == 0, result.stderr
    (test,) = [
        line
        for line in result.stdout.splitlines()
        if "6_test" in line and "--out_A data/rollout_A_circle_iter2" in line
    ]
    for argument in ("--max_cycles 50", "--horizon 400", "--height_threshold 0.15", "--distance_threshold 0.04"):
        assert argument in test
    finetunes = [line for line in result.stdout.splitlines() if "7_finetune" in line and "--steps" in line]
    assert len(finetunes) == 4 and all("--steps 77 --batch_size 32" in line for line in finetunes)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("DATA_A", "A_circle.npz"), ("DATA_B", "data/B_other.npz"), ("POLICY_B_DIR", "runs/diffusion_A_circle")],
)
def test_paths_that_do_not_belong_together_are_refused(planner, variable, value):
    result = front(planner, "-n", **{variable: value})
    assert result.returncode == 1
    assert result.stderr.startswith("error: ") and f"found:    {value}" in result.stderr


def test_without_snakemake_it_says_what_to_do(planner):
    result = front(planner, "-n", SNAKEMAKE="no/such/snakemake")
    assert result.returncode == 1 and "make setup" in result.stderr
