"""Insertion: success on hand-made motions, the peg in its socket, what a policy sees, geometry that cannot work."""

from pathlib import Path

import numpy as np
import pytest

from rev2fwd_il.config.reading import load_configs
from rev2fwd_il.config.run import make_config
from rev2fwd_il.errors import ConfigError
from rev2fwd_il.seeds import generator
from rev2fwd_il.tasks import make_task
from rev2fwd_il.tasks.geometry import about_vertical, tilt, turn_about_vertical
from rev2fwd_il.tasks.insert import GRASP_ABOVE_CENTRE_M, Insert, InsertSettings

ROOT = Path(__file__).parents[2]
TASK = Insert(InsertSettings())
GOAL = np.array(TASK.settings.goal_xy)
DOWN_Z = 0.04  # of the centre of a peg that stands on the table, in the socket too
UPRIGHT, LEANING = [1.0, 0, 0, 0], [np.cos(np.radians(5)), np.sin(np.radians(5)), 0, 0]  # by 10 degrees
LYING = [np.cos(np.radians(40)), np.sin(np.radians(40)), 0, 0]  # by 80


def attempt(direction, xy, z, quat=UPRIGHT, gripper=0.08):
    """A peg that was lifted, and rests there: whether that is a success, and the kind of failure if not."""
    detector = TASK.success_detector(1, distance_threshold=0.05)
    target = TASK.target_poses(direction, np.float32([GOAL if direction == "A" else (0.4, 0.2)]))
    lifted, peg = np.float32([[*xy, 0.2, *UPRIGHT]]), np.float32([[*xy, z, *quat]])
    detector.start(np.array([0]), [direction], target, peg)
    detector.update(lifted, lifted, np.array([0.02]))
    for height in np.arange(0.19, z, -0.01):
        lowered = np.float32([[*xy, height, *UPRIGHT]])
        detector.update(lowered, lowered, np.array([0.02]))
    clear = peg + np.float32([0, 0, 0.1, 0, 0, 0, 0])
    success = any(detector.update(clear, peg, np.array([gripper]))[0] for _ in range(10))
    return None if success else detector.failure(0)


@pytest.mark.parametrize(
    ("direction", "xy", "z", "failure"),
    [
        ("A", GOAL, DOWN_Z, None),
        ("A", GOAL, DOWN_Z + 0.014, None),  # 26 mm below the rim
        ("A", GOAL, DOWN_Z + 0.016, "not_inserted"),  # 24 mm
        ("A", GOAL + np.array([0.03, 0]), DOWN_Z, "placed_wide"),  # beside the socket, within any tolerance asked for
        ("B", (0.42, 0.2), DOWN_Z, None),
        ("B", (0.47, 0.2), DOWN_Z, "placed_wide"),
    ],
)
def test_a_peg_counts_as_inserted_by_its_depth_and_as_placed_by_its_place(direction, xy, z, failure):
    assert attempt(direction, xy, z) == failure


@pytest.mark.parametrize(("direction", "xy"), [("A", GOAL), ("B", (0.4, 0.2))])
def test_a_peg_that_leans_or_is_held_does_not_count(direction, xy):
    assert attempt(direction, xy, DOWN_Z, LEANING) == "toppled"
    assert attempt(direction, xy, DOWN_Z, gripper=0.02) == "not_released"
    assert attempt(direction, xy, DOWN_Z, LEANING, gripper=0.02) == "not_released"
    assert attempt(direction, xy, DOWN_Z, LYING, gripper=0.02) == "toppled"


def test_task_b_starts_inside_the_socket_and_ends_turned():
    states = TASK.sample_initial_states("B", generator(0, "s"), 300)
    corners = np.array([[x, y] for x in (-1, 1) for y in (-1, 1)]) * TASK.settings.peg_edge / 2
    cos, sin = np.cos(states.object_yaw)[:, None], np.sin(states.object_yaw)[:, None]
    turned = np.stack([cos * corners[:, 0] - sin * corners[:, 1], sin * corners[:, 0] + cos * corners[:, 1]], -1)
    reach = np.abs(states.obj_pose[:, None, :2] - GOAL + turned).max()
    assert TASK.settings.peg_edge / 2 < reach < TASK.settings.peg_edge / 2 + TASK.settings.clearance
    turns = turn_about_vertical(states.target_pose[:, 3:], np.float32(UPRIGHT))
    assert 0.45 < np.abs(turns).max() <= 0.5
    assert np.linalg.norm(states.target_pose[:, :2] - GOAL, axis=1).min() >= TASK.settings.min_goal_distance


def test_the_walls_leave_the_clearance_on_each_side():
    for settings in (InsertSettings(), InsertSettings(clearance=0.004)):
        peg, *walls = Insert(settings).boxes
        assert len(walls) == 4 and all(wall.mass_kg is None for wall in walls) and peg.mass_kg == settings.peg_mass
        gaps = []
        for wall in walls:
            apart = np.abs(np.subtract(wall.position_m, peg.position_m))[:2] - np.add(wall.size_m, peg.size_m)[:2] / 2
            gaps.append(apart.max())
            assert wall.position_m[2] + wall.size_m[2] / 2 == settings.socket_height
        np.testing.assert_allclose(gaps, settings.clearance)


@pytest.mark.parametrize("direction", ["A", "B"])
def test_the_expert_is_precise_across_the_pads_only(direction):
    along, across = [], []
    for index in range(50):
        rng = np.random.default_rng(index)
        states = TASK.sample_initial_states(direction, rng, 1)
        way = TASK.expert_way(direction, states, 0, states.ee_pose[0], rng)
        offset, yaw = way[1].pose[:2] - states.obj_pose[0, :2], states.object_yaw[0]
        along.append(np.cos(yaw) * offset[0] + np.sin(yaw) * offset[1])
        across.append(-np.sin(yaw) * offset[0] + np.cos(yaw) * offset[1])
        placed = way[5].pose  # the grasp is the same in the peg's frame
        turn = turn_about_vertical(placed[3:], states.target_pose[0, 3:])
        np.testing.assert_allclose(turn, turn_about_vertical(way[1].pose[3:], states.obj_pose[0, 3:]), atol=1e-6)
    assert np.max(np.abs(across)) < TASK.settings.clearance / 2 < 0.002 < np.max(np.abs(along))


def test_what_a_policy_sees_resolves_half_a_millimetre_and_can_be_read_back():
    states = TASK.sample_initial_states("A", generator(0, "s"), 20)
    ee = states.ee_pose
    peg = np.concatenate([ee[:, :3] - [0, 0, GRASP_ABOVE_CENTRE_M], ee[:, 3:]], 1).astype(np.float32)
    peg[:, :2] = GOAL + np.array([0.003, 0])
    width = np.full(20, 0.02)
    seen = TASK.environment_state(ee, peg, width, states.target_pose)
    assert seen.shape == (20, len(TASK.environment_state_names)) and seen.dtype == np.float32
    moved = TASK.environment_state(ee, peg + np.float32([5e-4, 0, 0, 0, 0, 0, 0]), width, states.target_pose)
    at = TASK.environment_state_names.index("fine_target_x")
    np.testing.assert_allclose(seen[:, at] - moved[:, at], 0.05, atol=1e-4)
    again, target = TASK.parse_environment_state(seen)
    np.testing.assert_allclose(again[:, :3], peg[:, :3], atol=1e-6)
    np.testing.assert_allclose(target, states.target_pose, atol=1e-6)


def test_a_peg_turned_by_a_quarter_looks_the_same_and_a_leaning_one_shows_where_its_end_is():
    ee = np.float32([[0.5, 0, 0.2, *UPRIGHT]])
    pegs = [np.float32([[0.5, 0, 0.17, *about_vertical(yaw)]]) for yaw in (0.1, 0.1 + np.pi / 2)]
    target = TASK.target_poses("A", np.float32([GOAL]))
    first, second = (TASK.environment_state(ee, peg, np.array([0.02]), target) for peg in pegs)
    np.testing.assert_allclose(first, second, atol=1e-5)
    leaning = np.float32([[0.5, 0, 0.17, *LEANING]])
    assert np.degrees(tilt(leaning[:, 3:])) == pytest.approx(10, abs=1e-3)
    at = TASK.environment_state_names.index("fine_target_y")
    seen = TASK.environment_state(ee, leaning, np.array([0.02]), target)[0, at]
    assert seen == pytest.approx(-0.04 * np.sin(np.radians(10)) / 0.01, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"height_threshold": 0.2}, "the lowest that the expert carries"),
        ({"min_depth": 0.05}, "must be less than socket_height"),
        ({"min_goal_distance": 0.05}, "beside the socket"),
        ({"clearance": 0.0}, "greater than or equal to 0.0001"),
        ({"cube_edge": 0.05}, "unknown key"),
    ],
)
def test_geometry_that_cannot_work_is_refused(change, told):
    with pytest.raises(ConfigError, match=told):
        make_config({"task": {"kind": "insert"} | change})


def test_the_configuration_is_laid_over_the_default_one():
    config = load_configs([ROOT / "config/config.yaml", ROOT / "config/insert.yaml"])
    assert isinstance(make_task(config.task), Insert) and make_task(config.task).solver_substeps == 4
    assert config.task == InsertSettings(kind="insert"), "config/insert.yaml spells out the defaults of its kind"
