"""Starts and the judgement of success, on hand-made motions."""

import numpy as np
import pytest

from rev2fwd_il.config import TaskConfig
from rev2fwd_il.seeds import derive, generator
from rev2fwd_il.tasks import Judge, sample_away_from_goal, sample_starts

TASK = TaskConfig(distance_threshold=0.03)
TARGET = np.array([[0.4, 0.1]], np.float32)
UPRIGHT = [1.0, 0.0, 0.0, 0.0]


def pose(x, y, z):
    return np.array([[x, y, z, *UPRIGHT]], np.float32)


def judged(steps):
    """Run (hand z above the object, object pose, width) steps; success at the end, and the judge."""
    judge = Judge(TASK, 1)
    judge.start(np.array([0]), TARGET, steps[0][1])
    success = False
    for above, obj, width in steps:
        hand = obj.copy()
        hand[:, 2] += above
        success |= bool(judge.update(hand, obj, np.array([width]))[0])
    return success, judge


START, LIFTED, PLACED, WIDE = pose(0.5, 0, 0.02), pose(0.45, 0.05, 0.18), pose(0.41, 0.1, 0.02), pose(0.44, 0.1, 0.02)
GRASP = [(0.0, START, 0.038), (0.0, LIFTED, 0.038)]
REST = [(0.1, PLACED, 0.08)] * 10


def test_lifted_placed_released_and_clear_succeeds():
    assert judged(GRASP + REST)[0]


@pytest.mark.parametrize(
    ("steps", "failure"),
    [
        ([(0.3, START, 0.08)] * 9, "never_reached"),
        ([(0.0, START, 0.08), *[(0.1, START, 0.08)] * 9], "missed_grasp"),
        ([(0.0, START, 0.038), (0.0, pose(0.5, 0, 0.08), 0.038), *[(0.1, START, 0.08)] * 9], "dropped"),
        (GRASP + [(0.1, WIDE, 0.08)] * 9, "placed_wide"),
        (GRASP + [(0.0, LIFTED, 0.038)] * 9, "not_released"),
        (GRASP + [(0.0, PLACED, 0.038)] * 9, "not_released"),
        (GRASP + [(0.1, PLACED, 0.08)] * 3, "timeout"),
    ],
)
def test_each_kind_of_failure(steps, failure):
    success, judge = judged(steps)
    assert not success
    assert judge.failure(0) == failure


def test_pushing_does_not_count():
    assert not judged([(0.0, START, 0.08), *REST])[0]


def test_a_carried_cube_over_the_target_does_not_count():
    carried = pose(0.4, 0.1, 0.16)
    assert not judged([*GRASP, *[(0.0, carried, 0.038)] * 20])[0]


def test_a_new_attempt_forgets_the_lift():
    judge = judged(GRASP + REST)[1]
    judge.start(np.array([0]), TARGET, PLACED)
    hand = PLACED + np.float32([0, 0, 0.1, 0, 0, 0, 0])
    assert not any(judge.update(hand, PLACED, np.array([0.08]))[0] for _ in range(20))


def test_starts_are_in_the_region_and_away_from_the_goal():
    xy = sample_away_from_goal(TASK, generator(0, "x"), 500)
    assert ((xy >= [0.35, -0.25]) & (xy <= [0.65, 0.25])).all()
    assert np.linalg.norm(xy - TASK.goal_xy, axis=1).min() >= TASK.min_goal_distance
    assert xy.std(axis=0).min() > 0.06  # they cover it


def test_a_and_b_swap_object_and_target():
    a, b = (sample_starts(TASK, task, generator(0, "s"), 4) for task in "AB")
    np.testing.assert_array_equal(a.object_xy, b.target_xy)
    np.testing.assert_array_equal(a.target_xy, np.tile(np.float32(TASK.goal_xy), (4, 1)))
    assert 0 < np.linalg.norm(b.object_xy - TASK.goal_xy, axis=1).max() <= TASK.start_spread


def test_streams_with_different_names_differ():
    names = [("demonstrations", "B", 0), ("evaluation", "B", 0), ("evaluation", "A", 0), ("alternating", 0)]
    assert len({derive(0, *name) for name in names}) == len(names)
    assert derive(0, "a") == derive(0, "a") != derive(1, "a")
