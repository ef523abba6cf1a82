"""What made an artifact: the part of its meta that says where it comes from.

The same seed and settings on the same machine give the same record: no time, no path of a machine. `lineage.py` reads
what is written here.
"""

import functools
import hashlib
import importlib.metadata
import json
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

from rev2fwd_il import __version__
from rev2fwd_il.config import Config, EvaluationConfig, TrainConfig
from rev2fwd_il.errors import DataError
from rev2fwd_il.keys import META

CONTROL_HZ = 30
HASH_DIGITS = 16
WEIGHTS = "model.safetensors"
SIDECAR = Path("meta/rev2fwd.json")  # the record of a LeRobot dataset
PACKAGES = ("numpy", "torch", "isaaclab", "newton", "mujoco-warp", "warp-lang", "lerobot", "h5py")
ROLLOUTS = "rollouts"  # kind of what policies did
MAKER = ("code_version", "machine", "versions")  # who made it, not what it is

_CELL = ("task", "sim", "plant")
_STARTS = tuple(f"evaluation.{key}" for key in EvaluationConfig.model_fields if key not in ("chains", "max_cycles"))
_ELSEWHERE = {"save_every", "steps", "lr", "finetune_steps", "finetune_lr"}
_OPTIMIZER = tuple(f"train.{key}" for key in TrainConfig.model_fields if key not in _ELSEWHERE)
# kind of artifact -> the settings (sections or leaves) it depends on, beside those of its parents
SETTINGS = {
    "demonstrations": (*_CELL, "demos"),
    "reversed": ("reversal.gripper_lead_steps", "reversal.gripper_label"),
    "replayed": (*_CELL, "demos.images", "reversal"),
    "converted": ("policy.images",),
    "merged": ("policy.images", "rollout.include_failures"),
    "trained": ("policy", "train.steps", "train.lr", *_OPTIMIZER),
    "finetuned": ("policy", "train.finetune_steps", "train.finetune_lr", *_OPTIMIZER, "rollout.max_share"),
    ROLLOUTS: (
        *_CELL, "policy", "rollout.num_envs", "rollout.num_processes", "rollout.max_cycles", "rollout.horizon",
        "rollout.images", "rollout.continue_after_failure",
    ),
    "chains": (
        *_CELL, "policy", "evaluation.chains", "evaluation.num_processes", "evaluation.max_cycles",
        "evaluation.horizon",
    ),
    "evaluation": (*_CELL, "policy", *_STARTS),
}  # fmt: skip


def made_by(config: Config, *, kind: str, seed: int | None, task: str | None, parents: list[str | Path] = ()) -> dict:
    """Record of an artifact: what it is, the settings behind it, who made it, and the parents with their contents."""
    settings = relevant_settings(config, kind)
    return {
        "task": task,
        "kind": kind,
        "fps": CONTROL_HZ,
        "seed": seed,
        "config_hash": _digest(json.dumps(settings, sort_keys=True).encode()),
        "settings": settings,
        "code_version": code_version(),
        "machine": machine(),
        "versions": versions(),
        "parents": [{"path": shown_path(parent), "hash": content_hash(parent)} for parent in parents],
    }


def by_policy(meta: dict) -> dict:
    """What follows from a dataset's meta for data derived from it: {"by_policy": True} if a policy acted, else {}."""
    return {"by_policy": True} if meta.get("kind") == ROLLOUTS or meta.get("by_policy") else {}


def without_maker(record: dict) -> dict:
    """The record without code version, machine and package versions."""
    return {name: value for name, value in record.items() if name not in MAKER}


def relevant_settings(config: Config, kind: str) -> dict:
    """`section.key` -> value, of all settings that an artifact of this kind depends on."""
    values = config.model_dump(mode="json")
    out = {}
    for name in SETTINGS[kind]:
        section, _, leaf = name.partition(".")
        out |= {f"{section}.{key}": values[section][key] for key in ([leaf] if leaf else values[section])}
    return out


def content_hash(path: str | Path) -> str:
    """Digest of what a file or folder holds: a checkpoint's weights, an NPZ's checksums, all bytes of anything else.

    The record of who made it does not count: the same data made by another version of the code are the same data.
    Raises DataError when it cannot be read.
    """
    path = Path(path)
    try:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                members = [info for info in archive.infolist() if info.filename != f"{META}.npy"]
                rows = [f"{info.filename}:{info.CRC:08x}:{info.file_size}" for info in members]
            return _digest("\n".join(rows).encode())
        if (path / WEIGHTS).is_file():
            path = path / WEIGHTS
        if path.is_file():
            return _file_digest(path)
        files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != SIDECAR.name)
        if not files:
            raise FileNotFoundError("nothing there")
        return _digest("\n".join(f"{file.relative_to(path)}:{_file_digest(file)}" for file in files).encode())
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read", found=error) from None


def shown_path(path: str | Path) -> str:
    """A path as records hold it: relative to the working folder, links followed; outside it, as it was given."""
    path = Path(path)
    try:
        return str(path.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return path.name if path.is_absolute() else str(path)


@functools.cache
def code_version() -> str:
    """Version of this package, and the commit where it runs from a checkout: 0.1.0+1a2b3c4-dirty."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return __version__
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--tags"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return __version__
    return f"{__version__}+{described}"


@functools.cache
def machine() -> dict:
    """Name, processor and, once torch has found one, GPU."""
    out = {"host": platform.node(), "cpu": _cpu_model()}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        out["gpu"] = torch.cuda.get_device_name()
    return out


@functools.cache
def versions() -> dict:
    """Versions of Python and of the main packages."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:HASH_DIGITS]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:HASH_DIGITS]
