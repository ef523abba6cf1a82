"""Faults planted one at a time in a clean dataset: each is found under its name, at its place, and nothing else is.

The clean datasets are synthetic (with images) and real: tests/files/demonstrations_B.npz, five expert episodes.
"""

from pathlib import Path

import numpy as np
import pytest
from synthetic import make_episode, write_dataset

from rev2fwd_il.data.checks.findings import ERROR, WARNING, Finding
from rev2fwd_il.data.checks.validation import open_checked, tracking_errors, validate
from rev2fwd_il.data.reading import EpisodeDataset, write_npz
from rev2fwd_il.errors import DataError
from rev2fwd_il.method.reversal import goal_of, reverse_episode

REAL = Path(__file__).parents[1] / "files" / "demonstrations_B.npz"


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    path = write_dataset(tmp_path_factory.mktemp("clean") / "B.npz", [make_episode(seed, size=16) for seed in range(4)])
    dataset = EpisodeDataset(path)
    assert validate(dataset) == []
    return {name: np.array(value) for name, value in dataset.arrays.items()}


@pytest.fixture
def faulty(arrays, tmp_path):
    """Apply a fault (a function that changes the arrays in place) to synthetic or real data; returns the findings."""

    def check(plant, real=False):
        source = EpisodeDataset(REAL).arrays if real else arrays
        changed = {name: np.array(value) for name, value in source.items() if name != "meta"}
        meta = {"schema_version": 1, "task": "B"} | (plant(changed) or {})
        write_npz(tmp_path / "B.npz", changed, meta)
        return validate(EpisodeDataset(tmp_path / "B.npz"))

    return check


def first(a, episode=1):
    return int(a["episode_ends"][episode - 1])


def flip_quaternion(a):
    a["obj_pose"][first(a) + 9, 3:7] *= -1


def sign_flicker(a):
    a["ee_pose"][first(a) + 6 : first(a) + 9, 3:7] = [0, 1, 0, 0]  # with qw = 0 both signs are canonical
    a["ee_pose"][first(a) + 9, 3:7] = [0, -1, 0, 0]


def waypoint_actions(a):
    a["action"][:, :3] = a["action"][np.minimum(np.arange(len(a["action"])) + 20, len(a["action"]) - 1), :3]


def late_actions(a):
    a["action"][:, :3] = np.roll(a["ee_pose"][:, :3], 1, axis=0)


def early_actions(a):
    a["action"][:, :3] = np.roll(a["action"][:, :3], -1, axis=0)


def graded_label(a):
    a["action"][first(a) + 3, 7] = 0.5


def reversed_label(a):
    a["action"][:, 7] *= -1


def unreversed_label(a):
    """Every episode backwards, but the gripper command where it was: at the frame it had before."""
    for start, end in zip([0, *a["episode_ends"]], a["episode_ends"]):
        for name in ("ee_pose", "obj_pose", "gripper_width", "images", "wrist_images"):
            if name in a:
                a[name][start:end] = a[name][start:end][::-1].copy()
        following = np.append(a["ee_pose"][start + 1 : end], a["ee_pose"][end - 1 : end], axis=0)
        a["action"][start:end, :7] = following
        a["action"][start:end, 7] = a["action"][start:end, 7][::-1].copy()
    a["target_xy"][:] = [0.5, 0]
    return {"task": "A"}


def x_first_hand(a):
    for name in ("ee_pose", "action"):
        a[name][:, 3:7] = np.roll(a[name][:, 3:7], -1, axis=1) * np.where(a[name][:, 4:5] < 0, -1, 1)
        a[name][:, 3:7] *= np.where(a[name][:, 3:4] < 0, -1, 1)


def hand_down(a):
    for name in ("ee_pose", "action"):
        w, x, y, z = a[name][:, 3:7].T.copy()
        turned = np.stack([-x, w, z, -y], axis=1)  # half a turn about the tool's x
        a[name][:, 3:7] = turned * np.where(turned[:, :1] < 0, -1, 1)


def millimetre_positions(a):
    a["obj_pose"][first(a) : first(a, 2), :3] *= 1000
    return {"task": "B"}


def thrown_in_failure(a):
    a["success"][1] = False
    a["obj_pose"][first(a, 2) - 5 : first(a, 2), 0] = np.linspace(1.15, 1.5, 5)


def waypoint_rollouts(a):
    waypoint_actions(a)
    return {"kind": "rollouts"}


def wrong_task(a):
    return {"task": "A"}


def unknown_task(a):
    return {"task": "stack"}


def pushed(a):
    rows = slice(first(a), first(a, 2))
    a["obj_pose"][rows, 2] = 0.02


def millimetres(a):
    a["gripper_width"] *= 1000


def black(a):
    a["images"][first(a) + 2] = 0


def one_colour(a):
    a["wrist_images"][first(a) + 2] = 99


def stale(a):
    a["wrist_images"][first(a)] = a["wrist_images"][first(a) - 1]


def repeated(a):
    a["images"][first(a) + 1] = a["images"][first(a)]


def frozen(a):
    a["images"][first(a) : first(a) + 40] = a["images"][first(a)]


def swapped(a):
    a["images"], a["wrist_images"] = a["wrist_images"], a["images"]


def sunken(a):
    a["obj_pose"][first(a) + 4, 2] = -0.05


def fallen_in_failure(a):
    a["success"][1] = False
    a["obj_pose"][first(a, 2) - 5 : first(a, 2), 2] = -0.05


def idle(a):
    start = first(a)
    for name in ("ee_pose", "obj_pose", "gripper_width"):
        a[name][start : start + 70] = a[name][start + 70]
    a["action"][start : start + 70, :7] = a["ee_pose"][start + 70]
    a["action"][start : start + 70, 7] = a["action"][start + 70, 7]


def hand_jump(a):
    for name in ("ee_pose", "action"):
        a[name][first(a) : first(a) + 6, 0] -= 0.15


def object_jump(a):
    a["obj_pose"][first(a) : first(a) + 6, 1] += 0.15


def misplaced(a):
    a["target_xy"][1, 1] += 0.2


# fault -> (severity, code, field, episode, frame); None: anywhere
FAULTS = {
    flip_quaternion: (ERROR, "quaternion_sign", "obj_pose", 1, 9),
    sign_flicker: (WARNING, "quaternion_flip", "ee_pose", 1, None),
    waypoint_actions: (ERROR, "action_not_reached", "action", None, None),
    late_actions: (ERROR, "action_shifted", "action", None, None),
    early_actions: (ERROR, "action_shifted", "action", None, None),
    unreversed_label: (ERROR, "gripper_late", "action", 1, None),
    x_first_hand: (ERROR, "quaternion_order", "ee_pose", None, None),
    hand_down: (ERROR, "ee_frame", "ee_pose", None, None),
    millimetre_positions: (ERROR, "out_of_reach", "obj_pose", 1, 0),
    thrown_in_failure: (WARNING, "out_of_reach", "obj_pose", 1, None),
    waypoint_rollouts: (WARNING, "action_not_reached", "action", None, None),
    wrong_task: (ERROR, "task_label", "target_xy", None, None),
    unknown_task: (ERROR, "task_label", "meta", None, None),
    pushed: (WARNING, "success_not_lifted", "success", 1, None),
    graded_label: (ERROR, "gripper_label", "action", 1, 3),
    reversed_label: (ERROR, "gripper_reversed", "action", 1, None),
    millimetres: (ERROR, "gripper_width", "gripper_width", 1, 0),
    black: (ERROR, "black_image", "images", 1, 2),
    one_colour: (ERROR, "constant_image", "wrist_images", 1, 2),
    stale: (ERROR, "stale_image", "wrist_images", 1, 0),
    repeated: (ERROR, "repeated_image", "images", 1, 0),
    frozen: (WARNING, "frozen_camera", "images", 1, 10),
    swapped: (WARNING, "cameras_swapped", "images", None, None),
    sunken: (ERROR, "below_table", "obj_pose", 1, 4),
    fallen_in_failure: (WARNING, "below_table", "obj_pose", 1, None),
    idle: (WARNING, "still", "ee_pose", 1, 0),
    hand_jump: (ERROR, "jump", "ee_pose", 1, 5),
    object_jump: (WARNING, "jump", "obj_pose", 1, 5),
    misplaced: (ERROR, "success_far", "success", 1, None),
}
CAUSED = {  # what may come along
    late_actions: {"action_not_reached"},
    early_actions: {"action_not_reached"},
    waypoint_actions: {"action_shifted"},
    waypoint_rollouts: {"action_shifted"},
    thrown_in_failure: {"jump"},
    frozen: {"repeated_image"},
    millimetre_positions: {"jump", "success_far", "frozen_camera"},
    hand_down: {"quaternion_flip"},
    x_first_hand: {"quaternion_flip"},
    pushed: {"repeated_image", "stale_image"},
    misplaced: {"task_label"},  # where the moved target comes close to the goal
}
WITHOUT_IMAGES = [fault for fault, (_, _, field, *_) in FAULTS.items() if "images" not in (field or "")]


def assert_found(fault, findings):
    severity, code, field, episode, frame = FAULTS[fault]
    assert {finding.code for finding in findings} - CAUSED.get(fault, set()) == {code}
    place = [f for f in findings if f.code == code and f.field == field and f.severity == severity]
    assert any(episode in (None, f.episode) and frame in (None, f.frame) for f in place), findings
    assert all(f.file.endswith("B.npz") for f in findings)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_planted_fault_is_found(faulty, fault):
    assert_found(fault, faulty(fault))


@pytest.mark.parametrize("fault", WITHOUT_IMAGES, ids=lambda fault: fault.__name__)
def test_planted_fault_is_found_in_real_data(faulty, fault):
    assert_found(fault, faulty(fault, real=True))


def test_real_demonstrations_and_their_reversal_are_clean(tmp_path):
    dataset = EpisodeDataset(REAL)
    assert validate(dataset) == []
    for label, codes in (("width_ahead", set()), ("reversed_command", {"gripper_late"})):
        backwards = [reverse_episode(episode, goal_of(episode), 5, label) for episode in dataset]
        path = write_dataset(tmp_path / f"{label}.npz", backwards, task="A")
        assert {finding.code for finding in validate(EpisodeDataset(path))} == codes


def test_equal_episodes_are_found(tmp_path):
    episodes = [make_episode(0), make_episode(1), make_episode(0)]
    findings = validate(EpisodeDataset(write_dataset(tmp_path / "B.npz", episodes)))
    assert [(f.code, f.episode) for f in findings] == [("duplicate", 2)]


def test_a_changed_byte_is_found(arrays, tmp_path):
    write_npz(tmp_path / "B.npz", {k: v for k, v in arrays.items() if k != "meta"}, {"schema_version": 1, "task": "B"})
    content = bytearray((tmp_path / "B.npz").read_bytes())
    position = content.find(arrays["images"].tobytes()) + 1000
    content[position] ^= 1
    (tmp_path / "B.npz").write_bytes(content)
    findings = validate(EpisodeDataset(tmp_path / "B.npz"))
    assert [(f.code, f.field) for f in findings] == [("checksum", "images")]


def test_one_frame_episodes_and_no_images(tmp_path):
    whole = make_episode(0)
    single = whole.replace(
        **{name: getattr(whole, name)[:1] for name in ("ee_pose", "obj_pose", "action", "gripper_width")}, success=False
    )
    dataset = EpisodeDataset(write_dataset(tmp_path / "B.npz", [single]))
    assert validate(dataset) == [] and len(tracking_errors(dataset)) == 0


def test_tracking_error_by_hand(tmp_path):
    episode = make_episode(0)
    action = episode.action.copy()
    action[:, 0] += 0.003
    errors = tracking_errors(EpisodeDataset(write_dataset(tmp_path / "B.npz", [episode.replace(action=action)])))
    assert len(errors) == len(episode) - 1
    assert errors == pytest.approx(0.003, abs=1e-6)


def test_a_finding_reads_well():
    finding = Finding(ERROR, "jump", "moves too far", episode=3, frame=7, field="ee_pose")
    assert str(finding) == "error: jump: episode 3, frame 7, field ee_pose: moves too far"


@pytest.mark.parametrize(
    "meta, refused",
    [
        ({"kind": "demonstrations"}, True),
        ({"kind": "rollouts"}, False),
        ({"kind": "replayed", "by_policy": True}, False),
    ],
)
def test_what_learns_from_data_refuses_wrong_demonstrations_and_warns_of_clumsy_rollouts(
    arrays, tmp_path, capsys, meta, refused
):
    changed = {name: np.array(value) for name, value in arrays.items() if name != "meta"}
    changed["gripper_width"][7] = 0.095
    path = tmp_path / "B.npz"
    write_npz(path, changed, {"schema_version": 1, "task": "B"} | meta)
    if refused:
        with pytest.raises(DataError, match=r"1 errors in the data(.|\n)*gripper_width.*episode 0, frame 7"):
            open_checked(path)
    else:
        assert len(open_checked(path)) == 4
        assert "warning: gripper_width: episode 0, frame 7" in capsys.readouterr().err
