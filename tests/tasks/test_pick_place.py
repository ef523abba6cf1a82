"""Starts and the judgement of success, on hand-made motions."""

import numpy as np
import pytest

from rev2fwd_il.config.run import make_config
from rev2fwd_il.errors import ConfigError
from rev2fwd_il.seeds import derive, generator
from rev2fwd_il.tasks.pick_place import PickPlace, PickPlaceSettings

TASK = PickPlace(PickPlaceSettings(distance_threshold=0.03))
TARGET = TASK.target_poses("A", np.float32([[0.4, 0.1]]))
UPRIGHT = [1.0, 0.0, 0.0, 0.0]


def pose(x, y, z):
    return np.array([[x, y, z, *UPRIGHT]], np.float32)


def judged(steps):
    """Run (hand z above the object, object pose, width) steps; success at the end, and the detector."""
    detector = TASK.success_detector(1)
    detector.start(np.array([0]), ["A"], TARGET, steps[0][1])
    success = False
    for above, obj, width in steps:
        hand = obj.copy()
        hand[:, 2] += above
        success |= bool(detector.update(hand, obj, np.array([width]))[0])
    return success, detector


START, LIFTED, PLACED, WIDE = pose(0.5, 0, 0.02), pose(0.45, 0.05, 0.18), pose(0.41, 0.1, 0.02), pose(0.44, 0.1, 0.02)
GRASP = [(0.0, START, 0.038), (0.0, LIFTED, 0.038)]
LOWERED = [(0.0, pose(0.44, 0.1, z), 0.038) for z in np.arange(0.18, 0.02, -0.01)]  # no faster than an arm does it
LOW = [(0.0, START, 0.038), (0.0, pose(0.41, 0.1, 0.08), 0.038)]  # below height_threshold
REST = [(0.1, PLACED, 0.08)] * 10


def test_lifted_placed_released_and_clear_succeeds():
    assert judged(GRASP + REST)[0]


@pytest.mark.parametrize(
    ("steps", "failure"),
    [
        ([(0.3, START, 0.08)] * 9, "never_reached"),
        ([(0.0, START, 0.08), *[(0.1, START, 0.08)] * 9], "missed_grasp"),
        ([(0.0, START, 0.038), (0.0, pose(0.5, 0, 0.08), 0.038), *[(0.1, START, 0.08)] * 9], "dropped"),
        (GRASP + LOWERED + [(0.1, WIDE, 0.08)] * 9, "placed_wide"),
        (GRASP + [(0.1, WIDE, 0.08)] * 9, "dropped"),  # from where it was lifted to: it fell
        (LOW + REST, "lifted_too_low"),
        (GRASP + [(0.0, LIFTED, 0.038)] * 9, "not_released"),
        (GRASP + [(0.0, PLACED, 0.038)] * 9, "not_released"),
        (GRASP + [(0.1, PLACED, 0.08)] * 3, "timeout"),
    ],
)
def test_each_kind_of_failure(steps, failure):
    success, detector = judged(steps)
    assert not success
    assert detector.failure(0) == failure


def test_pushing_does_not_count():
    assert not judged([(0.0, START, 0.08), *REST])[0]


def test_a_carried_cube_over_the_target_does_not_count():
    carried = pose(0.4, 0.1, 0.16)
    assert not judged([*GRASP, *[(0.0, carried, 0.038)] * 20])[0]


def test_a_new_attempt_forgets_the_lift():
    detector = judged(GRASP + REST)[1]
    detector.start(np.array([0]), ["A"], TARGET, PLACED)
    hand = PLACED + np.float32([0, 0, 0.1, 0, 0, 0, 0])
    assert not any(detector.update(hand, PLACED, np.array([0.08]))[0] for _ in range(20))


def test_starts_are_in_the_region_and_away_from_the_goal():
    xy = TASK.sample_away_from_goal(generator(0, "x"), 500)
    assert ((xy >= [0.35, -0.25]) & (xy <= [0.65, 0.25])).all()
    assert np.linalg.norm(xy - TASK.settings.goal_xy, axis=1).min() >= TASK.settings.min_goal_distance
    assert xy.std(axis=0).min() > 0.06  # they cover it


def test_a_and_b_swap_object_and_target():
    a, b = (TASK.sample_initial_states(task, generator(0, "s"), 4) for task in "AB")
    np.testing.assert_array_equal(a.obj_pose[:, :2], b.target_pose[:, :2])
    np.testing.assert_array_equal(a.target_pose[:, :2], np.tile(np.float32(TASK.settings.goal_xy), (4, 1)))
    assert 0 < np.linalg.norm(b.obj_pose[:, :2] - TASK.settings.goal_xy, axis=1).max() <= TASK.settings.start_spread


def test_streams_with_different_names_differ():
    names = [("demonstrations", "B", 0), ("evaluation", "B", 0), ("evaluation", "A", 0), ("alternating", 0)]
    assert len({derive(0, *name) for name in names}) == len(names)
    assert derive(0, "a") == derive(0, "a") != derive(1, "a")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cube_edge": 0.07}, "less than or equal to 0.06"),
        ({"min_goal_distance": 0.3}, "leaves 0.0 % of the region"),
        ({"height_threshold": 0.25}, "the lowest that the expert carries"),
        ({"height_threshold": 0.03}, "clear of the table"),
        ({"x_range": [0.35, 0.95]}, "can be reached"),
        ({"goal_xy": [5.0, 5.0]}, "goal_xy is 7.07 m from the robot's base"),
        ({"start_spread": 1.0}, "start_spread 1.0 must not exceed min_goal_distance 0.1"),
        ({"distance_threshold": 0.11}, "distance_threshold 0.11 must not exceed min_goal_distance 0.1"),
        ({"distance_threshold": float("inf")}, "finite number"),
        ({"max_episode_steps": 6}, "hold_steps 6 must be less than max_episode_steps"),
    ],
)
def test_geometry_that_cannot_work_is_refused_when_it_is_read(change, told):
    with pytest.raises(ConfigError, match=told):
        make_config({"task": change})


def test_a_policy_may_go_to_a_goal_beside_the_region():
    lower, upper = PickPlace(PickPlaceSettings(y_range=(0.15, 0.25))).workspace()
    goal = np.float32([*PickPlaceSettings().goal_xy, 0.02])
    assert (lower < goal).all() and (goal < upper).all()
    assert upper[1] == np.float32(0.35)  # the region's side is as far as it was


def test_a_larger_cube_moves_every_bound_with_it():
    large = PickPlace(PickPlaceSettings(cube_edge=0.06))
    assert large.boxes[0].size_m == (0.06,) * 3
    assert large.sample_initial_states("B", generator(0, "s"), 1).obj_pose[0, 2] == np.float32(0.03)
    rules = large.success_detector(1).rules
    assert rules.open_width > 0.06 and rules.clear_distance > 0.03 + 0.03
    assert large.holds(np.float32(0.04), np.float32(0.06)) and not TASK.holds(np.float32(0.04), np.float32(0.06))


def test_closed_fingers_that_push_a_cube_have_nothing_between_them():
    """Shut beside a cube that they touch; around it; around an edge of it; shut far away."""
    distance, width = np.float32([0.03, 0.01, 0.02, 0.2]), np.float32([0.0, 0.04, 0.055, 0.0])
    assert TASK.closed_on_nothing(distance, width).tolist() == [True, False, False, True]
