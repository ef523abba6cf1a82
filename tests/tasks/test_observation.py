"""What a policy observes: a cube looks the same from 24 sides."""

import numpy as np
from scipy.spatial.transform import Rotation

from rev2fwd_il.tasks.geometry import about_vertical, nearest_alike, turn_about_vertical
from rev2fwd_il.tasks.observation import RELATION_NAMES, ObjectRelations

RELATIONS = ObjectRelations("O", held_distance_m=0.045, held_width_m=0.065)
RNG = np.random.default_rng(0)
ORIENTATIONS = Rotation.random(200, random_state=0)
QUATERNIONS = ORIENTATIONS.as_quat(scalar_first=True)
HANDS = about_vertical(RNG.uniform(-0.5, 0.5, 200))


def angle(first, second):
    return 2 * np.arccos(np.clip(np.abs((first * second).sum(-1)), 0, 1))


def test_all_24_orientations_that_look_alike_are_observed_as_one():
    seen = nearest_alike(QUATERNIONS, HANDS, "O")
    for symmetry in Rotation.create_group("O"):
        alike = (ORIENTATIONS * symmetry).as_quat(scalar_first=True)
        again = nearest_alike(alike, HANDS, "O")
        np.testing.assert_allclose(angle(seen, again), 0, atol=2e-3)


def test_it_is_the_nearest_one_and_looks_like_the_original():
    seen = nearest_alike(QUATERNIONS, HANDS, "O")
    assert np.degrees(angle(seen, HANDS)).max() < 63  # of a cube, no orientation is farther from its nearest alike
    turn = Rotation.from_quat(seen, scalar_first=True).inv() * ORIENTATIONS
    axes = np.abs(turn.as_matrix())  # a symmetry of the cube maps axes to axes
    np.testing.assert_allclose(np.sort(axes, axis=-1)[:, :, -1], 1, atol=1e-6)


def test_a_cube_on_another_face_is_the_same_cube():
    hand = np.concatenate([[0.5, 0, 0.1], about_vertical(0.1)])
    upright = np.concatenate([[0.5, 0, 0.02], about_vertical(0.3)])
    tipped = upright.copy()
    on_its_side = Rotation.from_quat(upright[3:], scalar_first=True) * Rotation.from_euler("y", 90, degrees=True)
    tipped[3:] = on_its_side.as_quat(scalar_first=True)
    first, second = (RELATIONS(hand, cube, 0.04, np.array([0.4, 0.2])) for cube in (upright, tipped))
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_the_turn_is_what_the_hand_has_to_make():
    hand, cube = about_vertical(RNG.uniform(-0.3, 0.3, 50)), RNG.uniform(-0.3, 0.3, 50)
    turn = turn_about_vertical(about_vertical(cube), hand)
    np.testing.assert_allclose(turn, cube - 2 * np.arcsin(hand[:, 3]), atol=1e-6)


def test_names_and_widths_agree():
    around = RELATIONS(np.zeros((3, 7)) + 0.5, np.zeros((3, 7)) + 0.5, np.zeros(3), np.zeros(2))
    assert around.shape == (3, len(RELATION_NAMES)) and around.dtype == np.float32
    assert np.abs(around[:, -14:]).max() <= 1


def test_held_means_closed_on_the_object():
    hand = np.tile(np.concatenate([[0.5, 0, 0.1], about_vertical(0.0)]), (4, 1))
    cube = hand + np.array([0, 0, 0.01, 0, 0, 0, 0])
    cube[1, 0] += 0.1  # closed elsewhere
    width = np.array([0.04, 0.04, 0.08, 0.0575])
    np.testing.assert_allclose(RELATIONS.held(hand, cube, width), [1, 0, 0, 0.5], atol=1e-6)
    around = RELATIONS(hand, cube, width, cube[:, :2] + [0.03, 0.04])
    at = RELATION_NAMES.index
    np.testing.assert_allclose(around[:, at("held_apart")], [1, 0, 0, 0.5], atol=1e-6)
    np.testing.assert_allclose(around[:, at("target_apart_far")], 0.25, atol=1e-6)
