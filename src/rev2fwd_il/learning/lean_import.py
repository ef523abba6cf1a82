"""LeRobot's diffusion policy, imported without what it does not use: beside the simulation in 2 s instead of 7.

LeRobot's policy package imports all of its policies, and its processors import transformers, which it treats as
optional. Diffusers reads the file list of every installed distribution to tell names apart that nobody asks it about.
What is left out stays within reach: the package loads itself whole as soon as anything asks for more of it.
"""

import contextlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType

POLICIES = "lerobot.policies"


class _LatePackage(ModuleType):
    """A package whose own code waits until an attribute is missed. Submodules import before that."""

    def __getattr__(self, name: str):
        self.__class__ = ModuleType
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


@contextlib.contextmanager
def _without_transformers() -> Iterator[None]:
    """To who looks for it, transformers is not installed."""
    if "transformers" in sys.modules:
        yield
        return
    sys.modules["transformers"] = None
    try:
        yield
    finally:
        del sys.modules["transformers"]


@contextlib.contextmanager
def _without_distribution_names() -> Iterator[None]:
    """Packages are taken to be distributed under their own names."""
    complete = importlib.metadata.packages_distributions
    importlib.metadata.packages_distributions = dict
    try:
        yield
    finally:
        importlib.metadata.packages_distributions = complete


def import_diffusion_policy() -> None:
    """Put LeRobot's diffusion policy and its processors into `sys.modules`, for import statements to find there."""
    if POLICIES not in sys.modules:
        package = importlib.util.module_from_spec(importlib.util.find_spec(POLICIES))
        package.__class__ = _LatePackage
        sys.modules[POLICIES] = package
    with _without_transformers(), _without_distribution_names():
        import lerobot.policies.diffusion.modeling_diffusion
        import lerobot.processor  # noqa: F401
