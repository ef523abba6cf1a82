"""Pushing: success without a lift, none without a push, the expert's way, what the settings allow."""

from pathlib import Path

import numpy as np
import pytest

from rev2fwd_il import keys
from rev2fwd_il.config.reading import load_configs
from rev2fwd_il.config.run import make_config
from rev2fwd_il.errors import ConfigError
from rev2fwd_il.seeds import generator
from rev2fwd_il.tasks import make_task
from rev2fwd_il.tasks.push import FINGERS_M, Push, PushSettings
from rev2fwd_il.tasks.task import GripperEvent, Waypoint

ROOT = Path(__file__).parents[2]
TASK = Push(PushSettings())
UPRIGHT = [1.0, 0, 0, 0]
TARGET = np.array([0.4, 0.2])


def attempt(start_xy, end_xy, *, touched=True, gripper=0.08):
    """A cube that goes straight from start to end on the table: the kind of failure, None for a success."""
    detector = TASK.success_detector(1)
    cubes = [np.float32([[*xy, 0.02, *UPRIGHT]]) for xy in np.linspace(start_xy, end_xy, 60)]
    detector.start(np.array([0]), ["B"], TASK.target_poses("B", np.float32([TARGET])), cubes[0])
    away = np.float32([[0.1 if touched else 0.15, 0, 0.1, 0, 0, 0, 0]])
    success = False
    for cube in [*cubes, *[cubes[-1]] * 12]:
        moves = cube is not cubes[-1]
        hand = cube + np.float32([[0.03, 0, 0, 0, 0, 0, 0]]) if touched and moves else cube + away
        success = success or detector.update(hand, cube, np.array([0.0 if moves else gripper]))[0]
    return (None if success else detector.failure(0)), detector


@pytest.mark.parametrize(
    ("start", "end", "failure"),
    [
        ((0.5, 0.0), TARGET, None),
        ((0.5, 0.0), (0.5, 0.01), "not_pushed"),
        (TARGET + 0.02, TARGET + 0.02, "not_pushed"),  # within the tolerance from the beginning
        ((0.5, 0.0), (0.47, 0.1), "placed_wide"),
    ],
)
def test_it_succeeds_by_a_push_and_not_without_one(start, end, failure):
    assert attempt(start, end)[0] == failure


def test_it_has_to_be_touched_and_let_go():
    assert attempt((0.5, 0.0), (0.5, 0.0), touched=False)[0] == "never_reached"
    assert attempt((0.5, 0.0), TARGET, gripper=0.0)[0] == "not_released"


def test_what_decides_is_the_push_and_not_the_lift():
    decided = attempt((0.5, 0.0), TARGET)[1].quantities(0)
    assert "lifted" not in decided
    assert decided["pushed"] == (pytest.approx(np.hypot(0.1, 0.2), abs=1e-6), TASK.settings.min_push)


@pytest.mark.parametrize("direction", ["A", "B"])
def test_the_expert_pushes_straight_to_the_target_with_closed_fingers(direction):
    for index in range(20):
        rng = np.random.default_rng(index)
        states = TASK.sample_initial_states(direction, rng, 1)
        start, target = states.obj_pose[0, :2], states.target_pose[0, :2]
        way = TASK.expert_way(direction, states, 0, states.ee_pose[0], rng)
        assert [part.gripper for part in way if isinstance(part, GripperEvent)] == [-1, 1]
        legs = [part for part in way if isinstance(part, Waypoint)]
        assert all(leg.gripper == keys.GRIPPER_CLOSE for leg in legs[:-1])
        behind, end = legs[1].pose, legs[2].pose
        along = (target - start) / np.linalg.norm(target - start)
        assert (start - behind[:2]) @ along > np.hypot(0.02, 0.02) + FINGERS_M / 2  # clear of a turned cube
        np.testing.assert_allclose(end[:2] + 0.03 * along, target, atol=0.004)
        assert behind[2] == end[2] == 0.02 and behind[3] > 0.7  # a quarter of a turn at most
        across = np.array([1 - 2 * behind[6] ** 2, 2 * behind[3] * behind[6]])
        assert abs(across @ along) == pytest.approx(1, abs=1e-6)  # the broad side of the closed fingers


def test_nothing_that_is_pushed_was_raised():
    assert TASK.data_bounds.raised_m == 0


def test_settings_are_its_own():
    config = load_configs([ROOT / "config/config.yaml", ROOT / "config/push.yaml"])
    assert isinstance(make_task(config.task), Push) and config.task == PushSettings(kind="push")
    with pytest.raises(ConfigError, match="min_push"):
        make_config({"task": {"kind": "push", "min_push": 0}})
    np.testing.assert_array_less(0, TASK.sample_initial_states("B", generator(0, "s"), 5).obj_pose[:, 2])
