"""LeRobot's diffusion policy, imported without what it does not use: beside the simulation in 0.5 s instead of 7.

LeRobot's packages import all their policies, datasets and image transforms, and with torchvision, which only a policy
that sees makes use of, PyTorch's compiler. Its processors import transformers, and its schedulers, by way of diffusers,
the compiler again; both treat them as optional. Diffusers reads the file list of every installed distribution to tell
names apart that nobody asks it about. All that is left out is loaded as soon as anything asks for it.
"""

import ast
import contextlib
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType

from rev2fwd_il.running.patches import LEAN_IMPORT as PATCH

LAZY_PACKAGES = ("lerobot.configs", "lerobot.policies", "torchvision")
OPTIONAL_MODULES = ("torch._dynamo", "transformers")
LEFT_OUT = ("torch._dynamo", "transformers", "lerobot.datasets", "torchvision.models")


class _LazyPackage(ModuleType):
    """A package whose own code runs when a name is missed. A name that it imports from a submodule comes without it."""

    def __getattr__(self, name: str):
        if module := self.__dict__.setdefault("_import_sources", _import_sources(self.__spec__)).get(name):
            return getattr(importlib.import_module(module), name)
        self.__class__ = ModuleType
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def _import_sources(spec: ModuleSpec) -> dict[str, str]:
    """From which submodules a package imports its names."""
    code = ast.parse(spec.loader.get_source(spec.name)).body
    imports = [line for line in code if isinstance(line, ast.ImportFrom) and line.level == 1 and line.module]
    return {name.name: f"{spec.name}.{line.module}" for line in imports for name in line.names if not name.asname}


@contextlib.contextmanager
def _stub_modules(modules: dict[str, ModuleType | None]) -> Iterator[None]:
    """Who imports these modules, and is the first to, finds others; or, for None, that they are not installed."""
    replaced = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(replaced)
    try:
        yield
    finally:
        for name in replaced:
            del sys.modules[name]


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
    """Put LeRobot's diffusion policy and its processors into `sys.modules`, for import statements to find there.

    Warns once and imports all of LeRobot where it, or diffusers, is another version or cannot be imported in part.
    """
    if PATCH.fits():
        known = set(sys.modules)
        try:
            _import_in_part()
        except Exception as error:  # whatever another version's code raises
            _forget(set(sys.modules) - known)
            PATCH.fall_back(f"LeRobot cannot be imported in part: {type(error).__name__}: {error}")
        else:
            if loaded := sorted(set(LEFT_OUT) & (set(sys.modules) - known)):
                PATCH.fall_back(f"the import brought {', '.join(loaded)} all the same")
    importlib.import_module("lerobot.policies.diffusion.modeling_diffusion")
    importlib.import_module("lerobot.processor")


def _import_in_part() -> None:
    for name in LAZY_PACKAGES:
        if name not in sys.modules:
            package = importlib.util.module_from_spec(importlib.util.find_spec(name))
            package.__class__ = _LazyPackage
            sys.modules[name] = package
    # The policy's base class names the trainer's configuration in annotations only, and gets the name alone.
    annotation = ModuleType("lerobot.configs.train")
    annotation.TrainPipelineConfig = "TrainPipelineConfig"
    with (
        _stub_modules({annotation.__name__: annotation} | dict.fromkeys(OPTIONAL_MODULES)),
        _without_distribution_names(),
    ):
        import lerobot.policies.diffusion.modeling_diffusion
        import lerobot.processor  # noqa: F401


def _forget(modules: set[str]) -> None:
    """Have these modules imported anew, but for compiled libraries, which can be loaded once."""
    for name in modules:
        if name.split(".")[0] in ("lerobot", "diffusers") or isinstance(sys.modules[name], _LazyPackage):
            del sys.modules[name]
