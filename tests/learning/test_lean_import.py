"""Importing the policy leaves out what it does not use, and takes nothing away from who asks for it."""

import subprocess
import sys

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
from rev2fwd_il.learning.policy import DiffusionPolicy
assert get_policy_class("diffusion") is DiffusionPolicy
assert get_policy_class("act").config_class is ACTConfig
assert issubclass(ACTConfig, PreTrainedConfig)
assert TrainPipelineConfig.__dataclass_fields__["dataset"].type is DatasetConfig
assert torchvision.models.resnet18().fc.out_features == torchvision.transforms.v2.Identity()(1000)
assert torch.compile(torch.sin, backend="eager")(torch.zeros(1)) == 0
assert "torch" in importlib.metadata.packages_distributions()
"""


def _run(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_policy_comes_without_the_rest():
    _run(LEAVES_OUT)


def test_the_rest_can_still_be_imported():
    _run(GIVES_ALL)
