"""Iterations without data: datasets of no episodes, and the policy that is kept."""

import json

import pytest
from synthetic import make_episode, write_dataset
from tiny import tiny_config

from rev2fwd_il.config.run import Config
from rev2fwd_il.config.sections import RolloutConfig
from rev2fwd_il.data.checks.validation import open_checked
from rev2fwd_il.data.reading import DatasetWriter, EpisodeDataset
from rev2fwd_il.errors import DataError
from rev2fwd_il.learning.checkpoints import last_checkpoint
from rev2fwd_il.learning.dataset_writing import ROLLOUT, Source, read_sidecar, write_lerobot_dataset
from rev2fwd_il.learning.kept_policy import collected_nothing, keep_policy
from rev2fwd_il.running.provenance import content_hash, made_by


@pytest.fixture
def nothing(tmp_path):
    """Rollouts of a task that was never attempted."""
    path = tmp_path / "rollout_B.npz"
    with DatasetWriter(path, made_by(Config(), kind="rollouts", seed=0, task="B"), allow_empty=True):
        pass
    return path


def test_a_task_that_was_never_attempted_leaves_a_dataset_without_episodes(nothing, original):
    dataset = open_checked(nothing)
    assert (len(dataset), dataset.num_frames, list(dataset)) == (0, 0, [])
    assert collected_nothing([nothing], original, RolloutConfig(include_failures=True))


def test_demonstrations_are_never_without_episodes(tmp_path):
    with pytest.raises(DataError, match="no episode to write"):
        write_dataset(tmp_path / "B.npz", [])
    with DatasetWriter(tmp_path / "B.npz", {"task": "B"}, allow_empty=True):
        pass
    with pytest.raises(DataError, match="E >= 1"):
        EpisodeDataset(tmp_path / "B.npz")


def test_failures_are_data_only_where_they_are_included(original, tmp_path):
    path = write_dataset(tmp_path / "failures.npz", [make_episode(0, success=False)], kind="rollouts")
    assert collected_nothing([path], original, RolloutConfig())
    assert not collected_nothing([path], original, RolloutConfig(include_failures=True))


def test_slow_rollouts_are_no_data_where_they_are_left_out(original, rollouts):
    assert not collected_nothing([rollouts], original, RolloutConfig(max_slowness=2))
    assert collected_nothing([rollouts], original, RolloutConfig(max_slowness=0.1))


def test_without_data_the_policy_is_kept_and_its_record_says_so(trained, original, nothing, tmp_path):
    parent = last_checkpoint(trained)
    merged = tmp_path / "merged"
    write_lerobot_dataset([Source(original), Source(nothing, ROLLOUT)], merged, allow_no_rollouts=True)
    assert [entry["episodes"] for entry in read_sidecar(merged)["sources"]][1] == 0
    kept = keep_policy(tiny_config(), merged, parent, tmp_path / "iter1")
    assert last_checkpoint(tmp_path / "iter1").resolve() == kept and content_hash(kept) == content_hash(parent)
    record = json.loads((kept / "training.json").read_text())
    assert record["note"].startswith("No rollout data collected: the policy of ") and record["total_steps"] == 12
    assert record["made_by"]["kind"] == "kept" and len(record["made_by"]["parents"]) == 2
