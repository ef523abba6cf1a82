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
from rev2fwd_il.config.policy import FORMER_NAMES
from rev2fwd_il.config.run import Config
from rev2fwd_il.config.sections import EvaluationConfig, TrainConfig
from rev2fwd_il.errors import DataError
from rev2fwd_il.keys import CONTROL_HZ, META, OBJECT_NAMES

HASH_DIGITS = 16
WEIGHTS = "model.safetensors"
SIDECAR = Path("meta/rev2fwd.json")  # the record of a LeRobot dataset
PACKAGES = ("numpy", "torch", "isaaclab", "newton", "mujoco-warp", "warp-lang", "lerobot", "h5py")
ROLLOUTS, CHAINS, CORRECTIONS = "rollouts", "chains", "corrections"  # kinds of what policies did
OTHER_RUN = "other_run"  # of a parent: its settings are not this run's
MAKER = ("code_version", "machine", "versions", "resumed_by")  # who made it, not what it is

_CELL = ("task", "sim", "plant")
_OF_CHAINS = ("chains", "max_cycles", "after_failure", "max_retries")
_STARTS = tuple(f"evaluation.{key}" for key in EvaluationConfig.model_fields if key not in _OF_CHAINS)
_ELSEWHERE = {"save_every", "memory_gb", "steps", "lr", "finetune_steps", "finetune_lr"}
_OPTIMIZER = tuple(f"train.{key}" for key in TrainConfig.model_fields if key not in _ELSEWHERE)
_PLANNING = (
    "policy.diffusion.num_inference_steps",
    "policy.n_action_steps",
)  # all else of a policy is in its checkpoint's record
# kind of artifact -> the settings (sections or leaves) it depends on, beside those of its parents
SETTINGS = {
    "demonstrations": (*_CELL, "demos"),
    "reversed": ("reversal.gripper_lead_steps", "reversal.gripper_label"),
    "replayed": (*_CELL, "demos.images", "reversal"),
    "relabelled": ("task",),
    "views": (*_CELL, "views"),
    "converted": ("policy.images",),
    "merged": ("policy.images", "rollout.include_failures", "rollout.max_slowness"),
    "trained": ("policy", "train.steps", "train.lr", *_OPTIMIZER),
    "finetuned": ("policy", "train.finetune_steps", "train.finetune_lr", *_OPTIMIZER, "rollout.max_share"),
    "kept": ("rollout.include_failures", "rollout.max_slowness"),
    ROLLOUTS: (
        *_CELL, *_PLANNING, "rollout.num_envs", "rollout.num_processes", "rollout.max_cycles",
        "rollout.max_episode_steps", "rollout.images", "rollout.after_failure", "rollout.max_retries",
        "rollout.move_away",
    ),
    CHAINS: (
        *_CELL, *_PLANNING, "evaluation.num_processes", "evaluation.max_episode_steps",
        *(f"evaluation.{key}" for key in _OF_CHAINS),
    ),
    CORRECTIONS: (
        *_CELL, "rollout.num_envs", "rollout.num_processes", "rollout.max_episode_steps", "teacher", "policy.images",
    ),
    "evaluation": (*_CELL, *_PLANNING, *_STARTS),
}  # fmt: skip


def made_by(
    config: Config,
    *,
    kind: str,
    seed: int | None,
    task: str | None,
    parents: list[str | Path] = (),
    policy: dict | None = None,
    of_other_runs: list[str | Path] = (),
) -> dict:
    """Record of an artifact: what it is, the settings behind it, who made it, and the parents with their contents.

    Parents `of_other_runs` have settings of their own, which need not be this configuration's. `policy` holds settings
    of that section as a checkpoint has them, which count and not the configuration's.
    """
    own = {f"policy.{FORMER_NAMES.get(key, key)}": value for key, value in (policy or {}).items() if value is not None}
    settings = relevant_settings(config, kind) | own
    return {
        "task": task,
        "kind": kind,
        "fps": CONTROL_HZ,
        "seed": seed,
        "config_hash": _digest(json.dumps(settings, sort_keys=True).encode()),
        "settings": settings,
        "task_settings": config.task.model_dump(mode="json"),
        "code_version": code_version(),
        "machine": machine(),
        "versions": versions(),
        "parents": [*map(_parent, parents), *(_parent(each) | {OTHER_RUN: True} for each in of_other_runs)],
    }


def _parent(path: str | Path) -> dict:
    return {"path": shown_path(path), "hash": content_hash(path)}


def by_policy(meta: dict) -> dict:
    """{"by_policy": True} if a policy acted in the data that this meta is of, else {}."""
    return {"by_policy": True} if meta.get("kind") in (ROLLOUTS, CHAINS, CORRECTIONS) or meta.get("by_policy") else {}


def inherited(meta: dict) -> dict:
    """What of a dataset's meta holds for data derived from it: task settings, further objects, if a policy acted."""
    return by_policy(meta) | {key: meta[key] for key in ("task_settings", OBJECT_NAMES, "cameras") if key in meta}


def without_maker(record: dict) -> dict:
    """The record without code version, machine and package versions."""
    return {name: value for name, value in record.items() if name not in MAKER}


def relevant_settings(config: Config, kind: str) -> dict:
    """`section.key` -> value, of all settings that an artifact of this kind depends on."""
    values, out = config.model_dump(mode="json"), {}
    for name in SETTINGS[kind]:
        value = values
        for key in name.split("."):
            value = value[key]
        out |= _leaves(name, value)
    return out


def _leaves(path: str, value: object) -> dict:
    """`path.key` -> value, of the nested mapping `value`."""
    if not isinstance(value, dict):
        return {path: value}
    return {name: leaf for key, inner in value.items() for name, leaf in _leaves(f"{path}.{key}", inner).items()}


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
    root = Path(__file__).parents[3]
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
