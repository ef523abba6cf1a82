"""There and back: the NPZ that comes back has the bytes of the one that went out, or the notes say what was lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from synthetic import assert_same, make_episode, with_objects, write_dataset

from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.data.schema import FRAME_FIELDS, IMAGE_FIELDS
from rev2fwd_il.data.video_files import write_mp4
from rev2fwd_il.errors import DataError
from rev2fwd_il.exchange.conversion import FORMATS, convert_dataset, format_of
from rev2fwd_il.exchange.migration import migrate
from rev2fwd_il.exchange.videos import VideoFrames

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "convert_dataset.py"
REAL = Path(__file__).parents[1] / "files" / "demonstrations_B.npz"
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


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Real demonstrations in the present schema version."""
    migrate(REAL, path := tmp_path_factory.mktemp("real") / "B.npz")
    return path


@pytest.fixture(scope="module")
def many_objects(tmp_path_factory):
    """Episodes among two further objects, with a turned and raised target."""
    episodes = [with_objects(make_episode(seed, success=seed == 0), seed=seed) for seed in range(2)]
    return write_dataset(tmp_path_factory.mktemp("objects") / "B.npz", episodes, object_names=["lid", "tray"])


def file_name(form):
    return {"lerobot": "folder"}.get(form, "x.npz" if form == "npz" else "x.hdf5")


@pytest.mark.parametrize("form", FOREIGN)
@pytest.mark.parametrize("data", ["real", "pictures", "many_objects"])
def test_equal_bytes_come_back(request, tmp_path, form, data):
    source = request.getfixturevalue(data)
    convert_dataset(source, tmp_path / file_name(form), form)
    assert format_of(tmp_path / file_name(form)) == form
    notes = convert_dataset(tmp_path / file_name(form), tmp_path / "back.npz", "npz")
    assert notes == [] and (tmp_path / "back.npz").read_bytes() == source.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {file_name(form), "back.npz"}


@pytest.mark.parametrize("form", FOREIGN)
def test_a_file_of_schema_version_1_is_carried_with_the_target_pose_it_implies(tmp_path, form):
    convert_dataset(REAL, tmp_path / file_name(form), form)
    convert_dataset(tmp_path / file_name(form), tmp_path / "back.npz", "npz")
    back, source = EpisodeDataset(tmp_path / "back.npz"), EpisodeDataset(REAL)
    assert back.meta == source.meta and json.loads(str(back.arrays["meta"]))["schema_version"] == 2
    for before, after in zip(source, back, strict=True):
        assert_same(before, after)


def test_what_was_exported_under_schema_version_1_is_still_read(tmp_path):
    """tests/files/exported_version_1.hdf5 was written by the code of that version; its digest covers its fields."""
    convert_dataset(REAL.with_name("exported_version_1.hdf5"), tmp_path / "back.npz", "npz")
    (back,), original = EpisodeDataset(tmp_path / "back.npz"), EpisodeDataset(REAL)[0]
    assert np.array_equal(back.obj_pose, original.obj_pose[:12])
    assert np.array_equal(back.target_pose, original.target_pose)


def test_isaac_lab_gets_the_state_of_each_object(many_objects, tmp_path):
    convert_dataset(many_objects, tmp_path / "x.hdf5", "isaaclab")
    episode = EpisodeDataset(many_objects)[1]
    with h5py.File(tmp_path / "x.hdf5") as file:
        tray = file["data/demo_1/states/rigid_object/tray/root_pose"][()]
        first = file["data/demo_1/initial_state/rigid_object/tray/root_pose"][()]
    assert np.array_equal(tray[:, [0, 1, 2, 6, 3, 4, 5]], episode.object_poses[:, 1])  # x-first to w-first
    assert np.array_equal(first, tray[:1])


def test_from_one_foreign_format_to_another(pictures, tmp_path):
    convert_dataset(pictures, tmp_path / "1.hdf5", "isaaclab")
    convert_dataset(tmp_path / "1.hdf5", tmp_path / "folder", "lerobot")
    convert_dataset(tmp_path / "folder", tmp_path / "2.hdf5", "robomimic")
    convert_dataset(tmp_path / "2.hdf5", tmp_path / "back.npz", "npz")
    assert (tmp_path / "back.npz").read_bytes() == pictures.read_bytes()


def test_recording_videos_leaves_the_process_its_scheduling_class(pictures, tmp_path):
    """As root SVT-AV1 makes the thread that encodes a real-time one, and nothing else gets a turn."""
    convert_dataset(pictures, tmp_path / "folder", "lerobot", video=True)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_video_loses_only_images_and_says_so(pictures, tmp_path):
    pictures = write_dataset(tmp_path / "big.npz", [make_episode(seed, size=64) for seed in range(2)])
    notes = convert_dataset(pictures, tmp_path / "folder", "lerobot", video=True)
    assert len(notes) == 1 and "not equal" in notes[0]
    convert_dataset(tmp_path / "folder", tmp_path / "back.npz", "npz")
    before, after = EpisodeDataset(pictures), EpisodeDataset(tmp_path / "back.npz")
    for name in (*FRAME_FIELDS, "target_xy", "target_pose", "success", "episode_ends", "meta"):
        assert before.arrays[name].tobytes() == after.arrays[name].tobytes(), name
    for name in IMAGE_FIELDS:
        true, decoded = before.arrays[name].astype(int), after.arrays[name].astype(int)
        assert true.shape == decoded.shape and (true != decoded).any(), name
        own, next_one = np.abs(true - decoded).mean(), np.abs(true[40:] - decoded[:-40]).mean()
        assert own < next_one, f"{name}: frames are out of order"


def test_what_is_left_out_is_said(pictures, tmp_path):
    arrays = {name: np.array(value) for name, value in EpisodeDataset(pictures).arrays.items()}
    np.savez(tmp_path / "more.npz", contact_forces=np.zeros((4, 4)), **arrays)
    notes = convert_dataset(tmp_path / "more.npz", tmp_path / "x.hdf5", "isaaclab")
    assert any("contact_forces" in note for note in notes) and any("joint positions" in note for note in notes)
    del arrays["wrist_images"]
    np.savez(tmp_path / "one.npz", **arrays)
    assert "both cameras" in convert_dataset(tmp_path / "one.npz", tmp_path / "folder", "lerobot")[0]
    convert_dataset(tmp_path / "one.npz", tmp_path / "y.hdf5", "robomimic")
    convert_dataset(tmp_path / "y.hdf5", tmp_path / "back.npz", "npz")
    assert "wrist_images" not in EpisodeDataset(tmp_path / "back.npz").arrays


@pytest.mark.parametrize("form", ["isaaclab", "robomimic"])
def test_changed_content_is_refused_and_leaves_nothing(tmp_path, form):
    convert_dataset(REAL, tmp_path / "x.hdf5", form)
    with h5py.File(tmp_path / "x.hdf5", "a") as file:
        file["data/demo_1/actions"][3, 0] += 1e-4
    with pytest.raises(DataError, match="not what was exported"):
        convert_dataset(tmp_path / "x.hdf5", tmp_path / "back.npz", "npz")
    assert [path.name for path in tmp_path.iterdir()] == ["x.hdf5"]
    with h5py.File(tmp_path / "x.hdf5", "a") as file:
        for name in ("rev2fwd_sha256", "rev2fwd_meta"):
            del file["data"].attrs[name]
    with pytest.raises(DataError, match="which task"):
        convert_dataset(tmp_path / "x.hdf5", tmp_path / "back.npz", "npz")
    convert_dataset(tmp_path / "x.hdf5", tmp_path / "back.npz", "npz", task="B")
    assert EpisodeDataset(tmp_path / "back.npz").meta["kind"] == "imported"


def hostile(path, change):
    convert_dataset(REAL, path, "isaaclab")
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
        convert_dataset(path, tmp_path / "back.npz", "npz")
    assert [path.name for path in tmp_path.iterdir()] == ["x.hdf5"]


def lead_outside(folder, outside, how):
    """Move the data file of an exported folder out of it and let the folder lead there."""
    (data,) = (folder / "data").rglob("*.parquet")
    outside.mkdir()
    data.rename(outside / "file.parquet")
    if how == "link":
        data.symlink_to(outside / "file.parquet")
        return
    if how == "linked folder":
        data.parent.rmdir()
        data.parent.symlink_to(outside)
        (outside / "file.parquet").rename(outside / data.name)
        return
    info = json.loads((folder / "meta/info.json").read_text())
    info["data_path"] = {
        "absolute": str(outside / "file.parquet"), "upwards": "../outside/file.parquet",
        "attribute": "{chunk_index.of_nothing}",
    }[how]  # fmt: skip
    (folder / "meta/info.json").write_text(json.dumps(info))


@pytest.mark.parametrize("how", ["absolute", "upwards", "link", "linked folder", "attribute"])
def test_a_lerobot_folder_reads_no_data_from_elsewhere(tmp_path, how):
    convert_dataset(REAL, tmp_path / "folder", "lerobot")
    lead_outside(tmp_path / "folder", tmp_path / "outside", how)
    with pytest.raises(DataError, match="cannot be read" if how == "attribute" else "out of the dataset's folder"):
        convert_dataset(tmp_path / "folder", tmp_path / "back.npz", "npz")
    assert not (tmp_path / "back.npz").exists()


@pytest.mark.parametrize("how", ["absolute", "upwards", "link"])
def test_a_lerobot_folder_reads_no_video_from_elsewhere(tmp_path, how):
    (tmp_path / "folder").mkdir()
    video = write_mp4(tmp_path / "x.mp4", [np.zeros((64, 64, 3), np.uint8)] * 3, 30)
    (tmp_path / "folder/link.mp4").symlink_to(video)
    info = {"fps": 30, "video_path": {"absolute": str(video), "upwards": "../x.mp4", "link": "link.mp4"}[how]}
    row = {"videos/v/chunk_index": 0, "videos/v/file_index": 0, "videos/v/from_timestamp": 0.0, "length": 3}
    with pytest.raises(ValueError, match="out of the dataset's folder"):
        VideoFrames().take(tmp_path / "folder", info, row, "v")
    (tmp_path / "folder/own.mp4").write_bytes(video.read_bytes())
    assert VideoFrames().take(tmp_path / "folder", info | {"video_path": "own.mp4"}, row, "v").shape == (3, 64, 64, 3)


def test_a_file_that_keeps_the_library_busy_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("rev2fwd_il.exchange.hdf5_probe.CPU_S", 3)
    with pytest.raises(DataError, match="does not end"):
        convert_dataset(REAL.with_name("endless.hdf5"), tmp_path / "x.npz", "npz")


def test_refusals(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"no")
    with pytest.raises(DataError, match="not a readable HDF5"):
        convert_dataset(tmp_path / "x.bin", tmp_path / "y.npz", "npz")
    with pytest.raises(DataError, match="no such dataset"):
        convert_dataset(tmp_path / "absent", tmp_path / "y.npz", "npz")
    with pytest.raises(DataError, match="exists already"):
        convert_dataset(REAL, tmp_path / "x.bin", "isaaclab")
    with pytest.raises(DataError, match="in that format already"):
        convert_dataset(REAL, tmp_path / "y.npz", "npz")


def test_command(real, tmp_path):
    def run(*args):
        return subprocess.run([sys.executable, SCRIPT, *map(str, args)], capture_output=True, text=True)

    done = run("--input", real, "--out", tmp_path / "x.hdf5", "--format", "robomimic")
    assert done.returncode == 0 and "note: next_obs" in done.stdout, done.stderr
    done = run("--input", tmp_path / "x.hdf5", "--out", tmp_path / "x.npz", "--format", "npz")
    assert done.returncode == 0 and (tmp_path / "x.npz").read_bytes() == real.read_bytes(), done.stderr
    done = run("--input", tmp_path / "absent", "--out", tmp_path / "y.npz", "--format", "npz")
    assert done.returncode == 1 and "no such dataset" in done.stderr and "Traceback" not in done.stderr


def test_env_args_and_filter_key(pictures, tmp_path):
    convert_dataset(pictures, tmp_path / "x.hdf5", "robomimic")
    with h5py.File(tmp_path / "x.hdf5") as file:
        assert json.loads(file["data"].attrs["env_args"])["type"] == 2
        assert file["mask/success"][()].tolist() == [b"demo_0"]
        rewards = file["data/demo_0/rewards"][()]
        assert rewards.sum() == 1 == rewards[-1] and file["data/demo_1/rewards"][()].sum() == 0
        assert file["data"].attrs["total"] == EpisodeDataset(pictures).num_frames
