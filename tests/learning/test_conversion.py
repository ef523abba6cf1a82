"""What is read back equals what LeRobot's own recording of the same frames reads back."""

import numpy as np
import pytest
import torch
from lerobot.datasets import LeRobotDataset

from rev2fwd_il import features, keys
from rev2fwd_il.episodes import EpisodeDataset
from rev2fwd_il.errors import DataError, EmptyRolloutError
from rev2fwd_il.features import IMAGE_FIELDS
from rev2fwd_il.learning.conversion import REPO_ID, ROLLOUT, Source, check_sources, convert, read_sidecar
from rev2fwd_il.learning.frames import dataset_features
from rev2fwd_il.learning.loading import load_frames


def record_with_lerobot(npz: EpisodeDataset, root, images: bool) -> LeRobotDataset:
    """The same dataset, frame by frame."""
    shape = npz.arrays[keys.IMAGES].shape[1:] if images else None
    recorded = LeRobotDataset.create(REPO_ID, 30, dataset_features(shape), root=root, use_videos=False)
    for index in np.flatnonzero(npz.success):
        episode = npz[int(index)]
        state = features.state(episode.ee_pose, episode.gripper_width)
        environment = features.environment_state(
            episode.ee_pose, episode.obj_pose, episode.gripper_width, episode.target_xy
        )
        for t in range(len(episode)):
            frame = {keys.OBS_STATE: state[t], keys.OBS_ENVIRONMENT_STATE: environment[t]}
            frame |= {keys.ACTION: episode.action[t], "task": keys.TASK_TEXT[keys.TASK_B]}
            if images:
                frame |= {key: getattr(episode, field)[t] for key, field in IMAGE_FIELDS.items()}
            recorded.add_frame(frame)
        recorded.save_episode()
    recorded.finalize()
    return LeRobotDataset(REPO_ID, root=root)


@pytest.mark.parametrize("images", [False, True])
def test_equals_lerobots_own_recording(images, original, pictures, tmp_path):
    npz = pictures if images else original
    theirs = record_with_lerobot(EpisodeDataset(npz), tmp_path / "theirs", images)
    convert([Source(npz)], tmp_path / "ours", images=images)
    ours = LeRobotDataset(REPO_ID, root=tmp_path / "ours")
    assert len(ours) == len(theirs) and ours.meta.info.to_dict() == theirs.meta.info.to_dict()
    assert ours.hf_dataset.features == theirs.hf_dataset.features
    for index in range(0, len(ours), 7):
        mine, other = ours[index], theirs[index]
        assert mine.keys() == other.keys()
        assert all(torch.equal(mine[k], other[k]) for k in mine if k != "task") and mine["task"] == other["task"]
    columns = [c for c in theirs.meta.episodes.column_names if not c.startswith("stats/")]
    assert all(ours.meta.episodes[c] == theirs.meta.episodes[c] for c in columns)
    for key, statistics in theirs.meta.stats.items():
        for name, value in statistics.items():
            np.testing.assert_allclose(ours.meta.stats[key][name], value, rtol=1e-4, atol=1e-6, err_msg=f"{key} {name}")


def test_images_survive_without_loss(pictures, tmp_path):
    convert([Source(pictures)], tmp_path / "out", images=True)
    store, npz = load_frames(tmp_path / "out", images=True), EpisodeDataset(pictures)
    for key, field in IMAGE_FIELDS.items():
        assert store.frames[key].dtype == torch.uint8
        np.testing.assert_array_equal(store.frames[key].numpy(), npz.arrays[field])


def test_several_files_when_the_size_limit_is_reached(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("rev2fwd_il.learning.frames.MIB", 1)
    convert([Source(pictures)], tmp_path / "out", images=True)
    assert len(list((tmp_path / "out" / "data").rglob("*.parquet"))) == 2
    assert len(LeRobotDataset(REPO_ID, root=tmp_path / "out")) == EpisodeDataset(pictures).num_frames


def test_merge_keeps_successes_and_records_where_they_came_from(original, rollouts, tmp_path):
    convert([Source(original), Source(rollouts, ROLLOUT)], tmp_path / "out")
    first, second = read_sidecar(tmp_path / "out")["sources"]
    assert (first["episodes"], second["episodes"], second["kind"]) == (6, 2, ROLLOUT)
    store = load_frames(tmp_path / "out")
    assert int(store.is_rollout.sum()) == second["frames"] and len(store) == first["frames"] + second["frames"]
    convert([Source(original)], tmp_path / "all", include_failures=True)
    assert read_sidecar(tmp_path / "all")["sources"][0]["episodes"] == 7


def test_no_successful_rollout_is_said_so(original, failures, tmp_path):
    with pytest.raises(EmptyRolloutError, match=r"No rollout data collected: .*\n.*distance_threshold"):
        convert([Source(original), Source(failures, ROLLOUT)], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_existing_dataset_is_neither_overwritten_nor_mistaken(dataset, original, rollouts, tmp_path):
    with pytest.raises(DataError, match="exists already"):
        convert([Source(rollouts)], dataset)
    check_sources(dataset, [Source(original)])
    with pytest.raises(DataError, match="converted from other data"):
        check_sources(dataset, [Source(rollouts)])
    with pytest.raises(DataError, match=r"has no images"):
        convert([Source(original)], tmp_path / "out", images=True)


def test_a_failed_conversion_leaves_nothing(original, tmp_path, monkeypatch):
    monkeypatch.setattr("rev2fwd_il.learning.frames.compute_episode_stats", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        convert([Source(original)], tmp_path / "out")
    assert not any(tmp_path.iterdir())
