"""Older schema versions, and pickled files of this method's first public code."""

import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from synthetic import assert_same, make_episode, write_dataset

from rev2fwd_il.data.checks.validation import validate
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.data.schema import FRAME_FIELDS
from rev2fwd_il.errors import DataError
from rev2fwd_il.exchange import pickled
from rev2fwd_il.exchange.conversion import write_imported
from rev2fwd_il.exchange.migration import migrate

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
REAL = Path(__file__).parents[1] / "files" / "demonstrations_B.npz"


def arrays_of(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def script(name, *args):
    return subprocess.run([sys.executable, SCRIPTS / name, *map(str, args)], capture_output=True, text=True)


@pytest.fixture
def version_0(tmp_path):
    """The specification's five fields of several trajectories, without anything the contract added."""
    arrays = arrays_of(REAL)
    names = ("ee_pose", "obj_pose", "action", "episode_ends")
    np.savez(tmp_path / "old.npz", **{name: arrays[name] for name in names})
    return tmp_path / "old.npz"


def test_version_0_is_named_migrated_and_accounted_for(version_0, tmp_path):
    with pytest.raises(DataError, match=r"migrate_dataset\.py"):
        EpisodeDataset(version_0)
    assumed = migrate(version_0, tmp_path / "new.npz", "B")
    assert [line.split(":")[0] for line in assumed] == ["target_pose", "gripper_width", "target_xy", "success"]
    new, real = EpisodeDataset(tmp_path / "new.npz"), EpisodeDataset(REAL)
    for name in ("ee_pose", "obj_pose", "action", "episode_ends"):
        assert np.array_equal(new.arrays[name], real.arrays[name]), name
    assert new.meta["migrated_from"] == 0 and validate(new) == []
    assert np.abs(new.arrays["gripper_width"] - real.arrays["gripper_width"]).mean() < 0.005


def test_version_1_is_migrated_to_what_the_reader_makes_of_it(tmp_path):
    done = script("migrate_dataset.py", "--input", REAL, "--out", tmp_path / "new.npz")
    assert done.returncode == 0 and "assumed: target_pose" in done.stdout, done.stderr
    new, old = EpisodeDataset(tmp_path / "new.npz"), EpisodeDataset(REAL)
    assert new.meta == old.meta | {"migrated_from": 1} and validate(new) == []
    assert "target_pose" in arrays_of(tmp_path / "new.npz") and "target_pose" not in arrays_of(REAL)
    for before, after in zip(old, new, strict=True):
        assert_same(before, after)


def test_one_trajectory_needs_no_ends_and_present_fields_are_kept(tmp_path):
    episode = make_episode(0, size=8)
    fields = {name: getattr(episode, name) for name in (*FRAME_FIELDS, "images", "wrist_images")}
    fields["ee_pose"] = fields["ee_pose"].astype(np.float64)
    np.savez_compressed(tmp_path / "old.npz", **fields)
    assumed = migrate(tmp_path / "old.npz", tmp_path / "new.npz", "B")
    assert [line.split(":")[0] for line in assumed] == ["target_pose", "target_xy", "success"]
    (new,) = EpisodeDataset(tmp_path / "new.npz")
    assert all(np.array_equal(getattr(new, name), getattr(episode, name)) for name in fields)


def test_other_versions_are_refused(version_0, tmp_path):
    newer = tmp_path / "newer.npz"
    np.savez(newer, **arrays_of(REAL) | {"meta": np.array('{"schema_version": 3, "task": "B"}')})
    for refuse in (EpisodeDataset, lambda path: migrate(path, tmp_path / "x.npz")):
        with pytest.raises(DataError, match="newer") as caught:
            refuse(newer)
        assert "update this project" in str(caught.value)
    with pytest.raises(DataError, match="present schema version"):
        migrate(write_dataset(tmp_path / "present.npz", [make_episode(0)]), tmp_path / "x.npz")
    with pytest.raises(DataError, match="which task"):
        migrate(version_0, tmp_path / "x.npz")
    done = script("migrate_dataset.py", "--input", newer, "--out", tmp_path / "x.npz")
    assert done.returncode == 1 and "update this project" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("change", [{"obj_pose": None}, {"episode_ends": np.array([5, 3])}, {"meta": np.array("[")}])
def test_broken_old_files_are_refused(version_0, tmp_path, change):
    arrays = {name: value for name, value in (arrays_of(version_0) | change).items() if value is not None}
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError):
        migrate(tmp_path / "bad.npz", tmp_path / "x.npz", "B")
    assert not (tmp_path / "x.npz").exists() and not list(tmp_path.glob(".*"))


def old_dictionaries():
    """Two episodes as the first public code saved them: tool frame down, waypoint actions, no width."""
    out = []
    for episode in list(EpisodeDataset(REAL))[:2]:
        w, x, y, z = episode.ee_pose[:, 3:].T
        down = np.concatenate([episode.ee_pose[:, :3], np.stack([-x, w, z, -y], axis=1)], axis=1)
        out.append({
            "obs": np.zeros((len(episode), 36), np.float32), "ee_pose": down, "obj_pose": episode.obj_pose,
            "gripper": episode.action[:, 7], "place_pose": np.array([*episode.target_xy, 0.02, 1, 0, 0, 0]),
            "goal_pose": np.array([0.5, 0, 0.02, 1, 0, 0, 0]), "success": np.bool_(True),
        })  # fmt: skip
    return out


@pytest.fixture
def pickled_file(tmp_path):
    np.savez_compressed(tmp_path / "old.npz", episodes=np.array(old_dictionaries(), dtype=object))
    return tmp_path / "old.npz"


def test_pickled_files_convert_only_when_trusted(pickled_file, tmp_path):
    command = ("--input", pickled_file, "--out", tmp_path / "new.npz", "--task", "B")
    done = script("convert_pickled_dataset.py", *command)
    assert done.returncode == 1 and "can run any program" in done.stderr and not (tmp_path / "new.npz").exists()
    done = script("convert_pickled_dataset.py", *command, "--trust-pickle")
    assert done.returncode == 0 and "assumed: gripper_width" in done.stdout, done.stderr
    new, real = EpisodeDataset(tmp_path / "new.npz"), EpisodeDataset(REAL)
    assert validate(new) == [] and len(new) == 2
    assert np.allclose(new[1].ee_pose, real[1].ee_pose, atol=1e-6)
    assert np.array_equal(new[1].obj_pose, real[1].obj_pose) and np.allclose(new[1].target_xy, real[1].target_xy)


class Trap:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def frozen_bomb():
    return pickle.dumps(np.ndarray)[:-1] + b"(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ftR."


@pytest.mark.parametrize(
    "kind", ["code in an episode", "code beside it", "eval", "claimed memory", "rubbish", "a list"]
)
def test_hostile_pickles_run_nothing(tmp_path, kind):
    trap, path = tmp_path / "sprung", tmp_path / "bad.npz"
    content = {
        "code in an episode": np.array([{"ee_pose": Trap(trap)}], dtype=object),
        "code beside it": np.array([Trap(trap)], dtype=object),
        "a list": np.array([[1, 2]], dtype=object),
    }.get(kind)
    if content is not None:
        np.savez(path, episodes=content)
    else:
        header = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117)
        body = {"eval": b"cbuiltins\neval\n(S'1'\ntR.", "claimed memory": frozen_bomb(), "rubbish": b"\x80\x04\xff"}
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("episodes.npy", header + b"\n" + body[kind])
    with pytest.raises(DataError, match="not a pickled dataset"):
        write_imported(pickled.read(path, "B", trusted=True), tmp_path / "new.npz")
    assert not trap.exists() and not (tmp_path / "new.npz").exists()
