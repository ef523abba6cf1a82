"""What is read back equals what LeRobot's own recording of the same frames reads back."""

import json
import shutil

import numpy as np
import pytest
import torch
from lerobot.datasets import LeRobotDataset
from tiny import tiny_config

from rev2fwd_il import keys
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.errors import DataError, EmptyRolloutError
from rev2fwd_il.learning.dataset_reading import load_frames
from rev2fwd_il.learning.dataset_writing import (
    REPO_ID,
    ROLLOUT,
    Source,
    check_sources,
    read_sidecar,
    write_lerobot_dataset,
)
from rev2fwd_il.learning.episode_tables import dataset_features
from rev2fwd_il.learning.training_run import TrainingRun
from rev2fwd_il.running.provenance import SIDECAR
from rev2fwd_il.tasks import observation, task_of


def record_with_lerobot(npz: EpisodeDataset, root, images: bool) -> LeRobotDataset:
    """The same dataset, frame by frame."""
    task = task_of(npz.meta)
    shape = npz.arrays[keys.IMAGES].shape[1:] if images else None
    recorded = LeRobotDataset.create(REPO_ID, 30, dataset_features(task, shape), root=root, use_videos=False)
    for index in np.flatnonzero(npz.success):
        episode = npz[int(index)]
        state = observation.state(episode.ee_pose, episode.gripper_width)
        environment = task.environment_state(
            episode.ee_pose, episode.obj_pose, episode.gripper_width, episode.target_pose
        )
        for t in range(len(episode)):
            frame = {keys.OBS_STATE: state[t], keys.OBS_ENVIRONMENT_STATE: environment[t]}
            frame |= {keys.ACTION: episode.action[t], "task": task.texts[keys.TASK_B]}
            frame |= {keys.SUCCESS: np.array([True]), keys.ROLLOUT: np.array([False])}
            if images:
                frame |= {key: getattr(episode, field)[t] for key, field in keys.CAMERAS.items()}
            recorded.add_frame(frame)
        recorded.save_episode()
    recorded.finalize()
    return LeRobotDataset(REPO_ID, root=root)


@pytest.mark.parametrize("images", [False, True])
def test_equals_lerobots_own_recording(images, original, pictures, tmp_path):
    npz = pictures if images else original
    theirs = record_with_lerobot(EpisodeDataset(npz), tmp_path / "theirs", images)
    write_lerobot_dataset([Source(npz)], tmp_path / "ours", images=images)
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
    write_lerobot_dataset([Source(pictures)], tmp_path / "out", images=True)
    store, npz = load_frames(tmp_path / "out", images=True), EpisodeDataset(pictures)
    for key, field in keys.CAMERAS.items():
        assert store.frames[key].dtype == torch.uint8
        np.testing.assert_array_equal(store.frames[key].numpy(), npz.arrays[field])


def test_several_files_when_the_size_limit_is_reached(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("rev2fwd_il.learning.table_files.MIB", 1)
    write_lerobot_dataset([Source(pictures)], tmp_path / "out", images=True)
    assert len(list((tmp_path / "out" / "data").rglob("*.parquet"))) == 2
    assert len(LeRobotDataset(REPO_ID, root=tmp_path / "out")) == EpisodeDataset(pictures).num_frames


def test_merge_keeps_successes_and_records_where_they_came_from(original, rollouts, tmp_path):
    write_lerobot_dataset([Source(original), Source(rollouts, ROLLOUT)], tmp_path / "out")
    first, second = read_sidecar(tmp_path / "out")["sources"]
    assert (first["episodes"], second["episodes"], second["kind"]) == (6, 2, ROLLOUT)
    store = load_frames(tmp_path / "out")
    assert int(store.is_rollout.sum()) == second["frames"] and len(store) == first["frames"] + second["frames"]
    write_lerobot_dataset([Source(original)], tmp_path / "all", include_failures=True)
    assert read_sidecar(tmp_path / "all")["sources"][0]["episodes"] == 7


def test_rollouts_slower_than_the_slowest_demonstration_may_be_left_out(original, rollouts, tmp_path):
    demonstrated, rolled = EpisodeDataset(original), EpisodeDataset(rollouts)
    lengths = rolled.ends - rolled.starts
    longest = (demonstrated.ends - demonstrated.starts)[demonstrated.success].max()
    between = lengths.mean() / longest  # one of the two rollouts is longer
    write_lerobot_dataset([Source(original), Source(rollouts, ROLLOUT)], tmp_path / "out", max_slowness=between)
    first, second = read_sidecar(tmp_path / "out")["sources"]
    assert first["episodes"] == 6 and (second["episodes"], second["frames"]) == (1, lengths.min())
    assert len(load_frames(tmp_path / "out")) == first["frames"] + second["frames"]
    sources = [Source(original), Source(rollouts, ROLLOUT)]
    write_lerobot_dataset(sources, tmp_path / "none", max_slowness=0.1, allow_no_rollouts=True)
    assert [entry["episodes"] for entry in read_sidecar(tmp_path / "none")["sources"]] == [6, 0]


def test_no_successful_rollout_is_said_so(original, failures, tmp_path):
    with pytest.raises(EmptyRolloutError, match=r"No rollout data collected: .*\n.*distance_threshold"):
        write_lerobot_dataset([Source(original), Source(failures, ROLLOUT)], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_existing_dataset_is_neither_overwritten_nor_mistaken(dataset, original, rollouts, tmp_path):
    with pytest.raises(DataError, match="exists already"):
        write_lerobot_dataset([Source(rollouts)], dataset)
    check_sources(dataset, [Source(original)])
    with pytest.raises(DataError, match="converted from other data"):
        check_sources(dataset, [Source(rollouts)])
    with pytest.raises(DataError, match=r"has no images"):
        write_lerobot_dataset([Source(original)], tmp_path / "out", images=True)


def test_a_dataset_of_former_code_is_known_by_the_hashes_in_its_record(dataset, original, rollouts, tmp_path):
    """It has a `fingerprint` of another kind where there is a `hash` now."""
    shutil.copytree(dataset, tmp_path / "out")
    sidecar = json.loads((tmp_path / "out" / SIDECAR).read_text())
    for source in sidecar["sources"]:
        source["fingerprint"] = source.pop("hash")[:8]
    (tmp_path / "out" / SIDECAR).write_text(json.dumps(sidecar))
    check_sources(tmp_path / "out", [Source(original)])
    with pytest.raises(DataError, match="converted from other data"):
        check_sources(tmp_path / "out", [Source(rollouts)])
    assert TrainingRun(tmp_path / "out", tmp_path, tiny_config(), 1, 1e-3).settings(1)["data"] == [
        source["fingerprint"]
    ]


def test_a_failed_conversion_leaves_nothing(original, tmp_path, monkeypatch):
    monkeypatch.setattr("rev2fwd_il.learning.episode_tables.compute_episode_stats", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_lerobot_dataset([Source(original)], tmp_path / "out")
    assert not any(tmp_path.iterdir())
