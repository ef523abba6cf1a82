"""Time reversal: properties of the algebra, no simulator."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import make_episode, with_objects, write_dataset

from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.errors import DataError
from rev2fwd_il.method.reversal import (
    canonical,
    check_reversal,
    goal_of,
    gripper_labels,
    label_actions,
    reverse_episode,
)

LEAD = 4
SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "3_make_forward_data.py"
OBSERVATIONS = ("ee_pose", "obj_pose", "gripper_width", "images", "wrist_images")


@pytest.fixture
def episode():
    return make_episode(0, size=16)


def test_twice_reversed_observations_are_the_original(episode):
    episode = with_objects(episode)
    twice = reverse_episode(reverse_episode(episode, goal_of(episode), LEAD), episode.target_pose, LEAD)
    for field in (*OBSERVATIONS, "object_poses", "target_xy", "target_pose"):
        np.testing.assert_array_equal(getattr(twice, field), getattr(episode, field))


def test_ends_and_target_swap(episode):
    backwards = reverse_episode(episode, goal_of(episode), LEAD)
    assert len(backwards) == len(episode)
    np.testing.assert_array_equal(backwards.obj_pose[-1], episode.obj_pose[0])
    np.testing.assert_array_equal(backwards.target_xy, episode.obj_pose[0, :2])
    np.testing.assert_array_equal(backwards.target_pose, episode.obj_pose[0])


def test_the_action_is_the_next_pose(episode):
    backwards = reverse_episode(episode, goal_of(episode), LEAD)
    np.testing.assert_allclose(backwards.action[:-1, :7], canonical(backwards.ee_pose[1:]), atol=1e-7)
    np.testing.assert_allclose(backwards.action[-1, :7], canonical(backwards.ee_pose[-1:])[0], atol=1e-7)
    assert backwards.action.dtype == np.float32


def test_quaternions_are_canonical(episode):
    flipped = episode.replace(ee_pose=np.concatenate([episode.ee_pose[:, :3], -episode.ee_pose[:, 3:]], 1))
    assert (reverse_episode(flipped, goal_of(episode), LEAD).action[:, 3] >= 0).all()


@given(st.integers(0, 12), st.integers(20, 60), st.integers(20, 60))
def test_the_gripper_label_leads_the_width_by_the_lead(lead, closed_from, closed_for):
    width = np.full(closed_from + closed_for + 40, 0.08)
    width[closed_from : closed_from + closed_for] = 0.04
    label = gripper_labels(width, lead)
    assert np.flatnonzero(label < 0)[0] == closed_from - lead
    assert np.flatnonzero(label < 0)[-1] == closed_from + closed_for - 1 - lead
    assert set(np.unique(label)) == {-1.0, 1.0}


def test_jitter_while_carrying_does_not_flip_the_label():
    width = np.r_[np.full(30, 0.08), 0.039 + 0.002 * np.sin(np.arange(80)), np.full(30, 0.08)]
    assert np.count_nonzero(np.diff(gripper_labels(width, LEAD))) == 2


def test_fingers_that_never_move_are_refused(episode):
    with pytest.raises(DataError, match="never opens or closes"):
        label_actions(episode.ee_pose, np.full(len(episode), 0.08, np.float32), LEAD)


def test_a_label_that_follows_the_fingers_is_found(episode):
    backwards = reverse_episode(episode, goal_of(episode), LEAD)
    check_reversal(episode, backwards)
    late = backwards.action.copy()
    late[:, 7] = np.roll(late[:, 7], 2 * LEAD)
    with pytest.raises(DataError, match="follows the fingers"):
        check_reversal(episode, backwards.replace(action=late))


def test_the_naive_label_may_follow_the_fingers(episode):
    naive = reverse_episode(episode, goal_of(episode), LEAD, "reversed_command")
    with pytest.raises(DataError, match="follows the fingers"):
        check_reversal(episode, naive)
    check_reversal(episode, naive, "reversed_command")


def test_a_crossing_within_the_lead_of_the_beginning_has_no_label(episode):
    """Reversed, the fingers cross the middle before any label can have come: only the other crossing is compared."""
    released = np.flatnonzero(episode.action[:, 7] < 0)[-1]
    short = cut(episode, released + LEAD)
    check_reversal(short, reverse_episode(short, goal_of(short), 2 * LEAD))


def cut(episode, length):
    names = [name for name in (*OBSERVATIONS, "action") if getattr(episode, name) is not None]
    return episode.replace(**{name: getattr(episode, name)[:length] for name in names})


def test_a_rollout_of_task_a_that_began_at_the_goal_is_no_demonstration_of_task_b(tmp_path):
    """As happens in practice without intervention, after Task B has failed."""
    away = reverse_episode(make_episode(0), goal_of(make_episode(0)), LEAD)
    carried = np.flatnonzero(away.obj_pose[:, 2] > 0.1)
    share = 1 - np.clip(
        (np.arange(len(away) + 1) - carried[0]) / np.ptp(carried), 0, 1
    )  # all of it before it is lifted
    shift = np.float32(share[:, None] * [*([0.5, 0.02] - away.obj_pose[0, :2]), 0, 0, 0, 0, 0, 0])
    at_goal = away.replace(
        obj_pose=away.obj_pose + shift[:-1, :7], ee_pose=away.ee_pose + shift[:-1, :7], action=away.action + shift[1:]
    )
    source = write_dataset(tmp_path / "A.npz", [away, at_goal], kind="rollouts", task="A")
    command = [sys.executable, SCRIPT, "--input", source, "--out", tmp_path / "B.npz", "--success_only"]
    subprocess.run(command, capture_output=True, text=True, check=True)
    (kept,) = EpisodeDataset(tmp_path / "B.npz")
    assert np.array_equal(kept.obj_pose[::-1], away.obj_pose)


def test_a_rollout_that_cannot_be_reversed_is_left_out(tmp_path):
    never_grasped = make_episode(1)
    never_grasped = never_grasped.replace(gripper_width=np.full(len(never_grasped), 0.08, np.float32))
    source = write_dataset(tmp_path / "B.npz", [make_episode(0), never_grasped, make_episode(2)], kind="rollouts")
    command = [sys.executable, str(SCRIPT), "--input", str(source), "--out", str(tmp_path / "A.npz"), "--verify"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "never opens or closes" in done.stderr
    reversed_rollouts = EpisodeDataset(tmp_path / "A.npz")
    assert len(reversed_rollouts) == 2 and reversed_rollouts.meta["by_policy"]


def test_the_reversal_keeps_further_objects_and_their_names(tmp_path):
    episode = with_objects(make_episode(0))
    source = write_dataset(tmp_path / "B.npz", [episode], object_names=["lid", "tray"])
    command = [sys.executable, str(SCRIPT), "--input", str(source), "--out", str(tmp_path / "A.npz"), "--verify"]
    subprocess.run(command, capture_output=True, text=True, check=True)
    (backwards,) = dataset = EpisodeDataset(tmp_path / "A.npz")
    assert dataset.meta["object_names"] == ["lid", "tray"]
    np.testing.assert_array_equal(backwards.object_poses[::-1], episode.object_poses)
    np.testing.assert_array_equal(backwards.target_pose, episode.obj_pose[0])
