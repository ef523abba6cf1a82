"""There and back: the NPZ that comes back has the bytes of the one that went out, or the notes say what was lost."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from synthetic import make_episode, write_dataset

from rev2fwd_il.contract import FRAME_FIELDS, IMAGE_FIELDS
from rev2fwd_il.episodes import EpisodeDataset
from rev2fwd_il.errors import DataError
from rev2fwd_il.exchange.conversion import FORMATS, convert, format_of

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "convert_dataset.py"
REAL = Path(__file__).parents[1] / "data" / "demonstrations_B.npz"
FOREIGN = [name for name in FORMATS if name != "npz"]


def on_another_face(episode, yaw):
    """The object turned and tipped: a policy is shown a like orientation, a round trip has to give this one."""
    obj_pose = episode.obj_pose.copy()
    obj_pose[:, 3:] = np.float32([np.cos(yaw), np.sin(yaw), np.cos(yaw), np.sin(yaw)]) / np.sqrt(2)
    return episode.replace(obj_pose=obj_pose)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two episodes with images, the second a failure."""
    episodes = [on_another_face(make_episode(seed, size=32, success=seed == 0), 0.2 + seed) for seed in range(2)]
    return write_dataset(tmp_path_factory.mktemp("npz") / "B.npz", episodes, note="ü", fps=30)


def file_name(form):
    return {"lerobot": "folder"}.get(form, "x.npz" if form == "npz" else "x.hdf5")


@pytest.mark.parametrize("form", FOREIGN)
@pytest.mark.parametrize("images", [False, True])
def test_equal_bytes_come_back(pictures, tmp_path, form, images):
    source = pictures if images else REAL
    convert(source, tmp_path / file_name(form), form)
    assert format_of(tmp_path / file_name(form)) == form
    notes = convert(tmp_path / file_name(form), tmp_path / "back.npz", "npz")
    assert notes == [] and (tmp_path / "back.npz").read_bytes() == source.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {file_name(form), "back.npz"}


def test_from_one_foreign_format_to_another(pictures, tmp_path):
    convert(pictures, tmp_path / "1.hdf5", "isaaclab")
    convert(tmp_path / "1.hdf5", tmp_path / "folder", "lerobot")
    convert(tmp_path / "folder", tmp_path / "2.hdf5", "robomimic")
    convert(tmp_path / "2.hdf5", tmp_path / "back.npz", "npz")
    assert (tmp_path / "back.npz").read_bytes() == pictures.read_bytes()


def test_video_loses_only_images_and_says_so(pictures, tmp_path):
    pictures = write_dataset(tmp_path / "big.npz", [make_episode(seed, size=64) for seed in range(2)])
    notes = convert(pictures, tmp_path / "folder", "lerobot", video=True)
    assert len(notes) == 1 and "not equal" in notes[0]
    convert(tmp_path / "folder", tmp_path / "back.npz", "npz")
    before, after = EpisodeDataset(pictures), EpisodeDataset(tmp_path / "back.npz")
    for name in (*FRAME_FIELDS, "target_xy", "success", "episode_ends", "meta"):
        assert before.arrays[name].tobytes() == after.arrays[name].tobytes(), name
    for name in IMAGE_FIELDS:
        true, decoded = before.arrays[name].astype(int), after.arrays[name].astype(int)
        assert true.shape == decoded.shape and (true != decoded).any(), name
        own, next_one = np.abs(true - decoded).mean(), np.abs(true[40:] - decoded[:-40]).mean()
        assert own < next_one, f"{name}: frames are out of order"


def test_what_is_left_out_is_said(pictures, tmp_path):
    arrays = {name: np.array(value) for name, value in EpisodeDataset(pictures).arrays.items()}
    np.savez(tmp_path / "more.npz", contact_forces=np.zeros((4, 4)), **arrays)
    notes = convert(tmp_path / "more.npz", tmp_path / "x.hdf5", "isaaclab")
    assert any("contact_forces" in note for note in notes) and any("joint positions" in note for note in notes)
    del arrays["wrist_images"]
    np.savez(tmp_path / "one.npz", **arrays)
    assert "both cameras" in convert(tmp_path / "one.npz", tmp_path / "folder", "lerobot")[0]
    convert(tmp_path / "one.npz", tmp_path / "y.hdf5", "robomimic")
    convert(tmp_path / "y.hdf5", tmp_path / "back.npz", "npz")
    assert "wrist_images" not in EpisodeDataset(tmp_path / "back.npz").arrays


@pytest.mark.parametrize("form", ["isaaclab", "robomimic"])
def test_changed_content_is_refused_and_leaves_nothing(tmp_path, form):
    convert(REAL, tmp_path / "x.hdf5", form)
    with h5py.File(tmp_path / "x.hdf5", "a") as file:
        file["data/demo_1/actions"][3, 0] += 1e-4
    with pytest.raises(DataError, match="not what was exported"):
        convert(tmp_path / "x.hdf5", tmp_path / "back.npz", "npz")
    assert [path.name for path in tmp_path.iterdir()] == ["x.hdf5"]
    with h5py.File(tmp_path / "x.hdf5", "a") as file:
        for name in ("rev2fwd_sha256", "rev2fwd_meta"):
            del file["data"].attrs[name]
    with pytest.raises(DataError, match="which task"):
        convert(tmp_path / "x.hdf5", tmp_path / "back.npz", "npz")
    convert(tmp_path / "x.hdf5", tmp_path / "back.npz", "npz", task="B")
    assert EpisodeDataset(tmp_path / "back.npz").meta["kind"] == "imported"


def hostile(path, change):
    convert(REAL, path, "isaaclab")
    with h5py.File(path, "a", libver="latest") as file:
        del file["data/demo_0/actions"]
        change(file["data/demo_0"])
    return path


HOSTILE = {
    "an external link": lambda demo: demo.__setitem__("actions", h5py.ExternalLink("/etc/passwd", "x")),
    "a soft link": lambda demo: demo.__setitem__("actions", h5py.SoftLink("/data/demo_1/actions")),
    "external storage": lambda demo: demo.create_dataset(
        "actions", (len(demo["obs/ee_pose"]), 8), "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    ),
    "a claim of much memory": lambda demo: (
        demo.attrs.__setitem__("num_samples", 2**40),
        demo.create_dataset("actions", (2**40, 8), "f4", chunks=(1, 8)),
    ),
    "text": lambda demo: demo.create_dataset("actions", data="no"),
    "nothing": lambda demo: None,
    "a group": lambda demo: demo.create_group("actions"),
    "another type": lambda demo: demo.create_dataset("actions", data=np.zeros((len(demo["obs/ee_pose"]), 8))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path, name):
    path = hostile(tmp_path / "x.hdf5", HOSTILE[name])
    with pytest.raises(DataError, match="demo_0"):
        convert(path, tmp_path / "back.npz", "npz")
    assert [path.name for path in tmp_path.iterdir()] == ["x.hdf5"]


def test_a_file_that_keeps_the_library_busy_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("rev2fwd_il.exchange.hdf5_probe.CPU_S", 3)
    with pytest.raises(DataError, match="does not end"):
        convert(REAL.with_name("endless.hdf5"), tmp_path / "x.npz", "npz")


def test_refusals(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"no")
    with pytest.raises(DataError, match="not a readable HDF5"):
        convert(tmp_path / "x.bin", tmp_path / "y.npz", "npz")
    with pytest.raises(DataError, match="no such dataset"):
        convert(tmp_path / "absent", tmp_path / "y.npz", "npz")
    with pytest.raises(DataError, match="exists already"):
        convert(REAL, tmp_path / "x.bin", "isaaclab")
    with pytest.raises(DataError, match="in that format already"):
        convert(REAL, tmp_path / "y.npz", "npz")


def test_command(tmp_path):
    def run(*args):
        return subprocess.run([sys.executable, SCRIPT, *map(str, args)], capture_output=True, text=True)

    done = run("--input", REAL, "--out", tmp_path / "x.hdf5", "--format", "robomimic")
    assert done.returncode == 0 and "note: next_obs" in done.stdout, done.stderr
    done = run("--input", tmp_path / "x.hdf5", "--out", tmp_path / "x.npz", "--format", "npz")
    assert done.returncode == 0 and (tmp_path / "x.npz").read_bytes() == REAL.read_bytes(), done.stderr
    done = run("--input", tmp_path / "absent", "--out", tmp_path / "y.npz", "--format", "npz")
    assert done.returncode == 1 and "no such dataset" in done.stderr and "Traceback" not in done.stderr


def test_env_args_and_filter_key(pictures, tmp_path):
    convert(pictures, tmp_path / "x.hdf5", "robomimic")
    with h5py.File(tmp_path / "x.hdf5") as file:
        assert json.loads(file["data"].attrs["env_args"])["type"] == 2
        assert file["mask/success"][()].tolist() == [b"demo_0"]
        rewards = file["data/demo_0/rewards"][()]
        assert rewards.sum() == 1 == rewards[-1] and file["data/demo_1/rewards"][()].sum() == 0
        assert file["data"].attrs["total"] == EpisodeDataset(pictures).num_frames
