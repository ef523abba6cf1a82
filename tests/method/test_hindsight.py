"""Hindsight targets on real demonstrations that are asked for other places, and on hand-made ones."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import assert_same, make_episode, write_dataset

from rev2fwd_il import keys
from rev2fwd_il.config.run import Config
from rev2fwd_il.data.checks.validation import open_checked
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.learning.dataset_reading import load_frames
from rev2fwd_il.learning.dataset_writing import ROLLOUT, Source, write_lerobot_dataset
from rev2fwd_il.method.hindsight import relabel
from rev2fwd_il.tasks import make_task
from rev2fwd_il.tasks.geometry import about_vertical, turn_about_vertical
from rev2fwd_il.tasks.insert import Insert, InsertSettings
from rev2fwd_il.tasks.observation import TARGET

ROOT = Path(__file__).parents[2]
DEMONSTRATIONS = ROOT / "tests/files/demonstrations_B.npz"
TASK = make_task(Config().task)


def missed(episode, by=(0.0, 0.09)):
    """The same motion, asked for a place elsewhere."""
    return episode.replace(target_xy=np.float32(episode.target_xy + by), success=False)


def long_enough(episode, frames=20):
    """The same, and the end effector stays for a while."""
    states = ("ee_pose", "obj_pose", "action", "gripper_width")
    stay = {
        name: np.concatenate([values := getattr(episode, name), np.repeat(values[-1:], frames, 0)]) for name in states
    }
    return episode.replace(**stay, images=None, wrist_images=None)


@pytest.mark.parametrize("index", [0, 1])
def test_a_demonstration_that_missed_another_place_reached_its_own(index):
    episode = long_enough(EpisodeDataset(DEMONSTRATIONS)[index])
    reached = relabel(TASK, missed(episode))
    assert reached.success and len(reached) < len(episode)
    np.testing.assert_allclose(reached.target_xy, episode.obj_pose[-1, :2], atol=1e-3)
    np.testing.assert_array_equal(reached.ee_pose, episode.ee_pose[: len(reached)])
    detector = TASK.success_detector(1)
    detector.start(np.array([0]), ["B"], reached.target_pose[None], reached.obj_pose[:1])
    rows = [(episode.ee_pose[i : i + 1], episode.obj_pose[i : i + 1], episode.gripper_width[i : i + 1])
            for i in range(1, len(episode))]  # fmt: skip
    assert [bool(detector.update(*row)[0]) for row in rows].index(True) + 1 == len(reached)


def test_a_success_whose_hand_has_left_is_kept_whole_unless_the_object_has_moved_since():
    episode = long_enough(EpisodeDataset(DEMONSTRATIONS)[0])
    assert len(relabel(TASK, episode)) == len(episode)
    pushed = episode.obj_pose.copy()
    pushed[-5:, 0] += 0.02
    assert len(relabel(TASK, episode.replace(obj_pose=pushed))) < len(episode)


def test_a_success_within_the_tolerance_is_told_where_it_ended():
    episode = make_episode(0)
    near = episode.replace(target_xy=np.float32(episode.target_xy + 0.02))
    reached = relabel(TASK, near)
    np.testing.assert_allclose(reached.target_xy, episode.obj_pose[-1, :2], atol=1e-6)


def test_what_was_dropped_or_never_lifted_or_put_at_the_goal_reached_nothing():
    episode = long_enough(EpisodeDataset(DEMONSTRATIONS)[0])
    assert relabel(TASK, missed(episode)) is not None
    thrown = episode.obj_pose.copy()
    carried = int(thrown[:, 2].argmax())
    thrown[carried + 1 :] = thrown[-1]
    assert relabel(TASK, missed(episode.replace(obj_pose=thrown))) is None
    pushed = episode.obj_pose.copy()
    pushed[:, 2] = 0.02
    assert relabel(TASK, missed(episode.replace(obj_pose=pushed))) is None
    moved = {name: getattr(episode, name).copy() for name in ("ee_pose", "obj_pose")}
    for poses in moved.values():
        poses[:, :2] += np.float32([0.5, 0.02]) - episode.obj_pose[-1, :2]
    assert relabel(TASK, missed(episode.replace(**moved))) is None


def test_a_peg_reached_a_target_turned_as_it_is():
    task = Insert(InsertSettings())
    pose = np.float32([0.4, 0.2, 0.04, *about_vertical(np.pi / 2 + 0.3)])
    target = task.reached_target("B", pose)
    assert turn_about_vertical(target[3:], np.float32([1, 0, 0, 0])) == pytest.approx(0.3, abs=1e-5)
    np.testing.assert_allclose(target[:3], [0.4, 0.2, 0.04], atol=1e-6)


def test_the_script_relabels_a_file_and_features_follow_the_new_target(tmp_path):
    episodes = [long_enough(episode) for episode in EpisodeDataset(DEMONSTRATIONS)]
    never = episodes[1].replace(success=False)
    never.obj_pose[:, :3] = never.obj_pose[0, :3]
    meta = {"kind": "rollouts", "task": "B", keys.AFTER_FAILURE: [1]}
    rollouts = write_dataset(tmp_path / "rollout_B.npz", [missed(episodes[0]), never], **meta)
    command = [sys.executable, ROOT / "workflow/scripts/3c_relabel_targets.py", "--input", rollouts]
    done = subprocess.run(
        [*command, "--out", tmp_path / "hindsight_B.npz"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and "1 failures have become successes" in done.stdout, done.stderr
    relabelled = open_checked(tmp_path / "hindsight_B.npz")
    assert relabelled.success.tolist() == [True, False]
    assert relabelled.meta["relabelled"] == {"successes": 0, "failures": 1} and relabelled.meta["by_policy"]
    assert relabelled.meta["kind"] == "relabelled" and relabelled.meta["parents"][0]["path"].endswith("rollout_B.npz")
    assert_same(relabelled[1], EpisodeDataset(rollouts)[1])
    sources = [Source(DEMONSTRATIONS), Source(tmp_path / "hindsight_B.npz", ROLLOUT)]
    sidecar = write_lerobot_dataset(sources, tmp_path / "merged")
    assert [source["episodes"] for source in sidecar["sources"]] == [len(EpisodeDataset(DEMONSTRATIONS)), 1]
    observed = load_frames(tmp_path / "merged").frames[keys.OBS_ENVIRONMENT_STATE][-1].numpy()
    np.testing.assert_allclose(observed[TARGET], relabelled[0].target_xy)
