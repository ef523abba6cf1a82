import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import assert_same, make_episode, with_objects, write_dataset

from rev2fwd_il.data.npz import damaged_member
from rev2fwd_il.data.reading import FRAME_FIELDS, IMAGE_FIELDS, EpisodeDataset
from rev2fwd_il.errors import DataError

REAL = Path(__file__).parents[1] / "files" / "demonstrations_B.npz"  # schema version 1


@pytest.fixture(scope="module")
def episodes():
    return [make_episode(seed, size=16, success=seed != 1) for seed in range(3)]


@pytest.fixture
def path(tmp_path, episodes):
    return write_dataset(tmp_path / "B_test.npz", episodes, note="ü")


def arrays_of(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def rewritten(path, **changes):
    """The same dataset with some arrays changed (None: removed), written by NumPy alone."""
    arrays = {name: value for name, value in (arrays_of(path) | changes).items() if value is not None}
    out = path.with_name("changed.npz")
    np.savez(out, **arrays)
    return out


# --- round trips


def test_round_trip_bit_for_bit(path, episodes):
    dataset = EpisodeDataset(path)
    assert len(dataset) == 3 and dataset.meta["note"] == "ü" and dataset.has_images
    for before, after in zip(episodes, dataset):
        assert_same(before, after)
    assert list(path.parent.iterdir()) == [path]


def test_further_objects_and_the_target_pose_survive(tmp_path):
    before = [with_objects(make_episode(seed), seed=seed) for seed in range(2)]
    dataset = EpisodeDataset(write_dataset(tmp_path / "x.npz", before, object_names=["lid", "tray"]))
    assert dataset.meta["object_names"] == ["lid", "tray"]
    for one, other in zip(before, dataset, strict=True):
        assert_same(one, other)
    assert dataset.frames(3, 9)["object_poses"].shape == (6, 2, 7)


def test_a_target_pose_that_is_not_given_lies_unturned_where_the_object_starts(episodes):
    episode = episodes[0]
    assert episode.target_pose.dtype == np.float32
    assert episode.target_pose.tolist() == [*episode.target_xy, episode.obj_pose[0, 2], 1, 0, 0, 0]
    raised = with_objects(episode).replace(target_xy=np.float32([0.4, 0.1]))
    assert raised.target_pose.tolist() == [*np.float32([0.4, 0.1]), *with_objects(episode).target_pose[2:]]


def test_a_file_of_version_1_is_completed_in_memory(path, episodes):
    """One of the former code, and one in which a field happens to have the later name."""
    for old in (REAL, rewritten(path, meta=np.array('{"schema_version": 1}'), target_pose=np.zeros(3))):
        dataset = EpisodeDataset(old)
        assert dataset.meta["schema_version"] == 2
        for episode in dataset:
            height = episode.obj_pose[0, 2]
            assert episode.target_pose.tolist() == [*episode.target_xy, height, 1, 0, 0, 0]


@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6), seed=st.integers(0, 2**31))
def test_any_lengths_survive(tmp_path_factory, lengths, seed):
    rng = np.random.default_rng(seed)
    whole = make_episode(int(rng.integers(1000)))
    cut = [whole.replace(**{name: getattr(whole, name)[:n] for name in FRAME_FIELDS}) for n in lengths]
    path = write_dataset(tmp_path_factory.mktemp("lengths") / "x.npz", cut)
    dataset = EpisodeDataset(path)
    assert (dataset.ends - dataset.starts).tolist() == lengths
    for before, after in zip(cut, dataset):
        assert_same(before, after)


def test_numpy_reads_it_and_compressed_files_read_back(path, episodes):
    arrays = arrays_of(path)
    assert arrays["images"].dtype == np.uint8 and json.loads(str(arrays["meta"]))["schema_version"] == 2
    packed = path.with_name("packed.npz")
    np.savez_compressed(packed, **arrays)
    for before, after in zip(episodes, EpisodeDataset(packed)):
        assert_same(before, after)


def test_same_episodes_give_the_same_bytes(tmp_path, episodes):
    one, two = (write_dataset(tmp_path / name, episodes).read_bytes() for name in ("1.npz", "2.npz"))
    assert one == two


def test_reading_maps_instead_of_loading(path):
    assert isinstance(EpisodeDataset(path).arrays["images"], np.memmap)


def test_some_frames_are_those_of_the_map(path, tmp_path):
    dataset = EpisodeDataset(path)
    packed = tmp_path / "packed.npz"
    np.savez_compressed(packed, **arrays_of(path))
    for start, stop in ((0, 1), (3, 19), (dataset.num_frames - 2, dataset.num_frames + 5), (4, 4)):
        for some in (dataset.frames(start, stop), EpisodeDataset(packed).frames(start, stop)):
            assert set(some) == {*FRAME_FIELDS, *IMAGE_FIELDS}
            for name, values in some.items():
                np.testing.assert_array_equal(values, dataset.arrays[name][start:stop], err_msg=name, strict=True)


def test_a_file_cut_short_after_it_was_opened(path):
    dataset = EpisodeDataset(path)
    os.truncate(path, dataset.arrays["wrist_images"].offset + 8)
    with pytest.raises(DataError, match="cut short while it was read"):
        dataset.frames(0, 2)


def test_unknown_fields_are_ignored(path):
    assert len(EpisodeDataset(rewritten(path, contact_forces=np.zeros((4, 4))))) == 3


# --- bad files: one clear message each


def shifted(array, index, value):
    array = array.copy()
    array[index] = value
    return array


BAD_FIELDS = {
    "missing": (lambda a: {"obj_pose": None}, "obj_pose"),
    "mis-shaped": (lambda a: {"action": a["action"][:, :7]}, r"8\) float32"),
    "too short": (lambda a: {"ee_pose": a["ee_pose"][:-1]}, "T="),
    "transposed": (lambda a: {"target_xy": a["target_xy"].T}, "target_xy"),
    "mis-typed": (lambda a: {"ee_pose": a["ee_pose"].astype(np.float64)}, "float64"),
    "big-endian": (lambda a: {"ee_pose": a["ee_pose"].astype(">f4")}, ">f4"),
    "float images": (lambda a: {"images": a["images"] / np.float32(255)}, "images"),
    "grey images": (lambda a: {"wrist_images": a["wrist_images"][..., :1]}, "wrist_images"),
    "NaN": (lambda a: {"obj_pose": shifted(a["obj_pose"], (7, 1), np.nan)}, r"nan at \[7, 1\]"),
    "infinite": (lambda a: {"target_xy": shifted(a["target_xy"], (0, 0), np.inf)}, "inf"),
    "not unit": (lambda a: {"ee_pose": shifted(a["ee_pose"], (5, 3), 2.0)}, "norm 2.0000 at frame 5"),
    "no target pose": (lambda a: {"target_pose": None}, "target_pose"),
    "another target": (lambda a: {"target_xy": a["target_xy"] + np.float32(0.01)}, "x and y of target_xy"),
    "target not unit": (lambda a: {"target_pose": shifted(a["target_pose"], (1, 3), 2.0)}, "norm 2.0000 at episode 1"),
    "objects without names": (
        lambda a: {"object_poses": np.tile(a["obj_pose"][:, None], (1, 2, 1))},
        "K names in meta",
    ),
    "names without objects": (
        lambda a: {"meta": np.array('{"schema_version": 2, "object_names": ["lid"]}')},
        "K names in meta",
    ),
    "a path as name": (
        lambda a: {"meta": np.array('{"schema_version": 2, "object_names": ["../lid"]}')},
        "list of different names",
    ),
    "no episode": (lambda a: {"episode_ends": np.zeros(0, np.int64)}, "E >= 1"),
    "ends unordered": (lambda a: {"episode_ends": a["episode_ends"][::-1].copy()}, "strictly increasing"),
    "ends overflow": (lambda a: {"episode_ends": shifted(a["episode_ends"], 1, -(2**63))}, "strictly increasing"),
    "ends beyond T": (lambda a: {"episode_ends": a["episode_ends"] + 1}, "T="),
    "success as text": (lambda a: {"success": a["success"].astype(str)}, "success"),
    "meta not JSON": (lambda a: {"meta": np.array("{")}, "JSON"),
    "meta a list": (lambda a: {"meta": np.array("[1]")}, "JSON"),
    "newer schema": (lambda a: {"meta": np.array('{"schema_version": 99}')}, "99"),
}


@pytest.mark.parametrize("fault", BAD_FIELDS)
def test_a_broken_field_is_named(path, fault):
    change, message = BAD_FIELDS[fault]
    with pytest.raises(DataError, match=message) as caught:
        EpisodeDataset(rewritten(path, **change(arrays_of(path))))
    assert "changed.npz" in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="no such dataset"):
        EpisodeDataset(tmp_path / "absent.npz")


def test_empty_file(tmp_path):
    (tmp_path / "empty.npz").touch()
    with pytest.raises(DataError, match="not a readable NPZ"):
        EpisodeDataset(tmp_path / "empty.npz")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_truncated_file(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="not a readable NPZ"):
        EpisodeDataset(path)


class Trap:
    """Touches a file when unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_pickles_are_refused_unopened(path, tmp_path):
    trap = tmp_path / "sprung"
    plain = tmp_path / "episodes.npz"
    plain.write_bytes(pickle.dumps(Trap(trap)))
    objects = rewritten(path, extra=np.array([Trap(trap)], dtype=object))
    for bad in (plain, objects):
        with pytest.raises(DataError, match="no pickle"):
            EpisodeDataset(bad)
    assert not trap.exists()


@pytest.mark.parametrize("shape", ["(-1, -7)", "(4294967296, 4294967296)", "(True,)", "(((((", "'x'"])
def test_lying_headers(path, shape):
    """A header may claim anything; none of it may reach memory."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    bad = path.with_name("header.npz")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(bad, "w") as out:
        for info in source.infolist():
            content = source.read(info)
            if info.filename == "ee_pose.npy":
                content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(28)
            out.writestr(info.filename, content)
    with pytest.raises(DataError):
        EpisodeDataset(bad)


def test_a_compressed_file_that_unpacks_to_far_more_than_its_size_is_refused(path, tmp_path):
    bomb = tmp_path / "bomb.npz"
    np.savez_compressed(bomb, **arrays_of(path) | {"more": np.zeros(2**26, np.uint8)})
    assert bomb.stat().st_size < 2**19
    with pytest.raises(DataError, match=r"unpacks to too much(.|\n)*at most 100 times"):
        EpisodeDataset(bomb)
    bomb.unlink()
    np.savez_compressed(bomb, **arrays_of(path) | {"more": np.zeros(2**25, np.uint8)})  # small enough for any machine
    assert len(EpisodeDataset(bomb)) == 3


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipped_bytes_are_refused_or_found(tmp_path_factory, data):
    """Whatever byte changes: a DataError, or a checksum that says so, or arrays equal to the original ones."""
    folder = tmp_path_factory.getbasetemp()
    if not (clean := folder / "flip_clean.npz").exists():
        write_dataset(clean, [make_episode(0)])
    content = bytearray(clean.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1) | st.integers(len(content) - 1200, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    (bad := folder / "flip.npz").write_bytes(content)
    try:
        dataset = EpisodeDataset(bad)
    except DataError:
        return
    if damaged_member(bad) is None:
        assert_same(EpisodeDataset(clean)[0], dataset[0])
