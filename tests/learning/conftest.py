"""Small plausible episodes as datasets, and one trained run."""

from pathlib import Path

import pytest
import torch
from synthetic import make_episode, write_dataset
from tiny import SEES, tiny_config

from rev2fwd_il import keys
from rev2fwd_il.learning.dataset_reading import load_frames
from rev2fwd_il.learning.dataset_writing import Source, write_lerobot_dataset
from rev2fwd_il.learning.normalization import make_stats, standardize
from rev2fwd_il.learning.objective import PRIVILEGED
from rev2fwd_il.learning.policy import make_policy, observation_keys, policy_input
from rev2fwd_il.learning.training import train
from rev2fwd_il.learning.training_run import TrainingRun
from rev2fwd_il.learning.windows import cut_windows


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def original(data) -> Path:
    """Six successes and a failure."""
    episodes = [make_episode(seed) for seed in range(6)] + [make_episode(6, success=False)]
    return write_dataset(data / "B.npz", episodes)


@pytest.fixture(scope="session")
def rollouts(data) -> Path:
    return write_dataset(data / "rollout_B.npz", [make_episode(seed) for seed in (10, 11)])


@pytest.fixture(scope="session")
def failures(data) -> Path:
    return write_dataset(data / "failed_B.npz", [make_episode(20, success=False)])


@pytest.fixture(scope="session")
def pictures(data) -> Path:
    return write_dataset(data / "B_images.npz", [make_episode(seed, size=24) for seed in range(2)])


@pytest.fixture(scope="session")
def dataset(original, data) -> Path:
    """`original` as a LeRobot dataset."""
    write_lerobot_dataset([Source(original)], data / "lerobot_B")
    return data / "lerobot_B"


@pytest.fixture(scope="session")
def trained(dataset, data) -> Path:
    """A run folder with a checkpoint of 12 steps."""
    train(TrainingRun(dataset, data / "run", tiny_config(), steps=12, lr=1e-3))
    return data / "run"


@pytest.fixture(scope="session")
def seen(tmp_path_factory):
    """Images of 40 px: of fewer than 33, ResNet18 leaves one cell, and a keypoint can lie nowhere else."""
    folder = tmp_path_factory.mktemp("seen")
    data = write_dataset(folder / "B.npz", [make_episode(seed, size=40) for seed in range(2)])
    write_lerobot_dataset([Source(data)], folder / "dataset", images=True)
    return folder / "dataset"


@pytest.fixture(scope="module")
def bundle_and_batch(seen):
    config, store = tiny_config(SEES).policy, load_frames(seen, images=True)
    stats = make_stats(store, observation_keys(config), 1, config.prediction_horizon, True)
    torch.manual_seed(0)
    bundle = make_policy(config, store, stats, "cpu")
    anchors = torch.arange(0, 60, 10)
    windows = cut_windows(store, anchors, 1, config.prediction_horizon, observation_keys(config))
    batch = policy_input(bundle, windows)
    return bundle, batch | {PRIVILEGED: standardize(store, keys.OBS_ENVIRONMENT_STATE)[anchors]}
