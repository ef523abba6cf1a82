"""Kill anything, lose nothing: a run killed again and again ends with the artifacts of an undisturbed one.

The short form kills twice on the way from demonstrations (synthetic ones) to the first policy. REV2FWD_KILLS=3 collects
the demonstrations too, a minute or two; `make fault-test` kills twenty times on the way through the whole smoke run.
"""

import os
from pathlib import Path

import pytest
from engine import Workflow
from faults import FaultyRun, contents
from synthetic import make_episode, write_dataset

from rev2fwd_il.config.run import Config
from rev2fwd_il.running.provenance import made_by

ASKED = int(os.environ.get("REV2FWD_KILLS", "0"))
KILLS = ASKED or 2
WHOLE, COLLECTED = KILLS > 3, ASKED > 0
SMALL = (
    "demos={num_episodes: 4, num_envs: 2, images: false}",
    "train={steps: 200, save_every: 20}",
    "sim={image_width: 8, image_height: 8}",
)
POLICY = "runs/diffusion_B_smoke/iter0/checkpoints/checkpoints/last/pretrained_model/model.safetensors"
WORK = ["--configfile", "config/smoke.yaml", *([] if WHOLE else ["--config", *SMALL, "--", POLICY])]
PAUSE_S = (1, 60) if WHOLE else (4, 16) if COLLECTED else (1, 8)  # after the first job has begun


def new_workflow(folder: Path) -> Workflow:
    workflow = Workflow(folder)
    if not COLLECTED:
        record = made_by(Config(), kind="demonstrations", seed=0, task="B")
        write_dataset(folder / "data/B_smoke.npz", [make_episode(seed) for seed in range(4)], **record)
    return workflow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    workflow = new_workflow(tmp_path_factory.mktemp("undisturbed"))
    result = workflow(*WORK, timeout_s=7200)
    assert result.returncode == 0, result.stdout[-5000:]
    return workflow.folder


@pytest.mark.last
def test_a_run_that_is_killed_ends_with_the_same_artifacts(undisturbed, tmp_path):
    workflow = new_workflow(tmp_path / "disturbed")
    run = FaultyRun(workflow, WORK, seed=0, pause_s=PAUSE_S)
    run.go(KILLS)
    assert len(run.log) > KILLS // 2, f"finished before it was killed often: {run.log}"
    mine, other = contents(workflow.folder), contents(undisturbed)
    assert set(mine) == set(other), set(mine) ^ set(other)
    assert not [name for name in other if mine[name] != other[name]], run.log
