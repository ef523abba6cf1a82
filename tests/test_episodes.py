import json
import os
import pickle
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import META, make_episode, write_dataset

from rev2fwd_il.episodes import FRAME_FIELDS, IMAGE_FIELDS, Episode, EpisodeDataset, EpisodeWriter, write_npz
from rev2fwd_il.errors import DataError
from rev2fwd_il.npz import damaged_member


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


def assert_same(one: Episode, other: Episode):
    for name in (*FRAME_FIELDS, *IMAGE_FIELDS, "target_xy"):
        a, b = np.asarray(getattr(one, name)), np.asarray(getattr(other, name))
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes(), name
    assert one.success == other.success


# --- round trips


def test_round_trip_bit_for_bit(path, episodes):
    dataset = EpisodeDataset(path)
    assert len(dataset) == 3 and dataset.meta["note"] == "ü" and dataset.has_images
    for before, after in zip(episodes, dataset):
        assert_same(before, after)
    assert list(path.parent.iterdir()) == [path]


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
    assert arrays["images"].dtype == np.uint8 and json.loads(str(arrays["meta"]))["schema_version"] == 1
    packed = path.with_name("packed.npz")
    np.savez_compressed(packed, **arrays)
    for before, after in zip(episodes, EpisodeDataset(packed)):
        assert_same(before, after)


def test_same_episodes_give_the_same_bytes(tmp_path, episodes):
    one, two = (write_dataset(tmp_path / name, episodes).read_bytes() for name in ("1.npz", "2.npz"))
    assert one == two


def test_reading_maps_instead_of_loading(path):
    assert isinstance(EpisodeDataset(path).arrays["images"], np.memmap)


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
    "no episode": (lambda a: {"episode_ends": np.zeros(0, np.int64)}, "empty"),
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


# --- writing


def test_output_that_exists_is_kept(path, episodes):
    before = path.read_bytes()
    with pytest.raises(DataError, match="exists already"):
        EpisodeWriter(path, META)
    with pytest.raises(DataError, match="exists already"):
        write_npz(path, {}, {})
    assert path.read_bytes() == before


def test_nothing_to_write(tmp_path):
    with pytest.raises(DataError, match="no episode to write"), EpisodeWriter(tmp_path / "x.npz", META):
        pass
    assert not list(tmp_path.iterdir())


def test_discard_leaves_nothing(tmp_path, episodes):
    with EpisodeWriter(tmp_path / "x.npz", META) as writer:
        writer.add(episodes[0])
        writer.discard()
    assert not list(tmp_path.iterdir())


def test_object_arrays_are_not_written(tmp_path):
    with pytest.raises(DataError, match="Python objects"):
        write_npz(tmp_path / "x.npz", {"bad": np.array([{}])}, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: {"images": None}, "some episodes have `images`"),
        (lambda e: {"images": e.images[:, :8]}, "`images` does not fit"),
        (lambda e: {"images": e.images / 255.0}, "`images` does not fit"),
        (lambda e: {"action": e.action[:, :7]}, "`action` does not fit"),
        (lambda e: {"target_xy": np.zeros(3)}, "`target_xy` does not fit"),
        (lambda e: {"ee_pose": e.ee_pose * np.nan}, "not finite"),
        (lambda e: {name: getattr(e, name)[:0] for name in (*FRAME_FIELDS, *IMAGE_FIELDS)}, "without frames"),
    ],
)
def test_an_episode_that_does_not_fit_is_refused_and_leaves_no_trace(tmp_path, episodes, change, message):
    path = tmp_path / "x.npz"
    with EpisodeWriter(path, META) as writer:
        writer.add(episodes[0])
        with pytest.raises(DataError, match=message):
            writer.add(episodes[1].replace(**change(episodes[1])))
        writer.add(episodes[2])
    assert_same(EpisodeDataset(path)[1], episodes[2])


def test_resume_continues(tmp_path, episodes):
    path = tmp_path / "x.npz"
    with pytest.raises(RuntimeError), EpisodeWriter(path, META) as writer:
        writer.add(episodes[0])
        raise RuntimeError("stopped")
    assert not path.exists()
    with EpisodeWriter(path, META, resume=True) as writer:
        assert len(writer) == 1
        writer.add(episodes[1])
    for before, after in zip(episodes, EpisodeDataset(path)):
        assert_same(before, after)


def test_resume_drops_a_torn_episode(tmp_path, episodes):
    path = tmp_path / "x.npz"
    with pytest.raises(RuntimeError), EpisodeWriter(path, META) as writer:
        writer.add(episodes[0])
        raise RuntimeError("stopped")
    with h5py.File(writer.part, "a") as file:
        file["ee_pose"].resize(len(file["ee_pose"]) + 9, axis=0)
        file["success"].resize(2, axis=0)
    with EpisodeWriter(path, META, resume=True):
        pass
    dataset = EpisodeDataset(path)
    assert len(dataset) == 1
    assert_same(dataset[0], episodes[0])


def stop_after(path, episodes, **changes):
    """A writer that ended with an error: its part file."""
    with pytest.raises(RuntimeError), EpisodeWriter(path, META | changes) as writer:
        for episode in episodes:
            writer.add(episode)
        raise RuntimeError("stopped")
    return writer.part


def test_what_another_run_left_is_replaced_with_a_word(tmp_path, episodes, capsys):
    stop_after(tmp_path / "x.npz", episodes[:1], seed=1)
    with EpisodeWriter(tmp_path / "x.npz", META, resume=True) as writer:
        assert "holds 1 episodes of other settings" in capsys.readouterr().err
        assert len(writer) == 0
        writer.add(episodes[1])
    assert_same(EpisodeDataset(tmp_path / "x.npz")[0], episodes[1])


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.7])
def test_a_damaged_part_file_is_replaced_with_a_word(tmp_path, episodes, capsys, resume, keep):
    part = stop_after(tmp_path / "x.npz", episodes)
    part.write_bytes(part.read_bytes()[: int(keep * part.stat().st_size)] + b"not HDF5")
    with EpisodeWriter(tmp_path / "x.npz", META, resume=resume) as writer:
        assert "damaged" in capsys.readouterr().err
        writer.add(episodes[1])
    assert_same(EpisodeDataset(tmp_path / "x.npz")[0], episodes[1])


def test_the_maker_may_change_between_a_kill_and_a_resume(tmp_path, episodes):
    stop_after(tmp_path / "x.npz", episodes[:1], code_version="1")
    with EpisodeWriter(tmp_path / "x.npz", META | {"code_version": "2"}, resume=True) as writer:
        assert len(writer) == 1
    assert EpisodeDataset(tmp_path / "x.npz").meta["code_version"] == "2"


def test_a_resume_by_batches_gives_the_same_bytes(tmp_path, episodes):
    def write(path, stop_at=None):
        with EpisodeWriter(path, META, resume=True) as writer:
            done = writer.rewind()
            for batch in range(len(done), 3):
                for index in range(2):
                    if (batch, index) == stop_at:
                        raise RuntimeError("stopped")
                    writer.add(episodes[(batch + index) % len(episodes)])
                writer.finish_batch({"batch": batch})
            return done

    write(tmp_path / "whole.npz")
    for stop_at in [(0, 1), (1, 1), (2, 0)]:
        with pytest.raises(RuntimeError):
            write(tmp_path / "x.npz", stop_at)
    assert write(tmp_path / "x.npz") == [{"batch": 0}, {"batch": 1}]
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_two_writers_of_one_file(tmp_path, episodes):
    with EpisodeWriter(tmp_path / "x.npz", META) as writer:
        writer.add(episodes[0])
        code = "import sys; from rev2fwd_il.episodes import EpisodeWriter; EpisodeWriter(sys.argv[1], {})"
        other = python(code, tmp_path / "x.npz")
        assert "cannot be opened" in other.communicate()[1]
        writer.add(episodes[1])
    assert len(EpisodeDataset(tmp_path / "x.npz")) == 2


WRITE = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from synthetic import META, make_episode
from rev2fwd_il.episodes import EpisodeWriter
from rev2fwd_il.errors import DataError
episode = make_episode(0, size=32)
try:
    with EpisodeWriter(sys.argv[1], META) as writer:
        for count in range(int(sys.argv[3])):
            writer.add(episode)
            print(len(writer), flush=True)
        if sys.argv[4] == "npz":
            resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, 2**19))
        elif sys.argv[4] == "part":
            resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
            for count in range(9):
                writer.add(episode)
except DataError as error:
    sys.exit(f"error: {error}")
"""


def python(code, *args):
    """A Python process with its output at hand."""
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("stage", ["part", "npz"])
def test_full_disk(tmp_path, stage):
    """A limit on file size stands for a full disk: the write fails in the same place with an OSError."""
    process = python(WRITE, tmp_path / "x.npz", Path(__file__).parent, 4 if stage == "npz" else 1, stage)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 1, error
    assert "could not be written" in error and "Traceback" not in error
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {"x.npz.part.h5"}


def test_kill_leaves_no_final_file_and_all_finished_episodes(tmp_path):
    process = python(WRITE, tmp_path / "x.npz", Path(__file__).parent, 10**6, "")
    while int(process.stdout.readline()) < 20:
        pass
    os.kill(process.pid, signal.SIGKILL)
    counted = 20 + len(process.communicate()[0].split())
    assert not (tmp_path / "x.npz").exists()
    with EpisodeWriter(tmp_path / "x.npz", META, resume=True) as writer:
        assert len(writer) >= counted
    dataset = EpisodeDataset(tmp_path / "x.npz")
    assert_same(dataset[len(dataset) - 1], make_episode(0, size=32))
