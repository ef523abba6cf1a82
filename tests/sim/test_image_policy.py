"""The image policy's whole path, small: record both cameras, train on pictures, act by them, record again."""

from itertools import islice

import numpy as np
import pytest
import torch

from rev2fwd_il import keys
from rev2fwd_il.alternating import Chains
from rev2fwd_il.config import with_changes
from rev2fwd_il.demonstration import demonstrate
from rev2fwd_il.episodes import EpisodeDataset, EpisodeWriter
from rev2fwd_il.learning.conversion import Source, convert
from rev2fwd_il.learning.inference import load_policy
from rev2fwd_il.learning.train import train
from rev2fwd_il.learning.training_run import TrainingRun
from rev2fwd_il.provenance import made_by
from rev2fwd_il.rollout import run_attempts

SETTINGS = [
    "policy.images=true", "policy.include_obj_pose=false", "policy.down_dims=[16,32]",
    "policy.diffusion_step_embed_dim=16", "train.batch_size=2", "train.warmup_steps=1", "rollout.images=true",
]  # fmt: skip


@pytest.fixture(scope="module")
def recorded(cell, config, tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "B.npz"
    with EpisodeWriter(path, made_by(config, task="B", seed=3, kind="demonstrations")) as writer:
        for episode in islice(demonstrate(cell, config, "B", 3, images=True), 2):
            writer.add(episode)
    return path


@pytest.fixture(scope="module")
def policy(recorded):
    config = with_changes(SETTINGS)
    convert([Source(recorded)], recorded.parent / "dataset", images=True)
    return load_policy(train(TrainingRun(recorded.parent / "dataset", recorded.parent / "run", config, 2, 1e-4)))


def test_it_sees_pictures_and_no_object_pose(policy, config):
    assert policy.uses_images and not policy.uses_obj_pose
    assert policy.image_size == (config.sim.image_height, config.sim.image_width)


def test_what_it_does_depends_on_what_the_cameras_show(policy, recorded):
    episode = EpisodeDataset(recorded)[0]
    history = {
        keys.OBS_STATE: torch.zeros(1, 2, 8),
        keys.OBS_TABLE_IMAGE: torch.from_numpy(episode.images[None, :2]),
        keys.OBS_WRIST_IMAGE: torch.from_numpy(episode.wrist_images[None, :2]),
    }
    seen = policy.plan(history, torch.Generator().manual_seed(0))
    dark = policy.plan(history | {keys.OBS_TABLE_IMAGE: 0 * history[keys.OBS_TABLE_IMAGE]},
                       torch.Generator().manual_seed(0))  # fmt: skip
    assert not torch.equal(seen, dark)


def test_rollouts_through_the_cameras_are_data_for_the_next_training(policy, cell, recorded, tmp_path):
    config = with_changes(SETTINGS)
    chains = Chains(config, cell.num_envs, max_cycles=1, seed=0)
    outcomes = run_attempts(
        cell, config, {"A": policy, "B": policy}, chains.assign, horizon=10, seed=0, images=config.rollout.images
    )
    with EpisodeWriter(tmp_path / "rollouts.npz", made_by(config, task="A", seed=0, kind="rollouts")) as writer:
        for outcome in outcomes:
            writer.add(outcome.episode)
    rollouts = EpisodeDataset(tmp_path / "rollouts.npz")
    assert len(rollouts) == cell.num_envs
    first = rollouts[0]
    assert first.images.shape == (10, config.sim.image_height, config.sim.image_width, 3)
    assert np.ptp(first.images[0]) > 50 and not np.array_equal(first.images[0], first.images[-1])
    sources = [Source(recorded), Source(tmp_path / "rollouts.npz", "rollout")]
    sidecar = convert(sources, tmp_path / "merged", images=True, include_failures=True)
    assert [source["episodes"] for source in sidecar["sources"]] == [2, cell.num_envs]
