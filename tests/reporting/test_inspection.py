import json
import subprocess
import sys
from pathlib import Path

import av
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.image import imread
from synthetic import make_episode, write_dataset

from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.data.video_files import enlarge, write_mp4
from rev2fwd_il.errors import DataError
from rev2fwd_il.reporting.episode_figures import contact_sheet
from rev2fwd_il.reporting.inspection import describe, inspect, statistics

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "2_inspect_data.py"


@pytest.fixture
def path(tmp_path):
    episodes = [make_episode(seed, size=15, success=seed != 1) for seed in range(3)]
    return write_dataset(tmp_path / "B_test.npz", episodes, attempted=5, successful=2)


def script(*args):
    return subprocess.run([sys.executable, SCRIPT, *map(str, args)], capture_output=True, text=True)


def test_statistics_by_hand(path):
    dataset = EpisodeDataset(path)
    stats = statistics(dataset, fps=10)
    lengths = [len(episode) for episode in dataset]
    assert stats["frames"] == sum(lengths) and stats["length_frames"]["max"] == max(lengths)
    assert stats["length_median_s"] == pytest.approx(sorted(lengths)[1] / 10)
    assert stats["success"]["successes"] == 2 and stats["attempted"] == 5
    assert stats["ranges_m"]["obj_pose_z"] == pytest.approx([0.02, 0.22], abs=2e-3)
    assert "2 successes in 5 attempts" in describe(stats, [])


def test_everything_is_written(path, tmp_path):
    stats, findings = inspect(EpisodeDataset(path), tmp_path / "out", episode=1, fps=30, xyz_viz=True)
    assert not findings
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {
        "coverage.png", "histograms.png", "outcomes.png", "episode_001_images.png",
        "episode_001_wrist_images.png", "episode_001_xyz.png", "episode_001_plan.png", "episode_001.mp4", "stats.json",
        "coverage.csv", "histograms.csv", "outcomes.csv", "episode_001_xyz.csv", "episode_001_plan.csv",
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "stats.json").read_text()) == stats
    assert all(imread(file).std() > 0.01 for file in (tmp_path / "out").glob("*.png"))
    with av.open(str(tmp_path / "out" / "episode_001.mp4")) as video:
        frames = list(video.decode(video=0))
    assert len(frames) == len(EpisodeDataset(path)[1]) and frames[0].width > 2 * 256


@pytest.mark.parametrize(("direction", "places"), [("A", {"goal"}), ("B", {"goal", "target"})])
def test_a_contact_sheet_says_which_way_the_object_goes(direction, places):
    episode = make_episode(0, size=15)
    sheet = contact_sheet(episode.images, episode, 30, "sheet", direction, (0.5, 0.0))
    way, *frames = sheet.axes
    assert f"Task {direction}" in way.get_title()
    (arrow,) = (text for text in way.texts if text.arrow_patch)
    moved = (episode.obj_pose[-1] - episode.obj_pose[0])[[1, 0]]
    assert np.dot(np.subtract(arrow.xy, arrow.xyann), moved) > 0
    assert {text.get_text() for text in way.texts} - {""} == places | {"start", "end"}
    titles = [axis.get_title() for axis in frames]
    assert "start" in titles[0] and "end" in titles[-1] and sum("close" in title for title in titles) == 1
    plt.close(sheet)


def test_without_images_there_is_no_video(tmp_path):
    path = write_dataset(tmp_path / "B.npz", [make_episode(0)])
    inspect(EpisodeDataset(path), tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "coverage.png", "coverage.csv", "histograms.png", "histograms.csv", "stats.json",
    }  # fmt: skip


def test_videos_take_odd_sizes_and_single_frames(tmp_path):
    video = write_mp4(tmp_path / "x.mp4", [np.zeros((33, 17, 3), np.uint8)], 29.97)
    with av.open(str(video)) as container:
        assert (container.streams.video[0].height, container.streams.video[0].width) == (32, 16)
    with pytest.raises(DataError, match="at least one frame"):
        write_mp4(tmp_path / "y.mp4", [], 30)
    assert enlarge(np.zeros((100, 150, 3), np.uint8)).shape == (300, 450, 3)


def test_script_on_good_data(path, tmp_path):
    done = script("--dataset", path, "--out_dir", tmp_path / "out", "--stats_json", tmp_path / "s" / "summary.json")
    assert done.returncode == 0, done.stderr
    assert "3 episodes" in done.stdout and json.loads((tmp_path / "s" / "summary.json").read_text())["findings"] == []


def test_script_writes_and_then_fails_on_findings(tmp_path):
    episode = make_episode(0)
    path = write_dataset(tmp_path / "B.npz", [episode.replace(gripper_width=episode.gripper_width * 1000)])
    done = script("--dataset", path, "--out_dir", tmp_path / "out")
    assert done.returncode == 1 and "millimetres" in done.stderr and "Traceback" not in done.stderr
    assert json.loads((tmp_path / "out" / "stats.json").read_text())["findings"][0]["code"] == "gripper_width"


def test_script_refuses_an_episode_that_is_not_there(path, tmp_path):
    done = script("--dataset", path, "--out_dir", tmp_path / "out", "--episode", 3)
    assert done.returncode == 1 and "no episode 3" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
