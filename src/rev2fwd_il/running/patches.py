"""Changes inside other people's code: what each was written for, and one warning where it does not apply.

None of them changes a result. docs/patches.md says what each is for.
"""

import importlib.metadata
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass

_warned: set[str] = set()


@dataclass(frozen=True)
class Patch:
    """A change to libraries of exactly these versions ("2" stands for every "2.x"); without it they run unchanged."""

    name: str
    written_for: Mapping[str, str]
    without: str  # what is lost

    def fits(self) -> bool:
        """Whether the installed libraries are those that it was written for; warns once if not."""
        found = {library: installed_version(library) for library in self.written_for}
        differing = [
            f"{name} {found[name]}" for name, version in self.written_for.items() if not _is(found[name], version)
        ]
        if differing:
            self.fall_back(f"written for {self.versions}, found {', '.join(differing)}")
        return not differing

    def fall_back(self, reason: str) -> None:
        """Say on standard error, once in a process, that the libraries run unchanged."""
        if self.name not in _warned:
            _warned.add(self.name)
            print(f"warning: patch '{self.name}' is off: {reason}; {self.without}", file=sys.stderr, flush=True)

    @property
    def versions(self) -> str:
        """The libraries and versions it was written for, as text."""
        return ", ".join(f"{library} {version}" for library, version in self.written_for.items())


def installed_version(library: str) -> str | None:
    """The version of a distribution, or of the C library as `glibc`; None where there is none."""
    if library == "glibc":
        name, version = platform.libc_ver()
        return version if name == "glibc" else None
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _is(found: str | None, version: str) -> bool:
    return found is not None and f"{found}.".startswith(f"{version}.")


CPU_KERNELS = Patch("cpu-kernels", {"warp-lang": "1.17.0"}, "a physics step on a CPU takes longer")
CONE_HESSIAN = Patch(
    "cone-hessian", {"mujoco-warp": "3.12.0", "warp-lang": "1.17.0"}, "a physics step on a CPU takes longer"
)
RECORDED_STEP = Patch(
    "recorded-step", {"isaaclab": "3.0.0", "warp-lang": "1.17.0"}, "physics runs kernel by kernel from Python, slower"
)
EE_KINEMATICS = Patch(
    "ee-kinematics", {"isaaclab": "3.0.0"}, "a control step computes the end effector's pose anew each time"
)
LEAN_IMPORT = Patch(
    "lean-import", {"lerobot": "0.6.1", "diffusers": "0.39.0"}, "importing the policy takes some seconds longer"
)
LATE_BLUEPRINT = Patch("late-blueprint", {"rerun-sdk": "0.33.1"}, "starting the browser's viewer may hang")
FREED_MEMORY = Patch("freed-memory", {"glibc": "2"}, "large arrays cost new memory pages each time")
ALL = (CPU_KERNELS, CONE_HESSIAN, RECORDED_STEP, EE_KINEMATICS, LEAN_IMPORT, LATE_BLUEPRINT, FREED_MEMORY)
