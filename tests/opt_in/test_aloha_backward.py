"""A dataset of another project's robot and environment, backward: opened, executed there, trained by LeRobot.

gym-aloha's two arms, joint commands at 50 Hz and a video of 640 x 480 px; its names say everything, there is no YAML.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from aloha_cell import PLACE_XY, AlohaCell, Recording
from gym_aloha.constants import ACTIONS, FPS, JOINTS
from lerobot.datasets import LeRobotDataset

from rev2fwd_il.running.processes import scheduling_restored

SCRIPT = Path(__file__).parents[2] / "workflow/scripts/reverse_lerobot_dataset.py"
CAMERA, TEXT, NEW_TEXT = "observation.images.top", "put the cube in the middle", "put the cube where there is room"
SEEDS = (0, 1)
TOLERANCE_M = 0.01


@pytest.fixture(scope="module")
def cell() -> AlohaCell:
    return AlohaCell()


@pytest.fixture(scope="module")
def recordings(cell) -> list[Recording]:
    return [cell.demonstrate(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def forward(recordings, tmp_path_factory) -> Path:
    """As LeRobot's recorder writes it."""
    root = tmp_path_factory.mktemp("aloha") / "forward"
    table = {
        "observation.state": {"dtype": "float32", "shape": (14,), "names": {"motors": JOINTS}},
        "action": {"dtype": "float32", "shape": (14,), "names": {"motors": ACTIONS}},
        CAMERA: {"dtype": "video", "shape": (480, 640, 3), "names": ["height", "width", "channels"]},
    }
    dataset = LeRobotDataset.create("local/aloha", FPS, table, root=root, robot_type="aloha", use_videos=True)
    for recording in recordings:
        for state, action, image in zip(recording.states, recording.actions, recording.images, strict=True):
            numbers = {"observation.state": state.astype(np.float32), "action": action.astype(np.float32)}
            dataset.add_frame(numbers | {CAMERA: image, "task": TEXT})
        with scheduling_restored():  # which the video encoder changes
            dataset.save_episode(parallel_encoding=False)
    dataset.finalize()
    return root


@pytest.fixture(scope="module")
def backward(forward) -> Path:
    out = forward.with_name("backward")
    command = [sys.executable, SCRIPT, "--input", forward, "--out", out, "--task_text", NEW_TEXT]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def values(dataset: LeRobotDataset, episode: int, key: str) -> np.ndarray:
    rows = dataset.meta.episodes[episode]
    return np.stack(dataset.hf_dataset.with_format("numpy")[key][rows["dataset_from_index"] : rows["dataset_to_index"]])


def test_the_demonstrations_succeed(recordings):
    for recording in recordings:
        assert np.linalg.norm(recording.cube[-1, :2] - PLACE_XY) < TOLERANCE_M
        assert np.linalg.norm(recording.cube[0, :2] - PLACE_XY) > 3 * TOLERANCE_M  # there was something to do


def test_lerobot_opens_it(forward, backward):
    original, reversed_ = (LeRobotDataset("local/aloha", root=root) for root in (forward, backward))
    assert reversed_.num_episodes == len(SEEDS) and reversed_.meta.tasks.index.tolist() == [NEW_TEXT]
    for episode in range(len(SEEDS)):
        states = [values(dataset, episode, "observation.state") for dataset in (original, reversed_)]
        assert np.array_equal(states[0][::-1], states[1])
    last = original.meta.episodes[0]["length"] - 1
    mirrored, same_time = ((original[t][CAMERA] - reversed_[100][CAMERA]).abs().mean() for t in (last - 100, 100))
    assert mirrored < 0.01 and mirrored < same_time / 2


def test_executed_there_it_brings_the_cube_back(cell, recordings, backward):
    reversed_ = LeRobotDataset("local/aloha", root=backward)
    for episode, recording in enumerate(recordings):
        actions = values(reversed_, episode, "action")
        end = cell.replay(actions, recording.states[-1], recording.cube[-1])
        assert np.linalg.norm(end - recording.cube[0, :3]) < TOLERANCE_M


def test_lerobots_trainer_learns_from_it(backward, tmp_path):
    command = [
        sys.executable, "-m", "lerobot.scripts.lerobot_train", "--dataset.repo_id=local/aloha",
        f"--dataset.root={backward}", "--steps=2", "--batch_size=2", "--num_workers=0", "--log_freq=1",
        f"--output_dir={tmp_path / 'out'}", "--policy.type=act", "--policy.push_to_hub=false", "--policy.device=cpu",
        "--policy.dim_model=64", "--policy.dim_feedforward=64", "--policy.chunk_size=20", "--policy.n_action_steps=20",
        "--policy.pretrained_backbone_weights=null",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "out/checkpoints/last/pretrained_model/model.safetensors").is_file()


def test_what_the_report_says(backward):
    report = json.loads(backward.with_name("backward_report.json").read_text())
    assert report["episodes"] == len(SEEDS) and "were not executed" in report["proof"]["why_not"]
    events = [event for episode in report["by_episode"] for event in episode["gripper_events"]]
    assert [event["widens"] for event in events] == [False, True] * len(SEEDS)
    assert not any("gripper" in doubt for doubt in report["doubts"]), report["doubts"]
