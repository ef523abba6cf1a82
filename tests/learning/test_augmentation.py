"""Moved scenes and shifted hands: what moves, what stays, and that the features agree with what was moved."""

import numpy as np
import pytest
import torch

from rev2fwd_il import keys
from rev2fwd_il.config.task import KINDS, read_task_settings
from rev2fwd_il.learning.augmentation import LOW_M, move_scenes, shift_end_effectors
from rev2fwd_il.tasks import make_task, observation
from rev2fwd_il.tasks.geometry import about_vertical, nearest_alike, turn_about_vertical
from rev2fwd_il.tasks.observation import RELATION_NAMES
from rev2fwd_il.tasks.pick_place import PickPlace, PickPlaceSettings

COUNT, SIGMA_M, SIGMA_RAD = 4000, 0.004, 0.05
TASK = PickPlace(PickPlaceSettings())
TARGET = TASK.target_poses("A", np.float32([[0.5, 0.0]]))[0]


def windows(height: float, holding: bool) -> dict[str, torch.Tensor]:
    """COUNT windows of two frames: a hand at that height, the cube in it or on the table below."""
    hand = np.tile(np.concatenate([[0.4, 0.1, height], about_vertical(0.2)]).astype(np.float32), (COUNT, 2, 1))
    hand[:, 1, 0] += 0.01  # moving
    cube, width = hand.copy(), np.full((COUNT, 2), 0.04 if holding else 0.08, np.float32)
    if not holding:
        cube[..., 2] = 0.02
    around = TASK.environment_state(hand, cube, width, TARGET)
    both = {keys.OBS_STATE: observation.state(hand, width), keys.OBS_ENVIRONMENT_STATE: around}
    action = np.tile(hand[:, -1:, :], (1, 16, 1))
    return {key: torch.from_numpy(value) for key, value in (both | {keys.ACTION: action}).items()}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("holding", [False, True])
def test_the_hand_moves_sideways_and_a_held_object_with_it(holding):
    before = windows(LOW_M, holding)
    after = shift_end_effectors(before, TASK, SIGMA_M, SIGMA_RAD)
    moved = after[keys.OBS_STATE][..., :3] - before[keys.OBS_STATE][..., :3]
    torch.testing.assert_close(moved[:, 0], moved[:, 1], atol=1e-6, rtol=0)  # the same in the whole history
    np.testing.assert_allclose(moved[:, 0].std(0), [SIGMA_M, SIGMA_M, 0], rtol=0.05)
    objects = [each[keys.OBS_ENVIRONMENT_STATE][..., observation.OBJECT] for each in (before, after)]
    torch.testing.assert_close((objects[1] - objects[0])[..., :3], moved * holding, atol=1e-6, rtol=0)
    turn = 2 * torch.arcsin(after[keys.OBS_STATE][:, 0, 6]) - 0.2
    np.testing.assert_allclose([turn.mean(), turn.std()], [0, SIGMA_RAD], atol=0.003)
    assert torch.equal(before[keys.ACTION], after[keys.ACTION])


def test_a_high_hand_moves_less():
    low, high = (
        shift_end_effectors(windows(z, False), TASK, SIGMA_M)[keys.OBS_STATE][:, 0, 0].std() for z in (LOW_M, 4 * LOW_M)
    )
    np.testing.assert_allclose(low / high, 4, rtol=0.1)


def test_features_are_those_of_the_shifted_hand():
    shifted = shift_end_effectors(windows(0.1, False), TASK, SIGMA_M, SIGMA_RAD)
    state, around = shifted[keys.OBS_STATE].numpy(), shifted[keys.OBS_ENVIRONMENT_STATE].numpy()
    again = TASK.environment_state(state[..., :7], around[..., observation.OBJECT], state[..., 7], TARGET)
    np.testing.assert_allclose(around, again, atol=1e-6)


SCENES = {
    "shifted": (0.1, 0.0, False),
    "turned a little": (0.0, 0.3, False),
    "turned anywhere": (0.0, np.pi, False),
    "mirrored": (0.0, 0.0, True),
    "all": (0.1, np.pi, True),
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
@pytest.mark.parametrize("holding", [False, True])
def test_a_moved_scene_is_moved_as_a_whole(scene, holding):
    """Nothing in it moves against anything else: all distances and heights stay, in all frames and commands."""
    before = windows(0.1, holding)
    before[keys.ACTION][..., :2] += torch.tensor([0.03, -0.02])
    after = move_scenes(before, TASK, *scene)
    places = []
    for each in (before, after):
        obj, target = TASK.parse_environment_state(each[keys.OBS_ENVIRONMENT_STATE].numpy())
        hand, command = each[keys.OBS_STATE][..., :3].numpy(), each[keys.ACTION][:, :2, :3].numpy()
        places.append(np.concatenate([hand, obj[..., :3], target[..., :3], command], 1))  # (B, 8, 3)
    apart = [np.linalg.norm(each[:, :, None] - each[:, None], axis=-1) for each in places]
    np.testing.assert_allclose(*apart, atol=1e-6)
    np.testing.assert_allclose(places[0][..., 2], places[1][..., 2])
    assert (np.abs(places[1] - places[0]).max((0, 1))[:2] > 0.01).any()
    turned = [each[keys.OBS_ENVIRONMENT_STATE][..., RELATION_NAMES.index("near_turn")] for each in (before, after)]
    torch.testing.assert_close(turned[0].abs(), turned[1].abs(), atol=1e-4, rtol=0)


def test_a_scene_is_moved_everywhere():
    """Uniform shifts, every direction, both hands; and a hand turns no further than to where a cube looks alike."""
    before = windows(0.1, False)
    shifted = move_scenes(before, TASK, 0.1, 0.0, False)[keys.OBS_STATE] - before[keys.OBS_STATE]
    np.testing.assert_allclose(shifted[:, 0, :2].std(0), 0.1 / np.sqrt(3), rtol=0.05)
    turned = move_scenes(before, TASK, 0.0, np.pi, False)
    hand = turned[keys.OBS_STATE][:, 0].numpy() - [0.5, 0, 0, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(np.histogram(np.arctan2(hand[:, 1], hand[:, 0]), 8)[0], COUNT / 8, rtol=0.2)
    yaw = 2 * np.arcsin(turned[keys.OBS_STATE][:, 0, 6].numpy())
    assert np.abs(yaw - 0.2).max() < np.pi / 4 + 1e-3
    commanded = 2 * np.arcsin(turned[keys.ACTION][:, 0, 6].numpy())
    np.testing.assert_allclose(yaw, commanded, atol=1e-5)
    mirrored = move_scenes(before, TASK, 0.0, 0.0, True)
    y, yaw = mirrored[keys.OBS_STATE][:, 0, 1], 2 * torch.arcsin(mirrored[keys.OBS_STATE][:, 0, 6])
    np.testing.assert_allclose((y < 0).float().mean(), 0.5, atol=0.03)
    torch.testing.assert_close(y.sign() * 0.2, yaw, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_task_observes_of_a_moved_scene_is_what_it_would_observe_there(kind):
    """Also where it starts and ends in a socket or on a block."""
    task, count = make_task(read_task_settings({"kind": kind})), 64
    states = task.sample_initial_states("B", np.random.default_rng(0), count)
    hand, obj, target = (pose[:, None] for pose in (states.ee_pose, states.obj_pose, states.target_pose))
    open_m = np.full((count, 1), 0.08, np.float32)
    before = {
        keys.OBS_STATE: torch.from_numpy(observation.state(hand, open_m)),
        keys.OBS_ENVIRONMENT_STATE: torch.from_numpy(task.environment_state(hand, obj, open_m, target)),
        keys.ACTION: torch.from_numpy(np.concatenate([hand, np.ones((count, 1, 1), np.float32)], -1)),
    }
    after = move_scenes(before, task, 0.1, np.pi, True)
    seen = [task.parse_environment_state(each[keys.OBS_ENVIRONMENT_STATE].numpy()) for each in (before, after)]
    apart = [np.linalg.norm(obj[..., :2] - target[..., :2], axis=-1) for obj, target in seen]
    np.testing.assert_allclose(*apart, atol=1e-6)
    hands = [each[keys.OBS_STATE][..., :7].numpy() for each in (before, after)]
    again = task.environment_state(hands[1], seen[1][0], open_m, seen[1][1])
    np.testing.assert_allclose(after[keys.OBS_ENVIRONMENT_STATE], again, atol=1e-5)
    for pose in (0, 1) if kind == "insert" else (0,):  # elsewhere a target's turn is not observed
        alike = [
            nearest_alike(each[pose][..., 3:], hand[..., 3:], "C4") for each, hand in zip(seen, hands, strict=True)
        ]
        turned = [turn_about_vertical(quat, hand[..., 3:]) for quat, hand in zip(alike, hands, strict=True)]
        np.testing.assert_allclose(*np.abs(turned), atol=1e-3)
