"""Reading datasets, and in one place what others import: Episode, DatasetWriter, EpisodeDataset, write_npz.

    dataset = EpisodeDataset("data/B_circle.npz")                 # checked, memory-mapped
    dataset[3].ee_pose                                            # (T_3, 7)

Frames of all E episodes lie end to end along T; episode i is the slice [ends[i-1], ends[i]). The NPZ is uncompressed,
so each field is one contiguous block of the file that is mapped instead of read; `numpy.load` opens it as well.
Neither pickle nor object arrays are written or accepted. A file of schema version 1 is completed in memory.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.npz import map_npz, read_rows
from rev2fwd_il.data.schema import (
    EPISODE_FIELDS,
    FRAME_FIELDS,
    IMAGE_FIELDS,
    OBJECT_FIELDS,
    OPTIONAL_FIELDS,
    READABLE_VERSIONS,
    SCHEMA_VERSION,
    Episode,
    derived_target_pose,
    has_shape,
    object_names,
)
from rev2fwd_il.data.writing import DatasetWriter, write_npz
from rev2fwd_il.errors import DataError
from rev2fwd_il.running.provenance import by_policy

__all__ = ["FRAME_FIELDS", "IMAGE_FIELDS", "DatasetWriter", "Episode", "EpisodeDataset", "write_npz"]


class EpisodeDataset:
    """A checked, memory-mapped view of an NPZ dataset. Raises DataError naming file, field, expected and found."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.arrays = map_npz(self.path)
        self.meta = self._check()
        self.ends = np.asarray(self.arrays[keys.EPISODE_ENDS])
        self.starts = _starts(self.ends)
        self.success = np.asarray(self.arrays[keys.SUCCESS])
        self.target_xy = np.asarray(self.arrays[keys.TARGET_XY])
        self.target_pose = np.asarray(self.arrays[keys.TARGET_POSE])

    @property
    def has_images(self) -> bool:
        return keys.IMAGES in self.arrays

    @property
    def state_fields(self) -> list[str]:
        """The fields along T that are not images."""
        return [*FRAME_FIELDS, *(name for name in OBJECT_FIELDS if name in self.arrays)]

    @property
    def num_frames(self) -> int:
        return int(self.ends[-1]) if len(self) else 0

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> Episode:
        window = slice(int(self.starts[index]), int(self.ends[index]))
        images = {name: self.arrays[name][window] for name in IMAGE_FIELDS if name in self.arrays}
        states = {name: np.asarray(self.arrays[name][window]) for name in self.state_fields}
        facts = {"target_xy": self.target_xy[index], "target_pose": self.target_pose[index]}
        return Episode(**states, **images, **facts, success=bool(self.success[index]))

    def frames(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Field -> its frames from `start` to before `stop`; of the images no more is read than these."""
        states = {name: np.array(self.arrays[name][start:stop]) for name in self.state_fields}  # checked: in memory
        return states | read_rows({k: v for k, v in self.arrays.items() if k in IMAGE_FIELDS}, start, stop)

    def __iter__(self) -> Iterator[Episode]:
        return (self[index] for index in range(len(self)))

    def _fail(self, field: str, expected: object, found: object) -> DataError:
        return DataError(
            f"{self.path}: field `{field}` breaks the data contract", expected=expected, found=found,
            do="write the file again with this project's scripts, or see docs/data.md",
        )  # fmt: skip

    def _version_error(self, found: object) -> DataError:
        newer = not isinstance(found, int) or found > SCHEMA_VERSION
        return DataError(
            f"{self.path}: field `{keys.META}` names another schema version",
            expected=f"one of {READABLE_VERSIONS}", found=found,
            do="update this project: a newer one wrote the file" if newer
            else "migrate it: workflow/scripts/migrate_dataset.py --help",
        )  # fmt: skip

    def _read_meta(self) -> dict:
        """Meta of a readable schema version, read before anything that depends on it."""
        try:
            meta = json.loads(str(self.arrays[keys.META][()]))
            version = meta.get("schema_version", 0)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise self._fail(keys.META, "JSON with schema_version", repr(error)) from None
        if version not in READABLE_VERSIONS or not isinstance(version, int) or isinstance(version, bool):
            raise self._version_error(version)
        return meta

    def _check(self) -> dict:
        """Hold the file against the contract; returns its meta, which with `arrays` is of the present version then."""
        if keys.META not in self.arrays and keys.EE_POSE in self.arrays:
            raise self._version_error(0)
        self._require(keys.META)
        meta = self._read_meta()
        facts = dict(EPISODE_FIELDS)
        if meta["schema_version"] == 1:  # to which these names mean nothing
            self.arrays = {k: v for k, v in self.arrays.items() if k not in (keys.TARGET_POSE, *OBJECT_FIELDS)}
            meta = {k: v for k, v in meta.items() if k != keys.OBJECT_NAMES} | {"schema_version": SCHEMA_VERSION}
            del facts[keys.TARGET_POSE]
        self._require(*FRAME_FIELDS, *facts, keys.EPISODE_ENDS)
        ends = self.arrays[keys.EPISODE_ENDS]
        fewest = 0 if by_policy(meta) else 1  # a policy may never have been given the task
        if ends.dtype != np.int64 or ends.ndim != 1 or len(ends) < fewest:
            raise self._fail(keys.EPISODE_ENDS, f"(E,) int64 with E >= {fewest}", f"{ends.shape} {ends.dtype}")
        if (ends[:1] <= 0).any() or (ends[1:] <= ends[:-1]).any():
            raise self._fail(keys.EPISODE_ENDS, "strictly increasing, first > 0", ends[:8].tolist())
        present = {name: specification for name, specification in OPTIONAL_FIELDS.items() if name in self.arrays}
        self._check_shapes(FRAME_FIELDS | present, int(ends[-1]) if len(ends) else 0, "T")
        self._check_shapes(facts, len(ends), "E")
        if keys.TARGET_POSE not in facts:
            first_height = self.arrays[keys.OBJ_POSE][_starts(ends), 2]
            self.arrays[keys.TARGET_POSE] = derived_target_pose(self.arrays[keys.TARGET_XY], first_height)
        self._check_values()
        self._check_objects(meta)
        return meta

    def _require(self, *names: str) -> None:
        for name in names:
            if name not in self.arrays:
                raise self._fail(name, "present", f"only {sorted(self.arrays)}")

    def _check_values(self) -> None:
        for name in (*self.state_fields, keys.TARGET_XY, keys.TARGET_POSE):
            array = self.arrays[name]
            if not np.isfinite(array).all():
                bad = np.argwhere(~np.isfinite(array))[0].tolist()
                raise self._fail(name, "finite values", f"{array[tuple(bad)]} at {bad}")
        for name in (keys.EE_POSE, keys.OBJ_POSE, keys.ACTION, keys.TARGET_POSE, *OBJECT_FIELDS):
            if name not in self.arrays:
                continue
            norms = np.linalg.norm(self.arrays[name][..., 3:7], axis=-1)
            if np.abs(norms - 1).max(initial=0) > 1e-3:
                row = np.unravel_index(np.abs(norms - 1).argmax(), norms.shape)
                axis = "episode" if name in EPISODE_FIELDS else "frame"
                raise self._fail(name, "unit quaternions", f"norm {norms[row]:.4f} at {axis} {row[0]}")
        apart = (self.arrays[keys.TARGET_POSE][:, :2] != self.arrays[keys.TARGET_XY]).any(axis=1)
        if apart.any():
            raise self._fail(keys.TARGET_POSE, "the x and y of target_xy", f"others in episode {int(apart.argmax())}")

    def _check_objects(self, meta: dict) -> None:
        try:
            names = object_names(meta)
        except ValueError as error:
            raise self._fail(keys.META, "object_names: a list of different names", error) from None
        poses = self.arrays.get(keys.OBJECT_POSES)
        if (names is None) != (poses is None) or (names is not None and len(names) != poses.shape[1]):
            found = f"names {names}, poses {None if poses is None else poses.shape}"
            raise self._fail(keys.OBJECT_POSES, "(T, K, 7) with K names in meta, or neither", found)

    def _check_shapes(self, specification: dict, length: int, axis: str) -> None:
        for name, (trailing, dtype) in specification.items():
            array = self.arrays[name]
            if not has_shape(array, trailing) or array.dtype != dtype or len(array) != length:
                expected = f"({', '.join([f'{axis}={length}', *map(str, trailing)])}) {np.dtype(dtype)}"
                raise self._fail(name, expected, f"{array.shape} {array.dtype}")


def _starts(ends: np.ndarray) -> np.ndarray:
    """(E,) first frame of each episode, from the exclusive ends."""
    return np.concatenate([np.zeros(1, np.int64), ends])[:-1]
