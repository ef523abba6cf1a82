"""From older schema versions to the present one: `migrate(path, out)`.

Version 2 is what docs/data.md describes. Version 1 lacks `target_pose` (and `object_poses`, which is optional).
Version 0 is the specification's table as it stands: `ee_pose`, `obj_pose`, `action` and images along T, one trajectory
or, with `episode_ends`, several; no schema version in `meta`, or no `meta`. A file is opened by the function for its
version in OPEN, and brought to the present one by taking the functions in STEPS in turn.
"""

import json
from pathlib import Path

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.npz import map_npz
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.data.schema import FRAME_FIELDS, IMAGE_FIELDS, SCHEMA_VERSION
from rev2fwd_il.errors import DataError
from rev2fwd_il.exchange.conversion import write_imported
from rev2fwd_il.exchange.imported import Imported, with_task
from rev2fwd_il.exchange.plain import Completion

VERSION_1_FACTS = (keys.TARGET_XY, keys.SUCCESS)


def schema_version(arrays: dict) -> int:
    """The version that a file's `meta` states; 0 without one. Raises ValueError where it is no number."""
    meta = json.loads(str(arrays[keys.META][()])) if keys.META in arrays else {}
    version = meta.get("schema_version", 0) if isinstance(meta, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise ValueError(f"schema_version is {version!r}")
    return version


def migrate(path: str | Path, out: str | Path, task: str | None = None) -> list[str]:
    """Write the dataset at `path`, of an older version, as one of the present version; returns what was assumed.

    Raises DataError for a newer version, for the present one, and where version 0 leaves the task unsaid.
    """
    path, arrays = Path(path), map_npz(path)
    try:
        version = schema_version(arrays)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: `meta` is damaged", expected="JSON with schema_version", found=error) from None
    if version > SCHEMA_VERSION:
        raise DataError(f"{path}: written by a newer version", expected=f"schema_version up to {SCHEMA_VERSION}",
                        found=version, do="update this project")  # fmt: skip
    if version == SCHEMA_VERSION:
        raise DataError(f"{path}: has the present schema version already", found=version, do="use it as it is")
    imported = OPEN[version](path, arrays, task)
    for step in range(max(version, 1), SCHEMA_VERSION):
        STEPS[step](imported)
    return write_imported(imported, Path(out))


def open_0(path: Path, arrays: dict, task: str | None) -> Imported:
    """A file of version 0 as one of version 1: completes what the specification's table leaves out."""
    meta = json.loads(str(arrays[keys.META][()])) if keys.META in arrays else {}
    task = task or meta.get("task")
    if task not in keys.TASKS:
        raise DataError(f"{path}: does not say which task it holds", do="give it: --task A or --task B")
    frames = len(arrays[keys.EE_POSE]) if keys.EE_POSE in arrays else 0
    ends = np.asarray(arrays.get(keys.EPISODE_ENDS, np.array([frames])))
    if ends.dtype.kind not in "iu" or ends.ndim != 1 or (np.diff(ends, prepend=0) <= 0).any() or ends[-1] != frames:
        raise DataError(f"{path}: `episode_ends` does not fit", expected=f"increasing, the last {frames}", found=ends)
    completion = Completion(task)

    def episodes():
        for index, (start, end) in enumerate(zip([0, *ends[:-1]], ends)):
            along_t = {name: arrays[name][start:end] for name in (*FRAME_FIELDS, *IMAGE_FIELDS) if name in arrays}
            along_e = {name: arrays[name][index] for name in VERSION_1_FACTS if name in arrays}
            yield completion.episode(along_t | along_e, f"{path}, episode {index}")

    facts = {"task": task, "kind": "migrated", "parents": [str(path)], "migrated_from": 0}
    return Imported(path, meta | facts, episodes(), completion.assumed)


def open_1(path: Path, _arrays: dict, task: str | None) -> Imported:
    """A file of version 1; the reader holds it against the contract."""
    dataset = EpisodeDataset(path)
    return Imported(path, with_task(dataset.meta | {"migrated_from": 1}, task), dataset)


def to_2(imported: Imported) -> None:
    """Version 1 to 2: an Episode without a target pose derives one; say so."""
    imported.notes.append("target_pose: at target_xy, at the height at which the object starts, unturned")


OPEN = {0: open_0, 1: open_1}
STEPS = {1: to_2}
