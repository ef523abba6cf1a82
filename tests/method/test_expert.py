"""The expert's plans: geometry and symmetry in time."""

import numpy as np
import pytest

from rev2fwd_il.config.sections import DemosConfig
from rev2fwd_il.method.expert import command_sequence
from rev2fwd_il.tasks.pick_place import PickPlace, PickPlaceSettings

DWELL_STEPS = DemosConfig().dwell_steps[0]


@pytest.fixture(params=range(5))
def plan(request):
    rng, task = np.random.default_rng(request.param), PickPlace(PickPlaceSettings())
    start = task.sample_initial_states("B", rng, 1)
    end = task.sample_ee_poses(rng, start.target_pose[:, :2])[0]
    commands = command_sequence(start.ee_pose[0], task.expert_way("B", start, 0, end, rng))
    return start, end, commands


def test_it_goes_from_start_over_pick_and_place_to_end(plan):
    start, end, commands = plan
    np.testing.assert_allclose(commands[0, :3], start.ee_pose[0, :3], atol=2e-3)
    np.testing.assert_allclose(commands[-1, :3], end[:3], atol=2e-3)
    closing, opening = np.flatnonzero(np.diff(commands[:, 7])) + 1
    assert np.abs(commands[closing, :2] - start.obj_pose[0, :2]).max() < 0.005
    assert np.abs(commands[opening, :2] - start.target_pose[0, :2]).max() < 0.005
    assert commands[closing:opening, 2].max() > 0.17  # above the height that counts as lifted, with the object


def test_it_carries_level(plan):
    commands = plan[2]
    closing, opening = np.flatnonzero(np.diff(commands[:, 7])) + 1
    sideways = np.flatnonzero(np.linalg.norm(np.diff(commands[:, :2], axis=0), axis=1) > 5e-3)
    sideways = sideways[(sideways > closing) & (sideways < opening)]
    on_the_way = sideways[len(sideways) // 3 : -(len(sideways) // 3)]
    assert len(on_the_way) and np.ptp(commands[on_the_way, 2]) < 2e-3  # less a corner


def test_it_waits_equally_long_before_and_after_each_gripper_event(plan):
    commands = plan[2]
    still = np.linalg.norm(np.diff(commands[:, :3], axis=0), axis=1) < 1e-4
    events = np.flatnonzero(np.diff(commands[:, 7])) + 1
    assert len(events) == 2
    for event in events:
        before = next(k for k in range(DWELL_STEPS + 1) if not still[event - 2 - k])
        after = next(k for k in range(DWELL_STEPS + 1) if not still[event + k - 1])
        assert abs(before - after) <= 1 and before >= 3


def test_it_never_stands_still_for_long_and_never_jumps(plan):
    steps = np.linalg.norm(np.diff(plan[2][:, :3], axis=0), axis=1)
    runs = np.diff(np.flatnonzero(np.r_[True, steps > 1e-4, True]))
    assert runs.max() <= 2 * DWELL_STEPS
    assert steps.max() < 0.025


def test_quaternions_are_unit_and_canonical(plan):
    commands = plan[2]
    np.testing.assert_allclose(np.linalg.norm(commands[:, 3:7], axis=1), 1, atol=1e-6)
    assert (commands[:, 3] > 0).all()
