"""Recording: what a writer leaves when it ends well, ends early, is killed or has no room."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from synthetic import META, assert_same, make_episode, with_objects, write_dataset

from rev2fwd_il.data.reading import FRAME_FIELDS, IMAGE_FIELDS, DatasetWriter, EpisodeDataset, write_npz
from rev2fwd_il.errors import DataError


@pytest.fixture(scope="module")
def episodes():
    return [make_episode(seed, size=16, success=seed != 1) for seed in range(3)]


@pytest.fixture
def path(tmp_path, episodes):
    return write_dataset(tmp_path / "B_test.npz", episodes, note="ü")


def test_output_that_exists_is_kept(path, episodes):
    before = path.read_bytes()
    with pytest.raises(DataError, match="exists already"):
        DatasetWriter(path, META)
    with pytest.raises(DataError, match="exists already"):
        write_npz(path, {}, {})
    assert path.read_bytes() == before


def test_nothing_to_write(tmp_path):
    with pytest.raises(DataError, match="no episode to write"), DatasetWriter(tmp_path / "x.npz", META):
        pass
    assert not list(tmp_path.iterdir())


def test_discard_leaves_nothing(tmp_path, episodes):
    with DatasetWriter(tmp_path / "x.npz", META) as writer:
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
        (lambda e: {"target_pose": e.target_pose + np.float32(0.01)}, "`target_pose` does not fit"),
        (lambda e: {"object_poses": e.obj_pose[:, None]}, "some episodes have `object_poses`"),
        (lambda e: {"ee_pose": e.ee_pose * np.nan}, "not finite"),
        (lambda e: {name: getattr(e, name)[:0] for name in (*FRAME_FIELDS, *IMAGE_FIELDS)}, "without frames"),
    ],
)
def test_an_episode_that_does_not_fit_is_refused_and_leaves_no_trace(tmp_path, episodes, change, message):
    path = tmp_path / "x.npz"
    with DatasetWriter(path, META) as writer:
        writer.add(episodes[0])
        with pytest.raises(DataError, match=message):
            writer.add(episodes[1].replace(**change(episodes[1])))
        writer.add(episodes[2])
    assert_same(EpisodeDataset(path)[1], episodes[2])


def test_as_many_objects_as_names(tmp_path):
    with DatasetWriter(tmp_path / "x.npz", META | {"object_names": ["lid", "tray"]}) as writer:
        for names in (("lid",), ("lid", "tray", "box")):
            with pytest.raises(DataError, match=r"`object_poses` does not fit the data contract(.|\n)*'lid', 'tray'"):
                writer.add(with_objects(make_episode(0), names))
        with pytest.raises(DataError, match="`object_poses` does not fit"):
            writer.add(make_episode(0))
        writer.add(with_objects(make_episode(0)))
    with pytest.raises(DataError, match="object_names"):
        DatasetWriter(tmp_path / "y.npz", META | {"object_names": ["lid", "lid"]})
    assert not (tmp_path / "y.npz.part.h5").exists()


def test_resume_continues(tmp_path, episodes):
    path = tmp_path / "x.npz"
    with pytest.raises(RuntimeError), DatasetWriter(path, META) as writer:
        writer.add(episodes[0])
        raise RuntimeError("stopped")
    assert not path.exists()
    with DatasetWriter(path, META, resume=True) as writer:
        assert len(writer) == 1
        writer.add(episodes[1])
    for before, after in zip(episodes, EpisodeDataset(path)):
        assert_same(before, after)


def test_resume_drops_a_torn_episode(tmp_path, episodes):
    path = tmp_path / "x.npz"
    with pytest.raises(RuntimeError), DatasetWriter(path, META) as writer:
        writer.add(episodes[0])
        raise RuntimeError("stopped")
    with h5py.File(writer.part, "a") as file:
        file["ee_pose"].resize(len(file["ee_pose"]) + 9, axis=0)
        file["success"].resize(2, axis=0)
    with DatasetWriter(path, META, resume=True):
        pass
    dataset = EpisodeDataset(path)
    assert len(dataset) == 1
    assert_same(dataset[0], episodes[0])


def stop_after(path, episodes, **changes):
    """A writer that ended with an error: its part file."""
    with pytest.raises(RuntimeError), DatasetWriter(path, META | changes) as writer:
        for episode in episodes:
            writer.add(episode)
        raise RuntimeError("stopped")
    return writer.part


def test_what_another_run_left_is_replaced_with_a_word(tmp_path, episodes, capsys):
    stop_after(tmp_path / "x.npz", episodes[:1], seed=1)
    with DatasetWriter(tmp_path / "x.npz", META, resume=True) as writer:
        assert "holds 1 episodes of other settings" in capsys.readouterr().err
        assert len(writer) == 0
        writer.add(episodes[1])
    assert_same(EpisodeDataset(tmp_path / "x.npz")[0], episodes[1])


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.7])
def test_a_damaged_part_file_is_replaced_with_a_word(tmp_path, episodes, capsys, resume, keep):
    part = stop_after(tmp_path / "x.npz", episodes)
    part.write_bytes(part.read_bytes()[: int(keep * part.stat().st_size)] + b"not HDF5")
    with DatasetWriter(tmp_path / "x.npz", META, resume=resume) as writer:
        assert "damaged" in capsys.readouterr().err
        writer.add(episodes[1])
    assert_same(EpisodeDataset(tmp_path / "x.npz")[0], episodes[1])


def test_a_dataset_that_other_code_continued_says_so(tmp_path, episodes):
    for version in ("1", "1", "2", "3"):
        with (
            pytest.raises(RuntimeError),
            DatasetWriter(tmp_path / "x.npz", META | {"code_version": version}, resume=True) as writer,
        ):
            writer.add(episodes[0])
            raise RuntimeError("stopped")
    with DatasetWriter(tmp_path / "x.npz", META | {"code_version": "3"}, resume=True) as writer:
        assert len(writer) == 4
    meta = EpisodeDataset(tmp_path / "x.npz").meta
    assert (meta["code_version"], meta["resumed_by"]) == ("1", ["2", "3"])


def test_what_began_anew_or_was_continued_by_the_same_code_names_one_maker(tmp_path, episodes):
    stop_after(tmp_path / "x.npz", episodes[:1], code_version="1")
    for resume in (False, True):
        with (
            pytest.raises(RuntimeError),
            DatasetWriter(tmp_path / "x.npz", META | {"code_version": "2"}, resume=resume) as writer,
        ):
            writer.add(episodes[1])
            raise RuntimeError("stopped")
    with DatasetWriter(tmp_path / "x.npz", META | {"code_version": "2"}, resume=True):
        pass
    meta = EpisodeDataset(tmp_path / "x.npz").meta
    assert meta["code_version"] == "2" and "resumed_by" not in meta


def test_a_resume_by_batches_gives_the_same_bytes(tmp_path, episodes):
    def write(path, stop_at=None):
        with DatasetWriter(path, META, resume=True) as writer:
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
    with DatasetWriter(tmp_path / "x.npz", META) as writer:
        writer.add(episodes[0])
        code = "import sys; from rev2fwd_il.data.reading import DatasetWriter; DatasetWriter(sys.argv[1], {})"
        other = python(code, tmp_path / "x.npz")
        assert "cannot be opened" in other.communicate()[1]
        writer.add(episodes[1])
    assert len(EpisodeDataset(tmp_path / "x.npz")) == 2


WRITE = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from synthetic import META, make_episode
from rev2fwd_il.data.reading import DatasetWriter
from rev2fwd_il.errors import DataError
episode = make_episode(0, size=32)
try:
    with DatasetWriter(sys.argv[1], META) as writer:
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
    process = python(WRITE, tmp_path / "x.npz", Path(__file__).parents[1], 4 if stage == "npz" else 1, stage)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 1, error
    assert "could not be written" in error and "Traceback" not in error
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {"x.npz.part.h5"}


def test_kill_leaves_no_final_file_and_all_finished_episodes(tmp_path):
    process = python(WRITE, tmp_path / "x.npz", Path(__file__).parents[1], 10**6, "")
    while int(process.stdout.readline()) < 20:
        pass
    os.kill(process.pid, signal.SIGKILL)
    counted = 20 + len(process.communicate()[0].split())
    assert not (tmp_path / "x.npz").exists()
    with DatasetWriter(tmp_path / "x.npz", META, resume=True) as writer:
        assert len(writer) >= counted
    dataset = EpisodeDataset(tmp_path / "x.npz")
    assert_same(dataset[len(dataset) - 1], make_episode(0, size=32))
