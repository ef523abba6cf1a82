"""What the cameras see is where their calibration says, and looks otherwise where it is asked to vary."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from rev2fwd_il import keys
from rev2fwd_il.config.reading import with_changes
from rev2fwd_il.sim.appearance import Appearance
from rev2fwd_il.sim.cameras import calibration
from rev2fwd_il.sim.textures import PATTERN_PX, draw_patterns

PARKED = [0.35, -0.25, 0.34]  # the end effector, out of the table camera's view of the targets [m]
TARGETS = np.float32([[0.5, 0.1], [0.6, 0.2], [0.6, -0.2], [0.4, 0.2], [0.55, 0.0], [0.65, 0.1]])
DOWN = Rotation.from_quat([1, 0, 0, 0])  # of the hand, while the tool centre point's own frame points up


def pixel(camera: dict, point: np.ndarray, frame: tuple[np.ndarray, Rotation] = (np.zeros(3), Rotation.identity())):
    """(u, v) of a point in the robot-base frame [m], seen by a camera whose own frame lies there."""
    x, y, z, *quat = camera["pose"]
    position, rotation = frame
    at, turned = position + rotation.apply([x, y, z]), rotation * Rotation.from_quat(quat, scalar_first=True)
    ray = np.array(camera["intrinsics"]) @ turned.inv().apply(point - at)
    return ray[:2] / ray[2]


def red_centre(image: np.ndarray) -> np.ndarray:
    """Middle of the red disc, in pixels whose first centre lies at 0.5."""
    red, green, blue = np.moveaxis(image.astype(int), -1, 0)
    rows, columns = np.nonzero((red > 150) & (green < 110) & (blue < 110))
    return np.array([columns.mean(), rows.mean()]) + 0.5


def place(cell, ee_position: np.ndarray) -> None:
    everyone = np.arange(cell.num_envs)
    cell.show_target(everyone, TARGETS)
    obj = np.tile(np.float32([0.36, -0.2, 0.02, 1, 0, 0, 0]), (cell.num_envs, 1))
    ee = np.concatenate([ee_position, np.tile([1, 0, 0, 0], (cell.num_envs, 1))], 1).astype(np.float32)
    cell.reset(everyone, ee, obj)


def test_the_table_camera_sees_targets_where_its_calibration_says(cell, config):
    place(cell, np.tile(PARKED, (cell.num_envs, 1)))
    camera = calibration(config)["cameras"][keys.IMAGES]
    for image, xy in zip(cell.images()[0], TARGETS, strict=True):
        np.testing.assert_allclose(red_centre(image), pixel(camera, np.array([*xy, 0.0])), atol=0.7)


def test_the_wrist_camera_sees_them_from_the_hand(cell, config):
    above = np.concatenate([TARGETS, np.full((cell.num_envs, 1), 0.2)], 1)
    place(cell, above)
    camera = calibration(config)["cameras"][keys.WRIST_IMAGES]
    for image, xy in zip(cell.images()[1], TARGETS, strict=True):
        hand = np.array([*xy, 0.2 + 0.1034]), DOWN
        np.testing.assert_allclose(red_centre(image), pixel(camera, np.array([*xy, 0.0]), hand), atol=1.0)


def test_an_appearance_varies_colours_light_and_camera_and_comes_back(cell):
    amounts = {"light": 0.3, "colour": 0.3, "texture": 0.5, "camera_position": 0.05, "camera_angle_deg": 3.0}
    settings = [with_changes([f"sim.appearance.{name}={amount}"]) for name, amount in amounts.items()]
    *looks, usual_look = [Appearance(cell.env, each, seed=0, looks="data") for each in (*settings, with_changes([]))]
    place(cell, np.tile(PARKED, (cell.num_envs, 1)))
    usual, everyone = cell.images(), np.arange(cell.num_envs)
    for name, look in zip(amounts, looks, strict=True):
        look.draw(everyone)
        table, wrist = cell.images()
        usual_look.draw(everyone)
        of_camera = name.startswith("camera")
        assert np.abs(table.astype(int) - usual[0]).mean((1, 2, 3)).min() > 0.5, name
        assert np.array_equal(wrist, usual[1]) == of_camera, name
        moved = [np.linalg.norm(red_centre(a) - red_centre(b)) for a, b in zip(table, usual[0]) if of_camera]
        assert not of_camera or np.mean(moved) > 0.3, name
    np.testing.assert_allclose(cell.images()[0].astype(int), usual[0], atol=3)


def test_the_looks_of_a_batch_depend_on_its_number_and_on_what_they_are_for(cell):
    varied, everyone = with_changes(["sim.appearance.colour=0.3"]), np.arange(cell.num_envs)
    whole, resumed, tested = (Appearance(cell.env, varied, 0, looks) for looks in ("data", "data", "policies"))
    usual = Appearance(cell.env, with_changes([]), 0, "data")
    place(cell, np.tile(PARKED, (cell.num_envs, 1)))

    def drawn(appearance, batch):
        appearance.begin_batch(batch)
        appearance.draw(everyone)
        return cell.images()[0].astype(int)

    first, second, of_the_resumed, of_a_test = (
        drawn(*which) for which in ((whole, 0), (whole, 1), (resumed, 1), (tested, 1))
    )
    usual.draw(everyone)
    assert np.array_equal(second, of_the_resumed)
    assert min(np.abs(second - first).mean(), np.abs(second - of_a_test).mean()) > 0.5


def test_a_texture_is_on_the_table_alone_and_its_patterns_depend_on_what_they_are_for(cell):
    textured, everyone = with_changes(["sim.appearance.texture=0.5"]), np.arange(cell.num_envs)
    usual = Appearance(cell.env, with_changes([]), 0, "data")
    place(cell, np.tile(PARKED, (cell.num_envs, 1)))
    usual.draw(everyone)
    plain = cell.images()[0].astype(int)
    of_looks = []
    for looks in ("data", "policies"):
        Appearance(cell.env, textured, 0, looks).draw(everyone)
        of_looks.append(cell.images()[0].astype(int))
    usual.draw(everyone)
    red, green, blue = np.moveaxis(plain, -1, 0)
    marked = (red > 1.5 * blue) & (red > 2 * green) | (blue > 1.2 * red)
    darker = (plain - of_looks[0]).max(-1)
    assert marked.any((1, 2)).all() and not darker[marked].any()
    assert (darker[~marked] >= 0).all() and np.mean(darker[~marked] > 5) > 0.7
    assert np.abs(of_looks[0] - of_looks[1])[~marked].mean() > 3


@given(contrast=st.floats(0.05, 0.95), seed=st.integers(0, 1000))
def test_patterns_keep_within_their_contrast_and_differ(contrast, seed):
    patterns = draw_patterns(np.random.default_rng(seed), 4, contrast)
    assert patterns.shape == (4, PATTERN_PX, PATTERN_PX, 3)
    assert 1 - contrast - 1e-9 <= patterns.min() < patterns.max() <= 1
    assert np.ptp(patterns, (1, 2)).min() > 0.2 * contrast
    assert min(np.abs(a - b).mean() for a, b in combinations(patterns, 2)) > 0.02 * contrast
