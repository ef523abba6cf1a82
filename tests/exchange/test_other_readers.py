"""The exported files, read by those they were exported for."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import make_episode, write_dataset

from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.exchange.conversion import convert_dataset
from rev2fwd_il.exchange.lerobot_checks import check_lerobot_dataset

REAL = Path(__file__).parents[1] / "files" / "demonstrations_B.npz"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    episodes = [make_episode(seed, size=32, success=seed != 1) for seed in range(3)]
    return write_dataset(tmp_path_factory.mktemp("npz") / "B.npz", episodes, fps=30)


def test_isaac_labs_handler_reads_it(pictures, tmp_path):
    from isaaclab.utils.datasets import HDF5DatasetFileHandler

    convert_dataset(pictures, tmp_path / "x.hdf5", "isaaclab")
    handler = HDF5DatasetFileHandler()
    handler.open(str(tmp_path / "x.hdf5"))
    assert handler.get_num_episodes() == 3 and handler.get_env_name() == "Rev2Fwd-PickPlace"
    assert not handler.is_legacy_quaternion_format()
    for index, episode in enumerate(EpisodeDataset(pictures)):
        loaded = handler.load_episode(f"demo_{index}", "cpu")
        assert bool(loaded.success) == episode.success
        actions = []
        while (action := loaded.get_next_action()) is not None:
            actions.append(action.numpy())
        actions = np.array(actions)
        assert np.array_equal(actions[:, :3], episode.action[:, :3])
        assert np.array_equal(actions[:, [6, 3, 4, 5, 7]], episode.action[:, 3:])  # x-first to w-first
        moved = loaded.get_initial_state()["rigid_object"]["cube"]["root_pose"].numpy()
        assert np.array_equal(moved[0, [0, 1, 2, 6, 3, 4, 5]], episode.obj_pose[0])
        assert np.array_equal(loaded.get_state(5)["rigid_object"]["cube"]["root_pose"][0, :3], episode.obj_pose[5, :3])
        assert np.array_equal(loaded.data["obs"]["wrist_images"].numpy(), episode.wrist_images)
    handler.close()


def test_what_isaac_labs_handler_wrote_is_read(tmp_path):
    """A file of another maker: written by Isaac Lab's handler, without our meta and digest."""
    import torch
    from isaaclab.utils.datasets import EpisodeData, HDF5DatasetFileHandler

    handler, episode = HDF5DatasetFileHandler(), EpisodeDataset(REAL)[0]
    handler.create(str(tmp_path / "x.hdf5"), "Some-Env")
    data = EpisodeData()
    x_first = episode.action[:, [0, 1, 2, 4, 5, 6, 3, 7]]
    data.data = {
        "actions": torch.tensor(x_first), "target_xy": torch.tensor(episode.target_xy),
        "obs": {
            "ee_pose": torch.tensor(episode.ee_pose), "object_pose": torch.tensor(episode.obj_pose),
            "gripper_width": torch.tensor(episode.gripper_width[:, None]),
        },
    }  # fmt: skip
    data.success = True
    handler.write_episode(data)
    handler.close()
    convert_dataset(tmp_path / "x.hdf5", tmp_path / "x.npz", "npz", task="B")
    (read,) = EpisodeDataset(tmp_path / "x.npz")
    assert np.array_equal(read.action, episode.action) and np.array_equal(read.obj_pose, episode.obj_pose)


def lerobot(*args, timeout_s=900):
    code = f"from lerobot.scripts.{args[0]} import main; main()"
    command = [sys.executable, "-c", code, *map(str, args[1:])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_lerobots_tools_merge_split_and_delete_without_a_loss(pictures, tmp_path):
    """Episodes keep success and targets; what a merge leaves stale in the statistics is found, and put right."""
    for name in ("one", "two"):
        convert_dataset(pictures, tmp_path / name, "lerobot")
    frames = EpisodeDataset(pictures).num_frames
    roots = f"['{tmp_path / 'one'}', '{tmp_path / 'two'}']"
    lerobot(
        "lerobot_edit_dataset", "--operation.type=merge", "--operation.repo_ids=['local/one', 'local/two']",
        f"--operation.roots={roots}", "--new_repo_id=local/both", f"--new_root={tmp_path / 'both'}",
    )  # fmt: skip
    assert convert_dataset(tmp_path / "both", tmp_path / "both.npz", "npz") == []
    assert [finding.field for finding in check_lerobot_dataset(tmp_path / "both")] == ["episode_index", "index"]
    assert not check_lerobot_dataset(tmp_path / "both", rewrite_stats=True)
    assert json.loads((tmp_path / "both/meta/stats.json").read_text())["index"]["max"] == [2 * frames - 1]
    merged, source = EpisodeDataset(tmp_path / "both.npz"), EpisodeDataset(pictures)
    assert len(merged) == 6 and merged.meta["task"] == "B"
    for name in ("ee_pose", "action", "images", "wrist_images", "success", "target_pose"):
        assert np.array_equal(merged.arrays[name], np.concatenate([source.arrays[name]] * 2)), name
    lerobot(
        "lerobot_edit_dataset", "--operation.type=split", "--repo_id=local/both", f"--root={tmp_path / 'both'}",
        "--operation.splits={\"first\": [0, 1], \"rest\": [2, 3, 4, 5]}", f"--new_root={tmp_path / 'parts'}",
    )  # fmt: skip
    (first,) = [path.parents[1] for path in tmp_path.rglob("info.json") if "first" in str(path)]
    convert_dataset(first, tmp_path / "first.npz", "npz")
    assert np.array_equal(EpisodeDataset(tmp_path / "first.npz")[1].ee_pose, source[1].ee_pose)
    assert EpisodeDataset(tmp_path / "first.npz").success.tolist() == [True, False]
    lerobot(
        "lerobot_edit_dataset", "--operation.type=delete_episodes", "--repo_id=local/both",
        f"--root={tmp_path / 'both'}", "--operation.episode_indices=[0, 3]", f"--new_root={tmp_path / 'rest'}",
        "--new_repo_id=local/rest",
    )  # fmt: skip
    convert_dataset(tmp_path / "rest", tmp_path / "rest.npz", "npz")
    rest = EpisodeDataset(tmp_path / "rest.npz")
    assert rest.success.tolist() == [False, True, False, True]
    assert np.array_equal(rest.arrays["target_pose"], source.arrays["target_pose"][[1, 2, 1, 2]])


def test_lerobots_dataset_reads_it(pictures, tmp_path):
    from lerobot.datasets import LeRobotDataset

    convert_dataset(pictures, tmp_path / "one", "lerobot")
    loaded, source = LeRobotDataset("local/one", root=tmp_path / "one"), EpisodeDataset(pictures)
    assert loaded.num_episodes == 3 and loaded.num_frames == source.num_frames and loaded.fps == 30
    frame = int(source.starts[1]) + 7
    assert np.array_equal(loaded[frame]["action"], source.arrays["action"][frame])
    assert np.array_equal(loaded[frame]["observation.state"][:7], source.arrays["ee_pose"][frame])
    for key, name in (("table", "images"), ("wrist", "wrist_images")):
        pixels = loaded[frame][f"observation.images.{key}"].permute(1, 2, 0).numpy() * 255
        assert np.array_equal(pixels.round().astype(np.uint8), source.arrays[name][frame])


def test_lerobots_viewer_shows_it(pictures, tmp_path):
    """Without a display: the viewer saves what it would show."""
    convert_dataset(pictures, tmp_path / "one", "lerobot")
    lerobot(
        "lerobot_dataset_viz", "--repo-id=local/one", f"--root={tmp_path / 'one'}", "--episode-index=1",
        "--num-workers=0", "--save=1", f"--output-dir={tmp_path / 'out'}",
    )  # fmt: skip
    (recording,) = (tmp_path / "out").glob("*.rrd")
    shown = subprocess.run(
        [sys.executable, "-m", "rerun", "rrd", "print", "-vvv", recording], capture_output=True, text=True
    ).stdout
    assert all(key in shown for key in ("observation.images.table", "observation.images.wrist", "action", "state"))


def test_lerobots_trainer_learns_from_it(tmp_path):
    pictures = write_dataset(tmp_path / "B.npz", [make_episode(seed, size=64) for seed in range(2)], fps=30)
    convert_dataset(pictures, tmp_path / "one", "lerobot")
    lerobot(
        "lerobot_train", "--dataset.repo_id=local/one", f"--dataset.root={tmp_path / 'one'}", "--steps=2",
        "--batch_size=4", "--num_workers=0", "--log_freq=1", f"--output_dir={tmp_path / 'out'}",
        "--policy.type=diffusion", "--policy.push_to_hub=false", "--policy.device=cpu", "--policy.crop_shape=null",
        "--policy.down_dims=[16, 32]", "--policy.spatial_softmax_num_keypoints=4", "--policy.horizon=8",
        "--policy.n_action_steps=4", "--policy.pretrained_backbone_weights=null",
    )  # fmt: skip
    checkpoint = tmp_path / "out" / "checkpoints" / "last" / "pretrained_model"
    assert (checkpoint / "model.safetensors").is_file()
