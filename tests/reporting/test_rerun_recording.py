import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import make_episode, write_dataset

from rev2fwd_il.errors import DataError
from rev2fwd_il.reporting.rerun_recording import write_rrd

rerun = pytest.importorskip("rerun")
SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "2_inspect_data.py"


def test_the_recording_holds_the_episode(tmp_path):
    episode = make_episode(0, size=16)
    path = write_rrd(tmp_path / "x.rrd", episode, {"task": "B"}, fps=30, name="x")
    printed = subprocess.run(
        [sys.executable, "-m", "rerun", "rrd", "print", "-vvv", path], capture_output=True, text=True
    ).stdout
    for place in ("end_effector", "object", "target", "path_of_end_effector", "commanded"):
        assert f"/world/{place}" in printed
    for place in (
        "/cameras/table",
        "/cameras/wrist",
        "/success/1_lifted/threshold_m",
        "/success/4_ee_clear/value_m",
    ):
        assert place in printed
    verified = subprocess.run([sys.executable, "-m", "rerun", "rrd", "verify", path], capture_output=True, text=True)
    assert verified.returncode == 0, verified.stderr
    with pytest.raises(DataError, match="exists already"):
        write_rrd(path, episode, {"task": "B"}, fps=30, name="x")
    assert path.stat().st_size > 10_000


def test_script(tmp_path):
    path = write_dataset(tmp_path / "B.npz", [make_episode(0)])
    command = [sys.executable, SCRIPT, "--dataset", path, "--out_dir", tmp_path / "out", "--rrd"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0 and (tmp_path / "out" / "episode_000.rrd").is_file(), done.stderr
