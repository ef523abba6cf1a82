"""Checkpoints whose processors held relative actions plan, train on and migrate as before.

tests/files/former_*: policies after 4 steps, written by version 0.2.0 before that changed, and a plan that it made.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies.factory import get_policy_class
from safetensors.torch import load_file
from tiny import tiny_config

from rev2fwd_il.learning.checkpoints import migrate_checkpoint
from rev2fwd_il.learning.inference import load_policy
from rev2fwd_il.learning.training import train
from rev2fwd_il.learning.training_run import TrainingRun
from rev2fwd_il.running.provenance import content_hash

FILES = Path(__file__).parents[1] / "files"
KINDS = ("diffusion", "act")


def planned(path: Path) -> torch.Tensor:
    """What the checkpoint plans now at the observations of the recorded plan."""
    return load_policy(path).plan(load_file(path / "planned.safetensors"), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", KINDS)
def test_they_plan_the_same(kind):
    path = FILES / f"former_{kind}"
    assert "relative_actions_processor" in (path / "policy_preprocessor.json").read_text()
    recorded = load_file(path / "planned.safetensors")["plan"]  # on another processor, whose sums round differently
    torch.testing.assert_close(planned(path), recorded, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_migrated_they_are_the_same_policies_of_todays_type(kind, tmp_path):
    path, out = FILES / f"former_{kind}", tmp_path / "migrated"
    migrate_checkpoint(path, out)
    assert content_hash(out) == content_hash(path)
    shutil.copy(path / "planned.safetensors", out)
    assert torch.equal(planned(out), planned(path))
    config = PreTrainedConfig.from_pretrained(out)
    assert config.type == f"rev2fwd_{kind}"
    assert get_policy_class(config.type).from_pretrained(out, config=config).name == config.type
    assert "relative" not in (out / "policy_preprocessor.json").read_text()


def test_a_finetune_of_one_is_of_todays_type(dataset, tmp_path):
    path = FILES / "former_diffusion"
    written = train(TrainingRun(dataset, tmp_path, tiny_config(), 2, 1e-3, parent=path))
    config = json.loads((written / "config.json").read_text())
    assert config["type"] == "rev2fwd_diffusion"
    before = load_file(path / "policy_preprocessor_step_4_normalizer_processor.safetensors")
    assert torch.tensor(config["own_statistics"]["action"]["max"]).equal(before["action.max"])
