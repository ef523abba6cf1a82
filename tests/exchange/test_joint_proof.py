"""Demonstrations in joint space: recorded from the cell, reversed, and executed in it by joint commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from lerobot.datasets import LeRobotDataset

ROOT = Path(__file__).parents[2]
REAL = ROOT / "tests/files/demonstrations_B.npz"


def run(script: str, *arguments) -> str:
    command = [sys.executable, ROOT / "workflow/scripts" / script, *map(str, arguments), "--headless"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=1500, env=os.environ | {"HF_HUB_OFFLINE": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_recorded_reversed_and_proven(tmp_path):
    run("record_joint_dataset.py", "--input", REAL, "--out", tmp_path / "B")
    forward = LeRobotDataset("local/B", root=tmp_path / "B")
    state, action = (np.array(forward.hf_dataset[key]) for key in ("observation.state", "action"))
    assert state.shape[1] == action.shape[1] == 8 and set(action[:, 7]) == {1.0, -1.0}
    end = forward.meta.episodes[0]["dataset_to_index"]
    assert np.abs(action[: end - 1, :7] - state[1:end, :7]).max() < 0.03  # where it was told to be, one frame later

    said = run(
        "reverse_lerobot_dataset.py", "--input", tmp_path / "B", "--out", tmp_path / "A", "--prove", "A",
        "--features", ROOT / "assets/reversal_joints.yaml",
    )  # fmt: skip
    proof = json.loads((tmp_path / "A_report.json").read_text())["proof"]
    assert proof["attempted"] == proof["succeeded"] == forward.num_episodes, proof
    assert proof["joint_error_mean_rad"] < 0.005 and proof["joint_error_max_rad"] < 0.05, "commands are followed"
    assert f"{forward.num_episodes} of {forward.num_episodes} do the task when replayed" in said
    backward = LeRobotDataset("local/A", root=tmp_path / "A")
    assert backward.meta.tasks.index[0].startswith("Pick the cube from anywhere")
    around = np.array(backward.hf_dataset["observation.environment_state"])
    first = np.array(forward.hf_dataset["observation.environment_state"])[0, :7]
    assert np.array_equal(around[0, 7:], first), "the target is where the object was taken from"
