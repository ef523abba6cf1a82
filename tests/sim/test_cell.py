"""The real simulator: placing, tracking, cameras, markers, reproducibility."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from rev2fwd_il.errors import SimulationError
from rev2fwd_il.seeds import generator
from rev2fwd_il.tasks import make_task
from rev2fwd_il.tasks.geometry import about_vertical, upright_pose


@pytest.fixture
def starts(config, cell):
    drawn = make_task(config.task).sample_initial_states("B", generator(0, "cell test"), cell.num_envs)
    drawn.ee_pose[:, 2] = 0.25  # room to move down
    return drawn


def reset(cell, starts):
    everyone = np.arange(cell.num_envs)
    cell.show_target(everyone, starts.target_pose[:, :2])
    return cell.reset(everyone, starts.ee_pose, starts.obj_pose)


def test_a_reset_puts_hand_object_and_fingers_where_it_was_told(cell, starts):
    observation = reset(cell, starts)
    np.testing.assert_allclose(observation.ee_pose, starts.ee_pose, atol=5e-4)
    np.testing.assert_allclose(observation.obj_pose, starts.obj_pose, atol=1e-4)
    np.testing.assert_allclose(observation.gripper_width, 0.08, atol=1e-4)


def test_a_reset_of_some_leaves_the_others_alone(cell, starts):
    before = reset(cell, starts)
    some = np.array([1, 4])
    after = cell.reset(some, starts.ee_pose[some], upright_pose([[0.4, 0.2], [0.6, -0.2]], 0.02))
    others = np.setdiff1d(np.arange(cell.num_envs), some)
    np.testing.assert_array_equal(after.obj_pose[others], before.obj_pose[others])
    np.testing.assert_allclose(after.obj_pose[some, :2], [[0.4, 0.2], [0.6, -0.2]], atol=1e-4)


def test_the_hand_is_where_it_was_commanded_to_be(cell, starts):
    observation = reset(cell, starts)
    command = np.concatenate([observation.ee_pose, np.ones((cell.num_envs, 1))], 1)
    errors = []
    for _ in range(25):
        command[:, 2] -= 0.005
        observation = cell.step(command)
        errors.append(np.linalg.norm(observation.ee_pose[:, :3] - command[:, :3], axis=1).max())
    assert np.mean(errors[8:]) < 0.002


def test_hand_and_jacobian_are_those_of_isaac_labs_term(cell, starts):
    from isaaclab.envs.mdp.actions.task_space_actions import DifferentialInverseKinematicsAction

    arm = cell.env.action_manager.get_term("arm")
    observation = reset(cell, starts)
    command = np.concatenate([observation.ee_pose, np.ones((cell.num_envs, 1))], 1)
    for _ in range(4):
        command[:, :2] += 0.01
        cell.step(command)
        theirs = DifferentialInverseKinematicsAction._compute_frame_pose(arm)
        assert all(map(torch.equal, arm._compute_frame_pose(), theirs))
        jacobian = arm._compute_frame_jacobian()
        assert torch.equal(jacobian, DifferentialInverseKinematicsAction._compute_frame_jacobian(arm))


def test_an_elbow_that_has_drifted_comes_back_if_asked_and_the_hand_stays(cell, starts, monkeypatch):
    arm = cell.env.action_manager.get_term("arm")
    command = np.concatenate([reset(cell, starts).ee_pose, np.ones((cell.num_envs, 1))], 1)
    monkeypatch.setattr(arm.cfg, "posture_rate", 1.0)
    for _ in range(90):
        cell.step(command)
    resting = cell.joint_pos()
    free = torch.linalg.svd(arm._compute_frame_jacobian()).Vh[:, -1].numpy()  # leaves the hand where it is
    drifted = resting + 0.3 * np.pad(free, ((0, 0), (0, 2)))
    left = {}
    for rate in (0.0, 1.0):
        monkeypatch.setattr(arm.cfg, "posture_rate", rate)
        cell.show_beside(drifted, starts.ee_pose, starts.obj_pose)
        for _ in range(90):
            observation = cell.step(command)
        np.testing.assert_allclose(observation.ee_pose[:, :3], starts.ee_pose[:, :3], atol=1e-3)
        left[rate] = np.linalg.norm(cell.joint_pos()[:, :7] - resting[:, :7], axis=1)
    assert (left[0.0] > 0.2).all() and (left[1.0] < 0.06).all(), left


def test_quaternions_are_w_first_and_canonical(cell, starts):
    observation = reset(cell, starts)
    assert (observation.ee_pose[:, 3] > 0.98).all()
    np.testing.assert_allclose(observation.obj_pose[:, 3:], about_vertical(starts.object_yaw), atol=1e-4)


def test_the_same_commands_give_the_same_bytes(cell, starts):
    def run():
        observation = reset(cell, starts)
        command = np.concatenate([observation.ee_pose, -np.ones((cell.num_envs, 1))], 1)
        for _ in range(6):
            command[:, 2] -= 0.004
            observation = cell.step(command)
        return np.concatenate([observation.ee_pose, observation.obj_pose, observation.gripper_width[:, None]], 1)

    np.testing.assert_array_equal(run(), run())


def test_the_recorded_step_is_the_eager_step(cell, starts, monkeypatch):
    from rev2fwd_il.sim.patches.recorded_step import NewtonRecordedMJWarpManager as Manager

    def run():
        observation = reset(cell, starts)
        sideways = torch.tensor([[0.5, 0.2, 0.0, 0.0, 0.0, 0.0]] * cell.num_envs)  # m/s, rad/s: contacts slip
        cell.env.scene["cube"].write_root_velocity_to_sim_index(root_velocity=sideways)
        command = np.concatenate([observation.ee_pose, np.ones((cell.num_envs, 1))], 1)
        for _ in range(4):
            command[:, 2] -= 0.006
            observation = cell.step(command)
        return observation

    recorded = run()
    slid = np.linalg.norm(recorded.obj_pose[:, :2] - starts.obj_pose[:, :2], axis=1)
    assert (slid > 0.002).all()
    assert Manager._recording is not None
    monkeypatch.setattr(Manager, "_replay", classmethod(lambda cls, simulate: simulate()))
    eager = run()
    np.testing.assert_array_equal(recorded.ee_pose, eager.ee_pose)
    np.testing.assert_array_equal(recorded.obj_pose, eager.obj_pose)


def test_an_unreachable_hand_pose_is_refused(cell, starts):
    far = starts.ee_pose[:1].copy()
    far[:, 0] = 1.6
    with pytest.raises(SimulationError, match="cannot reach"):
        cell.reset(np.array([0]), far, starts.obj_pose[:1])


@pytest.mark.parametrize(
    "pose",
    [
        (0.25, -0.35, 0.136, 0.97, -0.004, -0.001, 0.245),  # folded: full steps end several turns beyond all limits
        (0.726, -0.347, 0.131, 0.998, 0.002, 0.005, 0.07),  # stretched: they are not there after 30
    ],
)
def test_where_rollouts_ended_the_hand_is_put_within_the_joints_limits(cell, starts, pose):
    pose = np.float32(pose)
    pose[3:] /= np.linalg.norm(pose[3:])
    everyone = np.arange(cell.num_envs)
    poses = np.where(everyone[:, None] == 1, pose, starts.ee_pose).astype(np.float32)
    alone = cell.reset(everyone, starts.ee_pose, starts.obj_pose)
    joints = cell.joint_pos()
    seen = cell.reset(everyone, poses, starts.obj_pose)
    np.testing.assert_allclose(seen.ee_pose[1], pose, atol=2e-3)
    limits = cell.env.scene["robot"].data.joint_pos_limits.torch.cpu().numpy()[0]
    assert (cell.joint_pos()[1] >= limits[:, 0] - 0.03).all() and (cell.joint_pos()[1] <= limits[:, 1] + 0.03).all()
    np.testing.assert_allclose(cell.joint_pos()[0], joints[0], atol=1e-3)  # the others are where they always are
    np.testing.assert_allclose(seen.ee_pose[0], alone.ee_pose[0], atol=1e-3)


def red_pixels(picture):
    r, g, b = picture[..., 0].astype(int), picture[..., 1].astype(int), picture[..., 2].astype(int)
    return (r > 2 * g) & (r > 2 * b)


def test_cameras_show_the_moment_and_the_markers(cell, starts):
    starts.ee_pose[:, :2], starts.target_pose[:, :2] = (0.4, -0.2), (0.6, 0.15)  # the gripper hides no marker
    reset(cell, starts)
    table, wrist = cell.images()
    size = (cell.num_envs, cell.config.sim.image_height, cell.config.sim.image_width, 3)
    assert table.shape == wrist.shape == size and table.dtype == np.uint8
    assert table.std() > 5 and wrist.std() > 5
    assert all(red_pixels(picture).any() for picture in table)
    np.testing.assert_array_equal(table, cell.images()[0])


def test_the_red_marker_moves_with_the_target(cell, starts):
    reset(cell, starts)
    centres = []
    for y in (-0.2, 0.2):
        cell.show_target(np.arange(cell.num_envs), np.tile([0.5, y], (cell.num_envs, 1)))
        columns = np.argwhere(red_pixels(cell.images()[0][0]))[:, 1]
        centres.append(columns.mean())
    assert abs(centres[0] - centres[1]) > 10


def test_a_target_at_the_goal_hides_neither_marker(cell, starts):
    starts.obj_pose[:, :2], starts.ee_pose[:, :2] = (0.4, 0.2), (0.4, -0.2)
    reset(cell, starts)
    cell.show_target(np.arange(cell.num_envs), np.tile(cell.config.task.goal_xy, (cell.num_envs, 1)))
    for picture in cell.images()[0].astype(int):
        r, g, b = picture[..., 0], picture[..., 1], picture[..., 2]
        assert red_pixels(picture).sum() > 4 and ((g > 1.5 * r) & (g > 1.5 * b)).sum() > 4


def test_the_wrist_camera_moves_with_the_hand(cell, starts):
    observation = reset(cell, starts)
    before = cell.images()[1]
    command = np.concatenate([observation.ee_pose, np.ones((cell.num_envs, 1))], 1)
    for _ in range(15):
        command[:, 2] -= 0.008
        cell.step(command)
    assert np.abs(cell.images()[1].astype(int) - before).mean() > 2


def test_the_table_alone_shows_the_wrist_camera_that_the_hand_moves(cell, starts):
    starts.ee_pose[:, :3], starts.target_pose[:, :2] = (0.4, 0.25, 0.12), (0.6, -0.25)
    reset(cell, starts)
    before = cell.images()[1].astype(int)
    starts.ee_pose[:, 1] -= 0.02
    reset(cell, starts)
    below_the_fingers = slice(before.shape[1] // 2, None)
    assert not red_pixels(before[:, below_the_fingers]).any()
    assert np.abs(cell.images()[1] - before)[:, below_the_fingers].mean() > 2


def test_a_film_shows_one_frame_a_state(cell, starts):
    observation = reset(cell, starts)
    joints = np.repeat(cell.joint_pos()[:1], 8, 0)
    joints[:, 0] += np.linspace(0, 0.3, 8)
    frames = cell.render_video(joints, np.repeat(observation.obj_pose[:1], 8, 0), starts.target_pose[0, :2])
    assert len(frames) == 8 and frames.dtype == np.uint8
    assert all((a != b).any() for a, b in pairwise(frames))


def test_a_film_may_show_another_target_in_each_frame(cell, starts):
    observation = reset(cell, starts)
    states = np.repeat(cell.joint_pos()[:1], 2, 0), np.repeat(observation.obj_pose[:1], 2, 0)
    targets = np.array([[0.4, 0.15], [0.6, -0.15]])
    frames = cell.render_video(*states, targets)
    for index, target in enumerate(targets):
        np.testing.assert_array_equal(frames[index], cell.render_video(*states, target)[index])
    assert (frames[0] != frames[1]).any()


def test_a_film_of_poses_is_that_of_the_joints_which_reach_them(cell, starts):
    reset(cell, starts)
    joints, target = cell.joint_pos(), starts.target_pose[0, :2]
    of_joints = cell.render_video(joints, starts.obj_pose, target)
    of_poses = cell.render_poses(starts.ee_pose, starts.obj_pose, joints[:, -2:].sum(-1), target)
    np.testing.assert_array_equal(of_poses, of_joints)
    assert (of_poses[0] != of_poses[1]).any()
