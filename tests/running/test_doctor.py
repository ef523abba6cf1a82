"""What killed runs leave is found, and only what is safe to remove is removed."""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
from synthetic import META, make_episode, write_dataset

from rev2fwd_il.data.reading import DatasetWriter
from rev2fwd_il.exchange.conversion import convert_dataset
from rev2fwd_il.running import doctor, gpu_lease
from rev2fwd_il.running.files import put_in_place, temporary_beside
from rev2fwd_il.running.gpu_lease import gpu_pool, lease

HOST = platform.node().replace(".", "_")


@pytest.fixture(autouse=True)
def own_leases(tmp_path_factory, monkeypatch):
    monkeypatch.setenv(gpu_lease.FOLDER_VARIABLE, str(tmp_path_factory.mktemp("leases")))


@pytest.fixture
def gone() -> str:
    """A process of this machine that has ended, as temporary names have it."""
    process = subprocess.Popen(["true"])
    process.wait()
    return f"{HOST}-{process.pid}"


def told(folder: Path) -> str:
    return "\n".join(map(str, doctor.examine(folder)))


def fix(folder: Path) -> None:
    for finding in doctor.examine(folder):
        if finding.fix:
            finding.fix()


def test_nothing_to_say_about_a_clean_folder(tmp_path):
    assert doctor.examine(tmp_path) == []


def test_half_written_files_of_the_dead_are_removed_and_of_others_not(tmp_path, gone):
    stale = [tmp_path / "data" / f".A.npz.{gone}.tmp", tmp_path / "runs/x" / f".000060.{gone}.tmp"]
    kept = [tmp_path / "data" / f".B.npz.{writer}.tmp" for writer in (f"{HOST}-{os.getpid()}", "elsewhere-1")]
    for path in (*stale, *kept):
        path.mkdir(parents=True)
        (path / "part").write_text("half")
    assert f".A.npz.{gone}.tmp: half-written" in told(tmp_path)
    fix(tmp_path)
    assert not any(path.exists() for path in stale) and all(path.exists() for path in kept)


def test_locks_of_a_snakemake_that_is_gone_are_removed(tmp_path, gone):
    (tmp_path / doctor.LOCKS).mkdir(parents=True)
    (tmp_path / doctor.LOCKS / "0.input.lock").touch()
    assert "locks of a Snakemake that is gone" in told(tmp_path)
    fix(tmp_path)
    assert doctor.examine(tmp_path) == []


def test_locks_stay_while_another_machine_may_hold_them(tmp_path):
    for path in (doctor.LOCKS / "0.input.lock", doctor.RUNS / "elsewhere.7"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    assert "another machine may be at work here: elsewhere.7" in told(tmp_path)
    fix(tmp_path)
    assert (tmp_path / doctor.LOCKS / "0.input.lock").exists()


def test_an_orphaned_job_and_its_gpu_are_named(tmp_path):
    script = tmp_path / "workflow/scripts/4_train.py"
    script.parent.mkdir(parents=True)
    script.write_text("import time; time.sleep(600)")
    start = f"{sys.executable} workflow/scripts/4_train.py > /dev/null 2>&1 & echo $!"
    orphan = int(subprocess.run(["sh", "-c", start], cwd=tmp_path, capture_output=True, timeout=60).stdout)
    try:
        deadline = time.monotonic() + 10
        while f"kill {orphan}" not in told(tmp_path):
            assert time.monotonic() < deadline, told(tmp_path)
            time.sleep(0.05)
    finally:
        os.kill(orphan, 9)
    with lease(1, gpu_pool({"CUDA_VISIBLE_DEVICES": "g0"})):
        assert f"GPU g0 is held by process {os.getpid()}" in told(tmp_path)


def test_a_part_file_is_named_and_kept(tmp_path):
    with DatasetWriter(tmp_path / "data/x.npz", META) as writer:
        writer.add(make_episode(0))
        assert "data/x.npz.part.h5: is being written" in told(tmp_path)
        fix(tmp_path)
    assert (tmp_path / "data/x.npz").exists() and doctor.examine(tmp_path) == []


def test_a_file_appears_whole_and_what_the_dead_left_goes(tmp_path, gone):
    left = tmp_path / f".x.json.{gone}.tmp"
    left.touch()
    temporary = temporary_beside(tmp_path / "x.json")
    assert not left.exists()
    temporary.write_text("{}")
    put_in_place(temporary, tmp_path / "x.json")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


KILLED_IN_THE_MIDDLE = """
import os, sys
from rev2fwd_il.exchange.conversion import convert_dataset
from rev2fwd_il.exchange.imported import ContentDigest
ContentDigest.add = lambda *_: os.kill(os.getpid(), 9)
convert_dataset(*sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("source", "name", "form"),
    [("B.npz", "x.hdf5", "isaaclab"), ("B.npz", "folder", "lerobot"), ("B.hdf5", "x.npz", "npz"),
     ("B.hdf5", "folder", "lerobot")],
)  # fmt: skip
def test_what_a_killed_conversion_left_is_found_and_removed(tmp_path, source, name, form):
    (tmp_path / "data").mkdir()
    npz = write_dataset(tmp_path / "B.npz", [make_episode(0)])
    convert_dataset(npz, tmp_path / "B.hdf5", "robomimic")
    command = [sys.executable, "-c", KILLED_IN_THE_MIDDLE, tmp_path / source, tmp_path / "data" / name, form]
    assert subprocess.run(command, timeout=120).returncode == -9
    left = list((tmp_path / "data").iterdir())
    assert left and not (tmp_path / "data" / name).exists()
    assert all(f"{path.name}: half-written" in told(tmp_path) for path in left) and "part.h5" not in told(tmp_path)
    fix(tmp_path)
    assert not list((tmp_path / "data").iterdir())
