"""Importing the policy leaves out what it does not use, and takes nothing away from who asks for it."""

import subprocess
import sys

import pytest

LEAVES_OUT = """
import sys
import rev2fwd_il.learning.inference
heavy = {"transformers", "lerobot.policies.act", "lerobot.datasets", "torch._dynamo", "torchvision.models"}
loaded = heavy & sys.modules.keys()
assert not loaded, loaded
"""
GIVES_ALL = """
import importlib.metadata
import rev2fwd_il.learning.inference
import torch
import torchvision
import transformers
from lerobot.configs import DatasetConfig, PreTrainedConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.policies import ACTConfig
from lerobot.policies.factory import get_policy_class
from rev2fwd_il.learning.policy_class import DiffusionPolicy
assert get_policy_class("diffusion") is DiffusionPolicy
assert get_policy_class("act").config_class is ACTConfig
assert issubclass(ACTConfig, PreTrainedConfig)
assert TrainPipelineConfig.__dataclass_fields__["dataset"].type is DatasetConfig
assert torchvision.models.resnet18().fc.out_features == torchvision.transforms.v2.Identity()(1000)
assert torch.compile(torch.sin, backend="eager")(torch.zeros(1)) == 0
assert "torch" in importlib.metadata.packages_distributions()
"""
OTHER_VERSION = """
from dataclasses import replace
from rev2fwd_il.running import patches
patches.LEAN_IMPORT = replace(patches.LEAN_IMPORT, written_for={"lerobot": "0.1"})
"""
OTHER_PACKAGES = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *package: None if name == "lerobot.configs" else find(name, *package)
"""
# Another version's processors, which import the datasets
OTHER_IMPORTS = """
import sys
from types import ModuleType

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "lerobot.processor":
            sys.meta_path.remove(self)
            sys.modules["lerobot.datasets"] = ModuleType("lerobot.datasets")

sys.meta_path.insert(0, Finder())
"""
WARNING = "warning: patch 'lean-import' is off"


def _run(code: str) -> str:
    """What it says on standard error."""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def test_the_policy_comes_without_the_rest():
    assert WARNING not in _run(LEAVES_OUT)


def test_the_rest_can_still_be_imported():
    assert WARNING not in _run(GIVES_ALL)


@pytest.mark.parametrize("change", [OTHER_VERSION, OTHER_PACKAGES])
def test_another_lerobot_is_imported_as_a_whole(change):
    said = _run(change + GIVES_ALL)
    assert said.count(WARNING) == 1


def test_an_import_that_brings_the_rest_all_the_same_is_said():
    assert _run(OTHER_IMPORTS + "import rev2fwd_il.learning").count(WARNING) == 1
