"""Stacking: success on hand-made motions, heights of both directions, and geometry that cannot work."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rev2fwd_il.config.reading import load_configs
from rev2fwd_il.config.run import make_config
from rev2fwd_il.errors import ConfigError
from rev2fwd_il.seeds import generator
from rev2fwd_il.tasks import make_task
from rev2fwd_il.tasks.stack import Stack, StackSettings
from rev2fwd_il.tasks.task import GripperEvent

ROOT = Path(__file__).parents[2]
TASK = Stack(StackSettings(distance_threshold=0.03))
GOAL = TASK.settings.goal_xy
STACKED_Z, TABLE_Z = 0.06, 0.02


def succeeds(direction, xy, z):
    """Whether a cube that was lifted, and rests there, released, has been brought where it belongs."""
    detector = TASK.success_detector(1)
    target = TASK.target_poses(direction, np.float32([GOAL if direction == "A" else (0.4, 0.2)]))
    cube = np.float32([[*xy, z, 1, 0, 0, 0]])
    lifted = np.float32([[*xy, 0.2, 1, 0, 0, 0]])
    detector.start(np.array([0]), [direction], target, cube)
    detector.update(lifted, lifted, np.array([0.04]))
    clear = cube + np.float32([0, 0, 0.1, 0, 0, 0, 0])
    return any(detector.update(clear, cube, np.array([0.08]))[0] for _ in range(10)), detector


@pytest.mark.parametrize(
    ("direction", "xy", "z", "success"),
    [
        ("A", (0.51, 0.0), STACKED_Z, True),
        ("A", (0.518, 0.0), STACKED_Z, False),  # on the block, but too far from its centre
        ("A", (0.51, 0.0), TABLE_Z, False),
        ("B", (0.42, 0.2), TABLE_Z, True),  # where Task A's tolerance would not do
        ("B", (0.42, 0.2), STACKED_Z, False),
    ],
)
def test_each_direction_has_its_height_and_its_tolerance(direction, xy, z, success):
    assert succeeds(direction, xy, z)[0] == success


def test_what_decides_is_told_by_the_directions_own_threshold():
    assert succeeds("A", (0.51, 0.0), STACKED_Z)[1].quantities(0)["near_the_target"][1] == 0.015
    assert succeeds("B", (0.42, 0.2), TABLE_Z)[1].quantities(0)["near_the_target"][1] == 0.03


def test_task_b_starts_where_task_a_leaves_the_cube():
    states = TASK.sample_initial_states("B", generator(0, "s"), 300)
    off_centre = np.linalg.norm(states.obj_pose[:, :2] - GOAL, axis=1)
    assert 0.008 < off_centre.max() <= 0.8 * TASK.settings.stack_tolerance + 1e-6
    np.testing.assert_allclose(states.obj_pose[:, 2], STACKED_Z)
    np.testing.assert_allclose(states.target_pose[:, 2], TABLE_Z)
    beside = np.linalg.norm(states.ee_pose[:, :2] - GOAL, axis=1) < 0.05
    assert states.ee_pose[beside, 2].min() > STACKED_Z + 0.06  # open fingers do not start in the cube


@pytest.mark.parametrize(("direction", "closes_at", "opens_at"), [("A", TABLE_Z, STACKED_Z), ("B", STACKED_Z, TABLE_Z)])
def test_the_expert_grasps_and_lets_go_at_these_heights(direction, closes_at, opens_at):
    rng = np.random.default_rng(0)
    states = TASK.sample_initial_states(direction, rng, 1)
    way = TASK.expert_way(direction, states, 0, states.ee_pose[0], rng)
    heights = [before.pose[2] for before, event in pairwise(way) if isinstance(event, GripperEvent)]
    np.testing.assert_allclose(heights, [closes_at, opens_at], atol=0.005)


def test_its_observation_tells_the_height_above_the_block():
    states = TASK.sample_initial_states("B", generator(0, "s"), 2)
    observed = TASK.environment_state(states.ee_pose, states.obj_pose, np.full(2, 0.08), states.target_pose)
    assert observed.shape == (2, len(TASK.environment_state_names))
    np.testing.assert_allclose(observed[:, -1], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"stack_tolerance": 0.03}, "less than half of base_edge"),
        ({"min_goal_distance": 0.08}, "the gripper meets it"),
        ({"height_threshold": 0.08}, "clear of a cube on the block"),
    ],
)
def test_geometry_that_cannot_work_is_refused(change, told):
    with pytest.raises(ConfigError, match=told):
        make_config({"task": {"kind": "stack"} | change})


def test_the_configuration_is_laid_over_the_default_one():
    config = load_configs([ROOT / "config/config.yaml", ROOT / "config/stack.yaml"])
    assert isinstance(make_task(config.task), Stack)
    assert config.name != "circle", "its artifacts would overwrite those of config.yaml"
