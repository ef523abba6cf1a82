"""The family tree of an artifact, from the records that `provenance.made_by` wrote into it and its parents.

    tree = read_tree(Path("runs/diffusion_A_circle/iter3"))
    print("\\n".join(draw(tree)));  stale(tree, config)

A parent whose contents differ from those that were used is marked; so is one that is gone.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.config.base import EE_NOISE, EPISODE_LENGTH
from rev2fwd_il.config.policy import FORMER_NAMES
from rev2fwd_il.config.run import Config
from rev2fwd_il.config.task import DEFAULT_KIND
from rev2fwd_il.data.npz import map_npz
from rev2fwd_il.errors import DataError
from rev2fwd_il.running.provenance import OTHER_RUN, content_hash, relevant_settings

LAST_CHECKPOINT = "checkpoints/checkpoints/last/pretrained_model"
SIDECARS = ("training.json", "meta/rev2fwd.json", "metrics.json", f"{LAST_CHECKPOINT}/training.json")
SAME, CHANGED, GONE = "", "has changed since", "is gone"


@dataclass
class Artifact:
    """One node: where it lies, what made it, and what it was made from."""

    path: Path
    record: dict
    state: str = SAME  # against the hash its child remembers
    parents: list["Artifact"] = field(default_factory=list)
    other_run: bool = False  # made with settings of its own

    @property
    def title(self) -> str:
        """One line: path, what it is, and who made it."""
        if not self.record:
            return f"{self.path} {self.state or '(without a record)'}"
        task = f" of Task {self.record['task']}" if self.record.get("task") else ""
        seed = "" if self.record.get("seed") is None else f", seed {self.record['seed']}"
        what = f"{self.record['kind']}{task}{seed}, settings {self.record['config_hash']}"
        return f"{self.path}: {what}, code {self.record['code_version']} {self.state}".rstrip()


def read_record(path: Path) -> dict:
    """What made an artifact: an NPZ, a LeRobot dataset, a checkpoint or its run folder, or metrics.

    Raises DataError where there is no record.
    """
    record = None
    if path.suffix == ".npz":
        record = json.loads(str(np.asarray(map_npz(path)[keys.META])[()]))
    else:
        candidates = [path] if path.suffix == ".json" else [path / name for name in SIDECARS]
        if path.suffix == ".safetensors":
            candidates = [path.parent / name for name in SIDECARS]
        for file in candidates:
            if file.is_file():
                try:
                    record = json.loads(file.read_text()).get("made_by")
                except ValueError as error:
                    raise DataError(f"{file}: not JSON", found=error) from None
                break
    if not record or "kind" not in record or "settings" not in record:
        raise DataError(
            f"{path}: says nothing of what made it", expected="an artifact of this project, with a record",
            do="name an .npz, a LeRobot dataset, a run folder runs/.../iter<n>, or a metrics.json",
        )  # fmt: skip
    return record


def read_tree(path: Path, root: Path = Path(".")) -> Artifact:
    """An artifact and all it descends from; parents' paths are relative to `root`. Raises DataError for `path` only."""
    known: dict[Path, Artifact] = {}
    return _read(path, read_record(path), root, known)


def _read(path: Path, record: dict, root: Path, known: dict) -> Artifact:
    node = Artifact(path, record)
    for entry in record["parents"]:
        node.parents.append(_read_parent(root / entry["path"], entry, root, known))
    return node


def _read_parent(path: Path, entry: dict, root: Path, known: dict) -> Artifact:
    if path not in known:
        try:
            record = read_record(path)
        except DataError:
            record = {}
        known[path] = _read(path, record, root, known) if record else Artifact(path, {})
    found = known[path]
    try:
        state = SAME if content_hash(path) == entry["hash"] else CHANGED
    except DataError:
        state = GONE
    return Artifact(found.path, found.record, state, found.parents, bool(entry.get(OTHER_RUN)))


def draw(node: Artifact) -> Iterator[str]:
    """The tree as lines; what stands further up already is not unfolded again."""
    yield from _draw(node, set())


def _draw(node: Artifact, shown: set) -> Iterator[str]:
    again = node.path in shown and bool(node.parents)
    yield node.title + (" (see above)" if again else "")
    shown.add(node.path)
    for index, parent in enumerate([] if again else node.parents):
        last = index == len(node.parents) - 1
        first, *rest = _draw(parent, shown)
        yield f"{'└─ ' if last else '├─ '}{first}"
        yield from (f"{'   ' if last else '│  '}{line}" for line in rest)


def _renamed(settings: dict) -> dict:
    """Recorded settings under their present names."""
    present = {f"policy.{former}": f"policy.{name}" for former, name in FORMER_NAMES.items()}
    present |= {f"train.{former}": f"train.{name}" for former, name in EE_NOISE.items()}
    for section in ("task", "rollout", "evaluation"):
        present |= {f"{section}.{former}": f"{section}.{name}" for former, name in EPISODE_LENGTH.items()}
    known = {"task.kind": DEFAULT_KIND} if "task.goal_xy" in settings else {}  # the only kind there was
    if settings.get("rollout.continue_after_failure"):  # a switch that the long chains shared
        known |= {"rollout.after_failure": "reset", "evaluation.after_failure": "reset"}
    return known | {present.get(name, name): value for name, value in settings.items()}


def differing_settings(record: dict, config: Config) -> list[str]:
    """What differs between the settings of a record of what made an artifact, and a configuration, a line each."""
    # What a record lacks was added later, with what was done until then as its default.
    made_with = relevant_settings(Config(), record["kind"]) | _renamed(record["settings"])
    now = relevant_settings(config, record["kind"])
    return [
        f"{key} was {made_with.get(key)}, the configuration says {now[key]}"
        for key in now
        if made_with.get(key) != now[key]
    ]


def stale(node: Artifact, config: Config) -> list[str]:
    """Why the artifact is not what this configuration would make now, a line each; empty where it is."""
    reasons, seen, waiting = [], set(), [node]
    while waiting:
        artifact = waiting.pop(0)
        if artifact.state:
            reasons.append(f"{artifact.path} {artifact.state}")
        if artifact.path in seen or artifact.other_run or not artifact.record:
            continue
        seen.add(artifact.path)
        waiting += artifact.parents
        reasons += [f"{artifact.path}: {reason}" for reason in differing_settings(artifact.record, config)]
        if artifact.record["kind"] == "demonstrations" and artifact.record["seed"] != config.seed:
            reasons.append(f"{artifact.path}: seed was {artifact.record['seed']}, the configuration says {config.seed}")
    return list(dict.fromkeys(reasons))
