"""Between datasets: shared episodes, and training data that starts where an evaluation starts."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from synthetic import make_episode, write_dataset

from rev2fwd_il.data.checks.across import check_evaluation_starts, check_shared_episodes, start_rows
from rev2fwd_il.data.reading import EpisodeDataset

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "validate_data.py"


def test_an_episode_in_two_datasets_is_found(tmp_path):
    one = EpisodeDataset(write_dataset(tmp_path / "1.npz", [make_episode(seed) for seed in (0, 1)]))
    two = EpisodeDataset(write_dataset(tmp_path / "2.npz", [make_episode(seed) for seed in (2, 3, 1)]))
    (finding,) = check_shared_episodes([one, two])
    assert (finding.code, finding.episode, finding.file) == ("shared_episode", 2, str(two.path))
    assert f"episode 1 of {one.path}" in finding.message
    assert check_shared_episodes([one]) == []


def test_a_start_shared_with_the_evaluation_is_found(tmp_path):
    episodes = [make_episode(seed) for seed in range(3)]
    dataset = EpisodeDataset(write_dataset(tmp_path / "1.npz", episodes))
    last = episodes[2]
    row = start_rows(last.obj_pose[:1], last.target_xy[None], last.ee_pose[:1])
    starts = np.concatenate([row + 0.01, row + 4e-4])
    (finding,) = check_evaluation_starts(dataset, starts)
    assert (finding.code, finding.episode) == ("evaluation_start", 2) and "evaluation episode 1" in finding.message
    assert check_evaluation_starts(dataset, starts[:1]) == []


def validate_data(*args):
    return subprocess.run([sys.executable, SCRIPT, *map(str, args)], capture_output=True, text=True)


def test_command(tmp_path):
    good = write_dataset(tmp_path / "good.npz", [make_episode(0)])
    copy = write_dataset(tmp_path / "copy.npz", [make_episode(0)])
    (tmp_path / "bad.npz").write_bytes(b"PK")
    done = validate_data(good, "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == {"datasets": [str(good)], "findings": []}
    done = validate_data(good, copy, tmp_path / "bad.npz", "--json")
    findings = json.loads(done.stdout)["findings"]
    assert {(f["code"], Path(f["file"]).name) for f in findings} == {
        ("contract", "bad.npz"), ("shared_episode", "copy.npz"),
    }  # fmt: skip
    assert done.returncode == 1 and "2 errors" in done.stderr and "Traceback" not in done.stderr
