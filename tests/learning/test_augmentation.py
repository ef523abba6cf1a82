"""Shifted hands: what moves, what stays, and that the features agree with what was moved."""

import numpy as np
import pytest
import torch

from rev2fwd_il import keys
from rev2fwd_il.learning.augmentation import LOW_M, shift_end_effectors
from rev2fwd_il.tasks import observation
from rev2fwd_il.tasks.geometry import about_vertical
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
