"""Kill anything, lose nothing: a run killed again and again ends with the artifacts of an undisturbed one.

The short form kills three times on the way to the first policy of Task B; `make fault-test` twenty times on the way
through the whole smoke run, against one that was left alone.
"""

import os
from pathlib import Path

import pytest
from engine import Workflow
from faults import FaultyRun, contents

KILLS = int(os.environ.get("REV2FWD_KILLS", "3"))
LONG = KILLS > 3
SMALL = (
    "demos={num_episodes: 4, num_envs: 2, images: false}",
    "train={steps: 40, save_every: 10}",
    "sim={image_width: 8, image_height: 8}",
)
POLICY = "runs/diffusion_B_smoke/iter0/checkpoints/checkpoints/last/pretrained_model/model.safetensors"
WORK = ["--configfile", "config/smoke.yaml", *([] if LONG else ["--config", *SMALL, "--", POLICY])]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    workflow = Workflow(tmp_path_factory.mktemp("undisturbed"))
    result = workflow(*WORK, timeout_s=7200)
    assert result.returncode == 0, result.stdout[-5000:]
    return workflow.folder


@pytest.mark.last
def test_a_run_that_is_killed_ends_with_the_same_artifacts(undisturbed, tmp_path):
    workflow = Workflow(tmp_path / "disturbed")
    run = FaultyRun(workflow, WORK, seed=0, pause_s=(5, 60) if LONG else (8, 20))
    run.go(KILLS)
    assert len(run.log) == KILLS or not LONG
    mine, other = contents(workflow.folder), contents(undisturbed)
    assert set(mine) == set(other), set(mine) ^ set(other)
    assert not [name for name in other if mine[name] != other[name]], run.log
