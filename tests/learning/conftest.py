"""Small plausible episodes as datasets, and one trained run."""

from pathlib import Path

import pytest
import torch
from synthetic import make_episode, write_dataset
from tiny import tiny_config

from rev2fwd_il.learning.dataset_writing import Source, write_lerobot_dataset
from rev2fwd_il.learning.training import train
from rev2fwd_il.learning.training_run import TrainingRun


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
