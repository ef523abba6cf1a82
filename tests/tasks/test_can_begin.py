"""Which of A and B can begin where a failed attempt has left the object."""

import numpy as np
import pytest

from rev2fwd_il.tasks.insert import Insert, InsertSettings
from rev2fwd_il.tasks.pick_place import PickPlace, PickPlaceSettings
from rev2fwd_il.tasks.stack import Stack, StackSettings
from rev2fwd_il.tasks.task import Task

PICK_PLACE, STACK, INSERT = PickPlace(PickPlaceSettings()), Stack(StackSettings()), Insert(InsertSettings())


def pose(x, y, z, lean_deg=0.0):
    half = np.radians(lean_deg) / 2
    return np.float32([x, y, z, np.cos(half), np.sin(half), 0, 0])


@pytest.mark.parametrize(
    ("task", "where", "begin"),
    [
        (PICK_PLACE, pose(0.4, 0.2, 0.02), "A"),
        (PICK_PLACE, pose(0.5, 0.04, 0.02), "BA"),  # as far from the goal as Task A may leave it
        (PICK_PLACE, pose(0.5, 0.06, 0.02), "A"),
        (PICK_PLACE, pose(0.4, 0.2, 0.028, 45), "A"),  # on an edge, against the hand
        (PICK_PLACE, pose(0.7, 0.0, 0.02), "A"),  # outside the region, within reach
        (PICK_PLACE, pose(0.248, -0.2, 0.02), "A"),  # beyond what the end effector may be sent to, between the fingers
        (PICK_PLACE, pose(0.78, 0.0, 0.02), ""),
        (PICK_PLACE, pose(0.5, -0.38, 0.02), ""),
        (PICK_PLACE, pose(0.5, 0.0, -0.1), ""),  # off the table
        (STACK, pose(0.5, 0.025, 0.06), "BA"),  # on the block, too far off centre to count as stacked
        (STACK, pose(0.5, 0.05, 0.02), "A"),  # on the table beside the block
        (INSERT, pose(0.5, 0.001, 0.04), "BA"),  # in the socket
        (INSERT, pose(0.503, 0.0, 0.08, 5), "BA"),  # on its rim
        (INSERT, pose(0.5, 0.05, 0.04), "A"),  # standing beside it
        (INSERT, pose(0.5, 0.03, 0.045, 20), "A"),  # leaning on it
        (INSERT, pose(0.4, 0.2, 0.01, 90), ""),  # toppled
    ],
)
def test_what_can_begin_is_the_tasks_to_say(task, where, begin):
    assert "".join(task.can_begin(where)) == begin


def test_a_task_that_says_nothing_lets_a_begin_wherever_the_arm_may_be_sent():
    assert Task.can_begin(PICK_PLACE, pose(0.5, 0.0, 0.02)) == ("A",)
    assert Task.can_begin(PICK_PLACE, pose(0.9, 0.0, 0.02)) == ()


@pytest.mark.parametrize("task", [PICK_PLACE, STACK, INSERT])
@pytest.mark.parametrize("direction", ["A", "B"])
def test_every_start_of_a_direction_is_one_from_which_it_can_begin_first(task, direction):
    states = task.sample_initial_states(direction, np.random.default_rng(0), 200)
    assert all(task.can_begin(start)[0] == direction for start in states.obj_pose)
    ends = task.sample_initial_states(direction, np.random.default_rng(1), 200).target_pose
    other = "A" if direction == "B" else "B"
    assert all(task.can_begin(end)[0] == other for end in ends)


@pytest.mark.parametrize(
    ("task", "held", "z"),
    [
        (PICK_PLACE, pose(0.4, 0.2, 0.25, 20), 0.02),
        (PICK_PLACE, pose(0.4, 0.2, 0.015), 0.015),  # it is no higher now
        (STACK, pose(0.52, 0.0, 0.25), STACK.settings.base_height + 0.02),  # above the block
        (STACK, pose(0.6, 0.0, 0.25), 0.02),
        (INSERT, pose(0.505, 0.0, 0.25), INSERT.boxes[1].size_m[2] + INSERT.settings.peg_height / 2),  # on the rim
        (INSERT, pose(0.4, 0.2, 0.25), INSERT.settings.peg_height / 2),
    ],
)
def test_what_is_held_is_put_down_on_what_is_below_it(task, held, z):
    np.testing.assert_allclose(task.put_down_pose(held), [*held[:2], z, *held[3:]], rtol=1e-6)
